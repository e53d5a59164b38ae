/**
 * The wrapper's folders: one per live box, with all that a supervisor needs to finish what another began, and one on scratch for the box's
 * private directories. Made so that no other account can put a file in the way.
 */

import {chmodSync, chownSync, constants, fstatSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeSync} from 'node:fs';
import {join} from 'node:path';
import {errnoOf, ifPossible, TareError} from '../errors.js';
import {FEATURES} from '../plan/features.js';
import {rootOf} from '../plan/machine-ids.js';
import {isContained} from '../plan/scratch.js';
import {inBox, stepOf, stepsOf} from '../plan/step.js';
import {isOwn, makeDirectory, PLAIN, replaceNote, withFile} from '../record/durable.js';
import {makeImage} from '../supervise/quota.js';
import {writeIdentity} from './network-files.js';
import {keepRoom} from './waiting.js';
import {writeFeatures} from './features.js';
import type {BoxState} from './box-state.js';
import {lineOf, reduce, type Happening} from './events.js';
import {remove} from './trees.js';
import {monotonicUs} from '../process/clock.js';
import type {Seen} from '../supervise/instruments.js';
import type {Plan} from '../schema/generated/plan-1.js';
import type {UsageRecord} from '../schema/generated/record-2.js';

export type {BoxState} from './box-state.js';

/** In a box's folder: its state, whole, as of the last event that is in it. */
export const STATE_FILE = 'box.json';
/** Beside it: what has happened since, a line for each event. */
export const EVENTS_FILE = 'events.jsonl';
const SEEN_FILE = 'seen.json';
/** A larger file of events is replaced by the state that they lead to. */
const MOST_EVENTS_BYTES = 256 * 1024;
/** A box's folder has its id for a name; one that a sweep has claimed has more. */
export const BOX_ID = /^[0-9a-f]+$/;

/** The folder of a live box. */
export const stateDirectory = (plan: Plan, id: string): string => join(plan.directories.state, 'boxes', id);
/** The box's folder on scratch. */
export const scratchDirectory = (plan: Plan, id: string): string => join(plan.directories.scratch, `tare-${id}`);

/**
 * Makes the places of all boxes, and the folder of one with its state: from then on a sweep finds whatever else is made.
 * @throws TareError STATE_DIRECTORY
 */
export function makeState(box: BoxState, caller: {uid: number}): void {
  const {id, plan} = box;
  const {state, spools, scratch} = plan.directories;
  // others may pass through to a folder that is theirs, but not look around
  ensureOwn(state, 0o711, caller.uid);
  ensureOwn(join(state, 'boxes'), 0o700, caller.uid);
  ensureOwn(scratch, 0o711, caller.uid);
  for (const spool of spools) {
    ifPossible(() => {
      makeDirectory(spool, 0o755); // it must exist before it can be hidden in the box
    }); // it will take no record either, and another place does
  }
  guard(stateDirectory(plan, id), () => mkdirSync(stateDirectory(plan, id), {mode: 0o700}));
  writeState(box);
  keepRoom(stateDirectory(plan, id), box.started);
}

/** Makes the box's folder on scratch and what the plan wants in it. @throws TareError STATE_DIRECTORY, SCRATCH_FAILED */
export function makeScratch(plan: Plan, id: string, recordId: string, identity: UsageRecord['identity'] = null): void {
  guard(scratchDirectory(plan, id), () => {
    mkdirSync(scratchDirectory(plan, id), {mode: 0o711});
    const owner = stepOf(plan, 'identity.take');
    const root = rootOf(stepOf(plan, 'namespace.unshare')?.maps);
    for (const step of stepsOf(plan, 'features.provide')) writeFeatures(step, inBox(FEATURES, scratchDirectory(plan, id)), id, recordId);
    writeIdentity(plan, id, identity, scratchDirectory(plan, id));
    for (const {path, mode, owner: whose} of stepsOf(plan, 'directory.create')) {
      if (isContained(path)) continue; // enter's, on the box's own disk
      const place = inBox(path, scratchDirectory(plan, id));
      mkdirSync(place, {mode: 0o700});
      chmodSync(place, Number.parseInt(mode, 8));
      const given = whose === 'root' ? root : whose === 'job' ? owner : undefined;
      if (given !== undefined) chownSync(place, given.uid, given.gid);
    }
    const quota = stepOf(plan, 'scratch.quota');
    if (quota?.image != null) makeImage(quota, inBox(quota.image, scratchDirectory(plan, id)));
  });
}

/** Makes a directory, or checks that the one there is a directory of ours that no other can write to. @throws TareError STATE_DIRECTORY */
export function ensureOwn(path: string, mode: number, uid: number): void {
  guard(path, () => makeDirectory(path, mode));
  if (isOwn(path, uid)) return;
  const found = lstatSync(path, {throwIfNoEntry: false});
  throw new TareError('STATE_DIRECTORY', {
    message: `${path} cannot be used safely`,
    found:
      found === undefined
        ? 'nothing: another process removes it'
        : found.isDirectory()
          ? `owner ${String(found.uid)}, mode ${(found.mode & 0o7777).toString(8)}`
          : 'not a directory',
    allowed: `a directory of uid ${String(uid)} or root that nobody else can write to`,
    remedy: 'remove it, or set directories in the policy',
  });
}

/**
 * Replaced whole, with all that has happened: a supervisor that dies while it writes leaves the state before.
 * @throws TareError STATE_DIRECTORY
 */
export function writeState(state: BoxState, directory = stateDirectory(state.plan, state.id)): void {
  guard(directory, () => {
    replaceNote(join(directory, STATE_FILE), state, 'new');
    // those that are in the state are passed over, should this one be killed here
    rmSync(join(directory, EVENTS_FILE), {force: true});
  });
}

/**
 * Notes an event in the state, from which a supervisor that takes over, or a sweep, goes on.
 * @throws TareError STATE_DIRECTORY when it cannot be written; the state in memory knows it all the same
 */
export function emit(state: BoxState, happening: Happening, directory = stateDirectory(state.plan, state.id)): void {
  const event = {seq: state.seq + 1, us: monotonicUs(), ...happening};
  Object.assign(state, reduce(state, event));
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;
  const add = (file: number): void => {
    writeSync(file, lineOf(event));
    if (fstatSync(file).size > MOST_EVENTS_BYTES) writeState(state, directory);
  };
  guard(directory, () => withFile(join(directory, EVENTS_FILE), flags, add, 0o600));
}

/** How far the payload had come; what cannot be written is not missed before a sweep wants it. */
export function writeSeen({plan, id}: BoxState, seen: Seen): void {
  ifPossible(() => replaceNote(join(stateDirectory(plan, id), SEEN_FILE), seen, 'new')); // the disk is full, or the folder gone
}

/** null when nothing was noted. */
export const readSeen = (directory: string): Seen | null =>
  ifPossible(() => JSON.parse(readPlainFile(join(directory, SEEN_FILE)).text) as Seen);

/** More than any plan with its environment. */
const LARGEST_FILE = 16 * 1024 * 1024;

/** FIFOs and symlinks of users must not block or redirect root. @throws Error */
export const readPlainFile = (path: string): {text: string; uid: number} =>
  withFile(path, PLAIN, (descriptor) => {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new Error('not a plain file');
    if (stats.size > LARGEST_FILE) throw new Error(`${stats.size} bytes are too many`);
    return {text: readFileSync(descriptor, 'utf8'), uid: stats.uid};
  });

/**
 * Removes the folder of a live box: the last thing, since a supervisor that follows reads it; and of it the state last.
 * @returns the folder with the reason, if it is still there
 */
export function removeState(directory: string): string[] {
  const because = remove(() => {
    for (const name of readdirSync(directory)) if (name !== STATE_FILE) rmSync(join(directory, name), {recursive: true, force: true});
    rmSync(directory, {recursive: true, force: true});
  });
  return because === null ? [] : [`${directory} (${because})`];
}

const DIRECTORIES = 'set directories in the policy';
/** What helps, by the system's word for what is wrong. */
const REMEDIES: Readonly<Record<string, string>> = {
  EDQUOT: `raise the quota of its owner, or ${DIRECTORIES}`,
  ENOSPC: `make room there (df, df -i), or ${DIRECTORIES}`,
  EROFS: `mount its file system writable, or ${DIRECTORIES}`,
};

/**
 * @param where the directory of what is done: the system names no file of a write that failed
 * @throws TareError STATE_DIRECTORY for any other error
 */
export function guard<T>(where: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof TareError) throw error;
    const {message} = error as Error;
    const found = errnoOf(error);
    throw new TareError('STATE_DIRECTORY', {message, where, found, remedy: REMEDIES[found ?? ''] ?? DIRECTORIES, cause: error});
  }
}
