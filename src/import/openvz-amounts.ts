/** Amounts of OpenVZ: `barrier:limit` in pages, bytes, kilobytes or items, with suffixes (vzctl(8), resource limits). */

import {TareError} from '../errors.js';
import {show} from '../job/show.js';
import {exactly, notAn, scaled} from './decimal.js';

/** What a number without a suffix counts. Items have no suffixes. */
export type Unit = 'pages' | 'bytes' | 'kilobytes' | 'inodes' | 'items';

/** A pair of values: in bytes, items as they are; null: unlimited. */
interface Pair {
  barrier: number | null;
  limit: number | null;
}

/** Bytes of a page on x86, where OpenVZ has its home (vzctl(8)). */
const PAGE = 4096n;
const OF_UNIT: Readonly<Record<Unit, bigint>> = {pages: PAGE, bytes: 1n, kilobytes: 1024n, inodes: 1n, items: 1n};
const SUFFIXES: Readonly<Record<string, bigint>> = {T: 2n ** 40n, G: 2n ** 30n, M: 2n ** 20n, K: 2n ** 10n, P: PAGE, B: 1n};
/** What kernels have for `unlimited`, of 64 bits and of 32: vzctl takes both for it. */
const UNLIMITED = [2n ** 63n - 1n, 2n ** 31n - 1n];

/**
 * Reads `barrier:limit`; one value is both.
 * @throws TareError QUANTITY_INVALID for what is no amount, DOCUMENT_INVALID for a barrier above its limit
 */
export function readPair(text: string, unit: Unit, where: string): Pair {
  const parts = text.split(':');
  const [barrier = null, limit = barrier] = parts.map((part) => readAmount(part, unit, where));
  if (parts.length > 2) throw notAn('pair of amounts', text, 'BARRIER:LIMIT', where);
  if (limit !== null && (barrier === null || barrier > limit))
    throw new TareError('DOCUMENT_INVALID', {
      message: 'the first value is larger than the second',
      where,
      found: show(text),
      allowed: 'a barrier (or soft limit) up to the limit (or hard limit)',
    });
  return {barrier, limit};
}

/** Whole pages, bytes or items, as vzctl counts them: what is below one is dropped. */
function readAmount(text: string, unit: Unit, where: string): number | null {
  if (text === 'unlimited') return null;
  const [, number = '', suffix] = /^(\d+(?:\.\d+)?)([A-Za-z])?$/.exec(text) ?? [];
  const factor = suffix === undefined ? OF_UNIT[unit] : unit === 'items' ? undefined : SUFFIXES[suffix.toUpperCase()];
  const amount = factor === undefined ? null : scaled(number, factor);
  if (amount === null) {
    const suffixes = unit === 'items' ? '' : ', with T, G, M, K, P (pages) or B';
    throw notAn('amount', text, `a number (of ${unit})${suffixes}, or unlimited`, where);
  }
  const whole = amount / OF_UNIT[unit];
  return UNLIMITED.includes(whole) ? null : exactly(whole * OF_UNIT[unit], text, where);
}
