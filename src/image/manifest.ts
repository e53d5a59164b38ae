/** Which image a layout holds (OCI image specification 1.1; the archive of `docker save`), and what its layers are. */

import {sha256} from '../builtin.js';
import {BlobError, type Blobs} from './blobs.js';

/** One layer of an image, in the order in which they are laid over each other. */
export interface Layer {
  /** Its file in the layout. */
  name: string;
  /** `compressed`: of the file as it is; `plain`: of what it is when it is unpacked. */
  digest: string;
  of: 'compressed' | 'plain';
  /** As the manifest says; null where it does not. */
  bytes: number | null;
}

/** What is used of an image's manifest and configuration. */
export interface Manifest {
  /** sha256:… of the manifest; of the configuration where an archive of docker has no manifest: docker's image ID. */
  digest: string;
  /** As Go calls it (amd64, arm64, …); null: it does not say. */
  architecture: string | null;
  /** What it is tagged as. */
  name: string | null;
  layers: Layer[];
}

/** None of its images is for this architecture. */
export class OtherArchitecture extends Error {
  readonly found: string[];
  constructor(found: string[]) {
    super(`for ${found.join(', ')}`);
    this.found = found;
  }
}

const MOST_TEXT = 8 << 20;
const MOST_LAYERS = 512;
const MOST_NESTED = 4;
const REF_NAME = 'org.opencontainers.image.ref.name';
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** Whether a layout has what an OCI layout has. */
export const isLayout = (blobs: Blobs): boolean => blobs.text('index.json', MOST_TEXT) !== null;

/**
 * Every text that is read on the way is checked against the digest that it goes by.
 * @param architecture the node's, as Go calls it: which of several images is taken
 * @throws BlobError, OtherArchitecture
 */
export function readManifest(blobs: Blobs, architecture: string): Manifest {
  const index = blobs.text('index.json', MOST_TEXT);
  if (index !== null) return ofLayout(blobs, parse(index, 'index.json'), architecture);
  const saved = blobs.text('manifest.json', MOST_TEXT);
  if (saved !== null) return ofDocker(blobs, parse(saved, 'manifest.json'));
  throw new BlobError('it has neither index.json (OCI) nor manifest.json (docker save)');
}

interface Descriptor {
  digest: string;
  size: number | null;
  architecture: string | null;
  os: string | null;
  name: string | null;
  isAttestation: boolean;
}

function ofLayout(blobs: Blobs, index: JsonObject, architecture: string): Manifest {
  const candidates = descriptorsOf(index, 'index.json').flatMap((one) => manifestsBelow(blobs, one, MOST_NESTED));
  const images = candidates.filter(({descriptor}) => !descriptor.isAttestation && (descriptor.os ?? 'linux') === 'linux');
  if (images.length === 0) throw new BlobError('index.json names no image');
  const described = images.map(({descriptor, manifest}) => {
    const configuration = objectAt(manifest, 'config', 'the manifest');
    const config = verified(blobs, digestAt(configuration, 'the configuration'));
    return {descriptor, manifest, architecture: descriptor.architecture ?? textAt(config, 'architecture')};
  });
  const fitting = described.filter((one) => one.architecture === null || one.architecture === architecture);
  const [chosen, other] = fitting;
  if (chosen === undefined) throw new OtherArchitecture([...new Set(described.map((one) => one.architecture ?? 'unknown'))]);
  if (other !== undefined && other.descriptor.digest !== chosen.descriptor.digest) {
    const names = fitting.map(({descriptor}) => descriptor.name ?? descriptor.digest);
    throw new BlobError(`it holds several images, and the name does not say which is meant: ${names.join(', ')}`);
  }
  const layers = listAt(chosen.manifest, 'layers', 'the manifest').map((layer): Layer => {
    const digest = digestAt(layer, 'a layer');
    return {name: blobName(digest), digest, of: 'compressed', bytes: numberAt(layer, 'size')};
  });
  if (layers.length > MOST_LAYERS) throw new BlobError(`it has more than ${String(MOST_LAYERS)} layers`);
  const {digest, name} = chosen.descriptor;
  return {digest, name, architecture: chosen.architecture, layers};
}

/** An index can hold others, one for each architecture. */
function manifestsBelow(blobs: Blobs, descriptor: Descriptor, depth: number): {descriptor: Descriptor; manifest: JsonObject}[] {
  if (descriptor.isAttestation) return [];
  const found = verified(blobs, descriptor.digest);
  if (found['manifests'] === undefined) return [{descriptor, manifest: found}];
  if (depth === 0) throw new BlobError('its indexes are nested too deeply');
  // a layout may hold one of several architectures only
  return descriptorsOf(found, descriptor.digest)
    .filter(({digest}) => blobs.text(blobName(digest), MOST_TEXT) !== null)
    .flatMap((one) => manifestsBelow(blobs, {...one, name: one.name ?? descriptor.name}, depth - 1));
}

function descriptorsOf(index: JsonObject, where: string): Descriptor[] {
  return listAt(index, 'manifests', where).map((one) => {
    const platform = isTree(one['platform']) ? one['platform'] : {};
    const annotations = isTree(one['annotations']) ? one['annotations'] : {};
    const architecture = textAt(platform, 'architecture');
    return {
      digest: digestAt(one, where),
      size: numberAt(one, 'size'),
      // what buildkit adds beside images
      isAttestation: architecture === 'unknown' || annotations['vnd.docker.reference.type'] !== undefined,
      architecture,
      os: textAt(platform, 'os'),
      name: textAt(annotations, REF_NAME),
    };
  });
}

function ofDocker(blobs: Blobs, saved: unknown): Manifest {
  const images = Array.isArray(saved) ? saved.filter(isTree) : [];
  const [image, other] = images;
  if (image === undefined) throw new BlobError('manifest.json names no image');
  const tags = (one: JsonObject): string[] =>
    Array.isArray(one['RepoTags']) ? one['RepoTags'].filter((tag) => typeof tag === 'string') : [];
  if (other !== undefined)
    throw new BlobError(`it holds several images, and the name does not say which is meant: ${images.flatMap(tags).join(', ')}`);
  const name = textAt(image, 'Config') ?? '';
  const text = blobs.text(name, MOST_TEXT);
  if (text === null) throw new BlobError(`${show(name)} is missing`);
  const digest = digestOf(text);
  // docker calls it so; what is not called after its digest is not checked, and its digest is what it is
  const called = /(?:^|\/)([0-9a-f]{64})(?:\.json)?$/.exec(name)?.[1];
  if (called !== undefined && digest !== `sha256:${called}`) throw new BlobError(`${name} has another digest than its name: ${digest}`);
  const config = parse(text, name);
  const plain = listOf(isTree(config['rootfs']) ? config['rootfs']['diff_ids'] : undefined);
  const names = listOf(image['Layers']);
  if (names.length !== plain.length || names.length > MOST_LAYERS)
    throw new BlobError('manifest.json and the configuration disagree about the layers');
  const layers = names.map((layer, index): Layer => {
    const id = plain[index];
    if (typeof layer !== 'string' || typeof id !== 'string' || !DIGEST.test(id)) throw new BlobError('a layer has no name or no digest');
    return {name: layer, digest: id, of: 'plain', bytes: null};
  });
  return {digest, architecture: textAt(config, 'architecture'), name: tags(image)[0] ?? null, layers};
}

/** @throws BlobError when it is missing or not what its digest says */
function verified(blobs: Blobs, digest: string): JsonObject {
  const name = blobName(digest);
  const text = blobs.text(name, MOST_TEXT);
  if (text === null) throw new BlobError(`${name} is missing`);
  const found = digestOf(text);
  if (found !== digest) throw new BlobError(`${name} has another digest than its name: ${found}`);
  const tree = parse(text, name);
  if (!isTree(tree)) throw new BlobError(`${name} is no JSON object`);
  return tree;
}

type JsonObject = Record<string, unknown>;

const blobName = (digest: string): string => `blobs/sha256/${digest.slice('sha256:'.length)}`;
const digestOf = (text: Buffer): string => `sha256:${sha256(text)}`;
const isTree = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const show = (text: string): string => JSON.stringify(text.slice(0, 200));

/** The error does not repeat what is there: it may be a file that the job itself cannot read. */
function parse(text: Buffer, name: string): JsonObject {
  try {
    return JSON.parse(text.toString('utf8')) as JsonObject;
  } catch {
    throw new BlobError(`${name} is no JSON`);
  }
}

function textAt(tree: JsonObject, key: string): string | null {
  const value = isTree(tree) ? tree[key] : undefined;
  return typeof value === 'string' && value !== '' ? value : null;
}

function numberAt(tree: JsonObject, key: string): number | null {
  const value = tree[key];
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

function objectAt(tree: JsonObject, key: string, where: string): JsonObject {
  const value = isTree(tree) ? tree[key] : undefined;
  if (!isTree(value)) throw new BlobError(`${where} has no ${key}`);
  return value;
}

function listAt(tree: JsonObject, key: string, where: string): JsonObject[] {
  const value = isTree(tree) ? tree[key] : undefined;
  if (!Array.isArray(value) || !value.every(isTree)) throw new BlobError(`${where} has no ${key}`);
  return value;
}

function digestAt(tree: JsonObject, where: string): string {
  const digest = textAt(tree, 'digest');
  if (digest === null || !DIGEST.test(digest)) throw new BlobError(`${where} has a digest that is no sha256`);
  return digest;
}
