import {keyed, parseCount, parseKeyed, type Read} from './keyed.js';

/** CPU time of a group and its descendants, µs; null: the file is missing. */
export interface CpuTimes {
  cpuUserUs: number | null;
  cpuSystemUs: number | null;
  cpuSource: string | null;
}

/** User and system CPU time of a group and all below it, processes that ended included. v1: of a `cpuacct` group. */
export const cpuTimes = (version: 1 | 2, read: Read): CpuTimes => (version === 2 ? timesV2(read) : timesV1(read));

/** Their sum by one short read, for a watch. */
export function cpuTotalUs(version: 1 | 2, read: Read): number | null {
  if (version === 2) return keyed(read('cpu.stat'), 'usage_usec');
  const ns = parseCount(read('cpuacct.usage'));
  return ns === null ? null : Math.round(ns / 1000);
}

/** How far a CPU quota held a group back (cgroup-v2.rst, cpu.stat), µs and counts. */
export interface Throttling {
  /** Time for which a quota held the group back. */
  throttledUs: number | null;
  /** Periods in which the group wanted to run, and those in which its quota was used up. */
  quotaPeriods: number | null;
  throttledPeriods: number | null;
}

/** Throttling by this group's own quota, without that of its children and ancestors. */
export function throttling(version: 1 | 2, read: Read): Throttling {
  const values = parseKeyed(read('cpu.stat') ?? '');
  const value = (key: string): number | null => values.get(key) ?? null;
  const ns = value('throttled_time');
  return {
    throttledUs: version === 2 ? value('throttled_usec') : ns === null ? null : Math.round(ns / 1000),
    quotaPeriods: value('nr_periods'),
    throttledPeriods: value('nr_throttled'),
  };
}

function timesV2(read: Read): CpuTimes {
  const values = parseKeyed(read('cpu.stat') ?? '');
  const user = values.get('user_usec');
  const system = values.get('system_usec');
  if (user === undefined || system === undefined) return {cpuUserUs: null, cpuSystemUs: null, cpuSource: null};
  return {cpuUserUs: user, cpuSystemUs: system, cpuSource: 'cgroup2:cpu.stat'};
}

/**
 * v1: cpuacct.usage is exact to the nanosecond but a sum; cpuacct.stat knows user and system in ticks of 1/100 s.
 * The sum is split as the ticks are; without any tick all of it is user time, as the kernel's cputime_adjust() has it.
 */
function timesV1(read: Read): CpuTimes {
  const total = cpuTotalUs(1, read);
  const ticks = parseKeyed(read('cpuacct.stat') ?? '');
  const user = ticks.get('user');
  const system = ticks.get('system');
  if (user === undefined || system === undefined) return {cpuUserUs: null, cpuSystemUs: null, cpuSource: null};
  if (total === null) return {cpuUserUs: user * 10_000, cpuSystemUs: system * 10_000, cpuSource: 'cgroup1:cpuacct.stat'};
  const systemUs = system === 0 ? 0 : Math.round((total * system) / (user + system));
  return {cpuUserUs: total - systemUs, cpuSystemUs: systemUs, cpuSource: 'cgroup1:cpuacct.usage, split as cpuacct.stat'};
}
