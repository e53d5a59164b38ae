/** What payload and wrapper weighed, from the groups' counters, init's report and the samples. */

import type {Groups, GroupUsage, Part} from '../cgroup/manager.js';
import {stepsOf} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {NO_USAGE, type RecordApplication, type RecordTare, type RecordUsage} from '../record/record.js';
import type {LevelPeaks} from './levels.js';
import type {ObservedMarks} from './observed-marks.js';
import type {EngineReport, InitReport, KeeperTotals, Weighing} from '../decide/observation.js';
import type {Sampled, Sampler} from './sampler.js';
import {readParent, readSmapsRollup} from '../process/tree.js';

/** What tells how much was used, beside the groups. */
export interface Witnesses {
  sampler: Sampler | null;
  levels: LevelPeaks | null;
  init: InitReport | null;
  /** Of several applications, what their keepers reported. */
  applications: readonly KeeperTotals[];
  /** Absent: the payload is not only observed. */
  observedMarks?: ObservedMarks | null;
}

/** The payload's usage. Counted where a controller counts, else sampled or by rusage, flagged. */
export function weighPayload(plan: Plan, groups: Groups, {sampler, levels, init, applications, observedMarks}: Witnesses): Weighing {
  const counted = groups.usage('payload');
  const events = groups.memoryEvents();
  const sampled = sampler?.report() ?? null;
  const flags: string[] = [];
  const usage: RecordUsage = {
    ...NO_USAGE,
    cpuUserUs: counted.cpuUserUs,
    cpuSystemUs: counted.cpuSystemUs,
    cpuSource: counted.cpuSource,
    throttledUs: counted.throttledUs,
    quotaPeriods: counted.quotaPeriods,
    throttledPeriods: counted.throttledPeriods,
    memPeakBytes: counted.memPeakBytes,
    memPeakSource: counted.memPeakSource,
    // no process is larger than all together
    rssPeakBytes: sampled?.rssPeakBytes == null ? null : Math.max(sampled.rssPeakBytes, init?.largestProcessBytes ?? 0),
    pssPeakBytes: sampled?.pssPeakBytes ?? null,
    vmemPeakBytes: sampled?.vmemPeakBytes ?? null,
    rssAverageBytes: sampled?.rssAverageBytes ?? null,
    pssAverageBytes: sampled?.pssAverageBytes ?? null,
    vmemAverageBytes: sampled?.vmemAverageBytes ?? null,
    swapAverageBytes: sampled?.swapAverageBytes ?? null,
    largestProcessBytes: init?.largestProcessBytes ?? null,
    swapPeakBytes: counted.swapPeakBytes,
    swapPeakSource: counted.swapPeakSource,
    ioReadBytes: counted.ioReadBytes,
    ioWriteBytes: counted.ioWriteBytes,
    ioReadOps: counted.ioReadOps,
    ioWriteOps: counted.ioWriteOps,
    ioSource: counted.ioSource,
    pidsPeak: counted.pidsPeak,
    pidsPeakSource: counted.pidsPeakSource,
    pidsLimitHits: counted.pidsLimitHits,
    memLimitHits: events.groups.find(({level}) => level === 'payload')?.limitHits ?? null,
    memMajorFaults: counted.memMajorFaults,
    memRefaults: counted.memRefaults,
    pressure: counted.pressure,
    pressureSource: counted.pressureSource,
    oomKills: events.oomKills,
    ...sampledPeaks(counted, levels, sampled),
  };
  const memory = usage.memPeakBytes === null ? memoryWithoutGroup(init, sampled) : {};
  if (counted.memPeakBytes === null && (memory.memPeakBytes ?? usage.memPeakBytes) !== null) flags.push('sampled-memory');
  const cpu = counted.cpuUserUs === null ? cpuWithoutGroup(init, sampled?.cpuUs ?? null) : {};
  if (counted.cpuUserUs === null) flags.push('partial');
  const each = stepsOf(plan, 'application.execute').map(({name}, index) =>
    weighApplication(groups, `app-${name}`, applications[index] ?? null),
  );
  const marks = observedMarks?.marks(init?.largestProcessBytes ?? null);
  return {usage: {...usage, ...memory, ...cpu}, applications: each, flags, ...(marks === undefined ? {} : {marks})};
}

function weighApplication(groups: Groups, part: Part, keeper: KeeperTotals | null): RecordApplication['usage'] {
  const counted = groups.usage(part);
  const byKeeper = counted.cpuUserUs === null && keeper !== null && keeper.cpuUserUs !== null;
  const byLargest = counted.memPeakBytes === null && keeper !== null && keeper.largestProcessBytes !== null;
  return {
    cpuUserUs: byKeeper ? keeper.cpuUserUs : counted.cpuUserUs,
    cpuSystemUs: byKeeper ? keeper.cpuSystemUs : counted.cpuSystemUs,
    cpuSource: byKeeper ? 'rusage' : counted.cpuSource,
    memPeakBytes: byLargest ? keeper.largestProcessBytes : counted.memPeakBytes,
    memPeakSource: byLargest ? 'rusage:largest process' : counted.memPeakSource,
    largestProcessBytes: keeper?.largestProcessBytes ?? null,
    ioReadBytes: counted.ioReadBytes,
    ioWriteBytes: counted.ioWriteBytes,
    pidsPeak: counted.pidsPeak,
    oomKills: groups.kills(part).oomKills,
  };
}

/** What the kernel keeps no peak of, by the largest that was seen of the group, else of the tree. */
function sampledPeaks(counted: GroupUsage, levels: LevelPeaks | null, sampled: Sampled | null): Partial<RecordUsage> {
  const peaks: Partial<RecordUsage> = {};
  if (levels?.anonPeakBytes != null) {
    peaks.anonPeakBytes = levels.anonPeakBytes;
    peaks.anonPeakSource = `sampled:${counted.memNowSource ?? 'memory.stat'}`;
  }
  if (counted.memPeakBytes === null && levels?.memPeakBytes != null) {
    peaks.memPeakBytes = levels.memPeakBytes;
    peaks.memPeakSource = 'sampled:cgroup2:memory.current (page cache included)';
  }
  if (counted.swapPeakBytes === null) {
    const seen = levels?.swapPeakBytes ?? sampled?.swapPeakBytes ?? null;
    peaks.swapPeakBytes = seen;
    peaks.swapPeakSource = seen === null ? null : levels?.swapPeakBytes == null ? 'sampled:smaps_rollup' : 'sampled';
  }
  if (counted.pidsPeak === null) {
    const seen = levels?.pidsPeak ?? sampled?.pidsPeak ?? null;
    peaks.pidsPeak = seen;
    peaks.pidsPeakSource = seen === null ? null : levels?.pidsPeak == null ? 'sampled:processes' : 'sampled:pids.current';
  }
  return peaks;
}

/** Lower bounds all: what was seen of the tree, and the largest process by its rusage, which no sample misses. */
function memoryWithoutGroup(init: InitReport | null, sampled: Sampled | null): Partial<RecordUsage> {
  const seen: [string, number | null][] = [
    ['sampled:pss', sampled?.pssPeakBytes ?? null],
    ['sampled:pss, and what is held without being mapped', sampled?.weightPeakBytes ?? null],
    // the sum of resident sizes counts shared pages more than once: only where no proportional size was taken
    ['sampled:rss', sampled?.pssPeakBytes == null ? (sampled?.rssPeakBytes ?? null) : null],
    ['rusage:largest process', init?.largestProcessBytes ?? null],
  ];
  const [largest] = seen.filter((entry): entry is [string, number] => entry[1] !== null).sort((a, b) => b[1] - a[1]);
  return {memPeakBytes: largest?.[1] ?? null, memPeakSource: largest?.[0] ?? null};
}

/** Lower bounds both: init's rusage and the sampled sum. The larger wins; what it has more than the rusage is split as the rusage is. */
function cpuWithoutGroup(init: InitReport | null, sampledUs: number | null): Pick<RecordUsage, 'cpuUserUs' | 'cpuSystemUs' | 'cpuSource'> {
  if (init === null)
    return {cpuUserUs: sampledUs, cpuSystemUs: sampledUs === null ? null : 0, cpuSource: sampledUs === null ? null : 'sampled'};
  const {childrenUserUs: user, childrenSystemUs: system} = init;
  const total = user + system;
  if (sampledUs === null || sampledUs <= total) return {cpuUserUs: user, cpuSystemUs: system, cpuSource: 'rusage'};
  const share = total === 0 ? 1 : user / total;
  return {cpuUserUs: Math.round(sampledUs * share), cpuSystemUs: sampledUs - Math.round(sampledUs * share), cpuSource: 'sampled'};
}

type TareProcess = RecordTare['processes'][number];

/** Private memory of the wrapper's own processes, now. */
export function weighProcesses(shimPid: number, initPid: number | null): TareProcess[] {
  const enginePid = initPid === null ? null : readParent(initPid);
  const named: [string, number | 'self' | null][] = [
    ['shim', shimPid],
    ['supervisor', 'self'],
    ['engine', enginePid === shimPid ? null : enginePid],
    ['init', initPid],
  ];
  return named.flatMap(([name, pid]) => {
    if (pid === null) return [];
    const memory = readSmapsRollup(pid);
    return [{name, privateBytes: memory?.privateBytes ?? null, privateDirtyBytes: memory?.privateDirtyBytes ?? null}];
  });
}

/** The wrapper's own cost. The engine's rusage holds init's, and with it the payload's, which is taken out. */
export function weighTare(
  times: {launchUs: number | null; teardownUs: number | null},
  processes: TareProcess[],
  init: InitReport | null,
  engine: EngineReport | null,
): RecordTare {
  const supervisor = process.cpuUsage();
  const engineUserUs = Math.max(0, (engine?.userUs ?? 0) - (init?.childrenUserUs ?? 0));
  const engineSystemUs = Math.max(0, (engine?.systemUs ?? 0) - (init?.childrenSystemUs ?? 0));
  const total = (values: (number | null)[]): number | null =>
    values.includes(null) || values.length === 0 ? null : values.reduce<number>((sum, value) => sum + (value ?? 0), 0);
  return {
    ...times,
    cpuUserUs: engine === null ? null : supervisor.user + engineUserUs + engine.shimUserUs,
    cpuSystemUs: engine === null ? null : supervisor.system + engineSystemUs + engine.shimSystemUs,
    privateMemoryBytes: total(processes.map(({privateBytes}) => privateBytes)),
    privateDirtyBytes: total(processes.map(({privateDirtyBytes}) => privateDirtyBytes)),
    processes,
  };
}
