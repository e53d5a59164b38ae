/**
 * Places where root has the rights of nobody: a file server with root_squash (exports(5)), Lustre with a nodemap. What root has to see there it looks at
 * as the owner of the first directory on the way that is not root's, in a process of its own: nothing that this owner could not do as well.
 */

import {statSync} from 'node:fs';
import {resolve} from 'node:path';
import {errnoOf} from '../errors.js';
import {childProcess} from '../host/spawn.js';
import {groupOf} from './as-owner.js';

const MOST_BYTES = 64 * 1024;
/** A file server that does not answer is not waited for longer, ms. */
const DEADLINE_MS = 10_000;

/** Root was refused, which no file system of the node's own does. */
export const isRootSquashed = (error: unknown): boolean => process.getuid?.() === 0 && ['EACCES', 'EPERM'].includes(errnoOf(error) ?? '');

/** Owner and kind of what a path leads to; null when it leads nowhere, or the owner cannot see it either. */
export function statRootSquashed(path: string): {uid: number; isDirectory: boolean} | null {
  const [uid, kind] = ask(path, 'exec stat -L -c "%u %F" -- "$1"')?.trim().split(/ (.*)/) ?? [];
  return uid === undefined ? null : {uid: Number(uid), isDirectory: kind === 'directory'};
}

/** The path without links, as far as it exists; null: that cannot be told. */
export const realRootSquashed = (path: string): string | null => ask(path, 'exec realpath -m -- "$1"')?.replace(/\n$/, '') ?? null;

interface Account {
  uid: number;
  gid: number;
}

/** @returns what the script says; null when it fails, or another identity would not help */
function ask(path: string, script: string): string | null {
  const whole = resolve(path);
  const as = ownerOnWay(whole);
  if (as === null) return null;
  const {status, stdout} = childProcess().spawnSync('/bin/sh', ['-c', script, 'sh', whole], {
    ...{uid: as.uid, gid: as.gid, encoding: 'utf8', cwd: '/', env: {PATH: '/usr/bin:/bin', LC_ALL: 'C'}},
    ...{stdio: ['ignore', 'pipe', 'ignore'], timeout: DEADLINE_MS, killSignal: 'SIGKILL', maxBuffer: MOST_BYTES},
  });
  return status === 0 ? stdout : null;
}

/** The owner of the first directory of a path that is not root's, behind which root does not look. null: all are root's, or do not exist. */
function ownerOnWay(path: string): Account | null {
  const names = path.split('/').slice(1);
  for (let length = 1; length <= names.length; length++) {
    try {
      const {uid} = statSync(`/${names.slice(0, length).join('/')}`);
      if (uid !== 0) return {uid, gid: groupOf(uid)};
    } catch {
      return null;
    }
  }
  return null;
}
