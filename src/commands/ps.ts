import {Flags} from '@oclif/core';
import {renderJobs, type JobRow} from '../report/jobs.js';
import {readJobFilter} from '../report/job-filter.js';
import {epochUs} from '../process/clock.js';
import {liveJobs, openNode, policyFlag, terminal, type Node} from './shared/boxes.js';
import {TareCommand} from './shared/command.js';
import {complain, jsonText, Output, say, sayJson} from './shared/output.js';

/** How many ended jobs `-a` shows. */
const LATEST = 20;

export default class Ps extends TareCommand {
  static override summary = 'List the jobs of this node: your own; as root, everybody’s.';
  static override description =
    'MEMORY, PEAK and CPU TIME are the payload’s, EFF is CPU time over AGE times cores, AGE is since the payload’s exec. STATE is starting, running, paused or ending; with -a it is the outcome of an ended job, and AGE its wall time. HOST and ADDRESS are shown when a job has a name of its own. Unknown values are shown as -. Filters: id, name (a part of it), pattern, user, status (a word of STATE, or exited); of one key any, of several all must hold. Exit status: 0, also when there is no job; 125 when the policy cannot be read.';
  static override examples = [
    '<%= config.bin %> ps',
    '<%= config.bin %> ps -a --last 100',
    '<%= config.bin %> ps -a --filter name=sim --filter status=failed',
    "<%= config.bin %> ps --json | jq '.[] | select(.memoryBytes > 0.9 * .memoryLimitBytes) | .id'",
  ];
  static override flags = {
    ...policyFlag,
    all: Flags.boolean({char: 'a', description: 'also jobs that have ended and whose record is still in the spool, the latest first'}),
    last: Flags.integer({
      char: 'n',
      description: `at most so many of them; with it --all is meant. Without: ${LATEST}`,
      min: 1,
      max: 1000,
      helpValue: 'N',
    }),
    quiet: Flags.boolean({char: 'q', description: 'print ids alone, whole, one per line'}),
    filter: Flags.string({
      char: 'f',
      description: 'only such jobs',
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'KEY=VALUE',
      default: [],
    }),
    'no-trunc': Flags.boolean({description: 'print ids and names whole'}),
    format: Flags.option({options: ['table', 'json'] as const, description: 'json: one object per line, as docker prints it'})(),
    json: Flags.boolean({
      description: 'print a list of all figures: bytes, microseconds, null for what is not known',
      exclusive: ['format', 'quiet'],
    }),
  };

  async run(): Promise<void> {
    const {flags} = await this.parse(Ps);
    const wanted = readJobFilter(flags.filter);
    if (typeof wanted === 'string') this.error(wanted, {exit: 64});
    const node = await openNode(flags.policy);
    const live = liveJobs(node).filter(wanted);
    const most = flags.last ?? (flags.all ? LATEST : 0);
    const jobs = most === 0 ? live : [...live, ...(await ended(node, most, flags.filter.length === 0 ? null : wanted))];
    if (flags.json) sayJson(jobs);
    else if (flags.quiet) lines(jobs.flatMap(({id, recordId}) => id ?? recordId ?? []));
    else if (flags.format === 'json') lines(jobs.map((job) => jsonText(job)));
    else say(renderJobs(jobs, {nowEpochUs: epochUs(), whole: flags['no-trunc'], ...terminal()}).trimEnd());
  }
}

function lines(texts: readonly string[]): void {
  const output = new Output();
  for (const text of texts) if (!output.write(text)) break;
  output.flush();
}

/** Loaded only when it is asked for. */
async function ended({policy, uid}: Node, most: number, wanted: ((job: JobRow) => boolean) | null): Promise<JobRow[]> {
  const [{endedJobs}, {rowOfEnded}] = await Promise.all([import('../live/ended.js'), import('./shared/ended.js')]);
  const {jobs, cut} = endedJobs(policy, uid, most, wanted === null ? null : (job) => wanted(rowOfEnded(job)));
  if (cut) complain('there are too many records to look at all of them: some of the latest may be missing (see tare records list)');
  return jobs.map(rowOfEnded);
}
