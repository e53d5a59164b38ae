/**
 * The cache of an account for all its jobs. Root makes it where others may be able to make things too, so nothing of the way there may be
 * another account's. No client keeps to a quota there, so a sweep does.
 */

import {closeSync, constants, fchownSync, fstatSync, lstatSync, mkdirSync, openSync, readdirSync, realpathSync, rmSync} from 'node:fs';
import {basename, dirname, join} from 'node:path';
import {ifPossible, makes} from '../errors.js';
import {cacheOf} from '../policy/cvmfs-mount.js';
import type {Policy} from '../policy/policy.js';
import {isOwn, namesIn} from '../record/durable.js';

/** What is left of the quota's amount, so that the next sweep need not begin again. */
const LEFT = 0.9;
/** Names of the client's directories of files: the first byte of the files' hash. */
const FILES = /^[0-9a-f]{2}$/;
const BLOCK = 512;

const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;

/** Whose cache it is. */
export interface Account {
  uid: number;
  gid: number;
}

/**
 * Makes the directory of an account in a shared cache, and the shared cache itself where only the caller could have made it.
 * @param path `SHARED/UID`
 * @param account whose it is; null: the caller's
 * @throws Error when something of the way there could be another account's
 */
export function makeAccountCache(path: string, account: Account | null): void {
  const caller = process.getuid?.() ?? -1;
  const shared = dirname(path);
  makeShared(shared, caller);
  // above this point only root or the caller could put links; from here on none is followed
  makeOwn(join(realpathSync(shared), basename(path)), account, caller);
}

function makeShared(shared: string, caller: number): void {
  if (lstatSync(shared, {throwIfNoEntry: false}) === undefined) {
    const parent = dirname(shared);
    const above = requireTrusted(parent, caller, 'the directory above cache.shared');
    const isOurs = above.uid === caller && (above.mode & WRITABLE_BY_OTHERS) === 0;
    if (caller !== 0 && !isOurs)
      throw new Error(
        `there is no ${shared}: root makes it, of mode 1777 where accounts are to use it; or name a directory of the account's own`,
      );
    makes(() => mkdirSync(shared, {mode: 0o711})); // or another job was faster
  }
  requireTrusted(shared, caller, 'cache.shared');
}

/** All of the way to a directory is root's or the caller's, and what others may write to is sticky. @returns what the directory is */
function requireTrusted(path: string, caller: number, what: string): {uid: number; mode: number} {
  const real = realpathSync(path);
  for (let at = real; ; at = dirname(at)) {
    const {uid, mode} = lstatSync(at);
    const because =
      uid !== 0 && uid !== caller
        ? `it belongs to uid ${String(uid)}`
        : (mode & WRITABLE_BY_OTHERS) !== 0 && (mode & STICKY) === 0
          ? `others may write to it (mode ${(mode & 0o7777).toString(8)}, without the sticky bit)`
          : null;
    if (because !== null)
      throw new Error(
        `${what}: ${at === real ? path : at} cannot be trusted: ${because}; allowed: of root${caller === 0 ? '' : ' or the account'}, and 1777 where others write`,
      );
    if (at === '/') break;
  }
  return lstatSync(real);
}

function makeOwn(path: string, account: Account | null, caller: number): void {
  makes(() => mkdirSync(path, {mode: 0o700}));
  const uid = account?.uid ?? caller;
  const wrong = new Error(`${path} is no directory of uid ${String(uid)} that nobody else can write to`);
  const directory = ifPossible(() => openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW));
  if (directory === null) throw wrong;
  try {
    // also one that another job has just made, or made and was killed: it is the caller's, closed to all others, and empty
    if (account !== null && isFresh(directory, caller)) fchownSync(directory, account.uid, account.gid);
    const found = fstatSync(directory);
    if (found.uid !== uid || (found.mode & WRITABLE_BY_OTHERS) !== 0) throw wrong;
  } finally {
    closeSync(directory);
  }
}

function isFresh(directory: number, caller: number): boolean {
  const {uid, mode} = fstatSync(directory);
  return uid === caller && (mode & 0o077) === 0 && readdirSync(`/proc/self/fd/${String(directory)}`).length === 0;
}

/** Trims the shared caches of one account that the policy names. @returns bytes that were removed */
export function trimSharedCaches(policy: Policy, uid: number): number {
  const rules = [policy, ...policy.rules.map(({set}) => set)].flatMap(({cvmfs}) => cvmfs?.value.mount ?? []);
  return rules.reduce((sum, {sharedCache, quotaBytes}) => {
    const directory = sharedCache === null ? null : cacheOf(sharedCache, uid);
    if (directory === null || quotaBytes === null || !isOwn(directory, uid)) return sum;
    return sum + trim(directory, quotaBytes);
  }, 0);
}

/** A client that has a file open keeps it, and one that wants it again fetches it again. */
function trim(directory: string, quotaBytes: number): number {
  const files = namesIn(directory)
    .filter((name) => FILES.test(name))
    .flatMap((name) => namesIn(join(directory, name)).map((file) => join(directory, name, file)))
    .flatMap((path) => {
      const found = lstatSync(path, {throwIfNoEntry: false});
      return found?.isFile() === true ? [{path, bytes: found.blocks * BLOCK, usedMs: Math.max(found.atimeMs, found.mtimeMs)}] : [];
    });
  const all = files.reduce((sum, {bytes}) => sum + bytes, 0);
  if (all <= quotaBytes) return 0;
  let removed = 0;
  for (const {path, bytes} of files.sort((one, other) => one.usedMs - other.usedMs)) {
    if (all - removed <= quotaBytes * LEFT) break;
    rmSync(path, {force: true});
    removed += bytes;
  }
  return removed;
}
