/** The files of an image's layout, in a directory or in one tar archive, by their names in it. */

import {closeSync, constants, createReadStream, fstatSync, openSync, readSync} from 'node:fs';
import {join, normalize} from 'node:path/posix';
import type {Readable} from 'node:stream';
import {errnoOf} from '../errors.js';
import {TarError, TarReader} from './tar.js';

/** Read access to the files of a layout, by their names in it. */
export interface Blobs {
  /** null: there is none of that name. @throws BlobError when it is longer */
  text: (name: string, most: number) => Buffer | null;
  /** Its size, without opening anything of it. @throws BlobError when there is none */
  bytes: (name: string) => number;
  /** To be read until `close`, and not after it. @throws BlobError when there is none */
  stream: (name: string) => Readable;
  close: () => void;
}

/** What a layout lacks, for people. */
export class BlobError extends Error {}

/** Opens without blocking: a named pipe in place of the file is not waited for. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;
const BLOCK = 512;
const PIECE = 1 << 20;
/** Most entries of an archive of an image, in which a layer has two. */
const MOST_ENTRIES = 20_000;

/** @returns a descriptor and the size of a plain file; null when there is none @throws BlobError when something else has the name */
export function openPlain(path: string): {file: number; bytes: number} | null {
  let file: number;
  try {
    file = openSync(path, FLAGS);
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new BlobError(`${path}: ${code ?? 'cannot be opened'}`);
  }
  const found = fstatSync(file);
  if (found.isFile()) return {file, bytes: found.size};
  closeSync(file);
  throw new BlobError(`${path} is no plain file`);
}

/** Reads a layout in a directory. A file that is not a regular one throws BlobError, and is not waited for. */
export function blobsOfDirectory(directory: string): Blobs {
  const need = (name: string): {file: number; bytes: number} => {
    const opened = openPlain(join(directory, name));
    if (opened === null) throw new BlobError(`${name} is missing`);
    return opened;
  };
  return {
    text: (name, most) => {
      const opened = openPlain(join(directory, name));
      if (opened === null) return null;
      try {
        return whole(opened.file, 0, opened.bytes, most, name);
      } finally {
        closeSync(opened.file);
      }
    },
    bytes: (name) => {
      const {file, bytes} = need(name);
      closeSync(file);
      return bytes;
    },
    stream: (name) => createReadStream('', {fd: need(name).file, autoClose: true, highWaterMark: PIECE}),
    close: () => undefined,
  };
}

interface Place {
  offset: number;
  bytes: number;
}

/** The blobs of an archive. Reads the headers only, and skips the contents. @throws BlobError */
export function blobsOfArchive(path: string): Blobs {
  const opened = openPlain(path);
  if (opened === null) throw new BlobError(`${path} is missing`);
  const {file, bytes} = opened;
  let places: Map<string, Place>;
  try {
    places = indexOf(file, bytes);
  } catch (error) {
    closeSync(file);
    throw error instanceof TarError ? new BlobError(`the archive: ${error.message}`) : error;
  }
  const need = (name: string): Place => {
    const place = places.get(name);
    if (place === undefined) throw new BlobError(`${name} is missing`);
    if (place.bytes === 0) throw new BlobError(`${name} is empty`);
    return place;
  };
  return {
    text: (name, most) => {
      const place = places.get(name);
      return place === undefined ? null : whole(file, place.offset, place.bytes, most, name);
    },
    bytes: (name) => need(name).bytes,
    stream: (name) => {
      const {offset, bytes} = need(name);
      // by its number under /proc: every stream has a place of its own in the file then, which was opened once
      return createReadStream(`/proc/self/fd/${String(file)}`, {start: offset, end: offset + bytes - 1, highWaterMark: PIECE});
    },
    close: () => closeSync(file),
  };
}

function indexOf(file: number, bytes: number): Map<string, Place> {
  const places = new Map<string, Place>();
  const links = new Map<string, string>();
  const header = Buffer.alloc(BLOCK);
  let skip = 0;
  let count = 0;
  const reader = new TarReader({
    entry: ({path, kind, size, offset, target}) => {
      if (++count > MOST_ENTRIES) throw new TarError(`it has more than ${String(MOST_ENTRIES)} files`);
      const name = normalize(path);
      if (kind === 'file') places.set(name, {offset, bytes: size});
      // docker names a layer that it has twice by a link
      else if (kind === 'symlink') links.set(name, normalize(join(name, '..', target)));
      else if (kind === 'hardlink') links.set(name, normalize(target));
      skip = kind === 'file' || kind === 'other' ? Math.floor(size / BLOCK) * BLOCK : 0;
      if (skip > 0 && offset + size > bytes) throw new TarError('it ends in the middle of an entry');
      return null;
    },
  });
  const zeros = Buffer.alloc(PIECE);
  for (let at = 0; at < bytes;) {
    const length = readSync(file, header, 0, BLOCK, at);
    if (length === 0) break;
    reader.feed(header.subarray(0, length));
    at += length;
    // content that is not needed is passed over as if it were read
    for (let left = skip; left > 0; left -= PIECE) reader.feed(zeros.subarray(0, Math.min(left, PIECE)));
    at += skip;
    skip = 0;
  }
  reader.end();
  for (const [name, target] of links) {
    const place = places.get(target);
    if (place !== undefined && !places.has(name)) places.set(name, place);
  }
  return places;
}

function whole(file: number, offset: number, bytes: number, most: number, name: string): Buffer {
  if (bytes > most) throw new BlobError(`${name} is longer than ${String(most)} bytes`);
  const text = Buffer.alloc(bytes);
  for (let read = 0; read < bytes;) {
    const length = readSync(file, text, read, bytes - read, offset + read);
    if (length === 0) throw new BlobError(`${name} is cut off`);
    read += length;
  }
  return text;
}
