import {Args, Flags} from '@oclif/core';
import type {LiveBox} from '../live/box-view.js';
import {groupsOf, liveBoxes} from '../live/live.js';
import {Rates} from '../live/rates.js';
import {renderStats, type StatsRow} from '../report/stats.js';
import {oneBox, openNode, policyFlag, rowsOf, terminal, type Node} from './shared/boxes.js';
import {TareCommand} from './shared/command.js';
import {periodOf, showLooks, type Look} from './shared/looks.js';
import {jsonText} from './shared/output.js';

export default class Stats extends TareCommand {
  static override summary = 'Watch what live jobs use: all of your own, as root everybody’s, or those that are named.';
  static override description =
    '%CPU is relative to one CPU, since the last look. MEMORY, LIMIT and %MEM are the payload’s; READ and WRITTEN are what it read from and wrote to block devices, where a control group counts that; TASKS are its processes and threads. Unknown values are shown as -. On a terminal q, Escape or Ctrl-C ends it; named jobs also end it with their end. Exit status: 0; 125 when the policy cannot be read, there is no such job or it is another user’s.';
  static override usage = 'stats [ID...] [flags]';
  static override examples = [
    '<%= config.bin %> stats',
    '<%= config.bin %> stats 5c1f simulate',
    '<%= config.bin %> stats --no-stream --json',
  ];
  static override strict = false;
  static override args = {id: Args.string({description: 'id of a live job, its beginning, or the job’s name', ignoreStdin: true})};
  static override flags = {
    ...policyFlag,
    interval: Flags.string({char: 'i', description: 'time between two looks, such as 2s', default: '2s', helpValue: 'TIME'}),
    'no-stream': Flags.boolean({description: 'look once, print and end'}),
    json: Flags.boolean({description: 'print a list of all figures at each look: bytes, microseconds, CPUs, null for what is not known'}),
  };

  async run(): Promise<void> {
    const {flags, argv} = await this.parse(Stats);
    const periodMs = periodOf(flags.interval);
    const node = await openNode(flags.policy);
    const wanted = argv.length === 0 ? null : new Set((argv as string[]).map((word) => oneBox(node, word).directory));
    await showLooks(watch(node, wanted, flags.json), {periodMs, once: flags['no-stream']});
  }
}

/** @param wanted folders of boxes; null: all */
function watch({policy, uid}: Node, wanted: ReadonlySet<string> | null, json: boolean): Look {
  const rates = new Rates();
  return () => {
    const boxes = liveBoxes(policy, uid).filter(({directory}) => wanted?.has(directory) !== false);
    if (wanted !== null && boxes.length === 0) return null;
    const rows = statsOf(boxes);
    const busy = rates.look(rows);
    if (json) return jsonText(rows.map((row) => ({...row, cpus: busy.get(row.id ?? '') ?? null})));
    return renderStats(rows, busy, terminal());
  };
}

function statsOf(boxes: readonly LiveBox[]): StatsRow[] {
  const byId = new Map(boxes.map((box) => [box.id, box]));
  return rowsOf(boxes).map((row) => {
    const box = byId.get(row.id ?? '');
    const {ioReadBytes, ioWriteBytes} = box === undefined ? NO_IO : groupsOf(box).usage('payload');
    return {...row, ioReadBytes, ioWriteBytes};
  });
}

const NO_IO = {ioReadBytes: null, ioWriteBytes: null};
