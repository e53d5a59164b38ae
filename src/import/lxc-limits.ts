/** Limits of an LXC container: files of control groups (`lxc.cgroup2.*` of version 2, `lxc.cgroup.*` of version 1) and rlimits. */

import type {Draft} from './draft.js';
import type {Lines, Setting} from './lxc-lines.js';
import {coresOf, cpuCount, invalidValue, kernelSize, wholeNumber} from './values.js';

const NO_LIMIT = 'it stands for no limit';
const V2 = 'the line for version 2 of control groups is taken';

/** Takes limits. @throws TareError QUANTITY_INVALID with the place */
export function readLimits(lines: Lines, draft: Draft): void {
  const memory = readSize(lines, 'memory', ['lxc.cgroup2.memory.max', 'lxc.cgroup.memory.limit_in_bytes', 'lxc.cgroup.memory.max'], draft);
  readSize(lines, 'memoryHigh', ['lxc.cgroup2.memory.high', 'lxc.cgroup.memory.high'], draft);
  readSwap(lines, memory, draft);
  const processes = chosen(lines, ['lxc.cgroup2.pids.max', 'lxc.cgroup.pids.max'], draft);
  if (processes?.value === 'max') draft.leave(processes.origin, NO_LIMIT);
  else if (processes !== undefined)
    draft.limit('processes', wholeNumber(processes.value, 'number of processes', processes.origin.at), processes.origin);
  readCores(lines, draft);
  readRlimits(lines, draft);
}

/** The setting that holds, of keys of which the first that is there counts. */
function chosen(lines: Lines, keys: readonly string[], draft: Draft): Setting | undefined {
  const [first, ...others] = keys.flatMap((key) => lines.last(key) ?? []);
  for (const {origin} of others) draft.leave(origin, V2);
  return first;
}

function readSize(lines: Lines, limit: 'memory' | 'memoryHigh', keys: readonly string[], draft: Draft): string | number | null {
  const setting = chosen(lines, keys, draft);
  const size = setting === undefined ? null : kernelSize(setting.value, setting.origin.at);
  if (setting !== undefined && size === null) draft.leave(setting.origin, NO_LIMIT);
  if (setting !== undefined && size !== null) draft.limit(limit, size, setting.origin);
  return size;
}

const bytesOf = (size: string | number): number => {
  const [, digits = '0', prefix = ''] = /^(\d+)([KMGT]?)/.exec(String(size)) ?? [];
  return Number(digits) * 1024 ** ' KMGT'.indexOf(prefix === '' ? ' ' : prefix);
};

/** Version 2 has swap apart, version 1 memory and swap together. */
function readSwap(lines: Lines, memory: string | number | null, draft: Draft): void {
  const [apart, together] = ['lxc.cgroup2.memory.swap.max', 'lxc.cgroup.memory.memsw.limit_in_bytes'].map((key) => lines.last(key));
  if (apart !== undefined && together !== undefined) draft.leave(together.origin, V2);
  const setting = apart ?? together;
  if (setting === undefined) return;
  const {value, origin} = setting;
  const size = kernelSize(value, origin.at);
  if (size === null) draft.leave(origin, NO_LIMIT);
  else if (apart !== undefined) draft.limit('swap', size, origin);
  else if (memory === null) draft.leave(origin, 'memory has no limit, so the sum of memory and swap says nothing of swap');
  else {
    const swap = bytesOf(size) - bytesOf(memory);
    if (swap < 0) throw invalidValue('memory and swap together are less than memory', origin.at, value, `${memory} or more`);
    draft.limit('swap', swap % 1024 === 0 ? `${swap / 1024}KiB` : swap, origin);
  }
}

/** Cores of a quota, and of a list of CPUs: the fewer. */
function readCores(lines: Lines, draft: Draft): void {
  const quota = quotaOf(lines, draft);
  const set = chosen(lines, ['lxc.cgroup2.cpuset.cpus', 'lxc.cgroup.cpuset.cpus'], draft);
  const named = set === undefined ? null : cpuCount(set.value, set.origin.at);
  if (set !== undefined && named !== null) {
    draft.limit('pinCores', true, set.origin);
    draft.leave(set.origin, 'which CPUs a job is bound to is chosen on the node');
  }
  if (quota !== null && (named === null || quota.cores < named)) draft.limit('cores', quota.cores, quota.setting.origin);
  else if (named !== null && set !== undefined) {
    if (quota !== null) draft.leave(quota.setting.origin, 'cpuset.cpus gives fewer CPUs');
    draft.limit('cores', named, set.origin);
  }
}

const PERIOD_US = 100_000;

function quotaOf(lines: Lines, draft: Draft): {cores: number; setting: Setting} | null {
  const max = lines.last('lxc.cgroup2.cpu.max');
  const [quota, period] = ['lxc.cgroup.cpu.cfs_quota_us', 'lxc.cgroup.cpu.cfs_period_us'].map((key) => lines.last(key));
  const setting = max ?? quota;
  if (max !== undefined) for (const other of [quota, period]) if (other !== undefined) draft.leave(other.origin, V2);
  if (setting === undefined) {
    if (period !== undefined) draft.leave(period.origin, 'a period without a quota limits nothing');
    return null;
  }
  const {value, origin} = setting;
  const [quotaText = '', periodText = max === undefined ? (period?.value ?? '100000') : '100000'] = value.split(/\s+/);
  if (quotaText === 'max' || /^-\d+$/.test(quotaText)) {
    draft.leave(origin, NO_LIMIT);
    return null;
  }
  const periodUs = wholeNumber(
    periodText,
    'period in µs',
    max === undefined ? (period?.origin.at ?? origin.at) : origin.at,
    10 * PERIOD_US,
  );
  if (periodUs === 0) throw invalidValue('not a period in µs', origin.at, value, '1000 to 1000000');
  return {cores: coresOf(wholeNumber(quotaText, 'quota in µs', origin.at), periodUs), setting};
}

/** `lxc.prlimit.NAME = SOFT:HARD`, or one for both (getrlimit(2)). */
function readRlimits(lines: Lines, draft: Draft): void {
  for (const [name, limit] of [
    ['nofile', 'openFiles'],
    ['core', 'coreSize'],
  ] as const) {
    const setting = lines.last(`lxc.prlimit.${name}`);
    if (setting === undefined) continue;
    const {value, origin} = setting;
    const [soft = '', hard = soft] = value.split(':').map((part) => part.trim());
    const [softest, hardest] = [soft, hard].map((text) => (text === 'unlimited' ? null : wholeNumber(text, 'limit', origin.at))) as [
      number | null,
      number | null,
    ];
    if (hardest === null) draft.leave(origin, NO_LIMIT);
    else draft.limit(limit, hardest, origin);
    if (hardest !== null && softest !== hardest) draft.leave(origin, 'a job has one value for soft and hard limit: the hard one');
  }
}
