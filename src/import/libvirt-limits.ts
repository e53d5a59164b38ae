/** Memory and CPUs of libvirt's domains, as limits of a job. Sizes are KiB where no unit is given, times µs. */

import {leaveAttributes, reasonFor, type Domain} from './libvirt-domain.js';
import {invalidValue, coresOf, cpuCount, scaled, wholeNumber} from './values.js';
import {child, originOf, shownOf, type Element} from './xml.js';

/** VIR_DOMAIN_MEMORY_PARAM_UNLIMITED, in KiB: what libvirt writes for no limit. */
const UNLIMITED_KIB = 9_007_199_254_740_991n;
const UNITS = 'b, bytes, KB, MB, GB, TB, PB, EB (powers of 1000), k, KiB, M, MiB, G, GiB, T, TiB, P, PiB, E, EiB (powers of 1024)';
const NO_LIMIT = 'it stands for no limit';

/**
 * A size in a unit of libvirt (virScaleInteger), as a job descriptor writes it; null: no limit.
 * @throws TareError QUANTITY_INVALID
 */
export function sizeOf(text: string, unit: string, {at}: Element): string | number | null {
  if (!/^\d{1,20}$/.test(text)) throw invalidValue('not a size', at, text, 'a whole number, whose unit is the attribute unit');
  const number = BigInt(text);
  const [, prefix = '', base] = /^([kmgtpe])(ib|b)?$/i.exec(unit) ?? [];
  if (/^(?:b|bytes?)$/i.test(unit)) return scaled(number, '', 'B');
  if (prefix === '') throw invalidValue('not a unit of memory', at, unit, UNITS);
  const upper = prefix.toUpperCase();
  if (upper === 'K' && number >= UNLIMITED_KIB) return null;
  return scaled(number, upper, base?.toLowerCase() === 'b' ? 'B' : 'iB');
}

const sized = (element: Element): string | number | null => sizeOf(element.text, element.attributes.get('unit') ?? 'KiB', element);

/** `memory`: of a container its limit, of a virtual machine its size. @throws TareError QUANTITY_INVALID */
export function readMemory(element: Element, {draft}: Domain): void {
  leaveAttributes(element, ['unit'], draft);
  const size = sized(element);
  // hard_limit comes after it, and is written to the same file
  if (draft.limits.has('memory')) draft.leave(shownOf(element), 'hard_limit replaces it');
  else if (size === null) draft.leave(shownOf(element), NO_LIMIT);
  else draft.limit('memory', size, originOf(element));
}

/** https://libvirt.org/formatdomain.html#memory-tuning. @throws TareError QUANTITY_INVALID */
export function readMemtune(memtune: Element, domain: Domain): void {
  const {draft, root, isContainer} = domain;
  leaveAttributes(memtune, [], draft);
  for (const element of memtune.children) {
    if (!isContainer) {
      draft.leave(shownOf(element), 'it limits the program that runs the virtual machine');
      continue;
    }
    leaveAttributes(element, ['unit'], draft);
    const size = element.name === 'min_guarantee' ? null : sized(element);
    const limit = {hard_limit: 'memory', soft_limit: 'memoryHigh'} as const;
    if (element.name === 'min_guarantee') draft.leave(shownOf(element), 'Tare reserves no memory: the batch system does');
    else if (size === null) draft.leave(shownOf(element), NO_LIMIT);
    else if (element.name === 'swap_hard_limit') readSwap(element, size, memtune, domain);
    else if (element.name === 'hard_limit' || element.name === 'soft_limit') {
      const memory = child(root, 'memory');
      if (element.name === 'hard_limit' && draft.limits.has('memory') && memory !== undefined)
        draft.leave(shownOf(memory), 'hard_limit replaces it');
      if (element.name === 'hard_limit') draft.limits.delete('memory');
      draft.limit(limit[element.name], size, originOf(element));
    } else draft.leave(shownOf(element), 'unknown to this reader');
  }
}

/** `swap_hard_limit` is memory and swap together. */
function readSwap(element: Element, size: string | number, memtune: Element, {draft, root}: Domain): void {
  // a hard_limit that is none leaves memory as it is
  const [hard, whole] = [child(memtune, 'hard_limit'), child(root, 'memory')];
  const memory = (hard === undefined ? null : sized(hard)) ?? (whole === undefined ? null : sized(whole));
  if (memory === null) {
    draft.leave(shownOf(element), 'memory has no limit, so the sum of memory and swap says nothing of swap');
    return;
  }
  const swap = bytesOf(size) - bytesOf(memory);
  if (swap < 0) throw invalidValue('memory and swap together are less than memory', element.at, element.text, `${memory} or more`);
  draft.limit('swap', swap % 1024 === 0 ? `${swap / 1024}KiB` : swap, originOf(element));
}

/** Bytes of what `scaled` gives. */
function bytesOf(size: string | number): number {
  if (typeof size === 'number') return size;
  const [, digits = '0', prefix = '', binary] = /^(\d+)([A-Za-z])(i?)B$/.exec(size) ?? [];
  return Number(digits) * (binary === 'i' ? 1024 : 1000) ** ' KMGT'.indexOf(prefix.toUpperCase());
}

/**
 * `vcpu`: a virtual machine has so many CPUs; of a container libvirt limits only the CPUs of `cpuset`, and not their number.
 * @throws TareError QUANTITY_INVALID
 */
export function readVcpu(element: Element, {draft, isContainer, root}: Domain): void {
  const set = element.attributes.get('cpuset');
  const count = wholeNumber(element.text, 'number of CPUs', element.at, 65_536);
  leaveAttributes(element, ['cpuset'], draft);
  if (!isContainer) draft.limit('cores', count, originOf(element));
  else draft.leave(shownOf(element), 'libvirt does not limit a container by the number of its CPUs');
  if (set === undefined) return;
  const origin = originOf(element, 'cpuset');
  const named = cpuCount(set, element.at);
  if (isContainer) {
    const quota = quotaOf(child(root, 'cputune'));
    if (quota === null || named <= quota) draft.limit('cores', named, origin);
    draft.limit('pinCores', true, origin);
  }
  draft.leave({at: element.at, as: `<vcpu cpuset='${set}'>`}, 'which CPUs a job is bound to is chosen on the node');
}

/** Cores that a container's quota gives; null: no limit. */
function quotaOf(cputune: Element | undefined): number | null {
  const quota = cputune === undefined ? undefined : child(cputune, 'quota');
  if (cputune === undefined || quota === undefined || /^-\d{1,20}$|^0$/.test(quota.text)) return null;
  const period = child(cputune, 'period');
  const periodUs = period === undefined ? PERIOD_US : wholeNumber(period.text, 'period in µs', period.at, 1_000_000);
  if (period !== undefined && periodUs === 0) throw invalidValue('not a period in µs', period.at, period.text, '1000 to 1000000');
  const quotaUs = wholeNumber(quota.text, 'quota in µs', quota.at);
  // libvirt's number for no limit
  return quotaUs >= NO_QUOTA_US ? null : coresOf(quotaUs, periodUs);
}

/** The kernel's own period. */
const PERIOD_US = 100_000;
/** VIR_CGROUP_CPU_QUOTA_MAX: the largest that libvirt takes. */
const NO_QUOTA_US = 17_592_186_044_415;

const CPUTUNE: Readonly<Record<string, string>> = {
  shares: 'Tare sets no weights among jobs: what a job gets is its cores',
  vcpupin: 'a job is bound to CPUs by pinCores, and the node chooses which',
  emulatorpin: 'a job has no emulator',
  iothreadpin: 'a job has no emulator',
  emulator_period: 'a job has no emulator',
  emulator_quota: 'a job has no emulator',
  iothread_period: 'a job has no emulator',
  iothread_quota: 'a job has no emulator',
  global_period: 'libvirt applies it to virtual machines only',
  global_quota: 'libvirt applies it to virtual machines only',
  vcpusched: 'Tare sets no scheduler',
  iothreadsched: 'Tare sets no scheduler',
  emulatorsched: 'Tare sets no scheduler',
  cachetune: 'Tare divides no caches',
  memorytune: 'Tare divides no bandwidth of memory',
};

/** https://libvirt.org/formatdomain.html#cpu-tuning: of a container, quota and period are those of all its processes. @throws TareError QUANTITY_INVALID */
export function readCputune(cputune: Element, {draft, isContainer, root}: Domain): void {
  leaveAttributes(cputune, [], draft);
  const cores = isContainer ? quotaOf(cputune) : null;
  const set = child(root, 'vcpu')?.attributes.get('cpuset');
  for (const element of cputune.children) {
    const isQuota = element.name === 'quota' || element.name === 'period';
    if (isQuota && !isContainer) draft.leave(shownOf(element), 'it limits each virtual CPU, and a job has limits of all its processes');
    else if (isQuota && cores === null) draft.leave(shownOf(element), NO_LIMIT);
    else if (element.name === 'quota' && cores !== null) {
      if (set !== undefined && cpuCount(set, root.at) <= cores) draft.leave(shownOf(element), 'cpuset gives fewer CPUs');
      else draft.limit('cores', cores, originOf(element));
    } else if (element.name !== 'period') {
      draft.leave(shownOf(element), reasonFor(element.name, CPUTUNE));
    }
  }
}
