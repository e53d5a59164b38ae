/** The canonical spool: one file per attempt, `RECORDID.json`. A reader sees the old record or the new one, never a part. */

import {lstatSync, opendirSync, readFileSync, writeFileSync} from 'node:fs';
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
  const path = pathOf(spool, record.recordId);
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

/** What is in the spool under an id; null when nothing is, or it cannot be read. */
export function readRecord(spool: string, id: string): UsageRecord | null {
  try {
    return JSON.parse(readFileSync(pathOf(spool, id), 'utf8')) as UsageRecord;
  } catch {
    return null;
  }
}

/** Nothing more is to come: its attempt is over, one way or another. */
export const isClosed = (record: UsageRecord | null): boolean => record !== null && record.state !== 'started';

/** A final record that is in the spool already, null when there is none. */
export function readFinal(spool: string, id: string): {record: UsageRecord; path: string} | null {
  const record = readRecord(spool, id);
  return record?.state === 'final' ? {record, path: pathOf(spool, id)} : null;
}

const NAME = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.json$/;

/** Ids of the records whose files belong to a user, in no order; one at a time, since there can be many. */
export function* recordsOf(spool: string, uid: number): Generator<string> {
  for (const {id, owner} of records(spool)) if (owner === uid) yield id;
}

/** All records by id, with the owner of the file. */
export function* records(spool: string): Generator<{id: string; owner: number}> {
  let directory;
  try {
    directory = opendirSync(spool);
  } catch {
    return; // nothing was ever recorded
  }
  try {
    for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
      const id = NAME.exec(entry.name)?.[1];
      const found = id === undefined ? undefined : lstatSync(join(spool, entry.name), {throwIfNoEntry: false});
      if (id !== undefined && found?.isFile() === true) yield {id, owner: found.uid};
    }
  } finally {
    directory.closeSync();
  }
}

const pathOf = (spool: string, id: string): string => join(spool, `${id}.json`);
