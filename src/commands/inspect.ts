import {Args, Flags} from '@oclif/core';
import {EXIT, printable} from '../errors.js';
import {fieldOf, inspectEnded, inspectLive} from '../live/inspect.js';
import {openNode, policyFlag, rowsOf, type Node} from './shared/boxes.js';
import {TareCommand} from './shared/command.js';
import {oneJob, rowOfEnded} from './shared/ended.js';
import {complain, jsonText, Output, sayJson} from './shared/output.js';

export default class Inspect extends TareCommand {
  static override summary = 'Print all that is known of jobs, live or ended, as JSON: a list with one object for each.';
  static override description =
    'Each object has id, recordId, name, live, row (the figures of tare ps --json), record (docs/reference/record.md), of a live job plan (docs/reference/plan.md) and box, what the wrapper has noted, and of an ended one kept, the folder of its output where the policy’s logs had that kept. --field prints one value of each job in a line: a text as it is, anything else as JSON. Exit status: 0; 125 when there is no such job, it is another user’s, or the field is not there.';
  static override usage = 'inspect ID... [flags]';
  static override examples = [
    '<%= config.bin %> inspect 5c1f',
    '<%= config.bin %> inspect simulate --field record.outcome.exitCode',
    "<%= config.bin %> inspect 5c1f | jq '.[0].plan.limits.memory'",
  ];
  static override strict = false;
  static override args = {
    id: Args.string({description: 'id of a job, its beginning, or its name', required: true, ignoreStdin: true}),
  };
  static override flags = {
    ...policyFlag,
    field: Flags.string({char: 'f', description: 'print that value alone', helpValue: 'PATH.TO.VALUE'}),
  };

  async run(): Promise<void> {
    const {flags, argv} = await this.parse(Inspect);
    const node = await openNode(flags.policy);
    const jobs = (argv as string[]).map((word) => inspect(node, word));
    const {field} = flags;
    if (field === undefined) {
      sayJson(jobs);
      return;
    }
    const output = new Output();
    let isMissing = false;
    for (const job of jobs) {
      const value = fieldOf(job, field);
      if (typeof value === 'string') complain(`${job.id ?? job.recordId ?? ''}: ${value}`);
      else output.write(typeof value.found === 'string' ? printable(value.found) : jsonText(value.found));
      isMissing ||= typeof value === 'string';
    }
    output.flush();
    if (isMissing) this.exit(EXIT.failure);
  }
}

function inspect(node: Node, word: string): ReturnType<typeof inspectLive> & {row: unknown} {
  const job = oneJob(node, word);
  if ('live' in job) return {...inspectLive(job.live), row: rowsOf([job.live])[0] ?? null};
  return {...inspectEnded(job.ended, node.policy, node.uid), row: rowOfEnded(job.ended)};
}
