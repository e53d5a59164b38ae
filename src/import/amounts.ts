/** Sizes, durations and sets of CPUs as docker, podman and compose write them. */

import {TareError} from '../errors.js';
import {show} from '../job/show.js';

const POWERS: Readonly<Record<string, number>> = {'': 0, k: 1, m: 2, g: 3, t: 4, p: 5};
/** Microseconds (Go's time.ParseDuration). */
const UNITS: Readonly<Record<string, number>> = {ns: 1e-3, us: 1, µs: 1, ms: 1e3, s: 1e6, m: 60e6, h: 3600e6};
/** µs; what a job descriptor can say. */
const MOST_US = Number.MAX_SAFE_INTEGER;
/** The kernel's NR_CPUS is less. */
const MOST_CPUS = 65_536;

const SIZE_ALLOWED = 'bytes, or a number with one of b, k, m, g, t (powers of 1024)';
const DURATION_ALLOWED = 'numbers with us, ms, s, m, h: 1m30s';

/** Bytes, as units.RAMInBytes of go-units reads them: units are powers of 1024. @throws TareError QUANTITY_INVALID */
export function sizeOf(text: string, where: string): number {
  const [, number, unit = ''] = /^(\d{1,16}(?:\.\d{1,16})?) ?([kmgtp]?)(?:i?b)?$/i.exec(text) ?? [];
  const bytes = number === undefined ? Number.NaN : Math.floor(Number(number) * 1024 ** (POWERS[unit.toLowerCase()] ?? 0));
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new TareError('QUANTITY_INVALID', {message: 'not a size', where, found: show(text), allowed: SIZE_ALLOWED});
}

/** The same, and -1, which stands for no limit. @throws TareError QUANTITY_INVALID */
export const sizeOrNone = (text: string, where: string): number => (text === '-1' ? -1 : sizeOf(text, where));

/** Microseconds. @throws TareError QUANTITY_INVALID */
export function durationOf(text: string, where: string): number {
  let sum = 0;
  let rest = text.length > 100 ? '' : text;
  do {
    const [part, number, unit = ''] = /^(\d{1,16}(?:\.\d{1,16})?)(ns|us|µs|ms|s|m|h)/.exec(rest) ?? [];
    if (part === undefined)
      throw new TareError('QUANTITY_INVALID', {message: 'not a duration', where, found: show(text), allowed: DURATION_ALLOWED});
    sum += Number(number) * (UNITS[unit] ?? 0);
    rest = rest.slice(part.length);
  } while (rest !== '');
  if (sum <= MOST_US) return Math.round(sum);
  throw new TareError('QUANTITY_INVALID', {message: 'too long a duration', where, found: show(text), allowed: 'less than 285 years'});
}

/** A whole number of a text. @throws TareError QUANTITY_INVALID */
export function wholeOf(text: string, where: string, least = 0, most = 1e15): number {
  const number = /^[+-]?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw new TareError('QUANTITY_INVALID', {
    message: 'not a whole number',
    where,
    found: show(text),
    allowed: `a whole number from ${least} to ${most}`,
  });
}

/** Cores; 0 stands for no limit. @throws TareError QUANTITY_INVALID */
export function coresOf(text: string, where: string): number {
  const cores = /^\d{0,6}\.?\d{0,9}$/.test(text) && /\d/.test(text) ? Number(text) : Number.NaN;
  if (cores >= 0 && cores <= MOST_CPUS) return cores;
  throw new TareError('QUANTITY_INVALID', {
    message: 'not a number of cores',
    where,
    found: show(text),
    allowed: `a number from 0 to ${MOST_CPUS}, such as 1.5`,
  });
}

/** The number of CPUs of a set such as `0-3,8`, as cpuset(7) writes them. @throws TareError QUANTITY_INVALID */
export function cpusOf(text: string, where: string): number {
  const cpus = new Set<number>();
  for (const part of (text.length > 1000 ? '' : text).split(',')) {
    const [, first, last = first] = /^ *(\d{1,5})(?:-(\d{1,5}))? *$/.exec(part) ?? [];
    if (first === undefined || Number(last) < Number(first) || Number(last) >= MOST_CPUS)
      throw new TareError('QUANTITY_INVALID', {
        message: 'not a set of CPUs',
        where,
        found: show(text),
        allowed: 'numbers and ranges: 0-3,8',
      });
    for (let cpu = Number(first); cpu <= Number(last); cpu++) cpus.add(cpu);
  }
  return cpus.size;
}
