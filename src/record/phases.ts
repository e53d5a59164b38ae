/**
 * Phases of one attempt. A batch system can call the wrapper again for an attempt whose payload has ended with a checkpoint (HTCondor manual,
 * "Self-Checkpointing Applications"). The record stays open between two phases, has the sums of those that are over, and lists them. Pure.
 */

import {LIMIT_NAMES} from '../job/job.js';
import {checkpointOutcome, RUNNING, type Outcome} from './outcome.js';
import {MOST_OTHERS, MOST_PARTS} from './parts.js';
import type {RecordApplication, RecordTare, RecordTime, RecordUsage, UsageRecord} from './record.js';

type RecordPhase = NonNullable<UsageRecord['phases']>['list'][number];
type Children = UsageRecord['children'];
type Repositories = UsageRecord['cvmfs'];

/** The last ones are listed: a job can make a checkpoint every minute for days. */
const MOST_PHASES = 100;

/** The record of an attempt with the phases before this one; as it is where there were none. */
export function afterPhases(earlier: UsageRecord | null, record: UsageRecord): UsageRecord {
  if (earlier === null) return record;
  const sums = record.time.startEpochUs === null ? figuresOf(earlier) : together(earlier, record);
  const over = record.state === 'started' ? [] : [phaseOf(record, record.outcome.status)];
  const flags = new Set([...earlier.flags, ...record.flags, ...(isPartial(earlier, record) ? ['partial'] : [])]);
  return {...record, ...sums, phases: withPhases(earlier.phases, over), flags: [...flags].sort()};
}

/**
 * The record after a phase that has ended with a checkpoint: open, for the next phase.
 * @param record of this phase alone, closed
 * @param wrapper the process that calls the wrapper again
 */
export function atCheckpoint(earlier: UsageRecord | null, record: UsageRecord, wrapper: NonNullable<UsageRecord['wrapper']>): UsageRecord {
  const phase = [phaseOf(record, 'checkpoint')];
  return {
    ...afterPhases(earlier, record),
    phases: withPhases(earlier?.phases, phase),
    state: 'started',
    wrapper,
    outcome: RUNNING,
  };
}

/** Open, and nothing of it runs: the next phase has not begun. */
export const isBetweenPhases = ({state, wrapper}: UsageRecord): boolean => state === 'started' && wrapper?.caller != null;

/** No phase follows: the process that would have begun it is gone. The figures are complete. */
export function closedBetweenPhases(record: UsageRecord): UsageRecord {
  const {exitCode = null, signal = null} = record.phases?.list.at(-1) ?? {};
  return {...record, state: 'final', wrapper: null, outcome: checkpointOutcome({exitCode, signal}, 'no other phase followed')};
}

function withPhases(before: UsageRecord['phases'], more: readonly RecordPhase[]): NonNullable<UsageRecord['phases']> {
  const {list, count} = before ?? {list: [], count: 0};
  return {count: count + more.length, list: [...list, ...more].slice(-MOST_PHASES)};
}

function phaseOf({time, usage, outcome}: UsageRecord, status: RecordPhase['status'] | Outcome['status']): RecordPhase {
  return {
    startEpochUs: time.startEpochUs,
    endEpochUs: time.endEpochUs,
    wallUs: time.wallUs,
    suspendedUs: time.suspendedUs,
    cpuUserUs: usage.cpuUserUs,
    cpuSystemUs: usage.cpuSystemUs,
    memPeakBytes: usage.memPeakBytes,
    ioReadBytes: usage.ioReadBytes,
    ioWriteBytes: usage.ioWriteBytes,
    status: status as RecordPhase['status'],
    exitCode: outcome.exitCode,
    signal: outcome.signal,
  };
}

/** One phase has a figure that counts for accounting, and another has not. */
function isPartial(earlier: UsageRecord, {time, usage}: UsageRecord): boolean {
  if (time.startEpochUs === null) return false;
  return (time.wallUs === null) !== (earlier.time.wallUs === null) || (usage.cpuUserUs === null) !== (earlier.usage.cpuUserUs === null);
}

type Figures = Pick<UsageRecord, 'time' | 'usage' | 'tare' | 'watch' | 'applications' | 'children' | 'cvmfs' | 'observed'>;

const figuresOf = ({time, usage, tare, watch, applications, cvmfs, children, observed}: UsageRecord): Figures => ({
  ...{time, usage, tare, watch, applications, cvmfs},
  ...ifGiven(children, observed),
});

const together = (earlier: UsageRecord, later: UsageRecord): Figures => ({
  time: timeOf(earlier.time, later.time),
  usage: usageOf(earlier, later),
  tare: tareOf(earlier.tare, later.tare),
  watch: watchOf(earlier.watch, later.watch),
  applications: later.applications.map((one) =>
    applicationOf(
      earlier.applications.find(({index}) => index === one.index),
      one,
    ),
  ),
  cvmfs: repositoriesOf(earlier.cvmfs, later.cvmfs),
  ...ifGiven(childrenOf(earlier.children, later.children), observedOf(earlier.observed, later.observed)),
});

const ifGiven = (children: Children, observed: UsageRecord['observed']): Pick<Figures, 'children' | 'observed'> => ({
  ...(children === undefined ? {} : {children}),
  ...(observed === undefined ? {} : {observed}),
});

type Amount = number | null;

const sum = (a: Amount, b: Amount): Amount => (a === null ? b : b === null ? a : a + b);
const most = (a: Amount, b: Amount): Amount => (a === null ? b : b === null ? a : Math.max(a, b));

/** Some figures of two objects, each put together in the same way. */
function each<T, K extends keyof T>(keys: readonly K[], how: (a: Amount, b: Amount) => Amount, a: T, b: T): Record<K, Amount> {
  return Object.fromEntries(keys.map((key) => [key, how((a[key] ?? null) as Amount, (b[key] ?? null) as Amount)])) as Record<K, Amount>;
}

/** The wall times are added; between two phases the batch system has saved the checkpoint, which is no work of the payload's. */
const timeOf = (a: RecordTime, b: RecordTime): RecordTime => ({
  ...b,
  startEpochUs: a.startEpochUs ?? b.startEpochUs,
  endEpochUs: b.endEpochUs ?? a.endEpochUs,
  ...each(['wallUs', 'suspendedUs', 'clockStepUs'], sum, a, b),
});

const SUMS = [
  'cpuUserUs',
  'cpuSystemUs',
  'throttledUs',
  'quotaPeriods',
  'throttledPeriods',
  'ioReadBytes',
  'ioWriteBytes',
  'ioReadOps',
  'ioWriteOps',
  'pidsLimitHits',
  'oomKills',
  'memLimitHits',
  'memMajorFaults',
  'memRefaults',
] as const satisfies (keyof RecordUsage)[];
const PEAKS = [
  'memPeakBytes',
  'anonPeakBytes',
  'rssPeakBytes',
  'pssPeakBytes',
  'vmemPeakBytes',
  'swapPeakBytes',
  'largestProcessBytes',
  'pidsPeak',
  'scratchPeakBytes',
] as const satisfies (keyof RecordUsage)[];
const AVERAGES = ['rssAverageBytes', 'pssAverageBytes', 'vmemAverageBytes', 'swapAverageBytes'] as const satisfies (keyof RecordUsage)[];

function usageOf(earlier: UsageRecord, later: UsageRecord): RecordUsage {
  const [a, b] = [earlier.usage, later.usage];
  const [before, after] = [earlier.time.wallUs ?? 0, later.time.wallUs ?? 0];
  const average = (x: Amount, y: Amount): Amount =>
    x === null || y === null || before + after === 0 ? (y ?? x) : Math.round((x * before + y * after) / (before + after));
  const known = Object.fromEntries(Object.entries(b).filter(([, value]) => value !== null)) as Partial<RecordUsage>;
  return {
    ...a,
    ...known,
    ...each(SUMS, sum, a, b),
    ...each(PEAKS, most, a, b),
    ...each(AVERAGES, average, a, b),
    pressure: pressureOf(a.pressure, b.pressure),
  };
}

function pressureOf(a: RecordUsage['pressure'], b: RecordUsage['pressure']): RecordUsage['pressure'] {
  if (a === null || b === null) return b ?? a;
  const of = (what: keyof typeof a) => each(['someUs', 'fullUs'], sum, a[what], b[what]);
  return {memory: of('memory'), cpu: of('cpu'), io: of('io')};
}

const tareOf = (a: RecordTare, b: RecordTare): RecordTare => ({
  ...each(['launchUs', 'teardownUs', 'cpuUserUs', 'cpuSystemUs'], sum, a, b),
  ...each(['privateMemoryBytes', 'privateDirtyBytes'], most, a, b),
  processes: b.processes.length > 0 ? b.processes : a.processes,
});

function watchOf(a: UsageRecord['watch'], b: UsageRecord['watch']): UsageRecord['watch'] {
  if (a === null || b === null) return b ?? a;
  return {
    ...b,
    ...each(['samples', 'lookUs', 'pssReads', 'pssUs'], sum, a, b),
    ...each(['longestGapUs', 'overshootBytes', 'pssLongestUs'], most, a, b),
    ...(a.unseen === undefined && b.unseen === undefined
      ? {} // records of older versions
      : {
          ...each(['heldReads', 'heldUs'], sum, a, b),
          ...each(['heldPeakBytes'], most, a, b),
          unseen: [...new Set([...(a.unseen ?? []), ...(b.unseen ?? [])])].sort(),
        }),
  };
}

function applicationOf(a: RecordApplication | undefined, b: RecordApplication): RecordApplication {
  if (a === undefined) return b;
  return {
    ...b,
    starts: a.starts + b.starts,
    startEpochUs: a.startEpochUs ?? b.startEpochUs,
    wallUs: sum(a.wallUs, b.wallUs),
    usage: {
      ...b.usage,
      ...each(['cpuUserUs', 'cpuSystemUs', 'ioReadBytes', 'ioWriteBytes', 'oomKills'], sum, a.usage, b.usage),
      ...each(['memPeakBytes', 'largestProcessBytes', 'pidsPeak'], most, a.usage, b.usage),
    },
  };
}

function childrenOf(a: Children, b: Children): Children {
  if (a == null || b == null) return b ?? a;
  const all = [...a.list, ...b.list];
  const others = a.others + b.others + Math.max(0, all.length - MOST_PARTS);
  return {...b, list: all.slice(0, MOST_PARTS), others: Math.min(others, MOST_OTHERS)};
}

/** Repositories as the first phase found them and the last one left them. */
function repositoriesOf(before: Repositories, after: Repositories): Repositories {
  const merged = after.map((b) => {
    const a = before.find(({repository}) => repository === b.repository);
    if (a === undefined) return b;
    const {stateAtEnd, reasonAtEnd, revisionAtEnd, rootHashAtEnd, hitRate} = b;
    const counted = (['downloads', 'downloadedBytes', 'timeouts', 'clientCpuUs'] as const).filter((key) => key in a || key in b);
    return {
      ...a,
      ...b,
      ...{state: a.state, reason: a.reason, revision: a.revision, rootHash: a.rootHash, probedEpochUs: a.probedEpochUs},
      ...{stateAtEnd, reasonAtEnd, revisionAtEnd, rootHashAtEnd, hitRate},
      ...each(['ioErrorsGained', ...counted], sum, a, b),
      ...(('clientMemoryBytes' in a || 'clientMemoryBytes' in b) && each(['clientMemoryBytes'], most, a, b)),
    };
  });
  return [...merged, ...before.filter(({repository}) => !after.some((one) => one.repository === repository))];
}

/** Limits hold in each phase anew: of each the phase that exceeded it most. */
function observedOf(a: UsageRecord['observed'], b: UsageRecord['observed']): UsageRecord['observed'] {
  if (a == null || b == null) return b ?? a;
  const limits = {...b.limits};
  for (const name of LIMIT_NAMES) {
    const before = a.limits[name];
    if (before !== undefined && (before.exceededBy ?? 0) > (limits[name]?.exceededBy ?? 0)) limits[name] = before;
  }
  return {limits, refused: b.refused ?? a.refused, boxed: b.boxed};
}
