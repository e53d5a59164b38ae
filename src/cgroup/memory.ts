import {keyed, parseCount, parseKeyed, sumKnown, type Read} from './keyed.js';

/** Memory of a group and its descendants; null: this kernel keeps no such figure. */
export interface MemoryUsage {
  memPeakBytes: number | null;
  memPeakSource: string | null;
  memCurrentBytes: number | null;
  /** Now, from memory.stat, groups below included. `fileBytes` includes `shmemBytes`, on v1 as on v2. */
  anonBytes: number | null;
  fileBytes: number | null;
  shmemBytes: number | null;
  swapBytes: number | null;
  memNowSource: string | null;
  /** v2 only: v1 knows no peak of swap alone. */
  swapPeakBytes: number | null;
  swapPeakSource: string | null;
  /** v1 only: peak of memory and swap together. */
  memswPeakBytes: number | null;
  /** Faults for which a page had to be read from disk (v1: total_pgmajfault). */
  memMajorFaults: number | null;
  /** Pages that had been dropped for want of memory and were read again soon after. */
  memRefaults: number | null;
}

/** Event counters of one group's memory controller. */
export interface MemoryCounters {
  /** Processes killed. v2: of this group and all below (memory.oom.group makes it more than the processes); v1: of this group alone, at any group's limit. */
  oomKills: number | null;
  /** v2: times that this group's own limit was hit and nothing could be reclaimed. v1 has no such counter. */
  oomLocal: number | null;
  /** v2: the same, groups below included. */
  oom: number | null;
  /** Times that this group's own limit was hit; reclaiming page cache counts too, so never a verdict by itself. */
  limitHits: number | null;
  /** v2, Linux 5.17: times that this group was killed whole (memory.oom.group) for its own limit. */
  oomGroupKills: number | null;
  /** v2, Linux 4.19: memory.oom.group; null where there is no such thing. */
  killsWhole: boolean | null;
  /** v1: the peak of memory and swap together lies at its limit. Linux 6.18 does not count memory.memsw.failcnt (nor memory.failcnt then). */
  memswReached: boolean;
}

/** A v1 limit at or above this is none (the kernel shows LONG_MAX rounded down to pages). */
const V1_UNLIMITED = 2 ** 62;
/** A charge fails by as much as one huge page below the limit. */
const LARGEST_CHARGE = 2 * 2 ** 20;

/** Reads memory.peak, memory.stat and their likes (v1: memory.max_usage_in_bytes, memory.stat). */
export const memoryUsage = (version: 1 | 2, read: Read): MemoryUsage => (version === 2 ? usageV2(read) : usageV1(read));

/** Page cache included. No memory.stat: for that the kernel adds up the counters of all CPUs. */
export function memoryLevel(version: 1 | 2, read: Read): {memoryBytes: number | null; memoryPeakBytes: number | null} {
  const file =
    version === 2 ? {now: 'memory.current', peak: 'memory.peak'} : {now: 'memory.usage_in_bytes', peak: 'memory.max_usage_in_bytes'};
  return {memoryBytes: parseCount(read(file.now)), memoryPeakBytes: parseCount(read(file.peak))};
}

/** Reads how often limits were hit and processes killed: memory.events(.local) on v2, memory.oom_control and memory.failcnt on v1. */
export const memoryCounters = (version: 1 | 2, read: Read): MemoryCounters => (version === 2 ? countersV2(read) : countersV1(read));

function usageV2(read: Read): MemoryUsage {
  const stat = read('memory.stat');
  const values = parseKeyed(stat ?? '');
  const peak = parseCount(read('memory.peak'));
  const swapPeak = parseCount(read('memory.swap.peak'));
  return {
    memPeakBytes: peak,
    memPeakSource: peak === null ? null : 'cgroup2:memory.peak (page cache included)',
    memCurrentBytes: parseCount(read('memory.current')),
    anonBytes: values.get('anon') ?? null,
    fileBytes: values.get('file') ?? null,
    shmemBytes: values.get('shmem') ?? null,
    swapBytes: parseCount(read('memory.swap.current')),
    memNowSource: stat === null ? null : 'cgroup2:memory.stat',
    swapPeakBytes: swapPeak,
    swapPeakSource: swapPeak === null ? null : 'cgroup2:memory.swap.peak',
    memswPeakBytes: null,
    memMajorFaults: values.get('pgmajfault') ?? null,
    // before Linux 5.9 one counter for files; anonymous pages come back from swap
    memRefaults: sumKnown(
      values.get('workingset_refault_file') ?? values.get('workingset_refault') ?? null,
      values.get('workingset_refault_anon') ?? null,
    ),
  };
}

function usageV1(read: Read): MemoryUsage {
  const stat = read('memory.stat');
  const values = parseKeyed(stat ?? '');
  // The total_ values include groups below where memory.use_hierarchy is 1, which is all that current kernels know.
  const total = (key: string): number | null => values.get(`total_${key}`) ?? values.get(key) ?? null;
  const peak = parseCount(read('memory.max_usage_in_bytes'));
  return {
    memPeakBytes: peak,
    memPeakSource: peak === null ? null : 'cgroup1:memory.max_usage_in_bytes (page cache included)',
    memCurrentBytes: parseCount(read('memory.usage_in_bytes')),
    anonBytes: total('rss'),
    fileBytes: total('cache'),
    shmemBytes: total('shmem'),
    swapBytes: total('swap'),
    memNowSource: stat === null ? null : 'cgroup1:memory.stat',
    swapPeakBytes: null,
    swapPeakSource: null,
    memswPeakBytes: parseCount(read('memory.memsw.max_usage_in_bytes')),
    memMajorFaults: total('pgmajfault'),
    memRefaults: sumKnown(total('workingset_refault_file'), total('workingset_refault_anon')),
  };
}

function countersV2(read: Read): MemoryCounters {
  const events = read('memory.events');
  // Before Linux 5.2 there is no memory.events.local: then a group's own events cannot be told from those below it.
  const local = read('memory.events.local');
  const whole = parseCount(read('memory.oom.group'));
  return {
    oomKills: keyed(events, 'oom_kill'),
    oomLocal: keyed(local, 'oom'),
    oom: keyed(events, 'oom'),
    limitHits: keyed(local ?? events, 'max'),
    oomGroupKills: keyed(local, 'oom_group_kill'),
    killsWhole: whole === null ? null : whole === 1,
    memswReached: false,
  };
}

function countersV1(read: Read): MemoryCounters {
  const limit = parseCount(read('memory.memsw.limit_in_bytes'));
  const peak = parseCount(read('memory.memsw.max_usage_in_bytes'));
  return {
    oomKills: keyed(read('memory.oom_control'), 'oom_kill'),
    oomLocal: null,
    oom: null,
    oomGroupKills: null,
    killsWhole: null,
    limitHits: sumKnown(parseCount(read('memory.failcnt')), parseCount(read('memory.memsw.failcnt'))),
    memswReached: limit !== null && peak !== null && limit < V1_UNLIMITED && peak > limit - LARGEST_CHARGE,
  };
}
