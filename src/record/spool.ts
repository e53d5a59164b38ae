/** The canonical spool: one file per attempt, `RECORDID.json`. A reader sees the old record or the new one, never a part. */

import {closeSync, constants, fstatSync, lstatSync, opendirSync, openSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {TareError} from '../errors.js';
import {canonicalJson} from '../plan/canonical.js';
import type {UsageRecord} from '../schema/generated/record-1.js';
import {isOwn, makeDirectory, writeDurably} from './durable.js';

/**
 * @returns the path of the record
 * @throws TareError SPOOL_UNWRITABLE
 */
export function writeRecord(spool: string, record: UsageRecord): string {
  const path = pathOf(spool, record.recordId);
  attempt(path, 'see directories.spool in the policy', () => {
    makeDirectory(spool, 0o755);
    checkSpool(spool);
    writeDurably(path, textOf(record));
  });
  return path;
}

/** What others could remove or exchange is no place for a record: a directory for all has to be sticky, as /tmp is. */
function checkSpool(spool: string): void {
  if (isOwn(spool, process.getuid?.() ?? -1)) return;
  throw Object.assign(new Error('others may remove what is in it; it has to be sticky, or one’s own'), {code: 'EPERM'});
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
export function readRecord(spool: string, id: string, uid?: number): UsageRecord | null {
  try {
    return readOwn(pathOf(spool, id, uid));
  } catch {
    return null;
  }
}

const LARGEST_BYTES = 16 * 1024 * 1024;

/** Others may write to a spool: no link is followed, no pipe waited for, and nothing without end is read. */
function readOwn(path: string): UsageRecord {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const found = fstatSync(descriptor);
    if (!found.isFile() || found.size > LARGEST_BYTES) throw new Error('no record');
    return JSON.parse(readFileSync(descriptor, 'utf8')) as UsageRecord;
  } finally {
    closeSync(descriptor);
  }
}

/** Nothing more is to come: its attempt is over, one way or another. */
export const isClosed = (record: UsageRecord | null): boolean => record !== null && record.state !== 'started';

const NAME = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:\.(\d+))?\.json$/;

/** Ids of the records whose files belong to a user, in no order; one at a time, since there can be many. */
export function* recordsOf(spool: string, uid: number): Generator<string> {
  for (const {id, owner} of records(spool)) if (owner === uid) yield id;
}

/** All records by id, with the file and its owner. */
export function* records(spool: string): Generator<{id: string; owner: number; path: string}> {
  let directory;
  try {
    directory = opendirSync(spool);
  } catch {
    return; // nothing was ever recorded
  }
  try {
    for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
      const [, id, uid] = NAME.exec(entry.name) ?? [];
      if (id === undefined) continue;
      const path = join(spool, entry.name);
      const found = lstatSync(path, {throwIfNoEntry: false});
      if (found?.isFile() === true && (uid === undefined || Number(uid) === found.uid)) yield {id, owner: found.uid, path};
    }
  } finally {
    directory.closeSync();
  }
}

/**
 * Where a user's record lies. In a spool that everybody may write to another can have taken the name; then it has the user's number in it.
 */
export function pathOf(spool: string, id: string, uid = process.getuid?.() ?? -1): string {
  const plain = join(spool, `${id}.json`);
  const owner = ownerOf(plain);
  return owner === null || owner === uid ? plain : join(spool, `${id}.${String(uid)}.json`);
}

/** null when nothing is there, or it cannot be seen. */
function ownerOf(path: string): number | null {
  try {
    return lstatSync(path).uid;
  } catch {
    return null;
  }
}
