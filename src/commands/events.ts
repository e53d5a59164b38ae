import {Flags} from '@oclif/core';
import {showEvents} from '../live/events.js';
import {becomeOwner} from '../live/live.js';
import {boxArgs, oneBox, openNode, policyFlag} from './shared/boxes.js';
import {TareCommand} from './shared/command.js';
import {Output} from './shared/output.js';

export default class Events extends TareCommand {
  static override summary = 'Print what has happened to a live job, as its wrapper noted it.';
  static override description =
    'Prints one line for each event, with its time, type and fields (docs/reference/event.md): executed, applications, limit, weighed and others. A supervisor that takes over, and a sweep, read these events. Events that are older than the last full write of the state are gone. Exit status: 0; 125 when there is no such box or it is another user’s.';
  static override examples = ['<%= config.bin %> events 5c1f', '<%= config.bin %> events 5c1f --follow --json'];
  static override args = boxArgs;
  static override flags = {
    ...policyFlag,
    follow: Flags.boolean({char: 'f', description: 'continue to print until the job has ended'}),
    json: Flags.boolean({description: 'print each event as it is kept: microseconds, the node’s monotonic clock'}),
  };

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Events);
    const box = oneBox(await openNode(flags.policy), args.id);
    becomeOwner(box);
    const output = new Output();
    await showEvents(box, {...flags, write: (line) => output.pass(Buffer.from(`${line}\n`))});
  }
}
