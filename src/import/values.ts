/** Values that several formats write alike: sizes as the kernel reads them, lists of CPUs, whole numbers. */

import {TareError} from '../errors.js';
import {show} from '../job/show.js';

/** A value that cannot be understood, with its place. */
export const invalidValue = (message: string, where: string, found: string, allowed: string): TareError =>
  new TareError('QUANTITY_INVALID', {message, where, found: show(found), allowed});

/** Whole number of decimal digits. @throws TareError QUANTITY_INVALID */
export function wholeNumber(text: string, what: string, where: string, most = Number.MAX_SAFE_INTEGER): number {
  const value = /^\d{1,20}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= most)) throw invalidValue(`not a ${what}`, where, text, `a whole number from 0 to ${most}`);
  return value;
}

/** Units that a job descriptor has too. */
const SAME_UNITS = 'KMGT';

/**
 * A size as a control group's file takes it (memparse of the kernel): decimal bytes, or with K, M, G, T, P, E, powers of 1024.
 * @returns as a job descriptor writes it; null: `max`, or -1, no limit
 * @throws TareError QUANTITY_INVALID
 */
export function kernelSize(text: string, where: string): string | number | null {
  if (text === 'max' || text === '-1') return null;
  const [, digits, suffix = ''] = /^(0|[1-9]\d{0,19})([KMGTPE]?)$/i.exec(text) ?? [];
  if (digits === undefined) {
    throw invalidValue('not a size', where, text, 'bytes in decimal digits, with K, M, G, T, P or E behind them or nothing; max or -1');
  }
  return scaled(BigInt(digits), suffix.toUpperCase(), 'iB');
}

/** A number with a unit of the powers of 1024 (`iB`) or 1000 (`B`), as a job descriptor writes it: units that it lacks become bytes. */
export function scaled(number: bigint, prefix: string, base: 'iB' | 'B'): string | number | null {
  const power = ' KMGTPE'.indexOf(prefix === '' ? ' ' : prefix);
  const bytes = number * (base === 'iB' ? 1024n : 1000n) ** BigInt(power);
  // more than any memory: the tools write it for no limit
  if (bytes > BigInt(Number.MAX_SAFE_INTEGER)) return null;
  if (prefix === '') return Number(bytes);
  if (!SAME_UNITS.includes(prefix)) return Number(bytes);
  return `${number}${base === 'B' && prefix === 'K' ? 'k' : prefix}${base}`;
}

/** CPUs that a kernel of Linux can have at the most (NR_CPUS). */
const MOST_CPUS = 8192;
/** Characters of a list of CPUs. */
const LONGEST_LIST = 4096;

/**
 * The number of CPUs in a list, as cpuset(7) has it: `0-3,5`; and with `^2` without one, as libvirt has it.
 * @throws TareError QUANTITY_INVALID
 */
export function cpuCount(list: string, where: string): number {
  const named = new Set<number>();
  if (list.length > LONGEST_LIST) throw invalidValue('a list of CPUs that is too long', where, list, `${LONGEST_LIST} characters`);
  for (const part of list.split(',')) {
    const [, without, low = '', high = low] = /^(\^)?(\d{1,6})(?:-(\d{1,6}))?$/.exec(part.trim()) ?? [];
    const [first, last] = [Number(low), Number(high)];
    if (low === '' || last < first || last >= MOST_CPUS || (without !== undefined && high !== low))
      throw invalidValue('not a list of CPUs', where, list, 'numbers and ranges with commas between them, such as 0-3,5');
    for (let cpu = first; cpu <= last; cpu++) {
      if (without === undefined) named.add(cpu);
      else named.delete(cpu);
    }
  }
  if (named.size === 0) throw invalidValue('a list without CPUs', where, list, 'one CPU or more');
  return named.size;
}

/** CPU time per wall time of a quota in a period, both in µs, to a ten thousandth. */
export const coresOf = (quotaUs: number, periodUs: number): number => Number((quotaUs / periodUs).toFixed(4));

/** Init programs that boot a system instead of running one program. */
const SYSTEM_INIT = /^(?:\/usr)?\/(?:s?bin\/(?:init|systemd|openrc-init|runit-init)|lib\/systemd\/systemd)$|^\/init$|^\/linuxrc$/;

/** Whether an executable is one that boots a system. */
export const bootsSystem = (path: string): boolean => SYSTEM_INIT.test(path);

/** Why the command of such a container is not what a job should run. */
export const BOOTS =
  'this boots a system, and a job has a payload: give the payload as command, and name init (pattern vm-lite) to boot the image beside it';

/** A path in one form, absolute: without double slashes and `.`, and without a slash at its end. */
export const plainPath = (path: string): string =>
  `/${path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/')}`;

/** The largest id of an account. */
export const MOST_ID = 4_294_967_295;
/** Ids that `identity.machineIds` of a policy can have. */
export const MOST_IDS = 65_536;
/** Why a range of ids is not proposed. */
export const ONE_RANGE =
  'a small machine has one range of ids, for users and groups, of 1000 to 65536 from 1000 on, which begins with its root';
/** Why a range of groups is not proposed besides that of users. */
export const SAME_RANGE = 'it is the range that is proposed: a small machine has one for users and groups';
