/**
 * The output of a job that has ended: read from the file to which it went, while that is there as it was, else what is kept of it (`logs` in the
 * policy). The note and the files are a user's: root has become that user before anything of them is read, and each value is checked.
 */

import {closeSync, constants, fstatSync, lstatSync, openSync} from 'node:fs';
import {join} from 'node:path';
import {readPlainFile} from '../box/state.js';
import {userPlaces} from '../box/user-places.js';
import {keptPlace, NOTE, type StreamName} from '../box/kept-output.js';
import {openOutputFile, type OutputFile} from '../box/output-file.js';
import {pathCanHang} from '../box/slow-output.js';
import {ifPossible, TareError} from '../errors.js';
import {placesOf} from '../policy/places.js';
import type {Policy} from '../policy/policy.js';
import {isOwn, PLAIN} from '../record/durable.js';
import {number, value} from './box-view.js';

/** The folder in which the output of one job is kept, and whose it is. */
export interface KeptFolder {
  directory: string;
  uid: number;
}

/** null: nothing is kept of that box, or by another account than the caller. */
export function findKept(policy: Policy, uid: number, boxId: string | null): KeptFolder | null {
  if (boxId === null || !/^[0-9a-f]+$/.test(boxId)) return null;
  const places = uid === 0 ? userPlaces(policy) : [{state: placesOf(policy, uid).state, uid}];
  for (const {state, uid: named} of places) {
    const place = keptPlace(state);
    const owner = ifPossible(() => lstatSync(place).uid);
    if (owner === null || (named !== null && named !== owner) || (uid !== 0 && owner !== uid)) continue;
    const directory = join(place, boxId);
    const found = isOwn(state, owner) && isOwn(place, owner) ? lstatSync(directory, {throwIfNoEntry: false}) : undefined;
    if (found?.isDirectory() === true && found.uid === owner) return {directory, uid: owner};
  }
  return null;
}

/** One stream of an ended job, as its note has it. */
interface NotedStream extends OutputFile {
  begin: number;
  end: number;
  head: number;
  tail: number;
}

/** Longest path that the kernel takes (PATH_MAX of limits.h). */
const LONGEST_PATH = 4096;

/** What a note says of one stream. `none`: it went to no file, or that could not be read; null: nothing that can be understood. */
export function streamIn(note: unknown, stream: StreamName): NotedStream | 'none' | null {
  if (value(note, 'schema') !== 'tare/output/v1') return null;
  const written = value(note, 'streams', stream);
  if (written === null) return 'none';
  if (stream === 'stderr' && written === 'stdout') return streamIn(note, 'stdout');
  const path = value(written, 'path');
  const born = value(written, 'born');
  const whole = (name: string): number | null => {
    const found = number(written, name);
    return Number.isSafeInteger(found) ? found : null;
  };
  const [device, inode, begin, end, head, tail] = ['device', 'inode', 'begin', 'end', 'head', 'tail'].map(whole);
  if (typeof path !== 'string' || !path.startsWith('/') || path.length > LONGEST_PATH) return null;
  if (device == null || inode == null || begin == null || end == null || head == null || tail == null) return null;
  if (begin > end || head + tail > end - begin) return null;
  return {path, device, inode, begin, end, head, tail, ...(typeof born === 'string' ? {born} : {})};
}

/** What is there of one stream of an ended job: ranges of one file, and what is missing between them. */
export interface EndedOutput {
  /** The caller's to close. */
  descriptor: number;
  from: 'file' | 'kept';
  begin: number;
  end: number;
  /** Where bytes are missing, and how many. */
  gap: {at: number; bytes: number} | null;
}

/**
 * Opens one stream of an ended job. To be called as the account whose it is.
 * @param what the stream in words, for errors
 * @throws TareError OUTPUT_ELSEWHERE, OUTPUT_NOT_KEPT
 */
export function openEnded({directory}: KeptFolder, stream: StreamName, what: string): EndedOutput {
  const note = ifPossible((): unknown => JSON.parse(readPlainFile(join(directory, NOTE)).text));
  const noted = streamIn(note, stream);
  if (noted === 'none') {
    throw new TareError('OUTPUT_ELSEWHERE', {
      message: `${what} is not kept`,
      found: 'it went to a pipe, a terminal, a socket, /dev/null or a network file system, or its file was gone when the job ended',
      remedy: 'the caller of the wrapper has it',
    });
  }
  const opened = noted === null ? null : (openWhole(noted) ?? openKept(noted, join(directory, sourceOf(note, stream))));
  if (opened !== null) return opened;
  throw new TareError('OUTPUT_NOT_KEPT', {
    message: `${what} is not there any more`,
    found:
      noted === null
        ? `no note that can be understood in ${directory}`
        : `${noted.path} is gone or another file, and nothing of it is kept`,
    remedy: 'logs.maxSize in the policy says how much is kept of a job',
  });
}

const sourceOf = (note: unknown, stream: StreamName): StreamName => (value(note, 'streams', stream) === 'stdout' ? 'stdout' : stream);

/** The file to which it went, where that still has all of it. */
function openWhole(noted: NotedStream): EndedOutput | null {
  // what can hang was not noted, and is not read where something else is mounted there by now
  if (pathCanHang(noted.path)) return null;
  // what cannot be read as this account may be kept all the same
  const descriptor = ifPossible(() => openOutputFile(noted));
  if (descriptor === null) return null;
  const {begin, end} = noted;
  if (fstatSync(descriptor).size >= end) return {descriptor, from: 'file', begin, end, gap: null};
  closeSync(descriptor);
  return null;
}

function openKept({begin, end, head, tail}: NotedStream, path: string): EndedOutput | null {
  const missing = end - begin - head - tail;
  if (head + tail === 0 && missing > 0) return null;
  const descriptor = ifPossible(() => openSync(path, PLAIN | constants.O_NOCTTY));
  if (descriptor === null) return null;
  const stats = fstatSync(descriptor);
  if (stats.isFile() && stats.size >= head + tail)
    return {descriptor, from: 'kept', begin: 0, end: head + tail, gap: missing === 0 ? null : {at: head, bytes: missing}};
  closeSync(descriptor);
  return null;
}
