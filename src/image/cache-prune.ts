/** Lists the images of the cache with their uses, and removes unused ones. */

import {existsSync, lstatSync, readFileSync, renameSync, rmdirSync, rmSync, statSync, utimesSync} from 'node:fs';
import {join} from 'node:path';
import {randomName} from '../builtin.js';
import {ifPossible} from '../errors.js';
import {takeLock} from '../export/lock.js';
import {namesIn} from '../record/durable.js';
import {ABANDONED_MS, clearWork, hexOf, publish, removeTree, type CacheContext} from './cache-folder.js';
import {isRecord, type CachedImage} from './entry.js';

type Listed = CachedImage & {path: string; uses: number; lastUsedEpochUs: number | null};

/** All images of a cache. */
export function listCache({directory}: Pick<CacheContext, 'directory'>): Listed[] {
  return namesIn(join(directory, 'trees')).flatMap((name) => {
    const path = join(directory, 'trees', name);
    const record = recordOf(path);
    if (record === null) return [];
    const used = lstatSync(join(directory, 'uses', name), {throwIfNoEntry: false});
    return [
      {...record, path, uses: usesOf(directory, name).length, lastUsedEpochUs: used === undefined ? null : Math.round(used.mtimeMs * 1000)},
    ];
  });
}

/** An image that was removed, or would be. */
export interface Pruned {
  digest: string;
  source: string;
  bytes: number;
}

/**
 * Removes images that no box uses or used since then, and what unpacking left half made. An image that gets used at the same moment stays, or
 * is unpacked once more.
 * @param remove false: only say what would go
 */
export function pruneCache(
  context: CacheContext,
  beforeEpochUs: number,
  remove: boolean,
): {removed: Pruned[]; inUse: number; young: number} {
  const {directory} = context;
  const removed: Pruned[] = [];
  let inUse = 0;
  let young = 0;
  for (const image of listCache(context)) {
    if (image.uses > 0) inUse++;
    else if ((image.lastUsedEpochUs ?? image.createdEpochUs) > beforeEpochUs) young++;
    else if (!remove || takeAway(directory, hexOf(image.digest)))
      removed.push({digest: image.digest, source: image.source, bytes: image.bytes});
    else inUse++;
  }
  if (remove) clearAll(context);
  return {removed, inUse, young};
}

/** Least recently used first, until all are no more than that. */
export function shrinkCache(context: CacheContext, mostBytes: number): Pruned[] {
  const images = listCache(context).sort((a, b) => (a.lastUsedEpochUs ?? a.createdEpochUs) - (b.lastUsedEpochUs ?? b.createdEpochUs));
  let total = images.reduce((sum, {bytes}) => sum + bytes, 0);
  const removed: Pruned[] = [];
  for (const {digest, source, bytes, uses} of images) {
    if (total <= mostBytes) break;
    if (uses > 0 || !takeAway(context.directory, hexOf(digest))) continue;
    total -= bytes;
    removed.push({digest, source, bytes});
  }
  return removed;
}

/** Renames the image first, so that a job that wants it now does not find it; renames it back when a job had noted a use before. */
function takeAway(directory: string, name: string): boolean {
  const tree = join(directory, 'trees', name);
  const gone = join(directory, 'work', `gone-${name}-${randomName(4)}`);
  renameSync(tree, gone);
  if (usesOf(directory, name).length > 0) {
    publish(gone, tree);
    return false;
  }
  removeTree(gone);
  ifPossible(() => rmdirSync(join(directory, 'uses', name))); // another job wants it again, and unpacks it anew
  return true;
}

function clearAll(context: CacheContext): void {
  const work = join(context.directory, 'work');
  for (const name of namesIn(work)) {
    const path = join(work, name);
    if (name.startsWith('gone-')) {
      // of a prune that was killed, or of one that is at it
      if (Date.now() - (statSync(path, {throwIfNoEntry: false})?.ctimeMs ?? 0) > ABANDONED_MS) removeTree(path);
      continue;
    }
    const lock = takeLock(path, context.self, context.isRunning);
    if ('owner' in lock) continue;
    try {
      clearWork(path, context);
    } finally {
      lock.release();
    }
  }
}

/** Uses whose boxes are there; the others' marks are removed. */
function usesOf(directory: string, name: string): string[] {
  const uses = join(directory, 'uses', name);
  return namesIn(uses).filter((id) => {
    const mark = join(uses, id);
    const folder = ifPossible(() => readFileSync(mark, 'utf8'));
    if (folder === null) return false; // another one has just removed it
    // one that is being written has nothing in it yet
    if (folder === '' || existsSync(folder)) return true;
    const before = statSync(uses, {throwIfNoEntry: false});
    rmSync(mark, {force: true});
    // removing is no use
    if (before !== undefined) utimesSync(uses, before.atimeMs / 1000, before.mtimeMs / 1000);
    return false;
  });
}

const recordOf = (path: string): CachedImage | null =>
  ifPossible(() => {
    const found: unknown = JSON.parse(readFileSync(join(path, 'image.json'), 'utf8'));
    return isRecord(found) ? found : null;
  });
