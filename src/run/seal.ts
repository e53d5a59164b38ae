/**
 * Root takes records over from the users that wrote them: it checks each, and keeps it where only root can change it. Until then another
 * process of the same user, outside the box, could have changed it.
 */

import {lstatSync, rmSync} from 'node:fs';
import {hostname} from 'node:os';
import {dirname, join} from 'node:path';
import {asTareError, TareError} from '../errors.js';
import {verifyRecord, type Validator} from '../export/verify.js';
import {childProcess} from '../host/spawn.js';
import {migrateRecord} from '../migrate/record.js';
import {sealedPlace} from '../policy/places.js';
import {isOwn, makeDirectory, writeDurably} from '../record/durable.js';
import {readRecordText, type RecordText} from '../record/read.js';
import type {UsageRecord} from '../record/record.js';
import {records, textOf} from '../record/spool.js';
import {readPolicy} from '../files/documents.js';
import {userSpools} from '../box/user-places.js';

/** What one run of `tare records seal` did. */
export interface SealSummary {
  sealed: number;
  /** Records that are not closed. */
  open: number;
  /** Left where they are, and why. */
  rejected: {path: string; uid: number; reason: string}[];
}

/**
 * Seals what is over. Doing it again does nothing: a crash between the copy and the removal of the user's file is made good.
 * @throws TareError SEAL_FORBIDDEN, or when the policy cannot be read
 */
export async function sealRecords(policyFile: string | null): Promise<SealSummary> {
  const self = process.getuid?.() ?? -1;
  if (self !== 0) throw new TareError('SEAL_FORBIDDEN', {message: 'only root seals records', found: `uid ${String(self)}`});
  const policy = await readPolicy(policyFile, self);
  const place = openSealed(sealedPlace(policy));
  const {default: validate} = await import('../schema/generated/record-2.validator.js');
  const summary: SealSummary = {sealed: 0, open: 0, rejected: []};
  for (const spool of userSpools(policy)) {
    for (const {id, owner, path} of records(spool)) {
      if (owner === 0) continue;
      try {
        const record = readAsOwner(path, id, owner, validate);
        if (record === null) {
          summary.open++;
          continue;
        }
        keep(place, {...record, sealed: {uid: owner, node: hostname()}});
        removeAs(owner, path);
        summary.sealed++;
      } catch (error) {
        summary.rejected.push({path, uid: owner, reason: asTareError(error).message});
      }
    }
  }
  return summary;
}

/** @throws TareError SEAL_FORBIDDEN */
function openSealed(place: string): string {
  makeDirectory(place, 0o755);
  const {uid, mode} = lstatSync(place);
  if (isOwn(place, 0) && (mode & 0o022) === 0) return place;
  throw new TareError('SEAL_FORBIDDEN', {
    message: `sealed records cannot be kept in ${place}`,
    found: `owner ${String(uid)}, mode ${(mode & 0o7777).toString(8)}`,
    allowed: 'a directory that only root can write to',
  });
}

const rejected = (reason: string): TareError => new TareError('RECORD_UNKNOWN', {message: reason});

/**
 * A record that may be sealed; null while it is open. The file that is open says whose it is, whatever directories and links led to it.
 * @throws TareError when it is not what the wrapper leaves for that user
 */
function readAsOwner(path: string, id: string, owner: number, validate: Validator): UsageRecord | null {
  const file = open(path);
  if (file === null) throw rejected('it is gone');
  if (file.uid !== owner) throw rejected(`it belongs to uid ${String(file.uid)}`);
  const [problem] = verifyRecord(file.text, id, validate);
  if (problem !== undefined) throw rejected(problem);
  const record = migrateRecord(JSON.parse(file.text)) as UsageRecord;
  const {state, trust, sealed, user, time} = record;
  if (record.probe === true) throw rejected('it is marked as a probe, which is nobody’s job');
  if (state === 'started') return null;
  if (user.uid !== owner) throw rejected(`#/user/uid: ${String(user.uid)} in a file of uid ${String(owner)}`);
  if (trust !== 'user' || sealed !== null) throw rejected('it says that root wrote or sealed it');
  if ((time.endEpochUs ?? 0) > file.writtenUs + CALENDAR_US) throw rejected('it ended after it was written');
  return record;
}

function open(path: string): RecordText | null {
  try {
    return readRecordText(path);
  } catch (error) {
    throw rejected((error as Error).message);
  }
}

/** The calendar can be set back while a job runs. */
const CALENDAR_US = 86_400e6;

/** Sorted by the id, so that one id is sealed once, and no folder becomes too large. @throws TareError when another is there */
function keep(place: string, record: UsageRecord): void {
  const folder = join(place, record.recordId.slice(0, 2));
  const path = join(folder, `${record.recordId}.json`);
  const text = textOf(record);
  const before = readRecordText(path);
  // another version may have been killed over it
  if (before !== null && textOf(migrateRecord(JSON.parse(before.text)) as UsageRecord) === text) return;
  if (before !== null) throw rejected('another record is sealed under this id');
  makeDirectory(folder, 0o755);
  writeDurably(path, text);
}

/** Removes a file as its user: in the user's directory a path can lead elsewhere a moment later, so only what the user could remove may be removed. */
function removeAs(uid: number, path: string): void {
  if (isOwn(dirname(path), 0)) rmSync(path, {force: true});
  else childProcess().execFileSync('/bin/rm', ['-f', '--', path], {uid, gid: NOGROUP, cwd: '/', env: {}, stdio: 'ignore', timeout: 10_000});
}

const NOGROUP = 65534;
