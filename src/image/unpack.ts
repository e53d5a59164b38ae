/**
 * Layers to a directory tree. Contents are written under numbers into a folder of their own; names exist in memory only (tree.ts) until the
 * last layer is read and every digest was right. Then directories are made, contents are moved into them, and links come last.
 * Everything becomes the unpacking account's own, without setuid, setgid and capabilities; devices and pipes are left out.
 */

import {createHash} from 'node:crypto';
import {
  chmodSync,
  closeSync,
  createReadStream,
  fchmodSync,
  futimesSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statfsSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import {join} from 'node:path';
import {PassThrough, Transform, type Readable} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {createGunzip} from 'node:zlib';
import {errnoOf} from '../errors.js';
import {start} from '../host/spawn.js';
import {BlobError, openPlain, type Blobs} from './blobs.js';
import type {Layer} from './manifest.js';
import {TarError, TarReader, type TarEntry} from './tar.js';
import {ImageTree, TreeError, type Content, type DirectoryNode} from './tree.js';

/** The image cannot be used, wherever: what is wrong with it. */
export class BrokenImage extends Error {}
/** This node cannot unpack it: what is lacking. */
export class CannotUnpack extends Error {}

export interface Unpacked {
  files: number;
  /** Of contents. */
  bytes: number;
  /** Devices, pipes and the like. */
  left: number;
}

/** How far it is, for whoever waits. */
export interface Unpacking {
  /** Of the layers as they are stored: read so far, and in all. */
  bytes: number;
  of: number;
}

export interface UnpackOptions {
  /** Tells that it is not wanted any more; what is thrown then is the reason of the abort. */
  aborted?: AbortSignal;
  onProgress?: (progress: Unpacking) => void;
  /** The most that its contents may be; null: what there is room for. */
  mostBytes: number | null;
  /** Of the zstd program; null: it is not there. */
  zstd: string | null;
}

/** Looked for in these places, and run as nobody when we are root. */
export const ZSTD = ['/usr/bin/zstd', '/bin/zstd', '/usr/local/bin/zstd'];
const NOBODY = 65534;
/** So much of the disk stays free, or a twentieth of it where that is less: the node's records lie there too. */
const LEAST_FREE = 2 ** 30;
const LEAST_SHARE = 1 / 20;
const LOOK_EVERY = 64 * 2 ** 20;

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

/** 0 of one that is missing: whoever reads it says so. */
function sizeOf(blobs: Blobs, name: string): number {
  try {
    return blobs.bytes(name);
  } catch {
    return 0;
  }
}

/**
 * A file that is an image as a whole. @returns its size
 * @throws BrokenImage, CannotUnpack
 */
export async function copyVerified(
  from: string,
  to: string,
  digest: string,
  {mostBytes, aborted, onProgress}: Omit<UnpackOptions, 'zstd'>,
): Promise<number> {
  const opened = openPlain(from);
  if (opened === null) throw new BrokenImage('it is gone');
  if (mostBytes !== null && opened.bytes > mostBytes) {
    closeSync(opened.file);
    throw new CannotUnpack(`it is larger than the ${String(mostBytes)} bytes that the cache may hold`);
  }
  const hash = createHash('sha256');
  const target = openSync(to, 'wx', 0o600);
  const room = new Room(to, null);
  try {
    for await (const piece of createReadStream('', {fd: opened.file, autoClose: true, highWaterMark: 1 << 20}) as AsyncIterable<Buffer>) {
      aborted?.throwIfAborted();
      hash.update(piece);
      room.take(piece.length);
      for (let rest = piece; rest.length > 0;) rest = rest.subarray(writeSync(target, rest));
      onProgress?.({bytes: room.bytes, of: opened.bytes});
    }
  } finally {
    closeSync(target);
  }
  const found = `sha256:${hash.digest('hex')}`;
  if (found !== digest) throw new BrokenImage(`its digest is ${found}, and should be ${digest}`);
  return opened.bytes;
}

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
    const packed = createHash('sha256');
    const plain = createHash('sha256');
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
    const found = `sha256:${(layer.of === 'plain' ? plain : packed).digest('hex')}`;
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
    await new Promise<void>((resolve, reject) => {
      stream.once('readable', resolve).once('end', resolve).once('error', reject);
    });
  }
}

const MAGICS: readonly {name: string; bytes: readonly number[]}[] = [
  {name: 'gzip', bytes: [0x1f, 0x8b]},
  {name: 'zstd', bytes: [0x28, 0xb5, 0x2f, 0xfd]},
  {name: 'xz', bytes: [0xfd, 0x37, 0x7a, 0x58]},
  {name: 'bzip2', bytes: [0x42, 0x5a, 0x68]},
];

/** By what the layer is, not by what the manifest calls it. */
function decompressorFor(begin: Buffer, zstd: string | null): NodeJS.ReadWriteStream {
  const magic = MAGICS.find(({bytes}) => bytes.every((byte, index) => begin[index] === byte))?.name;
  if (magic === undefined) return new PassThrough();
  if (magic === 'gzip') return createGunzip();
  if (magic !== 'zstd') throw new CannotUnpack(`a layer is compressed with ${magic}; gzip, zstd and plain tar are known`);
  if (zstd === null) throw new CannotUnpack(`a layer is compressed with zstd, and there is no zstd program: looked for ${ZSTD.join(', ')}`);
  return byZstd(zstd);
}

/** What decompresses bytes that came from anywhere has no rights. */
function byZstd(program: string): NodeJS.ReadWriteStream {
  const identity = process.getuid?.() === 0 ? {uid: NOBODY, gid: NOBODY} : {};
  const child = start(program, ['-dcq', '--memory=256MB'], {
    ...identity,
    cwd: '/',
    env: {LC_ALL: 'C'},
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-500)));
  const stream = new Transform({
    readableHighWaterMark: 1 << 20,
    transform(piece: Buffer, _, done) {
      if (child.stdin?.write(piece) !== false) done();
      else child.stdin.once('drain', done);
    },
    flush(done) {
      child.stdin?.end();
      // all of its output was passed on then
      ended.then(() => {
        done();
      }, done);
    },
    destroy(error, done) {
      // at the end of all it said it ends by itself, and its status tells whether that was all
      if (error !== null || child.stdout?.readableEnded !== true) child.kill('SIGKILL');
      done(error);
    },
  });
  child.stdin?.on('error', () => undefined); // it ended before all was written: what it said tells why
  child.stdout?.on('data', (piece: Buffer) => {
    if (stream.push(piece)) return;
    child.stdout?.pause();
    setImmediate(function again() {
      if (stream.destroyed || stream.readableLength < stream.readableHighWaterMark) child.stdout?.resume();
      else setTimeout(again, 1);
    });
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.on('error', (error) => {
      stream.destroy();
      reject(new CannotUnpack(`${program}: ${error.message}`));
    });
    child.on('close', (code) => {
      if (code === 0) {
        resolve();
        return;
      }
      const wrong = new BlobError(`it is cut off or damaged (${said.trim() || `zstd ended with ${String(code)}`})`);
      stream.destroy(wrong);
      reject(wrong);
    });
  });
  ended.catch(() => undefined); // whoever reads the stream is told too
  return stream;
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

/** Contents under numbers. */
class Store {
  readonly directory: string;
  readonly room: Room;
  left = 0;
  private count = 0;
  private file: number | null = null;

  constructor(directory: string, most: number | null) {
    this.directory = directory;
    this.room = new Room(directory, most);
    mkdirSync(directory, {mode: 0o700});
  }

  pathOf({number}: Content): string {
    return join(this.directory, String(number >> 12), String(number));
  }

  begin({mode, mtime}: TarEntry): {content: Content; take: (piece: Buffer | null) => void} {
    const content: Content = {number: this.count++};
    // not a million names in one directory
    if ((content.number & 0xfff) === 0) mkdirSync(join(this.directory, String(content.number >> 12)), {mode: 0o700});
    const file = openSync(this.pathOf(content), 'wx', 0o600);
    this.file = file;
    const take = (piece: Buffer | null): void => {
      if (piece !== null) {
        this.room.take(piece.length);
        for (let rest = piece; rest.length > 0;) rest = rest.subarray(writeSync(file, rest));
        return;
      }
      // whoever unpacks must be able to read it; setuid would be a gift to everybody who can reach the file
      fchmodSync(file, (mode & 0o777) | 0o400);
      futimesSync(file, mtime, mtime);
      this.close();
    };
    return {content, take};
  }

  close(): void {
    if (this.file !== null) closeSync(this.file);
    this.file = null;
  }
}

/** What may still be written. */
class Room {
  bytes = 0;
  private readonly place: string;
  private readonly most: number | null;
  private sinceLook = LOOK_EVERY;

  constructor(place: string, most: number | null) {
    this.place = place;
    this.most = most;
  }

  /** @throws CannotUnpack when there is no room for so many bytes more */
  take(bytes: number): void {
    this.bytes += bytes;
    if (this.most !== null && this.bytes > this.most)
      throw new CannotUnpack(`its contents are more than the ${String(this.most)} bytes that the cache may hold`);
    this.sinceLook += bytes;
    if (this.sinceLook < LOOK_EVERY) return;
    this.sinceLook = 0;
    const {bavail, bsize, blocks} = statfsSync(this.place);
    if (bavail * bsize < Math.min(LEAST_FREE, blocks * bsize * LEAST_SHARE))
      throw new CannotUnpack(`${this.place}: too little of its disk would stay free (${String(bavail * bsize)} bytes)`);
  }
}

/** So many names are made at once. */
const TURN = 2000;

/** Names on disk: no link is there before everything that lies in directories is. */
class Writer {
  private readonly store: Store;
  private readonly made = new Map<Content, string>();
  private readonly links: {path: string; target: string}[] = [];
  private readonly aborted: AbortSignal | undefined;
  private files = 0;

  constructor(store: Store, aborted: AbortSignal | undefined) {
    this.store = store;
    this.aborted = aborted;
  }

  async write(root: DirectoryNode, path: string): Promise<number> {
    await this.directory(root, path);
    for (const link of this.links) symlinkSync(link.target, link.path);
    this.modes(root, path);
    return this.files;
  }

  private async directory({children}: DirectoryNode, path: string): Promise<void> {
    mkdirSync(path, {mode: 0o700});
    for (const [name, node] of children) {
      const place = `${path}/${name}`;
      if (node.kind === 'directory') await this.directory(node, place);
      else if (node.kind === 'symlink') this.links.push({path: place, target: node.target});
      else this.file(node.content, place);
      this.files++;
      if (this.files % TURN === 0) await this.turn();
    }
  }

  /** Nothing is heard of a signal between two turns of the event loop. */
  private async turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.aborted?.throwIfAborted();
  }

  private file(content: Content, path: string): void {
    const before = this.made.get(content);
    if (before === undefined) renameSync(this.store.pathOf(content), path);
    else linkSync(before, path);
    this.made.set(content, path);
  }

  private modes({children, mode}: DirectoryNode, path: string): void {
    for (const [name, node] of children) if (node.kind === 'directory') this.modes(node, `${path}/${name}`);
    // its owner can look into it and remove it again
    chmodSync(path, mode | 0o700);
  }
}
