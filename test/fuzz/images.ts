/** Images: archives, manifests and the beginning of a squashfs file. */
import {createHash} from 'node:crypto';
import {Readable} from 'node:stream';
import {BlobError, type Blobs} from '../../src/image/blobs.js';
import {OtherArchitecture, readManifest} from '../../src/image/manifest.js';
import {readSuperblock} from '../../src/image/squashfs.js';
import {TarError, TarReader, type TarEntry} from '../../src/image/tar.js';
import {ImageTree, TreeError, type DirectoryNode} from '../../src/image/tree.js';
import {holds, refusing, type Target} from './target.js';

const BLOCK = 512;

/** What chance would never find: each header that looks like one gets the sum that it says. */
function withSums(archive: Buffer): Buffer {
  const summed = Buffer.from(archive);
  for (let at = 0; at + BLOCK <= summed.length; at += BLOCK) {
    const block = summed.subarray(at, at + BLOCK);
    if (block.toString('latin1', 257, 262) !== 'ustar') continue;
    block.fill(0x20, 148, 156);
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  }
  return summed;
}

async function entriesOf(archive: Buffer, piece: number): Promise<TarEntry[] | undefined> {
  const entries: TarEntry[] = [];
  let taken = 0;
  const reader = new TarReader({
    entry: (entry) => {
      entries.push(entry);
      return (part) => void (taken += part?.length ?? 0);
    },
  });
  const read = await refusing(() => {
    for (let at = 0; at < archive.length; at += piece) reader.feed(archive.subarray(at, at + piece));
    reader.end();
    return entries;
  }, TarError);
  holds(taken <= archive.length, 'no more comes out than goes in');
  return read;
}

async function tar(input: Buffer): Promise<void> {
  const archive = withSums(input);
  const [whole, pieces] = [await entriesOf(archive, archive.length || 1), await entriesOf(archive, 100)];
  holds(JSON.stringify(whole) === JSON.stringify(pieces), 'an archive is the same in pieces');
  for (const {path, size, mtime, mode, offset} of whole ?? []) {
    holds(Number.isSafeInteger(size) && size >= 0 && offset + size <= archive.length, `contents lie in the archive: ${path}`);
    holds(Math.abs(mtime) < 2 ** 53 && (mode & ~0o7777) === 0, `a file can have that time and mode: ${String(mtime)} ${String(mode)}`);
  }
}

/** Parts with blank lines between: index.json or manifest.json first, `@N` in it the digest of part N. */
async function manifest(input: Buffer): Promise<void> {
  const parts = input.toString('utf8').split('\n\n');
  const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');
  // from the last: one names those after it
  for (let at = parts.length - 1; at >= 0; at--)
    parts[at] = (parts[at] ?? '').replaceAll(/@(\d)/g, (written, n: string) =>
      Number(n) > at ? digestOf(parts[Number(n)] ?? '') : written,
    );
  const files = new Map(parts.map((text) => [`blobs/sha256/${digestOf(text)}`, text]));
  files.set(parts[0]?.startsWith('[') === true ? 'manifest.json' : 'index.json', parts[0] ?? '');
  const blobs: Blobs = {
    text: (name) => (files.has(name) ? Buffer.from(files.get(name) ?? '') : null),
    bytes: () => 0,
    stream: () => Readable.from([]),
    close: () => undefined,
  };
  const read = await refusing(() => readManifest(blobs, 'amd64'), BlobError, OtherArchitecture);
  if (read === undefined) return;
  holds(/^sha256:[0-9a-f]{64}$/.test(read.digest) && read.layers.length <= 512, 'an image has a digest and not too many layers');
  for (const {digest, bytes} of read.layers)
    holds(/^sha256:[0-9a-f]{64}$/.test(digest) && (bytes ?? 0) >= 0, 'a layer has a digest and a size');
}

function squashfs(input: Buffer): void {
  const read = readSuperblock(input, 4096);
  if (typeof read === 'string') holds(read !== '', 'what is wrong is said');
  else holds(read.bytes <= 4096 && read.bytes >= 0 && read.compression !== '', 'it lies in its file');
}

const MOST_LEVELS = 520;

function lookAt({children}: DirectoryNode, level: number): void {
  holds(level < MOST_LEVELS, 'directories are not nested too deeply');
  for (const [name, node] of children) {
    holds(
      !['', '.', '..'].includes(name) && !/[/\0]/.test(name) && Buffer.byteLength(name) <= 255,
      `a file system can have that name: ${name}`,
    );
    if (node.kind === 'symlink')
      holds(node.target !== '' && Buffer.byteLength(node.target) < 4096, `a link can have that target: ${node.target.slice(0, 100)}`);
    if (node.kind === 'directory') lookAt(node, level + 1);
  }
}

/** Names of layers, one a line as `unpack.ts` takes them: `d`, `f`, `l` or `h` and a path, then, after a tab, what a link leads to; `n`: the next layer. */
async function tree(input: Buffer): Promise<void> {
  const image = new ImageTree();
  let number = 0;
  await refusing(() => {
    for (const line of input.toString('utf8').split('\n')) {
      const [path = '', target = ''] = line.slice(1).split('\t');
      if (line === 'n') image.nextLayer();
      else if (image.whiteout(path)) continue;
      else if (line.startsWith('d')) image.putDirectory(path, 0o755);
      else if (line.startsWith('f')) image.putFile(path, {number: number++});
      // longer than an input: a name may have a megabyte
      else if (line.startsWith('l'))
        image.putSymlink(
          path,
          target.replace(/^\*+/, (stars) => '/'.repeat(4 ** Math.min(stars.length, 10))),
        );
      else if (line.startsWith('h')) image.putHardLink(path, target);
    }
  }, TreeError);
  lookAt(image.root, 0);
}

export const IMAGES: Target[] = [
  {name: 'tar', words: ['ustar\0', ' mtime=1e300\n', ' size=9\n', ' path=../x\n', '30 mtime=', 'x', 'L', '\x80'], run: tar},
  {name: 'manifest', words: ['"manifests":', '"layers":', '"digest":"sha256:@1"', '\n\n', '"platform":{}', '[]'], run: manifest},
  {name: 'tree', words: ['d', 'f', 'l', 'h', '\nn\n', '.wh.', '.wh..wh..opq', '\t', '/', '..', '*'.repeat(10)], run: tree},
  {name: 'squashfs', words: ['hsqs', '\x04\0\0\0'], run: squashfs},
];
