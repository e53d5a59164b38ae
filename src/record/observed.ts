/** Of a job that was only observed, what would have been: what it used against what it would have been allowed. Pure. */

import {LIMIT_NAMES, type LimitName} from '../job/job.js';
import type {Plan} from '../schema/generated/plan-1.js';
import type {RecordTime, RecordUsage, UsageRecord} from './record.js';

type RecordObserved = NonNullable<UsageRecord['observed']>;

/** What was seen while it ran, of what no counter keeps. Unknown is null. */
export interface Marks {
  /** The most memory that could not have been dropped to stay below a limit: page cache is not in it. A lower bound. */
  memoryBytes: number | null;
  memorySource: string | null;
  /** The most cores that were busy at once, averaged over a second at least. */
  cores: number | null;
  /** When each limit was first seen exceeded, µs after the payload's start. */
  sinceUs: Partial<Record<LimitName, number>>;
}

/** Marks of a payload that was not looked at. */
export const NO_MARKS: Marks = {memoryBytes: null, memorySource: null, cores: null, sinceUs: {}};

/** What is known of an attempt that is over. */
interface Used {
  usage: RecordUsage;
  time: Pick<RecordTime, 'wallUs' | 'suspendedUs'>;
  marks: Marks;
  cvmfs: UsageRecord['cvmfs'];
}

/** A quota is kept per period, and a short look at a busy payload finds some more than the quota. */
const CORES_SLACK = 1.05;

/** The closed record with what would have been; as it is where the job was not observed. */
export function withObserved(record: UsageRecord, plan: Plan, marks: Marks): UsageRecord {
  if (plan.observed === undefined) return record;
  const observed = observedOf(plan.observed, {usage: record.usage, time: record.time, cvmfs: record.cvmfs, marks});
  return {...record, observed, flags: [...new Set([...record.flags, ...flagsOf(observed, plan.observed)])].sort()};
}

type Planned = NonNullable<Plan['observed']>;

function observedOf(planned: Planned, used: Used): RecordObserved {
  const limits: RecordObserved['limits'] = {};
  for (const name of LIMIT_NAMES) {
    const {value, unit, enforcement} = planned.limits[name];
    if (value === null) continue;
    const {peak, source} = PEAKS[name](used, value, planned);
    const exceededBy = peak === null ? null : excess(name, peak, value);
    limits[name] = {
      limit: value,
      unit,
      enforcement: planned.mode === null ? null : enforcement,
      peak,
      exceededBy,
      sinceUs: exceededBy === null || exceededBy === 0 ? null : since(name, value, used),
      source,
    };
  }
  return {limits, refused: planned.refused ?? refusedFor(planned.repositories, used.cvmfs), boxed: boxedOf(planned)};
}

function flagsOf(observed: RecordObserved, {unboxed}: Planned): string[] {
  const flags: string[] = [];
  if (LIMIT_NAMES.some((name) => (observed.limits[name]?.exceededBy ?? 0) > 0)) flags.push('would-exceed');
  if (observed.refused !== null) flags.push('would-refuse');
  else if (unboxed) flags.push('would-be-unboxed');
  return flags;
}

const boxedOf = ({mode}: Planned): RecordObserved['boxed'] => (mode === null ? null : {value: mode.value === 'box', because: mode.because});

function refusedFor(repositories: readonly string[], found: UsageRecord['cvmfs']): RecordObserved['refused'] {
  const lacking = found.find(({repository, state}) => repositories.includes(repository) && state !== 'ok');
  if (lacking === undefined) return null;
  return {code: 'CVMFS_UNUSABLE', reason: `the repository ${lacking.repository} cannot be used: ${lacking.reason ?? lacking.state}`};
}

interface Peak {
  peak: number | null;
  source: string | null;
}

const UNKNOWN: Peak = {peak: null, source: null};

const PEAKS: Readonly<Record<LimitName, (used: Used, limit: number, planned: Planned) => Peak>> = {
  memory: memoryPeak,
  memoryHigh: memoryPeak,
  swap: ({usage}) => of(usage.swapPeakBytes, usage.swapPeakSource),
  processes: ({usage}) => of(usage.pidsPeak, usage.pidsPeakSource),
  wallTime: ({time}, _, {suspended}) => of(countedWallUs(time, suspended), 'monotonic clock'),
  cpuTime: ({usage: {cpuUserUs, cpuSystemUs, cpuSource}}) =>
    cpuUserUs === null || cpuSystemUs === null ? UNKNOWN : of(cpuUserUs + cpuSystemUs, cpuSource),
  scratch: ({usage}) => of(usage.scratchPeakBytes, usage.scratchPeakSource),
  cores: ({marks}) => of(marks.cores, 'sampled:CPU time'),
  // where it is hit, a call fails in the payload, which Tare does not see
  openFiles: () => UNKNOWN,
  coreSize: () => UNKNOWN,
  pinCores: () => UNKNOWN,
  // a payload may be as nice as it likes
  nice: () => UNKNOWN,
};

const of = (peak: number | null | undefined, source: string | null | undefined): Peak =>
  peak == null ? UNKNOWN : {peak, source: source ?? null};

/** The kernel's peak settles it where it lies below the limit; above, it may be page cache, which the limit would have dropped. */
function memoryPeak({usage: {memPeakBytes, memPeakSource}, marks: {memoryBytes, memorySource}}: Used, limit: number): Peak {
  if (memPeakBytes !== null && memPeakBytes <= limit) return of(memPeakBytes, memPeakSource);
  return of(memoryBytes, memorySource);
}

function countedWallUs({wallUs, suspendedUs}: Used['time'], suspended: Planned['suspended']): number | null {
  if (wallUs === null) return null;
  return suspended === 'counted' ? wallUs : wallUs - (suspendedUs ?? 0);
}

function excess(name: LimitName, peak: number, limit: number): number {
  if (name === 'cores' && peak <= limit * CORES_SLACK) return 0;
  return Math.max(0, name === 'cores' ? Math.round((peak - limit) * 1000) / 1000 : peak - limit);
}

/** What was found at the end only, was first seen at the end. */
function since(name: LimitName, limit: number, {time, marks}: Used): number | null {
  // without suspension wall time passes evenly
  if (name === 'wallTime' && (time.suspendedUs ?? 0) === 0) return limit;
  const seen = marks.sinceUs[name];
  if (seen !== undefined) return seen;
  return time.wallUs;
}
