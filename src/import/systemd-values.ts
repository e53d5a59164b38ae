/** Quantities as systemd writes them: sizes, time spans, shares and pairs of resource limits (systemd.exec(5), systemd.time(7)). */

import {TareError} from '../errors.js';
import {show} from '../job/show.js';
import {exactly, notAn, scaled} from './decimal.js';

const POWERS: Readonly<Record<string, bigint>> = {B: 0n, K: 1n, M: 2n, G: 3n, T: 4n, P: 5n, E: 6n};
/** Microseconds (systemd.time(7)). */
const TIMES: Readonly<Record<string, bigint>> = {
  ...Object.fromEntries(['us', 'usec', 'µs', 'μs'].map((unit) => [unit, 1n])),
  ...Object.fromEntries(['ms', 'msec'].map((unit) => [unit, 1000n])),
  ...Object.fromEntries(['', 's', 'sec', 'second', 'seconds'].map((unit) => [unit, 1_000_000n])),
  ...Object.fromEntries(['m', 'min', 'minute', 'minutes'].map((unit) => [unit, 60_000_000n])),
  ...Object.fromEntries(['h', 'hr', 'hour', 'hours'].map((unit) => [unit, 3_600_000_000n])),
  ...Object.fromEntries(['d', 'day', 'days'].map((unit) => [unit, 86_400_000_000n])),
  ...Object.fromEntries(['w', 'week', 'weeks'].map((unit) => [unit, 604_800_000_000n])),
  ...Object.fromEntries(['M', 'month', 'months'].map((unit) => [unit, 2_629_800_000_000n])),
  ...Object.fromEntries(['y', 'year', 'years'].map((unit) => [unit, 31_557_600_000_000n])),
};

/** No limit. */
const NONE = 'infinity';

/** Bytes, with K, M, G, T, P or E, powers of 1024; null: infinity. @throws TareError QUANTITY_INVALID */
export function sizeOf(text: string, where: string): number | null {
  if (text === NONE) return null;
  const [, number = '', unit = 'B'] = /^(\d+(?:\.\d+)?) ?([BKMGTPE])?$/.exec(text) ?? [];
  const bytes = scaled(number, 1024n ** (POWERS[unit] ?? 0n));
  if (bytes === null) throw notAn('size', text, 'bytes, or a number with K, M, G, T, P or E (powers of 1024); infinity', where);
  return exactly(bytes, text, where);
}

/** A whole number; null: infinity. @throws TareError QUANTITY_INVALID */
export function countOf(text: string, where: string): number | null {
  if (text === NONE) return null;
  const count = scaled(text, 1n);
  if (count === null || text.includes('.')) throw notAn('whole number', text, 'a whole number, or infinity', where);
  return exactly(count, text, where);
}

/** Microseconds; a number alone is in seconds. null: infinity. @throws TareError QUANTITY_INVALID */
export function spanOf(text: string, where: string): number | null {
  if (text === NONE) return null;
  let sum = 0n;
  const parts = text.length > 200 ? [] : [...text.matchAll(/\s*(\d+(?:\.\d+)?)\s*([a-zA-Zµμ]*)\s*/gy)];
  for (const [, number = '', unit = ''] of parts) {
    const factor = Object.hasOwn(TIMES, unit) ? TIMES[unit] : undefined;
    const time = factor === undefined ? null : scaled(number, factor);
    if (time === null) throw notAn('time span', text, 'seconds, or numbers with us, ms, s, min, h, d, w, month, y; infinity', where);
    sum += time;
  }
  if (parts.length === 0 || parts.reduce((length, [part]) => length + part.length, 0) !== text.length)
    throw notAn('time span', text, 'seconds, or numbers with us, ms, s, min, h, d, w, month, y; infinity', where);
  return exactly(sum, text, where);
}

/** The kinds of values that resource limits have. */
export type RlimitKind = 'size' | 'count' | 'span' | 'nice';

/**
 * The soft and the hard limit of `SOFT:HARD`, or of one for both; null: infinity. Time spans are in microseconds.
 * @throws TareError QUANTITY_INVALID, DOCUMENT_INVALID for a soft limit above the hard one
 */
export function rlimitOf(text: string, kind: RlimitKind, where: string): {soft: number | null; hard: number | null} {
  const parts = text.split(':');
  if (parts.length > 2) throw notAn('resource limit', text, 'LIMIT or SOFT:HARD', where);
  const [soft = null, hard = soft] = parts.map((part) => READERS[kind](part, where));
  if (hard !== null && (soft === null || soft > hard))
    throw new TareError('DOCUMENT_INVALID', {
      message: 'the soft limit is above the hard one',
      where,
      found: show(text),
      allowed: 'a soft limit up to the hard one',
    });
  return {soft, hard};
}

/** `+N` and `-N` are nice values, a number alone is the kernel's: 20 less the nice value (getrlimit(2)). */
function niceOf(text: string, where: string): number | null {
  if (text === NONE) return null;
  const value = /^[+-]?\d{1,3}$/.test(text) ? (/^[+-]/.test(text) ? 20 - Number(text) : Number(text)) : Number.NaN;
  if (!(value >= 0 && value <= 40)) throw notAn('limit on nice values', text, '-20 to +19 with its sign, or 0 to 40', where);
  return value;
}

const READERS: Readonly<Record<RlimitKind, (text: string, where: string) => number | null>> = {
  size: sizeOf,
  count: countOf,
  span: spanOf,
  nice: niceOf,
};

/** Cores of a share such as `150%` of one CPU. @throws TareError QUANTITY_INVALID */
export function coresOf(text: string, where: string): number {
  const [, percent] = /^(\d{1,7}(?:\.\d{1,2})?)%$/.exec(text) ?? [];
  const cores = Number(percent ?? Number.NaN) / 100;
  if (!(cores >= 0.01 && cores <= 65_536)) throw notAn('share of a CPU', text, '1% or more, such as 150%', where);
  return Number(cores.toFixed(4));
}
