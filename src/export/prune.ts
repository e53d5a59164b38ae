/** Takes records out of a spool that are old enough, and that every exporter has delivered, or has no business with. */

import {rmdirSync, rmSync, statSync} from 'node:fs';
import {dirname} from 'node:path';
import {ifPossible} from '../errors.js';
import {countingBad, readRecords, type Opened, type ReadEvents} from './export.js';
import {endOf} from './filter.js';
import {isClosed} from './view.js';

/** What one run of `tare records prune` did; `kept` counts old records by what holds them. */
export interface PruneSummary {
  records: number;
  removed: number;
  /** Older, and kept. */
  kept: {open: number; pending: number; refused: number; failed: number};
  unreadable: number;
}

/** @param remove false: only count */
export function prune(
  spools: readonly string[],
  exporters: readonly Opened[],
  beforeUs: number,
  remove: boolean,
  events: ReadEvents = {},
): PruneSummary {
  const summary: PruneSummary = {records: 0, removed: 0, kept: {open: 0, pending: 0, refused: 0, failed: 0}, unreadable: 0};
  for (const {path, record, writtenUs} of readRecords(spools, countingBad(events, summary))) {
    summary.records++;
    if (endOf(record, writtenUs) >= beforeUs || writtenUs >= beforeUs) continue;
    if (!isClosed(record)) {
      summary.kept.open++;
      continue;
    }
    const {recordId, revision} = record;
    const unfinished = exporters
      .filter(({exporter, sealedOnly}) => exporter.select(record) === null && !(sealedOnly && !record.sealed && record.trust !== 'root'))
      .map(({ledger}) => ledger.standing(recordId, revision).state)
      .find((state) => state !== 'delivered');
    if (unfinished !== undefined) {
      summary.kept[unfinished]++;
      continue;
    }
    if (remove) {
      // a revision that was written since we read it is not ours to remove
      if (Math.round((statSync(path, {throwIfNoEntry: false})?.mtimeMs ?? -1) * 1000) !== writtenUs) continue;
      rmSync(path);
      if (!spools.includes(dirname(path))) removeEmpty(dirname(path));
      // afterwards: a crash in between leaves an acknowledgement too many, never a record that would be delivered again
      for (const {ledger} of exporters) ledger.forget(recordId, revision);
    }
    summary.removed++;
  }
  return summary;
}

/** A folder of a collector's that has nothing in it any more. */
function removeEmpty(directory: string): void {
  ifPossible(() => rmdirSync(directory)); // there is something in it
}
