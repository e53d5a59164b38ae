/** The canonical spool: one file per attempt, `RECORDID.json`. A reader sees the old record or the new one, never a part. */

import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {TareError} from '../errors.js';
import {canonicalJson} from '../plan/canonical.js';
import type {UsageRecord} from '../schema/generated/record-1.js';
import {writeDurably} from './durable.js';

/**
 * @returns the path of the record
 * @throws TareError SPOOL_UNWRITABLE
 */
export function writeRecord(spool: string, record: UsageRecord): string {
  const path = join(spool, `${record.recordId}.json`);
  writeRecordTo(path, record);
  return path;
}

/** A copy of a record, wherever somebody wants it. @throws TareError SPOOL_UNWRITABLE */
export function writeRecordTo(path: string, record: UsageRecord): void {
  try {
    writeDurably(path, `${canonicalJson(record)}\n`);
  } catch (error) {
    const {code, message} = error as NodeJS.ErrnoException;
    throw new TareError('SPOOL_UNWRITABLE', {
      message: `cannot write ${path}: ${message}`,
      found: code,
      remedy: 'see directories.spool in the policy',
      cause: error,
    });
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
