/** The cache of an account for all its jobs: no client keeps to a quota there, so a sweep does. */

import {lstatSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {cacheOf} from '../policy/cvmfs-mount.js';
import type {Policy} from '../policy/policy.js';
import {isOwn} from '../record/durable.js';
import {namesIn} from '../box/state.js';

/** What is left of the quota's amount, so that the next sweep need not begin again. */
const LEFT = 0.9;
/** As the client names the directories of its files, by the first byte of their hash. */
const FILES = /^[0-9a-f]{2}$/;
const BLOCK = 512;

/** Those that the policy names, of one account. @returns bytes that were removed */
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
