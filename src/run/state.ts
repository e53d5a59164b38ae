/**
 * The wrapper's folders: one per live box, with all that a brain needs to finish what another began, and one on scratch for the box's
 * private directories. Made so that nobody else can put anything in our way.
 */

import {execFileSync} from 'node:child_process';
import {chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {TareError} from '../errors.js';
import type {BubblewrapAbilities} from '../host/facts.js';
import {stepsOf} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';
import type {UsageRecord} from '../schema/generated/record-1.js';

/** What is on disk of a live box. */
export interface BoxState {
  id: string;
  plan: Plan;
  started: UsageRecord;
  /** Event counters of the memory groups before the payload ran. */
  memoryBefore: unknown;
  abilities: BubblewrapAbilities;
  /** CLOCK_MONOTONIC µs of the front's start. */
  frontStartedUs: number;
  cpus: number;
  /** What the caller wants to be told at the end. */
  recordCopy: string | null;
  /** Calendar time of the payload's exec, µs; null until then. */
  startEpochUs: number | null;
}

const STATE_FILE = 'box.json';

/** The folder of a live box. */
export const stateDirectory = (plan: Plan, id: string): string => join(plan.directories.state, 'boxes', id);
/** The box's folder on scratch: `{box}` in the plan. */
export const scratchDirectory = (plan: Plan, id: string): string => join(plan.directories.scratch, `tare-${id}`);

/**
 * Makes the folders of one box and what the plan wants in them.
 * @throws TareError STATE_DIRECTORY
 */
export function makeDirectories(plan: Plan, id: string, caller: {uid: number; gid: number}): void {
  const {state, scratch} = plan.directories;
  // others may pass through to a folder that is theirs, but not look around
  ensureOwn(state, caller.uid === 0 ? 0o711 : 0o700, caller.uid);
  ensureOwn(join(state, 'boxes'), 0o700, caller.uid);
  ensureOwn(scratch, 0o711, caller.uid);
  guard(() => {
    mkdirSync(stateDirectory(plan, id), {mode: 0o700});
    mkdirSync(scratchDirectory(plan, id), {mode: 0o711});
    const owner = stepsOf(plan, 'identity.take')[0];
    for (const {path, mode, owner: whose} of stepsOf(plan, 'directory.create')) {
      const place = path.replace('{box}', scratchDirectory(plan, id));
      mkdirSync(place, {mode: 0o700});
      chmodSync(place, Number.parseInt(mode, 8));
      if (whose === 'job' && owner !== undefined) chownSync(place, owner.uid, owner.gid);
    }
  });
}

/** Makes a directory, or checks that the one there is a directory of ours that no other can write to. */
export function ensureOwn(path: string, mode: number, uid: number): void {
  guard(() => {
    mkdirSync(path, {recursive: true, mode});
  });
  const found = lstatSync(path);
  const owned = found.isDirectory() && (found.uid === uid || found.uid === 0);
  const shared = (found.mode & 0o022) !== 0 && (found.mode & 0o1000) === 0;
  if (owned && !shared) return;
  throw new TareError('STATE_DIRECTORY', {
    message: `${path} cannot be used safely`,
    found: found.isDirectory() ? `owner ${String(found.uid)}, mode ${(found.mode & 0o7777).toString(8)}` : 'not a directory',
    allowed: `a directory of uid ${String(uid)} or root that nobody else can write to`,
    remedy: 'remove it, or set directories in the policy',
  });
}

export function writeState(state: BoxState): void {
  writeFileSync(join(stateDirectory(state.plan, state.id), STATE_FILE), JSON.stringify(state), {mode: 0o600});
}

/** @throws TareError STATE_DIRECTORY when another brain's state cannot be read */
export function readState(directory: string): BoxState {
  return guard(() => JSON.parse(readFileSync(join(directory, STATE_FILE), 'utf8')) as BoxState);
}

/**
 * Removes both folders of a box.
 * @returns what could not be removed
 */
export function removeDirectories(plan: Plan, id: string): string[] {
  const left: string[] = [];
  const owner = stepsOf(plan, 'identity.take')[0];
  for (const {path} of stepsOf(plan, 'directory.create')) removePrivate(path.replace('{box}', scratchDirectory(plan, id)), owner);
  const remove = (directory: string, action: () => void): void => {
    try {
      action();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') left.push(directory);
    }
  };
  // root never walks a tree that the payload's user can change under its feet
  const scratch = scratchDirectory(plan, id);
  remove(scratch, () => { if (owner === undefined) rmSync(scratch, {recursive: true, force: true}); else rmdirSync(scratch); });
  const state = stateDirectory(plan, id);
  remove(state, () => { rmSync(state, {recursive: true, force: true}); });
  return left;
}

/** What a payload made unreadable is still to go. */
const EMPTY_DIRECTORY = 'find "$1" -mindepth 1 -delete 2>/dev/null || { chmod -R u+rwX "$1"; find "$1" -mindepth 1 -delete; }';

/**
 * A directory that the payload wrote to. Root takes the payload's identity first: another process of that user could exchange a
 * directory for a link while it is being removed.
 */
function removePrivate(directory: string, owner: {uid: number; gid: number} | undefined): void {
  try {
    if (readdirSync(directory).length > 0) {
      const asOwner = owner === undefined ? {} : {uid: owner.uid, gid: owner.gid};
      execFileSync('/bin/sh', ['-c', EMPTY_DIRECTORY, 'sh', directory], {
        ...asOwner, stdio: 'ignore', env: {PATH: '/usr/bin:/bin'},
      });
    }
    rmdirSync(directory);
  } catch {
    // whatever is left is reported by the removal of the whole folder
  }
}

function guard<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof TareError) throw error;
    const {message, code} = error as NodeJS.ErrnoException;
    throw new TareError('STATE_DIRECTORY', {message, found: code, remedy: 'see directories in the policy', cause: error});
  }
}
