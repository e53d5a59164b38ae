/** The canonical spool: one file per attempt, `RECORDID.json`. A reader sees the old record or the new one, never a part. */

import {lstatSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {TareError} from '../errors.js';
import {canonicalJson} from '../plan/canonical.js';
import type {UsageRecord} from '../schema/generated/record-1.js';
import {makeDirectory, writeDurably} from './durable.js';

/**
 * @returns the path of the record
 * @throws TareError SPOOL_UNWRITABLE
 */
export function writeRecord(spool: string, record: UsageRecord): string {
  const path = join(spool, `${record.recordId}.json`);
  attempt(path, 'see directories.spool in the policy', () => {
    makeDirectory(spool, 0o755);
    writeDurably(path, textOf(record));
  });
  return path;
}

/** A copy of a record, wherever somebody wants it; a pipe or a device is written to and not replaced. @throws TareError SPOOL_UNWRITABLE */
export function writeCopy(path: string, record: UsageRecord): void {
  attempt(path, 'name a file in a directory that exists and can be written to', () => {
    const there = lstatSync(path, {throwIfNoEntry: false});
    if (there === undefined || there.isFile()) writeDurably(path, textOf(record));
    else writeFileSync(path, textOf(record));
  });
}

const textOf = (record: UsageRecord): string => `${canonicalJson(record)}\n`;

function attempt(path: string, remedy: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    const {code, message} = error as NodeJS.ErrnoException;
    throw new TareError('SPOOL_UNWRITABLE', {message: `cannot write ${path}: ${message}`, found: code, remedy, cause: error});
  }
}

/** A final record that is in the spool already, null when there is none. */
export function readFinal(spool: string, id: string): {record: UsageRecord; path: string} | null {
  const path = join(spool, `${id}.json`);
  try {
    const record = JSON.parse(readFileSync(path, 'utf8')) as UsageRecord;
    return record.state === 'final' ? {record, path} : null;
  } catch {
    return null;
  }
}
