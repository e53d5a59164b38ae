/** Numbers of foreign settings: decimal text with a factor, exact. */

import {TareError} from '../errors.js';
import {show} from '../job/show.js';

/** Digits before and after the point that a number may have; more would cost time and say nothing. */
const DECIMAL = /^(\d{1,30})(?:\.(\d{1,30}))?$/;

/** Decimal text times a whole factor, rounded down; null for what is no decimal number. */
export function scaled(decimal: string, factor: bigint): bigint | null {
  const [, whole, fraction = ''] = DECIMAL.exec(decimal) ?? [];
  return whole === undefined ? null : (BigInt(whole + fraction) * factor) / 10n ** BigInt(fraction.length);
}

/** An amount as a number that is exact. @throws TareError QUANTITY_INVALID from 2^53 on */
export function exactly(amount: bigint, found: string, where: string): number {
  if (amount <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(amount);
  throw notAn('amount', found, 'less than 2^53 in all', where);
}

/** The error for text that is no quantity of a kind. */
export const notAn = (what: string, found: string, allowed: string, where: string): TareError =>
  new TareError('QUANTITY_INVALID', {message: `not ${/^[aeiou]/.test(what) ? 'an' : 'a'} ${what}`, where, found: show(found), allowed});
