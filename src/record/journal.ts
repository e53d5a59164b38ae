/** Records in the places that the policy lists: the first that takes one has it. */

import {lstatSync, rmSync} from 'node:fs';
import {ifPossible, TareError} from '../errors.js';
import {isClosed, pathOf, readRecord, writeRecord} from './spool.js';
import type {UsageRecord} from './record.js';

/**
 * Writes a record to the first place that takes it, and removes an earlier state of it from the others.
 * @returns its path
 * @throws TareError SPOOL_UNWRITABLE with what each place said
 */
export function journal(spools: readonly string[], record: UsageRecord): string {
  const troubles: TareError[] = [];
  for (const spool of spools) {
    try {
      const path = writeRecord(spool, record);
      for (const other of spools) if (other !== spool) removeOwn(other, record.recordId);
      return path;
    } catch (error) {
      if (!(error instanceof TareError)) throw error;
      troubles.push(error);
    }
  }
  const [first] = troubles;
  if (first !== undefined && troubles.length === 1) throw first;
  throw new TareError('SPOOL_UNWRITABLE', {message: troubles.map(({message}) => message).join('; '), cause: first});
}

/** A record wherever it is; a closed one rather than one that a full disk kept from being removed. */
export function find(spools: readonly string[], id: string): {record: UsageRecord; path: string} | null {
  const found = spools.flatMap((spool) => {
    const record = readRecord(spool, id);
    return record === null ? [] : [{record, path: pathOf(spool, id)}];
  });
  return found.find(({record}) => isClosed(record)) ?? found[0] ?? null;
}

/** A final record that is in the spool already, null when there is none. */
export function findFinal(spools: readonly string[], id: string): {record: UsageRecord; path: string} | null {
  const found = find(spools, id);
  return found?.record.state === 'final' ? found : null;
}

/** On a full disk there is room to remove; on a read-only one it stays, and readers prefer the closed one. */
function removeOwn(spool: string, id: string): void {
  ifPossible(() => {
    const path = pathOf(spool, id);
    if (lstatSync(path, {throwIfNoEntry: false}) !== undefined) rmSync(path);
  }); // see above
}
