import {Args, Flags} from '@oclif/core';
import {parseMoment} from '../export/filter.js';
import {showAllEvents, showEvents} from '../live/events.js';
import {becomeOwner, liveBoxes} from '../live/live.js';
import {oneBox, openNode, policyFlag} from './shared/boxes.js';
import {TareCommand} from './shared/command.js';
import {jsonText, Output} from './shared/output.js';

export default class Events extends TareCommand {
  static override summary = 'Print what has happened to a live job, or to all, as their wrappers noted it.';
  static override description =
    'Prints one line for each event, with its time, type and fields (docs/reference/event.md): executed, applications, limit, weighed and others; of all jobs also the id and name of each. A supervisor that takes over, and a sweep, read these events. Events that are older than the last full write of the state are gone, and so are those of jobs that have ended: tare ps -a says how these did. Exit status: 0; 125 when there is no such job or it is another user’s.';
  static override examples = [
    '<%= config.bin %> events 5c1f',
    '<%= config.bin %> events 5c1f --follow --json',
    '<%= config.bin %> events --since 10m',
  ];
  static override args = {
    id: Args.string({description: 'id of a live job, its beginning, or the job’s name; without: all', ignoreStdin: true}),
  };
  static override flags = {
    ...policyFlag,
    follow: Flags.boolean({char: 'f', description: 'continue to print until the job has ended; of all jobs, until it is interrupted'}),
    since: Flags.string({description: 'only what happened at or after that time: 2026-09-21T13:00 (UTC), or 10m (ago)', helpValue: 'TIME'}),
    json: Flags.boolean({
      description: 'print each event as it is kept: microseconds, the node’s monotonic clock; of all jobs with box and name',
    }),
  };

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Events);
    const node = await openNode(flags.policy);
    const output = new Output();
    const showing = {
      ...{follow: flags.follow, json: flags.json ? jsonText : null},
      sinceUs: flags.since === undefined ? null : parseMoment(flags.since, Date.now() * 1000, '--since'),
      write: (line: string) => output.pass(Buffer.from(`${line}\n`)),
    };
    if (args.id === undefined) {
      await showAllEvents(() => liveBoxes(node.policy, node.uid), showing);
      return;
    }
    const box = oneBox(node, args.id);
    becomeOwner(box);
    await showEvents(box, showing);
  }
}
