/** Which records are meant. Pure. */

import type {ExportRecord} from '@tare/contract';
import {TareError} from '../errors.js';
import {parseDuration} from '../job/quantity.js';
import {matchesGlob} from '../policy/glob.js';

/** Which records are wanted; null: any. All conditions have to hold. */
export interface Filter {
  /** Ended at or after; µs since 1970. */
  sinceUs: number | null;
  /** Ended before. */
  untilUs: number | null;
  /** Names; `*` stands for any characters. */
  vo: string | null;
  user: string | null;
  outcome: string | null;
  state: string | null;
}

/** When it ended; for a record that does not say, when it was written. */
export const endOf = ({time}: ExportRecord, writtenUs: number): number => time.endEpochUs ?? writtenUs;

/** Whether a record passes the filter. A record without an end counts as ended when it was written, µs since 1970. */
export function fits(filter: Filter, record: ExportRecord, writtenUs: number): boolean {
  const end = endOf(record, writtenUs);
  return (
    (filter.sinceUs === null || end >= filter.sinceUs) &&
    (filter.untilUs === null || end < filter.untilUs) &&
    named(filter.vo, record.user.vo) &&
    named(filter.user, record.user.local) &&
    named(filter.outcome, record.outcome.status) &&
    named(filter.state, record.state)
  );
}

const named = (glob: string | null, name: string | null): boolean => glob === null || (name !== null && matchesGlob(glob, name));

/**
 * A moment as people write it: a date or a time in ISO 8601 (UTC unless it says otherwise), or how long ago.
 * @returns µs since 1970
 * @throws TareError QUANTITY_INVALID
 */
export function parseMoment(written: string, nowUs: number, where: string): number {
  const iso = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(Z|[+-]\d\d:\d\d)?)?$/.exec(written);
  if (iso !== null) {
    const [, date = '', time = '00:00', zone = 'Z'] = iso;
    const ms = Date.parse(`${date}T${time}${zone}`);
    if (!Number.isNaN(ms)) return ms * 1000;
  }
  try {
    return nowUs - parseDuration(written, where);
  } catch (error) {
    throw new TareError('QUANTITY_INVALID', {
      message: 'not a point in time',
      where,
      found: written,
      allowed: '2026-09-21, 2026-09-21T13:00 or 7d (ago)',
      cause: error,
    });
  }
}
