/**
 * Reads a tar archive as a stream: ustar, with the long names and sizes of pax (POSIX.1-2001) and of GNU tar. Nothing is written here, and
 * no name is trusted: what becomes of one is the reader's business.
 */

/** Kinds of entries of a tar; `other` are devices, pipes and unknown types. */
type TarKind = 'file' | 'directory' | 'symlink' | 'hardlink' | 'other';

/** One entry of an archive, with what pax and GNU headers say of it. */
export interface TarEntry {
  path: string;
  kind: TarKind;
  /** Permission bits, with setuid, setgid and sticky. */
  mode: number;
  /** Bytes of content. */
  size: number;
  /** Seconds since 1970. */
  mtime: number;
  /** Of a link. */
  target: string;
  /** Where the content begins in the archive, in bytes. */
  offset: number;
}

/** The text is not a tar archive, or an incomplete one. */
export class TarError extends Error {}

const BLOCK = 512;
/** A header of pax or a long name of GNU tar that is longer is an attack on the memory. */
const MOST_EXTENSION = 1 << 20;
const KINDS: Readonly<Record<string, TarKind>> = {
  '0': 'file',
  '7': 'file',
  '\0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '5': 'directory',
};

/** What is done with an archive's entries, called in their order. */
export interface TarVisitor {
  /** @returns what takes the content of a file, piece by piece and then null; null: it is skipped */
  entry: (entry: TarEntry) => ((piece: Buffer | null) => void) | null;
}

/** A machine that is fed with pieces of the archive, of any length. @throws TarError from `feed` and `end` */
export class TarReader {
  private readonly visitor: TarVisitor;
  private pending: Buffer[] = [];
  private pendingBytes = 0;
  private position = 0;
  /** Content that is still to come, and the padding after it. */
  private left = 0;
  private padding = 0;
  private take: ((piece: Buffer | null) => void) | null = null;
  private extension: {type: string; pieces: Buffer[]} | null = null;
  private next: {path?: string; target?: string; size?: number; mtime?: number} = {};
  private isOver = false;
  private empty = true;

  constructor(visitor: TarVisitor) {
    this.visitor = visitor;
  }

  /** Takes the next bytes of the archive. @throws TarError when they are no tar archive, or beyond its bounds */
  feed(piece: Buffer): void {
    let rest = piece;
    while (rest.length > 0 && !this.isOver) {
      if (this.left > 0) rest = this.content(rest);
      else if (this.padding > 0) rest = this.pad(rest);
      else rest = this.header(rest);
    }
  }

  /** The archive must have its end: two blocks of zeros, or at least the end of its last entry. @throws TarError when it has not */
  end(): void {
    if (this.left > 0 || this.pendingBytes > 0) throw new TarError('it ends in the middle of an entry');
    if (this.empty && !this.isOver) throw new TarError('it is empty');
  }

  private content(rest: Buffer): Buffer {
    const piece = rest.subarray(0, this.left);
    this.left -= piece.length;
    this.position += piece.length;
    if (this.extension !== null) this.extension.pieces.push(Buffer.from(piece));
    else this.take?.(piece);
    if (this.left === 0) this.finish();
    return rest.subarray(piece.length);
  }

  private pad(rest: Buffer): Buffer {
    const skipped = Math.min(this.padding, rest.length);
    this.padding -= skipped;
    this.position += skipped;
    return rest.subarray(skipped);
  }

  private finish(): void {
    this.take?.(null);
    this.take = null;
    if (this.extension !== null) this.extend(this.extension.type, Buffer.concat(this.extension.pieces));
    this.extension = null;
  }

  private header(rest: Buffer): Buffer {
    const piece = rest.subarray(0, BLOCK - this.pendingBytes);
    this.pending.push(Buffer.from(piece));
    this.pendingBytes += piece.length;
    this.position += piece.length;
    if (this.pendingBytes === BLOCK) {
      const block = Buffer.concat(this.pending);
      this.pending = [];
      this.pendingBytes = 0;
      this.begin(block);
    }
    return rest.subarray(piece.length);
  }

  private begin(block: Buffer): void {
    if (block.every((byte) => byte === 0)) {
      this.isOver = true;
      return;
    }
    checkSum(block);
    this.empty = false;
    const type = String.fromCharCode(block[156] ?? 0);
    if ((block[124] ?? 0) > 0x80) throw new TarError('a size in it is negative or too large');
    const ownSize = numberAt(block, 124, 12);
    if ('xgLK'.includes(type)) {
      if (ownSize > MOST_EXTENSION) throw new TarError('it has a name of more than a megabyte');
      this.extension = {type, pieces: []};
      this.expect(ownSize);
      return;
    }
    const {path, target, size, mtime} = this.next;
    this.next = {};
    const named = path ?? nameOf(block);
    // old archives mark a directory by its name
    const kind = (type === '0' || type === '\0') && named.endsWith('/') ? 'directory' : (KINDS[type] ?? 'other');
    const bytes = kind === 'file' || kind === 'other' ? (size ?? ownSize) : 0;
    const entry: TarEntry = {
      path: named,
      kind,
      mode: numberAt(block, 100, 8) & 0o7777,
      size: bytes,
      mtime: mtime ?? numberAt(block, 136, 12),
      target: target ?? textAt(block, 157, 100),
      offset: this.position,
    };
    this.take = this.visitor.entry(entry);
    this.expect(bytes);
  }

  private expect(bytes: number): void {
    this.left = bytes;
    this.padding = (BLOCK - (bytes % BLOCK)) % BLOCK;
    if (bytes === 0) this.finish();
  }

  private extend(type: string, body: Buffer): void {
    if (type === 'L') this.next.path = textAt(body, 0, body.length);
    else if (type === 'K') this.next.target = textAt(body, 0, body.length);
    else if (type === 'x') Object.assign(this.next, paxOf(body));
    // `g` holds for all that follows: images have comments there, and nothing that we use
  }
}

/** Records `LENGTH KEY=VALUE\n`. */
function paxOf(body: Buffer): {path?: string; target?: string; size?: number; mtime?: number} {
  const found: {path?: string; target?: string; size?: number; mtime?: number} = {};
  for (let at = 0; at < body.length;) {
    const blank = body.indexOf(0x20, at);
    const length = blank < 0 ? NaN : Number(body.toString('latin1', at, blank));
    if (!Number.isInteger(length) || length <= blank - at || at + length > body.length) throw new TarError('malformed pax header');
    const text = body.toString('utf8', blank + 1, at + length - 1);
    const equals = text.indexOf('=');
    const [key, value] = [text.slice(0, equals), text.slice(equals + 1)];
    if (key === 'path') found.path = value;
    else if (key === 'linkpath') found.target = value;
    else if (key === 'size') found.size = wholeNumber(value);
    else if (key === 'mtime') found.mtime = timeOf(value);
    at += length;
  }
  return found;
}

/** Seconds, as POSIX writes them. No file system has a time of more digits, and the kernel refuses an invalid one. */
function timeOf(text: string): number {
  if (!/^-?\d{1,15}(\.\d*)?$/.test(text)) throw new TarError('invalid time field');
  return Number(text);
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) throw new TarError('a size in it is no number');
  return value;
}

function checkSum(block: Buffer): void {
  let sum = 0;
  for (let at = 0; at < BLOCK; at++) sum += at >= 148 && at < 156 ? 0x20 : (block[at] ?? 0);
  if (numberAt(block, 148, 8) !== sum) throw new TarError('it has a header with a wrong checksum, or is no tar archive');
}

/** Octal text; or, as GNU tar has it for large ones, a number of base 256 after a byte with its highest bit set. */
function numberAt(block: Buffer, at: number, length: number): number {
  const first = block[at] ?? 0;
  if (first >= 0x80) {
    // a negative one is a time before 1970
    if (first !== 0x80) return 0;
    let value = 0;
    for (const byte of block.subarray(at + 1, at + length)) value = value * 256 + byte;
    if (!Number.isSafeInteger(value)) throw new TarError('a number in it is too large');
    return value;
  }
  const text = textAt(block, at, length).trim();
  if (!/^[0-7]*$/.test(text)) throw new TarError('invalid octal field');
  return text === '' ? 0 : Number.parseInt(text, 8);
}

function nameOf(block: Buffer): string {
  const name = textAt(block, 0, 100);
  // only ustar has a prefix: GNU tar keeps times there
  const prefix = block.toString('latin1', 257, 263) === 'ustar\0' ? textAt(block, 345, 155) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

function textAt(block: Buffer, at: number, length: number): string {
  const end = block.indexOf(0, at);
  return block.toString('utf8', at, end < 0 || end > at + length ? at + length : end);
}
