/**
 * Places where root is nobody: a file server with root_squash (exports(5)), Lustre with a nodemap. What root has to see or write there it does
 * as the owner of the first directory on the way that is not root's, in a process of its own: nothing that this owner could not do as well.
 */

import {statSync} from 'node:fs';
import {resolve} from 'node:path';
import type {Effects} from '@tare/contract';
import {childProcess} from '../host/spawn.js';
import {groupOf} from './as-owner.js';

/** A file server that does not answer is not waited for longer, ms. */
const DEADLINE_MS = 10_000;

/** Root was refused, which no file system of the node's own does. */
export const isSquashed = (error: unknown): boolean =>
  process.getuid?.() === 0 && ['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException | null)?.code ?? '');

/** Owner and kind of what a path leads to; null when it leads nowhere, or the owner cannot see it either. */
export function statSquashed(path: string): {uid: number; isDirectory: boolean} | null {
  const [uid, kind] = ask(path, 'exec stat -L -c "%u %F" -- "$1"')?.trim().split(/ (.*)/) ?? [];
  return uid === undefined ? null : {uid: Number(uid), isDirectory: kind === 'directory'};
}

/** Whether there is something of that name. @param account who looks; absent: the owner */
export const existsSquashed = (path: string, account?: Account): boolean =>
  ask(path, '[ -e "$1" ] || [ -L "$1" ]', {account: account ?? null}) !== null;

/** The path without links, as far as it exists; null: that cannot be told. */
export const realSquashed = (path: string): string | null => ask(path, 'exec realpath -m -- "$1"')?.replace(/\n$/, '') ?? null;

/** A plain file of no more than so many bytes; null when it is none, or cannot be read. */
export const readSquashed = (path: string, mostBytes: number): string | null =>
  ask(path, '[ -f "$1" ] && [ "$(stat -L -c %s -- "$1")" -le "$2" ] && exec cat -- "$1"', {words: [String(mostBytes)], mostBytes});

/** Whole, in place of what was there. @returns false when it cannot be written */
export const writeSquashed = (path: string, text: string): boolean => ask(path, 'exec cat >"$1"', {input: text}) !== null;

/**
 * What plugins may do, where it is said to be done by root in another's directory, done by the other. Not tried before as root: a file system
 * by FUSE that refuses a name forgets it, and what is mounted there in the box goes with it.
 */
export function alsoSquashed(effects: Effects): Effects {
  if (process.getuid?.() !== 0) return effects;
  const write = (path: string, text: string, script: string, words: string[], byRoot: () => void): void => {
    if (ask(path, `[ -f "$1" ] && [ ! -L "$1" ] && ${script}`, {input: text, words}) === null) byRoot();
  };
  return {
    ...effects,
    exists: (path) => existsSquashed(path) || effects.exists(path),
    readText: (path) => readSquashed(path, MOST_BYTES) ?? effects.readText(path),
    append: (path, text) => {
      write(path, text, 'exec cat >>"$1"', [], () => {
        effects.append(path, text);
      });
    },
    overwrite: (path, offset, text) => {
      const script = 'exec dd of="$1" bs=64k oflag=seek_bytes seek="$2" conv=notrunc status=none';
      write(path, text, script, [String(offset)], () => {
        effects.overwrite(path, offset, text);
      });
    },
  };
}

const MOST_BYTES = 2 ** 20;

interface Account {
  uid: number;
  gid: number;
}

interface Asked {
  words?: readonly string[];
  input?: string;
  mostBytes?: number;
  account?: Account | null;
}

/** @returns what the script says; null when it fails, or nobody else's identity would help */
function ask(path: string, script: string, {words = [], input = '', mostBytes = 64 * 1024, account}: Asked = {}): string | null {
  const whole = resolve(path);
  const as = account ?? ownerOnWay(whole);
  if (as === null) return null;
  const {status, stdout} = childProcess().spawnSync('/bin/sh', ['-c', script, 'sh', whole, ...words], {
    ...{uid: as.uid, gid: as.gid, input, encoding: 'utf8', cwd: '/', env: {PATH: '/usr/bin:/bin', LC_ALL: 'C'}},
    ...{stdio: ['pipe', 'pipe', 'ignore'], timeout: DEADLINE_MS, killSignal: 'SIGKILL', maxBuffer: mostBytes},
  });
  return status === 0 ? stdout : null;
}

/** Of the first directory on the way that is not root's: root looks no further. null: all are root's, or not there. */
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
