import {Args, Flags} from '@oclif/core';
import {renderJobs, renderNode} from '../report/jobs.js';
import {renderProcesses} from '../report/processes.js';
import {epochUs} from '../process/clock.js';
import {becomeOwner} from '../live/live.js';
import {processesOf} from '../live/processes.js';
import {Rates} from '../live/rates.js';
import {Totals} from '../supervise/totals.js';
import {liveJobs, oneBox, openNode, policyFlag, terminal, type Node} from './shared/boxes.js';
import {TareCommand} from './shared/command.js';
import {periodOf, showLooks, type Look} from './shared/looks.js';
import {say} from './shared/output.js';

export default class Top extends TareCommand {
  static override summary =
    'Watch the jobs of this node, the one that uses most CPU first: your own; as root, everybody’s. Or list the processes of one.';
  static override description =
    'The first lines show the whole node. %CPU is relative to one CPU, since the last look; the other columns are those of tare ps. On a terminal q, Escape or Ctrl-C ends it. Without a terminal the looks are printed one below the other, without control characters. With an id the processes of that job are listed once, by their numbers on the node. Exit status: 0; 125 when the policy cannot be read, there is no such job or it is another user’s.';
  static override examples = [
    '<%= config.bin %> top',
    '<%= config.bin %> top --interval 500ms',
    '<%= config.bin %> top --once',
    '<%= config.bin %> top 5c1f',
  ];
  static override args = {
    id: Args.string({description: 'id of a live job, its beginning, or the job’s name: lists its processes', ignoreStdin: true}),
  };
  static override flags = {
    ...policyFlag,
    interval: Flags.string({char: 'i', description: 'time between two looks, such as 2s', default: '2s', helpValue: 'TIME'}),
    once: Flags.boolean({description: 'look once, print and end'}),
  };

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Top);
    const periodMs = periodOf(flags.interval);
    const node = await openNode(flags.policy);
    if (args.id === undefined) {
      await showLooks(watch(node), {periodMs, once: flags.once});
      return;
    }
    const box = oneBox(node, args.id);
    becomeOwner(box);
    say(renderProcesses(processesOf(box), terminal()).trimEnd());
  }
}

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
