/**
 * Sizes, durations, cores, counts and nice values, from the text that people write to exact integers (cores: to a number).
 * Decimal text is multiplied as integers: 1.1 GB is 1100000000 bytes, whatever 1.1 is in binary.
 */

import {TareError} from '../errors.js';
import {show} from './show.js';
import {suggest} from './suggest.js';

export {formatBytes, formatCores, formatDuration} from './format.js';

const SIZES: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  K: 2 ** 10,
  k: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
  T: 2 ** 40,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};
/** Microseconds, the longest first: parts of a duration must come in this order. */
const DURATIONS: Readonly<Record<string, number>> = {d: 86_400e6, h: 3600e6, min: 60e6, m: 60e6, s: 1e6, ms: 1e3};

const SIZE_ALLOWED =
  'whole bytes, or a number with one of B, kB, MB, GB, TB (powers of 1000), K, M, G, T, KiB, MiB, GiB, TiB (powers of 1024)';
const DURATION_ALLOWED = 'seconds, or numbers with ms, s, m, min, h, d, the longest first: 90m, 1h30m, 1.5d';
const CORES_ALLOWED = 'a number of cores from 0.01 to 65536, such as 2 or 1.5';
const COUNT_ALLOWED = 'a whole number, 1 or more';
const NICE_ALLOWED = 'a whole number from 0 to 19';

/** Bytes. Below one byte is rounded down. @throws TareError QUANTITY_INVALID */
export function parseSize(value: string | number, where?: string): number {
  if (typeof value === 'number') return exact(value, value, 'size', SIZE_ALLOWED, where);
  const [, number, unit = 'B'] = /^(\d+(?:\.\d+)?) ?([A-Za-z]+)?$/.exec(value.trim()) ?? [];
  const factor = number === undefined ? undefined : factorOf(SIZES, unit);
  // Half a byte is no amount of memory: 1.5 lacks its unit.
  if (number === undefined || factor === undefined || (factor === 1 && number.includes('.'))) {
    throw invalid(value, 'size', SIZE_ALLOWED, where, unitHint(unit, SIZES));
  }
  return exact(times(number, factor), value, 'size', SIZE_ALLOWED, where);
}

/** Microseconds. Below one microsecond is rounded down. @throws TareError QUANTITY_INVALID */
export function parseDuration(value: string | number, where?: string): number {
  // toFixed stays decimal up to 1e21, and refuses to invent digits below the microsecond.
  if (typeof value === 'number') {
    return exact(
      value < 1e15 ? times(Math.abs(value).toFixed(6), 1e6) * Math.sign(value) : Number.NaN,
      value,
      'duration',
      DURATION_ALLOWED,
      where,
    );
  }
  const text = value.trim();
  if (/^\d+(\.\d+)?$/.test(text)) return exact(times(text, 1e6), value, 'duration', DURATION_ALLOWED, where);
  let sum = 0;
  let smallest = Number.POSITIVE_INFINITY;
  let rest = text;
  do {
    const [part, number, unit = ''] = /^(\d+(?:\.\d+)?) ?([A-Za-z]+) ?/.exec(rest) ?? [];
    const factor = factorOf(DURATIONS, unit);
    if (part === undefined || number === undefined || factor === undefined || factor >= smallest) {
      throw invalid(value, 'duration', DURATION_ALLOWED, where, unitHint(unit, DURATIONS));
    }
    sum += times(number, factor);
    smallest = factor;
    rest = rest.slice(part.length);
  } while (rest !== '');
  return exact(sum, value, 'duration', DURATION_ALLOWED, where);
}

/** Cores; not always whole. The kernel's quota has no step below 0.01 of the default period. @throws TareError QUANTITY_INVALID */
export function parseCores(value: string | number, where?: string): number {
  const cores = typeof value === 'number' ? value : /^\d+(\.\d+)?$/.test(value.trim()) ? Number(value) : Number.NaN;
  if (!(cores >= 0.01 && cores <= 65_536)) throw invalid(value, 'number of cores', CORES_ALLOWED, where);
  return cores;
}

/** Processes, open files. @throws TareError QUANTITY_INVALID */
export function parseCount(value: string | number, where?: string): number {
  const count = typeof value === 'number' ? value : /^\d+$/.test(value.trim()) ? Number(value) : Number.NaN;
  if (!(count >= 1)) throw invalid(value, 'number', COUNT_ALLOWED, where);
  return exact(count, value, 'number', COUNT_ALLOWED, where);
}

/** Nice values (setpriority(2)), without those below 0, which only root may take. @throws TareError QUANTITY_INVALID */
export function parseNice(value: string | number, where?: string): number {
  const nice = typeof value === 'number' ? value : /^\d+$/.test(value.trim()) ? Number(value) : Number.NaN;
  if (!(nice >= 0 && nice <= 19)) throw invalid(value, 'nice value', NICE_ALLOWED, where);
  return exact(nice, value, 'nice value', NICE_ALLOWED, where);
}

/** The factor of a unit; only own keys count, not `toString`. */
const factorOf = (units: Readonly<Record<string, number>>, unit: string): number | undefined =>
  Object.hasOwn(units, unit) ? units[unit] : undefined;

/** Decimal text times a whole factor, rounded down, exact below 2^53. */
function times(decimal: string, factor: number): number {
  const [whole = '0', fraction = ''] = decimal.split('.');
  return Number((BigInt(whole + fraction) * BigInt(factor)) / 10n ** BigInt(fraction.length));
}

function exact(number: number, found: string | number, what: string, allowed: string, where: string | undefined): number {
  if (number > Number.MAX_SAFE_INTEGER) throw invalid(found, what, `less than 2^53 in all; ${allowed}`, where);
  if (!Number.isInteger(number) || number < 0) throw invalid(found, what, allowed, where);
  return number;
}

function unitHint(unit: string, units: Readonly<Record<string, number>>): string | undefined {
  const near = unit === '' ? null : suggest(unit, Object.keys(units));
  return near === null || near === unit ? undefined : `did you mean ${near}?`;
}

function invalid(value: string | number, what: string, allowed: string, where: string | undefined, remedy?: string): TareError {
  return new TareError('QUANTITY_INVALID', {message: `not a ${what}`, where, found: show(value), allowed, remedy});
}
