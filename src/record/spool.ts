/** The canonical spool: one file per attempt, `RECORDID.json`. A reader sees the old record or the new one, never a part. */

import {lstatSync, type Stats} from 'node:fs';
import {dirname, join, resolve} from 'node:path';
import {errnoOf, TareError} from '../errors.js';
import {migrateRecord} from '../migrate/record.js';
import {canonicalJson} from '../plan/canonical.js';
import type {UsageRecord} from '../schema/generated/record-2.js';
import {isOwn, makeDirectory, replaceOrWrite, writeDurably} from './durable.js';
import {readRecordText, recordFiles} from './read.js';

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

/** A copy of a record, at a path that the caller names. @throws TareError SPOOL_UNWRITABLE */
export function writeCopy(path: string, record: UsageRecord, write = replaceOrWrite): void {
  attempt(path, 'name a file in a directory that exists and that the job’s account can write to', () => write(path, textOf(record)));
}

/** A record as a file has it. */
export const textOf = (record: UsageRecord): string => `${canonicalJson(record)}\n`;

function attempt(path: string, remedy: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    const {message} = error as Error;
    throw new TareError('SPOOL_UNWRITABLE', {message: `cannot write ${path}: ${message}`, found: errnoOf(error), remedy, cause: error});
  }
}

/** What a user has in the spool under an id; null when nothing is, it cannot be read, or another wrote it: that one could say anything. */
export function readRecord(spool: string, id: string, uid = process.getuid?.() ?? -1): UsageRecord | null {
  try {
    const found = readRecordText(pathOf(spool, id, uid));
    return found?.uid !== uid ? null : (migrateRecord(JSON.parse(found.text)) as UsageRecord);
  } catch {
    return null;
  }
}

/** Whether the record is closed: its attempt is over. */
export const isClosed = (record: UsageRecord | null): boolean => record !== null && record.state !== 'started';

/** Ids of the records whose files belong to a user, in no order; one at a time, since there can be many. */
export function* recordsOf(spool: string, uid: number): Generator<string> {
  for (const {id, owner} of records(spool)) if (owner === uid) yield id;
}

/** All records by id, with the file and its owner. */
export function* records(spool: string): Generator<{id: string; owner: number; path: string}> {
  const place = resolve(spool); // a policy may write it with a slash at its end
  for (const {id, path} of recordFiles(place)) {
    if (dirname(path) !== place) continue; // a record that was moved into a folder is closed
    const found = lookAt(path);
    if (found?.isFile() === true && path === pathOf(place, id, found.uid)) yield {id, owner: found.uid, path};
  }
}

/**
 * The path of a user's record. In a spool to which all may write another user can have taken the name; then the name has the user's number,
 * and keeps it when the other's goes: else there would be two.
 */
export function pathOf(spool: string, id: string, uid = process.getuid?.() ?? -1): string {
  const plain = join(spool, `${id}.json`);
  const owner = ownerOf(plain);
  if (owner === uid) return plain;
  const numbered = join(spool, `${id}.${String(uid)}.json`);
  return owner === null && ownerOf(numbered) !== uid ? plain : numbered;
}

/** null when nothing is there, or it cannot be seen. */
const ownerOf = (path: string): number | null => lookAt(path)?.uid ?? null;

function lookAt(path: string): Stats | null {
  try {
    return lstatSync(path);
  } catch {
    return null;
  }
}
