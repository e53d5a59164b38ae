import {Flags} from '@oclif/core';
import {renderJobs, type JobRow} from '../report/jobs.js';
import {epochUs} from '../process/clock.js';
import {cpuTimeOf} from '../record/record.js';
import {liveJobs, openNode, policyFlag, terminal, type Node} from './shared/boxes.js';
import {TareCommand} from './shared/command.js';
import {complain, say, sayJson} from './shared/output.js';

export default class Ps extends TareCommand {
  static override summary = 'List the jobs of this node: your own; as root, everybody’s.';
  static override description =
    'MEMORY, PEAK and CPU TIME are the payload’s, EFF is CPU time over AGE times cores, AGE is since the payload’s exec. STATE is starting, running, paused or ending; with -a it is the outcome of an ended job, and AGE its wall time. HOST and ADDRESS are shown when a job has a name of its own. Unknown values are shown as -. Exit status: 0, also when there is no job; 125 when the policy cannot be read.';
  static override examples = [
    '<%= config.bin %> ps',
    '<%= config.bin %> ps -a --last 100',
    "<%= config.bin %> ps --json | jq '.[] | select(.memoryBytes > 0.9 * .memoryLimitBytes) | .id'",
  ];
  static override flags = {
    ...policyFlag,
    all: Flags.boolean({char: 'a', description: 'also jobs that have ended and whose record is still in the spool, the latest first'}),
    last: Flags.integer({description: 'at most so many of them', default: 20, min: 1, max: 1000, helpValue: 'N'}),
    json: Flags.boolean({description: 'print a list of all figures: bytes, microseconds, null for what is not known'}),
  };

  async run(): Promise<void> {
    const {flags} = await this.parse(Ps);
    const node = await openNode(flags.policy);
    const jobs = [...liveJobs(node), ...(flags.all ? await ended(node, flags.last) : [])];
    if (flags.json) sayJson(jobs);
    else say(renderJobs(jobs, {nowEpochUs: epochUs(), ...terminal()}).trimEnd());
  }
}

/** Loaded only when it is asked for. */
async function ended({policy, uid}: Node, most: number): Promise<JobRow[]> {
  const {endedJobs} = await import('../live/ended.js');
  const {records, cut} = endedJobs(policy, uid, most);
  if (cut) complain('there are too many records to look at all of them: some of the latest may be missing (see tare records list)');
  return records.map(({recordId, payload, user, pattern, allocation, usage, time, outcome}) => ({
    id: null,
    recordId,
    name: payload.name,
    user: user.local,
    // given back when it ended
    hostname: null,
    addresses: [],
    pattern,
    cores: allocation.cores,
    memoryBytes: null,
    memoryPeakBytes: usage.memPeakBytes,
    memoryLimitBytes: allocation.memoryLimitBytes,
    processes: null,
    cpuUs: cpuTimeOf(usage),
    wallUs: time.wallUs,
    startEpochUs: time.startEpochUs,
    endEpochUs: time.endEpochUs,
    state: outcome.limit === null ? outcome.status : `${outcome.status} (${outcome.limit})`,
    applications: [],
  }));
}
