/** Images below some directories: found by what they look like, without reading their contents. */

import {closeSync, readdirSync, readSync, statSync, type Stats} from 'node:fs';
import {join} from 'node:path';
import {errnoOf} from '../errors.js';
import type {ImageKind} from '../plan/image.js';
import {nodeArchitecture} from './architecture.js';
import {BlobError, blobsOfArchive, blobsOfDirectory, openPlain, type Blobs} from './blobs.js';
import {isLayout, OtherArchitecture, readManifest} from './manifest.js';
import {isSquashfs, readSuperblock, SUPERBLOCK_BYTES} from './squashfs.js';

/** One image of a node's image places, as its metadata tells. */
export interface Listed {
  path: string;
  kind: ImageKind;
  /** sha256:… of its manifest; null: it has none. */
  digest: string | null;
  /** What it is tagged as. */
  name: string | null;
  architecture: string | null;
  /** Of a file; null: not counted. */
  bytes: number | null;
  /** Why it cannot be used; null: nothing is known against it. */
  problem: string | null;
}

/** /cvmfs/unpacked.cern.ch has REGISTRY/PROJECT/…/NAME:TAG. */
const MOST_DEPTH = 6;
const BEGIN = 512;

/** @param complain told of what cannot be read */
export function* findImages(places: readonly string[], complain: (message: string) => void): Generator<Listed> {
  for (const place of places) yield* below(place, 0, complain);
}

function* below(path: string, depth: number, complain: (message: string) => void): Generator<Listed> {
  let found: Stats;
  let names: string[];
  try {
    found = statSync(path);
    if (found.isFile()) {
      const listed = ofFile(path, found.size);
      if (listed !== null) yield listed;
      return;
    }
    if (!found.isDirectory()) return;
    names = readdirSync(path);
  } catch (error) {
    complain(`${path}: ${error instanceof BlobError ? error.message : (errnoOf(error) ?? String(error))}`);
    return;
  }
  if (names.includes('oci-layout')) yield ofBlobs(path, 'oci-layout', null, () => blobsOfDirectory(path));
  else if (isTree(names)) yield {path, kind: 'directory', digest: null, name: null, architecture: null, bytes: null, problem: null};
  // hidden ones hold what the others are made of
  else if (depth < MOST_DEPTH)
    for (const name of names.sort()) if (!name.startsWith('.')) yield* below(join(path, name), depth + 1, complain);
}

const isTree = (names: readonly string[]): boolean =>
  names.includes('usr') ? names.some((name) => ['bin', 'etc', 'lib'].includes(name)) : names.includes('bin') && names.includes('etc');

function ofFile(path: string, bytes: number): Listed | null {
  const opened = openPlain(path);
  if (opened === null) return null;
  const begin = Buffer.alloc(BEGIN);
  const length = readSync(opened.file, begin, 0, BEGIN, 0);
  closeSync(opened.file);
  if (length >= SUPERBLOCK_BYTES && isSquashfs(begin)) {
    const superblock = readSuperblock(begin, bytes);
    const problem = typeof superblock === 'string' ? superblock : null;
    return {path, kind: 'squashfs', digest: null, name: null, architecture: null, bytes, problem};
  }
  // other archives lie about too
  if (begin.toString('latin1', 257, 262) !== 'ustar') return null;
  const listed = ofBlobs(path, 'oci-archive', bytes, () => blobsOfArchive(path));
  return listed.problem === NO_IMAGE ? null : listed;
}

const NO_IMAGE = 'it is no image';

function ofBlobs(path: string, kind: ImageKind, bytes: number | null, open: () => Blobs): Listed {
  const unknown: Listed = {path, kind, digest: null, name: null, architecture: null, bytes, problem: null};
  let blobs: Blobs | null = null;
  try {
    blobs = open();
    const layout = isLayout(blobs);
    if (!layout && blobs.text('manifest.json', Infinity) === null) return {...unknown, problem: NO_IMAGE};
    const {digest, name, architecture, layers} = readManifest(blobs, nodeArchitecture());
    const stored = layers.every((layer) => layer.bytes !== null) ? layers.reduce((sum, layer) => sum + (layer.bytes ?? 0), 0) : null;
    return {...unknown, kind: layout ? kind : 'docker-archive', digest, name, architecture, bytes: bytes ?? stored};
  } catch (error) {
    if (error instanceof OtherArchitecture) return {...unknown, architecture: error.found.join(','), problem: 'for another architecture'};
    return {...unknown, problem: error instanceof BlobError ? error.message : (errnoOf(error) ?? String(error))};
  } finally {
    blobs?.close();
  }
}
