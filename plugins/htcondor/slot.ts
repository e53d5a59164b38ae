/** What the slot grants and who the job is: from the ads that the starter leaves in the scratch directory. Pure. */

import type {About, BatchCall, BatchJob, Read, Slot} from '@tare/contract';
import type {Ad} from './classad.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** The machine's ad says what was granted; the job's own what was provisioned or asked for. */
export function readSlot(job: Ad, machine: Ad, environment: BatchCall['environment']): Pick<BatchJob, 'lrms' | 'slot' | 'about'> {
  return {lrms: lrmsOf(job), slot: slotOf(job, machine, environment), about: aboutOf(job)};
}

function slotOf(job: Ad, machine: Ad, environment: BatchCall['environment']): Slot {
  const granted = (attribute: string, unit: number): Read<number> | null => {
    const places: [ad: Ad, name: string, file: string][] = [
      [machine, attribute, '.machine.ad'],
      [job, `${attribute}Provisioned`, '.job.ad'],
      [job, `Request${attribute}`, '.job.ad'],
    ];
    for (const [ad, name, file] of places) {
      const value = ad.number(name);
      if (value !== null && value > 0) return {value: Math.round(value * unit * 1000) / 1000, at: `${file}: ${name}`};
    }
    return null;
  };
  return {
    name: machine.string('Name') ?? environment['_CONDOR_SLOT'] ?? null,
    cores: granted('Cpus', 1),
    memoryBytes: whole(granted('Memory', MIB)),
    scratchBytes: whole(granted('Disk', KIB)),
    gpus: whole(granted('GPUs', 1)),
    // HTCondor has limits on time only in the submitter's own expressions
    wallTimeUs: null,
    cpuTimeUs: null,
  };
}

const whole = (read: Read<number> | null): Read<number> | null => (read === null ? null : {...read, value: Math.floor(read.value)});

function lrmsOf(job: Ad): BatchJob['lrms'] {
  const globalJobId = job.string('GlobalJobId');
  const [cluster, process] = [job.integer('ClusterId'), job.integer('ProcId')];
  return {
    // schedd#cluster.proc#time
    host: globalJobId?.includes('#') === true ? (globalJobId.split('#')[0] ?? null) : null,
    // HTCondor has no queues; an accounting group is the nearest thing that a policy rule can name
    queue: job.string('AcctGroup') ?? job.string('AccountingGroup'),
    localJobId: cluster === null || process === null ? null : `${String(cluster)}.${String(process)}`,
    globalJobId,
    // the ad is a snapshot from before this start is counted
    attempt: (job.integer('NumJobStarts') ?? 0) + 1,
  };
}

/** A certificate's identity, else a token's (HTCondor manual, "Job ClassAd Attributes": x509…, AuthToken…). */
function aboutOf(job: Ad): About {
  const token = (name: string): string | null => job.string(`AuthToken${name}`) ?? job.string(`orig_AuthToken${name}`);
  const list = (text: string | null): string[] =>
    text
      ?.split(',')
      .map((each) => each.trim())
      .filter((each) => each !== '') ?? [];
  const fqan = job.string('x509UserProxyFirstFQAN');
  const groups = list(token('Groups'));
  const subject = job.string('x509userproxysubject');
  return {
    name: job.string('JobBatchName') ?? lastPart(job.string('Cmd')),
    vo: job.string('x509UserProxyVOName') ?? voOf(fqan) ?? voOf(groups[0] ?? null),
    fqan,
    subject: subject ?? token('Subject'),
    issuer: subject === null ? token('Issuer') : job.string('x509UserProxyIssuer'),
    groups,
  };
}

/** `/atlas/Role=production` is of atlas. */
const voOf = (group: string | null): string | null => /^\/?([^/]+)/.exec(group ?? '')?.[1] ?? null;

const lastPart = (path: string | null): string | null => path?.split('/').at(-1) ?? null;
