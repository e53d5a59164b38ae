import {Flags} from '@oclif/core';
import {parseDuration} from '../job/quantity.js';
import {renderJobs, renderNode} from '../report/jobs.js';
import {epochUs, sleep} from '../process/clock.js';
import {Rates} from '../live/rates.js';
import {Totals} from '../supervise/totals.js';
import {liveJobs, openNode, policyFlag, terminal, type Node} from './shared/boxes.js';
import {TareCommand} from './shared/command.js';
import {say} from './shared/output.js';
import {Screen} from './shared/screen.js';

/** Time over which CPU use is measured with --once, ms. */
const ONCE_MS = 500;
const LEAST_US = 100_000;

export default class Top extends TareCommand {
  static override summary = 'Watch the jobs of this node, the one that uses most CPU first: your own; as root, everybody’s.';
  static override description =
    'The first lines show the whole node. %CPU is relative to one CPU, since the last look; the other columns are those of tare ps. On a terminal q, Escape or Ctrl-C ends it. Without a terminal the looks are printed one below the other, without control characters. Exit status: 0; 125 when the policy cannot be read.';
  static override examples = ['<%= config.bin %> top', '<%= config.bin %> top --interval 500ms', '<%= config.bin %> top --once'];
  static override flags = {
    ...policyFlag,
    interval: Flags.string({char: 'i', description: 'time between two looks, such as 2s', default: '2s', helpValue: 'TIME'}),
    once: Flags.boolean({description: 'look once, print and end'}),
  };

  async run(): Promise<void> {
    const {flags} = await this.parse(Top);
    const periodMs = Math.max(LEAST_US, parseDuration(flags.interval, '--interval')) / 1000;
    const node = await openNode(flags.policy);
    const look = watch(node);
    look(); // CPU use is measured between two looks
    if (flags.once) {
      await sleep(ONCE_MS);
      say(look().trimEnd());
    } else if (process.stdin.isTTY && process.stdout.isTTY && process.env['TERM'] !== 'dumb') {
      await onScreen(look, periodMs);
    } else {
      await inLines(look, periodMs);
    }
  }
}

type Look = () => string;

function watch(node: Node): Look {
  const totals = new Totals();
  const rates = new Rates();
  return () => {
    const jobs = liveJobs(node);
    const busy = rates.look(jobs);
    const rateOf = ({id}: {id: string | null}): number => (id === null ? -1 : (busy.get(id) ?? -1));
    const sorted = jobs.toSorted((a, b) => rateOf(b) - rateOf(a) || (b.cpuUs ?? 0) - (a.cpuUs ?? 0));
    return `${renderNode(totals.look(), sorted, busy)}\n${renderJobs(sorted, {nowEpochUs: epochUs(), rates: busy, ...terminal()})}`;
  };
}

async function inLines(look: Look, periodMs: number): Promise<void> {
  for (;;) {
    await sleep(periodMs);
    if (!say(look())) return; // nobody reads any more
  }
}

async function onScreen(look: Look, periodMs: number): Promise<void> {
  const screen = new Screen();
  try {
    for (let wait = Math.min(ONCE_MS, periodMs); !(await screen.quitWithin(wait)); wait = periodMs) screen.show(look());
  } finally {
    screen.close();
  }
}
