/**
 * Unpacked images, each under its digest, for all jobs of one account: `trees/HEX` appears by one rename when it is whole and on disk, so
 * what is there is whole. `work/HEX` is where one is unpacked, by one job at a time; `uses/HEX/BOX` says which box has it, and names that
 * box's folder: a use is over when that folder is gone, however the box ended.
 */

import {randomBytes} from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import {errnoOf, TareError} from '../errors.js';
import {takeLock, type Owner} from '../export/lock.js';
import {childProcess} from '../host/spawn.js';
import {isOwn, makeDirectory, namesIn, syncDirectory} from '../record/durable.js';
import {isRecord} from './entry.js';
import type {CachedImage} from './entry.js';

export interface CacheContext {
  directory: string;
  uid: number;
  self: Owner;
  isRunning: (owner: Owner) => boolean;
}

/** How often one that waits looks whether the other is done. */
const LOOK_MS = 100;
/** What was left by a process whose number says nothing here. */
const ABANDONED_MS = 24 * 3_600_000;
const SYNC_DEADLINE_MS = 600_000;
const SYNC = '/usr/bin/sync';

const hexOf = (digest: string): string => digest.replace(/^sha256:/, '');
/** The folder of an image. */
const treeOf = (cache: string, digest: string): string => join(cache, 'trees', hexOf(digest));

/** Makes the cache. @throws TareError IMAGE_NOT_UNPACKED */
export function openCache({directory, uid}: CacheContext): void {
  try {
    makeDirectory(directory, 0o700);
    for (const name of ['trees', 'work', 'uses']) makeDirectory(join(directory, name), 0o700);
  } catch (error) {
    throw new TareError('IMAGE_NOT_UNPACKED', {
      message: 'the place for unpacked images cannot be made',
      found: `${directory}: ${errnoOf(error) ?? String(error)}`,
      remedy: 'set imageStore.cache in the policy',
      cause: error,
    });
  }
  if (['', 'trees', 'work', 'uses'].every((name) => isOwn(join(directory, name), uid))) return;
  throw new TareError('IMAGE_NOT_UNPACKED', {
    message: 'the place for unpacked images cannot be used safely',
    found: directory,
    allowed: `a directory of uid ${String(uid)} or root that nobody else can write to`,
    remedy: 'set imageStore.cache in the policy',
  });
}

/** From then on no prune takes the image away, until the box's folder is gone. */
export function noteUse({directory}: CacheContext, digest: string, box: {id: string; folder: string}): void {
  const uses = join(directory, 'uses', hexOf(digest));
  for (let tries = 0; ; tries++) {
    makeDirectory(uses, 0o700);
    try {
      writeFileSync(join(uses, box.id), box.folder, {mode: 0o600});
      const now = Date.now() / 1000;
      utimesSync(uses, now, now);
      return;
    } catch (error) {
      // a prune has just removed it
      if (errnoOf(error) !== 'ENOENT' || tries > 3) throw error;
    }
  }
}

/**
 * The folder of the image, made when it is not there: by one job, while the others wait.
 * @param fill makes the content in an empty directory, and tells about it
 * @param wait `aborted` ends it, and its reason is thrown; `onWait` is called at each look while another job is at it
 */
export async function obtain(
  context: CacheContext,
  digest: string,
  fill: (directory: string) => Promise<Omit<CachedImage, 'digest' | 'createdEpochUs'>>,
  wait: {aborted?: AbortSignal | undefined; onWait?: () => void} = {},
): Promise<string> {
  const {aborted, onWait} = wait;
  const tree = treeOf(context.directory, digest);
  const work = join(context.directory, 'work', hexOf(digest));
  for (;;) {
    if (existsSync(tree)) return tree;
    makeDirectory(work, 0o700);
    const lock = takeLock(work, context.self, context.isRunning);
    if ('owner' in lock) {
      aborted?.throwIfAborted();
      onWait?.();
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      continue;
    }
    try {
      // the one before may just have finished
      if (existsSync(tree)) return tree;
      clearWork(work, context);
      const staging = join(
        work,
        `${namespaceNow()}-${String(context.self.pid)}-${String(context.self.startTicks)}-${randomBytes(4).toString('hex')}`,
      );
      mkdirSync(staging, {mode: 0o700});
      try {
        const about = await fill(staging);
        const record: CachedImage = {...about, digest, createdEpochUs: Date.now() * 1000};
        writeFileSync(join(staging, 'image.json'), JSON.stringify(record), {mode: 0o600});
        await synchronize(staging, aborted);
        publish(staging, tree);
      } finally {
        removeTree(staging);
      }
      return tree;
    } finally {
      lock.release();
    }
  }
}

function publish(staging: string, tree: string): void {
  try {
    renameSync(staging, tree);
    syncDirectory(join(tree, '..'));
  } catch (error) {
    const code = errnoOf(error);
    // one in another PID namespace, which cannot see that we run, was faster
    if (code !== 'EEXIST' && code !== 'ENOTEMPTY') throw error;
  }
}

/** After a power cut a name is not to be there without what it names. */
function synchronize(directory: string, aborted?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    // sync(1) may be in the kernel until all is written, and is not waited for
    const stop = (): void => {
      reject(aborted?.reason as Error);
    };
    if (aborted?.aborted === true) stop();
    aborted?.addEventListener('abort', stop, {once: true});
    const options = {cwd: '/', env: {LC_ALL: 'C'}, timeout: SYNC_DEADLINE_MS, killSignal: 'SIGKILL' as const};
    childProcess().execFile(SYNC, ['-f', directory], options, (error) => {
      aborted?.removeEventListener('abort', stop);
      if (error === null) resolve();
      else
        reject(
          new TareError('IMAGE_NOT_UNPACKED', {
            message: 'the unpacked image cannot be brought to disk',
            found: error.message,
            cause: error,
          }),
        );
    });
  });
}

/** Numbers of processes, and their starts, say nothing in another. */
const namespaceNow = (): string => ['pid', 'time'].map((kind) => /\d+/.exec(linkOr(`/proc/self/ns/${kind}`))?.[0] ?? '0').join('.');

function linkOr(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** What was left by one that was killed in the middle. */
function clearWork(work: string, {isRunning}: CacheContext): void {
  for (const name of namesIn(work)) {
    const [namespace, pid, startTicks] = name.split('-');
    if (pid === undefined || startTicks === undefined) continue;
    const path = join(work, name);
    const isForeign = namespace !== namespaceNow();
    const isOld = Date.now() - (lstatSync(path, {throwIfNoEntry: false})?.mtimeMs ?? 0) > ABANDONED_MS;
    if (isForeign ? isOld : !isRunning({pid: Number(pid), startTicks: Number(startTicks)})) removeTree(path);
  }
}

/** All images of a cache, whoever uses them. */
export function listCache({
  directory,
}: {
  directory: string;
}): (CachedImage & {path: string; uses: number; lastUsedEpochUs: number | null})[] {
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

export interface Pruned {
  digest: string;
  source: string;
  bytes: number;
}

/**
 * Removes what nobody uses and nobody used since then, and what unpacking left half made. One that gets used at the same moment stays, or
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

/** Out of the way first, so that whoever wants it now does not find it; back again when somebody has noted a use before that. */
function takeAway(directory: string, name: string): boolean {
  const tree = join(directory, 'trees', name);
  const gone = join(directory, 'work', `gone-${name}-${randomBytes(4).toString('hex')}`);
  renameSync(tree, gone);
  if (usesOf(directory, name).length > 0) {
    publish(gone, tree);
    return false;
  }
  removeTree(gone);
  try {
    rmdirSync(join(directory, 'uses', name));
  } catch {
    // somebody wants it again, and unpacks it anew
  }
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
    let folder: string;
    try {
      folder = readFileSync(mark, 'utf8');
    } catch {
      return false; // another one has just removed it
    }
    // one that is being written has nothing in it yet
    if (folder === '' || existsSync(folder)) return true;
    const before = statSync(uses, {throwIfNoEntry: false});
    rmSync(mark, {force: true});
    // removing is no use
    if (before !== undefined) utimesSync(uses, before.atimeMs / 1000, before.mtimeMs / 1000);
    return false;
  });
}

function recordOf(path: string): CachedImage | null {
  try {
    const found: unknown = JSON.parse(readFileSync(join(path, 'image.json'), 'utf8'));
    return isRecord(found) ? found : null;
  } catch {
    return null;
  }
}

/** Also where the image has directories that their owner cannot write to. */
function removeTree(path: string): void {
  rmSync(path, {recursive: true, force: true});
}
