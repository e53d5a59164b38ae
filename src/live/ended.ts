/** The jobs of this node that ended last, by the records that are still in a spool. */

import {lstatSync} from 'node:fs';
import {hostname} from 'node:os';
import type {ExportRecord} from '@tare/contract';
import {ifPossible} from '../errors.js';
import {readOne} from '../export/export.js';
import {isClosed} from '../export/view.js';
import {placesOf, sealedPlace} from '../policy/places.js';
import type {Policy} from '../policy/policy.js';
import {recordFilesIn} from '../record/read.js';
import {userSpools} from '../box/user-places.js';

/** Records of jobs that are over. */
export interface EndedJobs {
  /** The newest first. */
  records: ExportRecord[];
  /** There are more files than were looked at. */
  cut: boolean;
}

/** Most files of a spool that are searched for the newest records. */
const MOST_FILES = 20_000;
/** Some of the newest are of jobs that still run, or of other nodes where the spool is shared. */
const READ_FOR_ONE = 8;

/** The caller's own; for root those of all users. What cannot be read is left out. */
export function endedJobs(policy: Policy, uid: number, most: number): EndedJobs {
  const spools = uid === 0 ? [sealedPlace(policy), ...userSpools(policy)] : placesOf(policy, uid).spools;
  const files: {path: string; id: string; writtenMs: number}[] = [];
  let looked = 0;
  for (const {path, id} of recordFilesIn(spools)) {
    if (++looked > MOST_FILES) break;
    const found = lstatSync(path, {throwIfNoEntry: false});
    if (found?.isFile() === true && (uid === 0 || found.uid === uid)) files.push({path, id, writtenMs: found.mtimeMs});
  }
  files.sort((a, b) => b.writtenMs - a.writtenMs);
  const node = hostname();
  const records = new Map<string, ExportRecord>();
  for (const {path, id} of files.slice(0, most * READ_FOR_ONE)) {
    if (records.size >= most) break;
    const record = readRecord(path, id);
    if (record !== null && isClosed(record) && record.host.node === node && !records.has(id)) records.set(id, record);
  }
  return {records: [...records.values()], cut: looked > MOST_FILES};
}

const readRecord = (path: string, id: string): ExportRecord | null => ifPossible(() => readOne(path, id)?.record ?? null);
