/**
 * Layers to a directory tree. Contents are written under numbers into a folder of their own; names exist in memory only (tree.ts) until the
 * last layer is read and every digest was right. Then directories are made, contents are moved into them, and links come last.
 * Everything becomes the unpacking account's own, without setuid, setgid and capabilities; devices and pipes are left out.
 */

import {rmSync} from 'node:fs';
import {join} from 'node:path';
import {Transform, type Readable} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {hashOf} from '../builtin.js';
import {errnoOf, ifPossible} from '../errors.js';
import {BlobError, type Blobs} from './blobs.js';
import {BrokenImage, CannotUnpack} from './broken.js';
import {Store} from './contents.js';
import {decompressorFor} from './decompress.js';
import type {Layer} from './manifest.js';
import {Writer} from './names.js';
import {TarError, TarReader, type TarEntry} from './tar.js';
import {ImageTree, TreeError} from './tree.js';
import type {UnpackOptions} from './unpacking.js';

/** What an image had in it. */
export interface Unpacked {
  files: number;
  /** Of contents. */
  bytes: number;
  /** Devices, pipes and the like. */
  left: number;
}

/**
 * @param directory exists and is empty; the tree becomes `root` in it
 * @throws BrokenImage, CannotUnpack
 */
export async function unpackLayers(blobs: Blobs, layers: readonly Layer[], directory: string, options: UnpackOptions): Promise<Unpacked> {
  const tree = new ImageTree();
  const store = new Store(join(directory, 'contents'), options.mostBytes);
  const of = layers.reduce((sum, {name}) => sum + sizeOf(blobs, name), 0);
  let bytes = 0;
  const seen = (count: number): void => {
    options.aborted?.throwIfAborted();
    bytes += count;
    options.onProgress?.({bytes, of});
  };
  try {
    for (const [index, layer] of layers.entries()) {
      tree.nextLayer();
      try {
        await readLayer(blobs, layer, tree, store, {zstd: options.zstd, seen});
      } catch (error) {
        options.aborted?.throwIfAborted();
        const what = wrongWith(error);
        if (what === null) throw error;
        throw new BrokenImage(`layer ${String(index + 1)} (${layer.name}): ${what}`, {cause: error});
      }
    }
    const root = join(directory, 'root');
    const files = await new Writer(store, options.aborted).write(tree.root, root);
    rmSync(store.directory, {recursive: true});
    return {files, bytes: store.room.bytes, left: store.left};
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOSPC' || code === 'EDQUOT') throw new CannotUnpack(`there is no room for it in ${directory}`, {cause: error});
    throw error;
  } finally {
    store.close();
  }
}

/** The size of a blob, 0 where it is missing: reading it then gives the error. */
const sizeOf = (blobs: Blobs, name: string): number => ifPossible(() => blobs.bytes(name)) ?? 0;

/** null: nothing of the image's */
function wrongWith(error: unknown): string | null {
  if (error instanceof TarError || error instanceof TreeError || error instanceof BlobError) return error.message;
  const code = errnoOf(error);
  // zlib's
  return code !== undefined && /^Z_[A-Z]+_ERROR$/.test(code) ? `it is cut off or damaged (${(error as Error).message})` : null;
}

/** @param seen is told of each piece of the layer as it is stored, and throws when no more is wanted */
async function readLayer(
  blobs: Blobs,
  layer: Layer,
  tree: ImageTree,
  store: Store,
  {zstd, seen}: {zstd: string | null; seen: (bytes: number) => void},
): Promise<void> {
  const bytes = blobs.bytes(layer.name);
  if (layer.bytes !== null && layer.bytes !== bytes)
    throw new BlobError(`it has ${String(bytes)} bytes, and should have ${String(layer.bytes)}`);
  const stream = blobs.stream(layer.name);
  try {
    const packed = hashOf('sha256');
    const plain = hashOf('sha256');
    const hashed = new Transform({
      transform(piece: Buffer, _, done) {
        try {
          seen(piece.length);
        } catch (error) {
          done(error as Error);
          return;
        }
        packed.update(piece);
        done(null, piece);
      },
    });
    const reader = new TarReader({entry: (entry) => put(entry, tree, store)});
    let fault: unknown = null;
    const take = async (source: AsyncIterable<string | Buffer>): Promise<void> => {
      for await (const text of source) {
        const piece = text as Buffer; // no encoding is set
        if (layer.of === 'plain') plain.update(piece);
        try {
          reader.feed(piece);
        } catch (error) {
          fault = error;
          throw error;
        }
      }
      reader.end();
    };
    const begin = await peek(stream);
    const decompressor = decompressorFor(begin, zstd);
    await pipeline(stream, hashed, decompressor, take).catch((error: unknown) => {
      // what is thrown in the middle can come out as the abort that it causes
      throw fault ?? error;
    });
    const found = `sha256:${(layer.of === 'plain' ? plain : packed).digest().toString('hex')}`;
    if (found !== layer.digest) throw new BlobError(`its digest is ${found}, and should be ${layer.digest}`);
  } finally {
    stream.destroy();
  }
}

/** The first bytes, which stay to be read. */
async function peek(stream: Readable): Promise<Buffer> {
  for (;;) {
    const piece = stream.read() as Buffer | null;
    if (piece !== null) {
      stream.unshift(piece);
      return piece;
    }
    if (stream.readableEnded) return Buffer.alloc(0);
    await new Promise<void>((resolve, reject) => stream.once('readable', resolve).once('end', resolve).once('error', reject));
  }
}

function put(entry: TarEntry, tree: ImageTree, store: Store): ((piece: Buffer | null) => void) | null {
  const {path, kind, target} = entry;
  if (tree.whiteout(path)) return null;
  switch (kind) {
    case 'directory':
      tree.putDirectory(path, entry.mode & 0o1777);
      return null;
    case 'symlink':
      tree.putSymlink(path, target);
      return null;
    case 'hardlink':
      tree.putHardLink(path, target);
      return null;
    case 'other':
      store.left++;
      return null;
    case 'file': {
      const {content, take} = store.begin(entry);
      tree.putFile(path, content);
      return take;
    }
  }
}
