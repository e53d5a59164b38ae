/**
 * Failures of the wrapper on this node, so that it does not become a black hole: one small file each below the state directory, with the
 * code of the error in it. Readable by all, because the node's health check counts those of every user.
 */

import {closeSync, constants, fstatSync, lstatSync, openSync, readSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import type {BlackHole, Policy} from '../policy/policy.js';
import {placesOf} from '../policy/places.js';
import {ensureOwn, namesIn} from './state.js';
import {userPlaces} from './user-places.js';

const FOLDER = 'failures';
/** `MILLISECONDS-ID` */
const NAME = /^(\d+)-[0-9a-f]+$/;
const CODE = /^[A-Z_]{1,40}$/;
/** More than the longest code. */
const CODE_BYTES = 64;
/** Files that are looked at in one folder: more tell nothing new. */
const MOST = 10_000;

export interface NotedFailure {
  epochMs: number;
  uid: number;
  code: string;
}

/** Never throws: the failure itself is what counts. */
export function noteFailure(policy: Policy | null, uid: number, id: string, code: string): void {
  try {
    const {state} = placesOf(policy, uid);
    const folder = join(state, FOLDER);
    // in another's folder we would write, and remove, wherever its links lead
    ensureOwn(state, 0o711, uid);
    ensureOwn(folder, 0o755, uid);
    const {withinUs} = policy?.batch.blackHole ?? {withinUs: 0};
    for (const {path, epochMs} of list(folder)) if (epochMs < Date.now() - Math.max(withinUs / 1000, DAY_MS)) rmSync(path, {force: true});
    writeFileSync(join(folder, `${String(Date.now())}-${id}`), code, {flag: 'wx', mode: 0o644});
  } catch {
    // a state directory that cannot be written is what the failure may be about
  }
}

const DAY_MS = 86_400_000;

/** One user's failures in the policy's time. */
export const ownFailures = (policy: Policy, uid: number, {withinUs}: BlackHole): NotedFailure[] =>
  recent(join(placesOf(policy, uid).state, FOLDER), withinUs, uid);

/** Everybody's, as far as they can be read. A folder counts only when it belongs to the user that its name tells. */
export function nodeFailures(policy: Policy, {withinUs}: BlackHole): NotedFailure[] {
  return userPlaces(policy).flatMap(({state, uid}) => recent(join(state, FOLDER), withinUs, uid));
}

function recent(folder: string, withinUs: number, uid: number | null): NotedFailure[] {
  const since = Date.now() - withinUs / 1000;
  return list(folder).flatMap(({path, epochMs, owner}) => {
    if (epochMs < since || epochMs > Date.now() + DAY_MS || (uid !== null && owner !== uid)) return [];
    return [{epochMs, uid: owner, code: codeIn(path)}];
  });
}

function list(folder: string): {path: string; epochMs: number; owner: number}[] {
  return namesIn(folder)
    .slice(0, MOST)
    .flatMap((name) => {
      const time = NAME.exec(name)?.[1];
      const path = join(folder, name);
      const stats = time === undefined ? undefined : lstatSync(path, {throwIfNoEntry: false});
      return stats?.isFile() === true ? [{path, epochMs: Number(time), owner: stats.uid}] : [];
    });
}

/** A word in capitals: what another wrote there is not passed on, and what another puts in its place meanwhile neither hangs nor fills us. */
function codeIn(path: string): string {
  try {
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    try {
      const text = Buffer.alloc(CODE_BYTES);
      const length = fstatSync(descriptor).isFile() ? readSync(descriptor, text) : 0;
      return CODE.exec(text.toString('latin1', 0, length))?.[0] ?? 'UNKNOWN';
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return 'UNKNOWN';
  }
}
