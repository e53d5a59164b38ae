/** Directory trees that are taken away: those of the payload by its account, since another process of it could exchange a directory for a link. */

import {closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, rmdirSync, rmSync, unlinkSync} from 'node:fs';
import {join} from 'node:path';
import {errnoOf, ifPossible} from '../errors.js';
import {childProcess} from '../host/spawn.js';
import {runTool} from '../process/tool.js';
import type {UndoAccount, UndoIds, UndoOwners} from '../schema/generated/undo-1.js';

/** What a payload, or overlayfs, made unreadable is still to go. */
const EMPTY_DIRECTORY = 'find "$1" -mindepth 1 -delete 2>/dev/null || { chmod -R u+rwX "$1"; find "$1" -mindepth 1 -delete; }';

/**
 * A directory that the payload wrote to. Root takes the payload's identity first. A view's layers, which hold what is root's, lie where no
 * user can reach them.
 * @param as whose it is; null: the caller's
 * @param ids of the account's user namespace, some of it may belong to these
 * @returns why it is still there; null: it is gone
 */
export function removePrivate(directory: string, as: UndoAccount | null, ids: UndoIds | null): string | null {
  // a process would take 5 ms, also where there is nothing but a mount point
  if (as === null && ids === null) ifPossible(() => emptyOwn(directory));
  ifPossible(() => {
    if (ids !== null && !isEmpty(directory)) {
      runTool('tare-clear', [...[ids.uids.start, ids.uids.count, ids.gids.start, ids.gids.count].map(String), directory]);
    } else if (!isEmpty(directory)) {
      childProcess().execFileSync('/bin/sh', ['-c', EMPTY_DIRECTORY, 'sh', directory], {
        ...(as === null ? {} : {uid: as.uid, gid: as.gid}),
        cwd: '/',
        stdio: 'ignore',
        env: {PATH: '/usr/bin:/bin'},
      });
    }
  }); // what is in it still is found by its removal
  return removeEmpty(directory);
}

/** Levels of directories, and bytes of one with its entries, which are all read at once; more are left to a process. */
const [DEEPEST, LARGEST_BYTES] = [16, 1 << 20];

/**
 * Removes what is in a directory of our own account's, of root in any. Each directory is opened where it stands, and no link is followed: what is in the place of one
 * may be another's by now.
 * @throws Error of the system at the first thing that cannot be removed so
 */
function emptyOwn(directory: string, depth = 0): void {
  const opened = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    const own = process.geteuid?.() ?? -1;
    const {uid, size} = fstatSync(opened);
    if (depth > DEEPEST || size > LARGEST_BYTES || ![0, uid].includes(own)) throw new Error(`${directory} is not emptied here`);
    const at = `/proc/self/fd/${String(opened)}`;
    for (const entry of readdirSync(at, {withFileTypes: true})) {
      const path = join(at, entry.name);
      if (!entry.isDirectory()) {
        unlinkSync(path);
        continue;
      }
      emptyOwn(path, depth + 1);
      rmdirSync(path);
    }
  } finally {
    closeSync(opened);
  }
}

/** What cannot be looked into is taken for full. */
const isEmpty = (directory: string): boolean => ifPossible(() => readdirSync(directory).length === 0) ?? false;

/** What in directories of the job belongs to ids of its small machine becomes the account's. @returns why not */
export function returnTrees({paths, uids, gids, as}: UndoOwners): string | null {
  const ids = [uids.start, uids.count, as.uid, gids.start, gids.count, as.gid].map(String);
  return runTool('tare-own', [...ids, ...paths]).status === 0 ? null : 'its owners are ids that no account of the node has';
}

/** Removes what no other account could write to: a file, or a directory with all that is in it. @returns why it is still there */
export const removeOwn = (path: string): string | null => removeAt(path, () => rmSync(path, {recursive: true, force: true}));

/** @returns why it is still there */
export const removeEmpty = (path: string): string | null => removeAt(path, () => rmdirSync(path));

/** rmdir(2) and unlink(2) look first at whether the file system is read-only (EROFS), and then at what is there. */
function removeAt(path: string, action: () => void): string | null {
  const because = remove(action);
  return because !== null && isGone(path) ? null : because;
}

/** Nor is there anything below a file, which an admin may have put where scratch should be. */
function isGone(path: string): boolean {
  try {
    return lstatSync(path, {throwIfNoEntry: false}) === undefined;
  } catch (error) {
    return errnoOf(error) === 'ENOTDIR';
  }
}

/** What fails once, for want of memory say, is tried once more. @returns the reason of the second failure; null: it is gone now */
export function remove(action: () => void, isSecond = false): string | null {
  try {
    action();
    return null;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    return isSecond ? (errnoOf(error) ?? String(error)) : remove(action, true);
  }
}
