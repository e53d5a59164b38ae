/** The image of a job: looked at before the plan, and unpacked when the box is begun. */

import {join} from 'node:path';
import type {Engine} from '@tare/contract';
import {stateDirectory} from '../box/state.js';
import {TareError} from '../errors.js';
import {runAbandonable, type Through} from '../host/abandon.js';
import {nodeArchitecture} from '../image/architecture.js';
import {BlobError, type Blobs} from '../image/blobs.js';
import {BrokenImage, CannotUnpack} from '../image/broken.js';
import {hexOf, removeTree, type CacheContext} from '../image/cache-folder.js';
import {shrinkCache} from '../image/cache-prune.js';
import {noteUse, obtain, openCache} from '../image/cache.js';
import {copyVerified} from '../image/copy.js';
import {firstProgram, lookAtImage, openBlobs} from '../image/look.js';
import {saveImage} from '../image/save.js';
import {lookInStore, type Storing} from '../image/store.js';
import {OtherArchitecture, readManifest} from '../image/manifest.js';
import type {UnpackOptions, Unpacking} from '../image/unpacking.js';
import {isImageName, plainName} from '../job/image-name.js';
import type {Init, Valued} from '../job/job.js';
import type {ImageFound} from '../plan/image.js';
import {INITS} from '../plan/inits.js';
import type {Inputs} from '../plan/inputs.js';
import {selectPattern} from '../plan/pattern.js';
import {stepOf, type StepOf} from '../plan/step.js';
import {allowsPath, namesDigests} from '../policy/images.js';
import {applyRules} from '../policy/match.js';
import {Interrupted, interruptedError} from '../process/kept-signals.js';
import {isRunning, processId} from '../process/process.js';
import type {Plan} from '../schema/generated/plan-1.js';

/**
 * Looks at the job's image, if the policy may allow it: a look can wake an automount.
 * @param planOf plans without a look, which throws the policy's refusals
 * @param through how it can be seen where Tare has mounted its repository
 * @returns null: it is not needed
 * @throws TareError IMAGE_UNUSABLE, IMAGE_BROKEN, IMAGE_ARCHITECTURE, IMAGE_NOT_UNPACKED
 */
export async function findImage(
  {value: path, provenance}: Valued<string>,
  inputs: Inputs,
  planOf: (inputs: Inputs) => Plan,
  through: Through | null,
): Promise<ImageFound | null> {
  const {job, facts, call} = inputs;
  const {value: identity} = call.identity;
  const {policy, refusal} = applyRules(inputs.policy, {
    vo: job.vo,
    user: identity.name,
    queue: job.queue,
    pattern: selectPattern(job).value,
  });
  const images = policy.images.value;
  const allowed = allowsPath(images, path);
  if (!(allowed || namesDigests(images))) return null;
  if (isImageName(path)) {
    if (refusal !== null) return null;
    // which engine's store it is, a plan says to which nothing is forbidden: once its digest is known it is made again
    const ruled = {...policy, rules: [], images: {...policy.images, value: [path]}};
    return findStored({value: path, provenance}, inputs, planOf({...inputs, policy: ruled}));
  }
  if (allowed && planOf(inputs).mode.value !== 'box') return null;
  const looked = await lookAtImage(path, {
    identity: facts.caller.uid === 0 ? {uid: identity.uid, gid: identity.gid} : null,
    where: provenance.at,
    digest: !allowed,
    user: facts.views?.user ?? facts.caller.uid !== 0,
    through,
  });
  const {kind, digest, architecture, mount} = looked;
  return {path, kind, digest, architecture, mount};
}

/** @throws TareError IMAGE_UNUSABLE, IMAGE_ARCHITECTURE */
async function findStored({value, provenance}: Valued<string>, {facts, engines}: Inputs, plan: Plan): Promise<ImageFound | null> {
  const store = plan.mode.value === 'box' ? storeOf(plan, engines) : null;
  if (store === null) return null;
  requireRoot(facts.caller.uid, value, store, provenance.at);
  return lookInStore(value, store, provenance.at);
}

/** The engine of a plan, where it has a store and a program. */
function storeOf({engine: {name, path}}: Plan, engines: readonly Engine[]): Storing | null {
  const images = engines.find((engine) => engine.name === name)?.images;
  return images === undefined || path === null ? null : {name, path, images};
}

/** Checks that the store which is asked is root's: what a user's store has by a name is the user's to say. @throws TareError IMAGE_UNUSABLE */
export function requireRoot(uid: number, image: string, {name}: Pick<Storing, 'name'>, where: string): void {
  if (uid === 0) return;
  throw new TareError('IMAGE_UNUSABLE', {
    message: 'an image by its name is of root’s store, which root’s wrapper alone uses',
    where,
    found: image,
    allowed: 'an image by a path of the node',
    remedy: `write it to a file (${name} save), and name that as image`,
  });
}

/**
 * Asks the store again for the image of a saved plan, which fits this node otherwise: its name may be allowed, and its digest be another's.
 * @param uid of the caller
 * @throws TareError PLAN_MISMATCH, IMAGE_UNUSABLE, IMAGE_ARCHITECTURE
 */
export async function checkStored(plan: Plan, file: string, engines: readonly Engine[], uid: number): Promise<void> {
  const taken = stepOf(plan, 'image.take');
  const store = taken?.kind === 'reference' ? storeOf(plan, engines) : null;
  if (taken === undefined || store === null) return;
  requireRoot(uid, taken.path, store, file);
  const {digest} = await lookInStore(taken.path, store, file);
  if (digest === taken.digest) return;
  throw new TareError('PLAN_MISMATCH', {
    message: 'the plan does not fit this node: its image is another one by now',
    where: file,
    found: `${taken.path} ${taken.digest ?? ''}`,
    allowed: digest ?? 'none',
    remedy: 'make the plan anew',
  });
}

const STAT = '/usr/bin/stat';

/**
 * The path of the init that the job names in an unpacked image; null for the wrapper's own, and where the image has to be opened first.
 * @throws TareError INIT_UNAVAILABLE
 */
export async function findInit({path, kind}: ImageFound, init: Valued<Init> | null, through: Through | null): Promise<string | null> {
  if (init === null || init.value === 'tare' || kind !== 'directory') return null;
  const {paths} = INITS[init.value];
  for (const candidate of paths) {
    // links in an image lead to what it has there, not to the node's
    const {code, out} = await runAbandonable(STAT, ['-c', '%F', '--', path + candidate], null, {through});
    if (code === 0 && !out.toString('latin1').startsWith('directory')) return candidate;
  }
  throw new TareError('INIT_UNAVAILABLE', {
    message: `the image has no ${init.value}`,
    where: init.provenance.at,
    found: `${path} without ${paths.join(' and ')}`,
    remedy: 'name the init that the image has, or leave init out: then the wrapper starts the services',
  });
}

/** What a caller that waits for an image passes. */
export interface Waiting {
  /** Aborted when the wait is over; the reason is an `Interrupted`. */
  aborted: AbortSignal;
  onProgress: (progress: TakeProgress) => void;
}

/** How far an image is unpacked, in bytes, by this wrapper or by another one that is waited for. */
export type TakeProgress = {path: string} & ({by: 'another'} | {by: 'us'; bytes: number; of: number});

/**
 * What the plan takes from the cache is there, whole, and stays until the box's folder is gone.
 * @throws TareError IMAGE_BROKEN, IMAGE_NOT_UNPACKED, INTERRUPTED; nothing of the image is left in the cache then
 */
export async function takeImage(plan: Plan, id: string, uid: number, maxBytes: number | null, waiting: Waiting): Promise<void> {
  const step = stepOf(plan, 'image.take');
  if (step?.tree == null || step.digest === null) return;
  const context = cacheContext(join(step.tree, '../..'), uid);
  openCache(context);
  const {digest} = step;
  noteUse(context, digest, {id, folder: stateDirectory(plan, id)});
  const {path} = step;
  const {aborted, onProgress} = waiting;
  const onWait = (): void => onProgress({path, by: 'another'});
  try {
    await obtain(context, digest, async (directory) => fill(step, digest, {directory, program: plan.engine.path}, maxBytes, waiting), {
      aborted,
      onWait,
    });
  } catch (error) {
    if (error instanceof Interrupted) throw interruptedError(error, 'unpacked', path);
    throw error;
  }
  if (maxBytes !== null) shrinkCache(context, maxBytes);
}

/** The cache of images as this process uses it. @throws TareError IMAGE_NOT_UNPACKED when /proc does not show this process */
export function cacheContext(directory: string, uid: number): CacheContext {
  const self = processId(process.pid);
  if (self === null)
    throw new TareError('IMAGE_NOT_UNPACKED', {message: '/proc does not show this process', found: `/proc/${String(process.pid)}`});
  return {directory, uid, self, isRunning};
}

type Filled = Awaited<ReturnType<Parameters<typeof obtain>[2]>>;

/** @param into `program`: of the plan's engine, which writes an image of its store to an archive */
async function fill(
  step: StepOf<'image.take'>,
  digest: string,
  {directory, program}: {directory: string; program: string | null},
  mostBytes: number | null,
  {aborted, onProgress}: Waiting,
): Promise<Filled> {
  const {path, kind} = step;
  const waiting = {
    aborted,
    mostBytes,
    onProgress: (progress: Unpacking): void => onProgress({path, by: 'us', ...progress}),
  };
  try {
    if (kind === 'directory') throw new TypeError(`a ${kind} is not unpacked`);
    if (kind === 'squashfs') {
      const bytes = await copyVerified(path, join(directory, 'image.squashfs'), digest, waiting);
      return {source: path, name: null, architecture: null, kind, files: 1, bytes};
    }
    if (kind !== 'reference') return {source: path, kind, ...(await unpack(openBlobs(path, kind), digest, directory, waiting))};
    if (program === null) throw new TypeError('a plan without an engine has no image of a store');
    const archive = join(directory, 'saved.tar');
    await saveImage(program, hexOf(digest), archive, waiting);
    const unpacked = await unpack(openBlobs(archive, 'docker-archive'), digest, directory, waiting);
    removeTree(archive);
    return {source: path, kind, ...unpacked, name: plainName(path)};
  } catch (error) {
    throw asImageError(error, path, step.because);
  }
}

/** Unpacks a layout or an archive, if it holds the image of this digest, and closes it. @throws BrokenImage, BlobError, OtherArchitecture, CannotUnpack */
async function unpack(
  blobs: Blobs,
  digest: string,
  directory: string,
  options: Omit<UnpackOptions, 'zstd'>,
): Promise<Pick<Filled, 'name' | 'architecture' | 'files' | 'bytes'>> {
  try {
    const manifest = readManifest(blobs, nodeArchitecture());
    if (manifest.digest !== digest) throw new BrokenImage(`it has become another one: ${manifest.digest} instead of ${digest}`);
    // streams and what unpacks cost a job whose image is in the cache 2 ms
    const [{unpackLayers}, {ZSTD}] = await Promise.all([import('../image/unpack.js'), import('../image/decompress.js')]);
    const {files, bytes} = await unpackLayers(blobs, manifest.layers, directory, {...options, zstd: firstProgram(ZSTD)});
    return {name: manifest.name, architecture: manifest.architecture, files, bytes};
  } finally {
    blobs.close();
  }
}

function asImageError(error: unknown, path: string, where: string): unknown {
  const about = {where, found: path, cause: error};
  if (error instanceof BrokenImage || error instanceof BlobError || error instanceof OtherArchitecture)
    return new TareError('IMAGE_BROKEN', {...about, message: `the image is broken: ${error.message}`, remedy: 'fetch or make it anew'});
  if (error instanceof CannotUnpack)
    return new TareError('IMAGE_NOT_UNPACKED', {...about, message: `the image cannot be unpacked: ${error.message}`});
  const {code, syscall} = error as NodeJS.ErrnoException;
  if (code === undefined || error instanceof TareError || error instanceof Interrupted) return error;
  const found = `${path}: ${code} (${syscall ?? ''})`;
  return new TareError('IMAGE_NOT_UNPACKED', {...about, message: 'the image cannot be unpacked', found});
}
