/** Where the cache has what, and how a tree gets there whole and away. */

import {lstatSync, readlinkSync, renameSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {errnoOf, ifPossible} from '../errors.js';
import type {Owner} from '../export/lock.js';
import {namesIn, syncDirectory} from '../record/durable.js';

/** A cache of unpacked images, with notes of the boxes that use them. */
export interface CacheContext {
  directory: string;
  uid: number;
  self: Owner;
  isRunning: (owner: Owner) => boolean;
}

/** What was left by a process whose number says nothing here. */
export const ABANDONED_MS = 24 * 3_600_000;

/** The name of an image in the cache: its digest without the algorithm. */
export const hexOf = (digest: string): string => digest.replace(/^sha256:/, '');
/** The folder of an image. */
export const treeOf = (cache: string, digest: string): string => join(cache, 'trees', hexOf(digest));

/** Moves a complete tree into the cache by one rename. @throws Error of the system */
export function publish(staging: string, tree: string): void {
  try {
    renameSync(staging, tree);
    syncDirectory(join(tree, '..'));
  } catch (error) {
    const code = errnoOf(error);
    // one in another PID namespace, which cannot see that we run, was faster
    if (code !== 'EEXIST' && code !== 'ENOTEMPTY') throw error;
  }
}

/** Numbers of processes, and their starts, say nothing in another. */
export const namespaceNow = (): string => ['pid', 'time'].map((kind) => /\d+/.exec(linkOr(`/proc/self/ns/${kind}`))?.[0] ?? '0').join('.');

const linkOr = (path: string): string => ifPossible(() => readlinkSync(path)) ?? '';

/** What was left by one that was killed in the middle. */
export function clearWork(work: string, {isRunning}: CacheContext): void {
  for (const name of namesIn(work)) {
    const [namespace, pid, startTicks] = name.split('-');
    if (pid === undefined || startTicks === undefined) continue;
    const path = join(work, name);
    const isForeign = namespace !== namespaceNow();
    const isOld = Date.now() - (lstatSync(path, {throwIfNoEntry: false})?.mtimeMs ?? 0) > ABANDONED_MS;
    if (isForeign ? isOld : !isRunning({pid: Number(pid), startTicks: Number(startTicks)})) removeTree(path);
  }
}

/** Removes a tree, also one with directories that their owner cannot write to. */
export function removeTree(path: string): void {
  rmSync(path, {recursive: true, force: true});
}
