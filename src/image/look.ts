/**
 * What an image is, and whether it can be used here: found before anything starts. The first touch of a path is by other processes with the
 * rights of the account that will use it. On CVMFS a look can take long or for ever: a process that is late is abandoned.
 */

import {accessSync, closeSync, constants, existsSync, readFileSync, readSync} from 'node:fs';
import {join} from 'node:path';
import {ifPossible, succeeds, TareError} from '../errors.js';
import {LOOK_DEADLINE_MS, runAbandonable, type Through} from '../host/abandon.js';
import {childProcess} from '../host/spawn.js';
import {SQUASHFUSE, type ImageFound, type ImageKind} from '../plan/image.js';
import {architecturesIn, nodeArchitecture, runsHere, WELL_KNOWN} from './architecture.js';
import {BlobError, blobsOfArchive, blobsOfDirectory, openPlain, type Blobs} from './blobs.js';
import {isLayout, OtherArchitecture, readManifest} from './manifest.js';
import {isSquashfs, readSuperblock, SUPERBLOCK_BYTES} from './squashfs.js';

type Identity = {uid: number; gid: number} | null;

/** Deadline for the digest of a file of some gigabytes. */
const DIGEST_DEADLINE_MS = 600_000;
const STAT = '/usr/bin/stat';
const HEAD = '/usr/bin/head';
const SHA256SUM = '/usr/bin/sha256sum';
const UNSQUASHFS = ['/usr/bin/unsquashfs', '/usr/sbin/unsquashfs', '/usr/local/bin/unsquashfs'];
const BEGIN = 512;
const ELF_BEGIN = 20;
const ALLOWED =
  'a directory tree, such as those below /cvmfs/unpacked.cern.ch; an OCI layout or an archive of one; an archive of docker save; a squashfs file';

/** How an image is looked at. */
export interface LookOptions {
  /** The account that will use it; null: this process's own. Root can read more than the payload. */
  identity: Identity;
  /** Where it is asked for, for messages. */
  where: string;
  /** Read all of a squashfs file for its digest. */
  digest: boolean;
  /** In a user namespace the kernel mounts no disk. */
  user: boolean;
  /** How it can be seen; absent: as it is. Then it has to be a directory tree, as all else is read by this process. */
  through?: Through | null;
}

/** More about an image than a plan needs. */
export interface ImageLook extends ImageFound {
  /** In its layout. */
  name: string | null;
  /** Of a file; of the layers as they are stored; null: not counted. */
  bytes: number | null;
  layers: number | null;
}

/** @throws TareError IMAGE_UNUSABLE, IMAGE_BROKEN, IMAGE_ARCHITECTURE, IMAGE_NOT_UNPACKED */
export async function lookAtImage(path: string, options: LookOptions): Promise<ImageLook> {
  const kind = await kindOf(path, options);
  const broken = (what: string, cause?: unknown): TareError =>
    new TareError('IMAGE_BROKEN', {
      message: `the image is broken: ${what}`,
      where: options.where,
      found: path,
      remedy: 'fetch or make it anew',
      cause,
    });
  try {
    if (kind === 'directory') return await lookAtTree(path, options);
    if (kind === 'squashfs') return await lookAtSquashfs(path, options, broken);
    return lookAtLayout(path, kind, options);
  } catch (error) {
    if (error instanceof BlobError) throw broken(error.message, error);
    if (error instanceof OtherArchitecture) throw otherArchitecture(path, error.found, options.where);
    throw error;
  }
}

/** @throws BlobError */
export const openBlobs = (path: string, kind: ImageKind): Blobs => (kind === 'oci-layout' ? blobsOfDirectory(path) : blobsOfArchive(path));

type Seen = 'directory' | 'oci-layout' | 'archive' | 'squashfs';

async function kindOf(path: string, {identity, where, through = null}: LookOptions): Promise<Seen> {
  const unusable = (message: string, found: string): TareError =>
    new TareError('IMAGE_UNUSABLE', {message, where, found: `${path}: ${found}`, allowed: ALLOWED});
  const {out, error} = await runAbandonable(STAT, ['-L', '-c', '%F|%n', '--', path, join(path, 'oci-layout')], identity, {through});
  const lines = out.toString('utf8').split('\n');
  const type = lines.find((line) => line.endsWith(`|${path}`))?.split('|')[0];
  if (type === undefined) throw unusable('the image cannot be read', error);
  if (through !== null && (type !== 'directory' || lines.some((line) => line.endsWith('|' + join(path, 'oci-layout')))))
    throw new TareError('IMAGE_UNUSABLE', {
      message: 'an image in a repository that Tare mounts can be a directory tree only',
      where,
      found: `${path}: ${type === 'directory' ? 'an OCI layout' : type}`,
      allowed: 'a directory tree; others where the node mounts the repository',
    });
  if (type === 'directory') return lines.some((line) => line.endsWith('|' + join(path, 'oci-layout'))) ? 'oci-layout' : 'directory';
  if (!type.includes('file')) throw unusable('the image is no directory and no file', type);
  const begin = await runAbandonable(HEAD, ['-c', String(BEGIN), '--', path], identity);
  if (begin.code !== 0) throw unusable('the image cannot be read', begin.error);
  if (isSquashfs(begin.out)) return 'squashfs';
  if (begin.out.toString('latin1', 257, 262) === 'ustar') return 'archive';
  throw unusable('the image is of no kind that can be used', kindOfFile(begin.out));
}

const KINDS_OF_FILES: readonly {name: string; at: number; magic: string}[] = [
  {name: 'an apptainer (SIF) file: its squashfs part can be taken out with `apptainer sif dump`', at: 32, magic: 'SIF_MAGIC'},
  {name: 'compressed with gzip: decompress it, or keep only its layers compressed', at: 0, magic: '\x1f\x8b'},
  {name: 'compressed with zstd: decompress it, or keep only its layers compressed', at: 0, magic: '\x28\xb5\x2f\xfd'},
  {name: 'compressed with xz: decompress it', at: 0, magic: '\xfd7zXZ'},
];

function kindOfFile(begin: Buffer): string {
  if (begin.length === 0) return 'an empty file';
  return KINDS_OF_FILES.find(({at, magic}) => begin.toString('latin1', at, at + magic.length) === magic)?.name ?? 'an unknown file';
}

async function lookAtTree(path: string, {identity, where, through = null}: LookOptions): Promise<ImageLook> {
  const candidates = WELL_KNOWN.map((name) => join(path, name));
  // a missing file is not reported, nor that none of them exists
  const {out, late} = await runAbandonable(HEAD, ['-q', '-c', String(ELF_BEGIN), '--', ...candidates], identity, {through});
  if (late) throw unanswered(path, where);
  const architectures = architecturesIn(out);
  if (architectures.length > 0 && !architectures.some(runsHere)) throw otherArchitecture(path, architectures, where);
  const architecture = architectures.find(runsHere) ?? null;
  return {path, kind: 'directory', digest: null, architecture, mount: null, name: null, bytes: null, layers: null};
}

function lookAtLayout(path: string, seen: 'oci-layout' | 'archive', {where}: LookOptions): ImageLook {
  const blobs = openBlobs(path, seen === 'archive' ? 'oci-archive' : seen);
  try {
    const kind = seen === 'oci-layout' ? seen : isLayout(blobs) ? 'oci-archive' : 'docker-archive';
    const {digest, architecture, name, layers} = readManifest(blobs, nodeArchitecture());
    if (architecture !== null && !runsHere(architecture)) throw otherArchitecture(path, [architecture], where);
    const bytes = layers.every((layer) => layer.bytes !== null) ? layers.reduce((sum, layer) => sum + (layer.bytes ?? 0), 0) : null;
    // each is looked for now: its content is checked when it is unpacked
    for (const layer of layers) {
      const found = blobs.bytes(layer.name);
      if (layer.bytes !== null && found !== layer.bytes)
        throw new BlobError(`${layer.name} has ${String(found)} bytes, and should have ${String(layer.bytes)}`);
    }
    return {path, kind, digest, architecture, mount: null, name, bytes, layers: layers.length};
  } finally {
    blobs.close();
  }
}

async function lookAtSquashfs(path: string, options: LookOptions, broken: (what: string) => TareError): Promise<ImageLook> {
  const opened = openPlain(path);
  if (opened === null) throw broken('it is gone');
  const begin = Buffer.alloc(SUPERBLOCK_BYTES);
  const length = readSync(opened.file, begin, 0, begin.length, 0);
  closeSync(opened.file);
  const superblock = readSuperblock(begin.subarray(0, length), opened.bytes);
  if (typeof superblock === 'string') throw broken(superblock);
  const architecture = await architectureInside(path, options);
  if (architecture !== null && !runsHere(architecture)) throw otherArchitecture(path, [architecture], options.where);
  const digest = options.digest ? await digestOfFile(path, options) : null;
  const mount = mounterOf(path, options);
  return {path, kind: 'squashfs', digest, architecture, mount, name: null, bytes: opened.bytes, layers: null};
}

/** The architecture of a squashfs file by unsquashfs, which also checks its tables; null without unsquashfs, or without a well-known program in the image. */
async function architectureInside(path: string, {identity}: LookOptions): Promise<string | null> {
  const program = firstProgram(UNSQUASHFS);
  if (program === null) return null;
  for (const name of WELL_KNOWN) {
    // the program that reads a file of any origin has no rights that it does not need
    const {out} = await runAbandonable(program, ['-q', '-n', '-cat', path, name], identity, {enough: ELF_BEGIN});
    const [found] = architecturesIn(out.subarray(0, ELF_BEGIN));
    if (found !== undefined) return found;
  }
  return null;
}

async function digestOfFile(path: string, {identity, where}: LookOptions): Promise<string> {
  const {out, late, error} = await runAbandonable(SHA256SUM, ['-b', '--', path], identity, {deadlineMs: DIGEST_DEADLINE_MS});
  const hex = /^\\?([0-9a-f]{64}) /.exec(out.toString('latin1'))?.[1];
  if (hex !== undefined) return `sha256:${hex}`;
  if (late) throw unanswered(path, where);
  throw new TareError('IMAGE_UNUSABLE', {message: 'the image cannot be read', where, found: `${path}: ${error}`});
}

function mounterOf(path: string, {user, where}: LookOptions): NonNullable<ImageFound['mount']> {
  const programs = SQUASHFUSE.filter(isProgram);
  // a module is loaded at the first mount
  if (!user && existsSync('/dev/loop-control') && (hasSquashfs() || programs.length === 0)) return {by: 'loop', program: null, options: []};
  const fuse = mayUse('/dev/fuse');
  const found = fuse ? squashfuseOf(programs, user ? userOf() : null, helpOf) : null;
  if (found !== null) return {by: 'squashfuse', ...found};
  throw new TareError('IMAGE_NOT_UNPACKED', {
    message: 'this node cannot mount a squashfs file',
    where,
    found: `${path}; ${programs.length === 0 ? `no squashfuse: looked for ${SQUASHFUSE.join(', ')}` : '/dev/fuse is not there or not for everybody'}`,
    remedy: programs.length === 0 ? 'install squashfuse' : 'let users read and write /dev/fuse',
  });
}

/**
 * Selects a squashfuse. In a user namespace the kernel lets no process change a file whose owner has no number there, so all files are shown as the user's own.
 * squashfuse_ll can do so from 0.5 on. squashfuse always could, by options of libfuse's (fuse(8): uid, gid), and is slower.
 */
export function squashfuseOf(
  programs: readonly string[],
  user: {uid: number; gid: number} | null,
  help: (program: string) => string,
): {program: string; options: string[]} | null {
  const [first] = programs;
  if (first === undefined) return null;
  if (user === null) return {program: first, options: ['allow_other']};
  const isHigh = (program: string): boolean => !program.endsWith('_ll');
  const knows = (program: string): boolean => {
    const text = help(program);
    return text.includes('-o uid=') && text.includes('-o gid=');
  };
  const program = programs.find((one) => !isHigh(one) && knows(one)) ?? programs.find(isHigh);
  if (program === undefined) return {program: first, options: []};
  return {program, options: [`uid=${String(user.uid)}`, `gid=${String(user.gid)}`]};
}

const userOf = (): {uid: number; gid: number} => ({uid: process.getuid?.() ?? -1, gid: process.getgid?.() ?? -1});

function helpOf(program: string): string {
  const {stdout, stderr} = childProcess().spawnSync(program, ['--help'], {
    cwd: '/',
    env: {},
    stdio: 'pipe',
    encoding: 'utf8',
    timeout: 2000,
  });
  return stdout + stderr;
}

const mayUse = (device: string): boolean => succeeds(() => accessSync(device, constants.R_OK | constants.W_OK));

const hasSquashfs = (): boolean => ifPossible(() => /\bsquashfs$/m.test(readFileSync('/proc/filesystems', 'utf8'))) ?? false;

/** The first of the paths that is an executable file of the node; null: none is. */
export const firstProgram = (paths: readonly string[]): string | null => paths.find(isProgram) ?? null;

const isProgram = (path: string): boolean => succeeds(() => accessSync(path, constants.X_OK));

const otherArchitecture = (path: string, found: readonly string[], where: string): TareError =>
  new TareError('IMAGE_ARCHITECTURE', {
    message: 'the image is for another kind of processor',
    where,
    found: `${path}: ${found.join(', ')}`,
    allowed: nodeArchitecture(),
  });

const unanswered = (path: string, where: string): TareError =>
  new TareError('IMAGE_UNUSABLE', {
    message: 'the image cannot be read',
    where,
    found: `${path}: no answer within ${String(LOOK_DEADLINE_MS / 1000)} s`,
    allowed: ALLOWED,
  });
