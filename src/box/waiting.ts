/**
 * Records that no spool took. Each waits in the folder of its box, which then stays, and a sweep writes it when there is room. A job that was
 * not run has no box: its folder has nothing but the record. Room is kept for the record from the start, because the disk of the state can
 * be the one that is full.
 */

import {constants, fstatSync, fsyncSync, ftruncateSync, rmSync, statSync, writeFileSync, writeSync} from 'node:fs';
import {join} from 'node:path';
import {ifPossible} from '../errors.js';
import {migrateRecord} from '../migrate/record.js';
import {readRecordText} from '../record/read.js';
import {isOwn, makeDirectory, namesIn, withFile, writeDurably} from '../record/durable.js';
import {textOf} from '../record/spool.js';
import type {UsageRecord} from '../record/record.js';

const RECORD_FILE = 'record.json';
/** Blank until nothing else takes the record. */
const ROOM_FILE = 'room';
const LEAST_ROOM_BYTES = 32 * 1024;
/** A flag of a record that was not in a spool when its job ended. */
export const DELAYED = 'record-delayed';

/** The places of one job that can hold its record until a sweep comes. */
export interface WaitingPlaces {
  state: string;
  scratch: string;
}

const folderOf = ({state}: WaitingPlaces, id: string): string => join(state, 'boxes', id);
const onScratch = ({scratch}: WaitingPlaces, id: string): string => join(scratch, `tare-${id}.record.json`);

/** Keeps blocks of the disk for the record of a box; without them it has what is free at the end. Never throws. */
export function keepRoom(directory: string, started: UsageRecord): void {
  // the next place is scratch, and then the log
  ifPossible(() =>
    writeFileSync(join(directory, ROOM_FILE), Buffer.alloc(LEAST_ROOM_BYTES + 2 * textOf(started).length, ' '), {mode: 0o600}),
  );
}

/**
 * Puts a record where a sweep finds it: the folder of its box, the room that was kept there, or the scratch directory. Never throws.
 * @returns the path, null when none of them takes it
 */
export function keepWaiting(places: WaitingPlaces, id: string, record: UsageRecord): string | null {
  const folder = folderOf(places, id);
  const text = textOf(record);
  const file = join(folder, RECORD_FILE);
  const room = join(folder, ROOM_FILE);
  const tries: [string, (path: string, text: string) => void][] = [
    [file, writeDurably],
    [room, writeInPlace],
    [onScratch(places, id), writeDurably],
  ];
  for (const [path, write] of tries) {
    try {
      // the sweep finds it through the folder
      makeFolder(places, folder);
      write(path, text);
      return path;
    } catch {
      // the next
    }
  }
  return null;
}

/** Makes the folder and checks the directories above it, which was not done for a job that was not run. @throws Error */
function makeFolder({state}: WaitingPlaces, folder: string): void {
  const uid = process.getuid?.() ?? -1;
  makeDirectory(state, 0o711);
  for (const place of [join(state, 'boxes'), folder]) makeDirectory(place, 0o700);
  const strange = [state, join(state, 'boxes'), folder].find((place) => !isOwn(place, uid));
  if (strange !== undefined) throw new Error(`${strange} is not this account’s`);
}

/** Writes the text over blanks that are on the disk already, which needs no space. A failed sync is ignored. */
function writeInPlace(path: string, text: string): void {
  const bytes = Buffer.from(text);
  withFile(path, constants.O_WRONLY | constants.O_NOFOLLOW, (descriptor) => {
    if (fstatSync(descriptor).size < bytes.length) throw new Error('it is longer than the room that was kept for it');
    for (let done = 0; done < bytes.length;) done += writeSync(descriptor, bytes, done, bytes.length - done, done);
    ifPossible(() => {
      ftruncateSync(descriptor, bytes.length);
      fsyncSync(descriptor);
    }); // blanks at its end do no harm
  });
}

/** The record that waits in a folder of a box; null when none does, or only a part was written. `id`: the box's. */
export function readWaiting(directory: string, places: WaitingPlaces, id: string): UsageRecord | null {
  for (const path of [join(directory, RECORD_FILE), join(directory, ROOM_FILE), onScratch(places, id)]) {
    const record = parse(path);
    if (record !== null) return record;
  }
  return null;
}

/** Takes the copy on scratch away; those in the folder go with it. */
export function removeWaiting(places: WaitingPlaces, id: string): void {
  rmSync(onScratch(places, id), {force: true});
}

/** How long the record has waited in a folder, ms; null when none does. */
export function waitingSinceMs(directory: string): number | null {
  const found = statSync(join(directory, RECORD_FILE), {throwIfNoEntry: false});
  return found === undefined ? null : found.mtimeMs;
}

/** Records below a state directory that wait for a spool, as far as they can be read. */
export function waitingIn(places: WaitingPlaces): UsageRecord[] {
  const boxes = join(places.state, 'boxes');
  return namesIn(boxes).flatMap((name) => readWaiting(join(boxes, name), places, name.split('.')[0] ?? name) ?? []);
}

/** Whether a record of that id waits. Rooms are not looked into: there is one for each live box. */
export function isWaiting(state: string, recordId: string): boolean {
  const boxes = join(state, 'boxes');
  return namesIn(boxes).some((name) => parse(join(boxes, name, RECORD_FILE))?.recordId === recordId);
}

const parse = (path: string): UsageRecord | null =>
  ifPossible(() => {
    const found = readRecordText(path);
    const text = found?.uid === process.getuid?.() ? (found?.text.trim() ?? '') : '';
    if (text === '') return null;
    const record = migrateRecord(JSON.parse(text)) as UsageRecord;
    return record.state === 'final' && typeof record.recordId === 'string' ? record : null;
  });
