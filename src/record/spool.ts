/**
 * The canonical spool: one file per attempt, `RECORDID.json`, replaced whole. A reader sees the old record or the new one, never a part:
 * the bytes are on disk before the name is (fsync of file, rename, fsync of the directory).
 */

import {closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {TareError} from '../errors.js';
import {canonicalJson} from '../plan/canonical.js';
import type {UsageRecord} from '../schema/generated/record-1.js';

export const recordPath = (spool: string, id: string): string => join(spool, `${id}.json`);

/**
 * @returns the path of the record
 * @throws TareError SPOOL_UNWRITABLE
 */
export function writeRecord(spool: string, record: UsageRecord): string {
  const path = recordPath(spool, record.recordId);
  writeDurably(path, `${canonicalJson(record)}\n`);
  return path;
}

/** Writes a whole file so that a crash leaves the old one or the new one. */
export function writeDurably(path: string, text: string): void {
  const directory = dirname(path);
  const temporary = `${path}.tmp`;
  try {
    mkdirSync(directory, {recursive: true, mode: 0o755});
    rmSync(temporary, {force: true}); // a brain that died while writing may have left it
    writeAndSync(temporary, text);
    renameSync(temporary, path);
    syncDirectory(directory);
  } catch (error) {
    rmSync(temporary, {force: true});
    const {code, message} = error as NodeJS.ErrnoException;
    throw new TareError('SPOOL_UNWRITABLE', {message: `cannot write ${path}: ${message}`, found: code, remedy: 'see directories.spool in the policy', cause: error});
  }
}

function writeAndSync(path: string, text: string): void {
  // wx: never through a link that somebody put there
  const descriptor = openSync(path, 'wx', 0o644);
  try {
    writeFileSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
