/**
 * Unpacked images, each under its digest, for all jobs of one account: `trees/HEX` appears by one rename when it is whole and on disk, so
 * what is there is whole. `work/HEX` is where one is unpacked, by one job at a time; `uses/HEX/BOX` says which box has it, and names that
 * box's folder: a use is over when that folder is gone, however the box ended.
 */

import {existsSync, mkdirSync, utimesSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {randomName} from '../builtin.js';
import {errnoOf, TareError} from '../errors.js';
import {takeLock} from '../export/lock.js';
import {childProcess} from '../host/spawn.js';
import {isOwn, makeDirectory} from '../record/durable.js';
import {clearWork, hexOf, namespaceNow, publish, removeTree, treeOf, type CacheContext} from './cache-folder.js';
import type {CachedImage} from './entry.js';

/** How often one that waits looks whether the other is done. */
const LOOK_MS = 100;

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

/** Notes that a box uses the image, which no prune removes until the box's folder is gone. @throws Error of the system */
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
      const staging = join(work, `${namespaceNow()}-${String(context.self.pid)}-${String(context.self.startTicks)}-${randomName(4)}`);
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

const SYNC_DEADLINE_MS = 600_000;
const SYNC = '/usr/bin/sync';

/**
 * Syncs the file system, so that after a power cut no name is there without its content. An abort kills sync(1), and does not wait for it: it may be in the kernel
 * until all is written.
 */
function synchronize(directory: string, aborted?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = {
      cwd: '/',
      env: {LC_ALL: 'C'},
      timeout: SYNC_DEADLINE_MS,
      killSignal: 'SIGKILL' as const,
      ...(aborted === undefined ? {} : {signal: aborted}),
    };
    childProcess().execFile(SYNC, ['-f', directory], options, (error) => {
      if (error === null) resolve();
      else if (aborted?.aborted === true) reject(aborted.reason as Error);
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
