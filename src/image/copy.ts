/** An image that is one file, into the cache. */

import {closeSync, createReadStream, openSync, writeSync} from 'node:fs';
import {hashOf} from '../builtin.js';
import {openPlain} from './blobs.js';
import {BrokenImage, CannotUnpack} from './broken.js';
import {Room} from './contents.js';
import type {UnpackOptions} from './unpacking.js';

/** A file that is an image as a whole. @returns its size. @throws BrokenImage, CannotUnpack */
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
  const hash = hashOf('sha256');
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
  const found = `sha256:${hash.digest().toString('hex')}`;
  if (found !== digest) throw new BrokenImage(`its digest is ${found}, and should be ${digest}`);
  return opened.bytes;
}
