/** Reads what has no size that could be believed, to its end or to a bound. */

import {readSync} from 'node:fs';
import {errnoOf, TareError} from '../errors.js';
import {standStill} from '../process/clock.js';

/** Descriptor of standard input. */
export const STDIN = 0;
/** What standard input is called in places of documents; in a command line it is `-`. */
export const STANDARD_INPUT = 'standard input';
const PIECE = 64 * 1024;
const PATIENCE_MS = 5;

/**
 * The text of a document: UTF-8, or UTF-16 where a byte order mark says so (yaml.org/spec/1.2, 5.2; some editors and shells write either). The mark is
 * no part of the text; what is no text in that encoding becomes U+FFFD, which readers refuse.
 */
export function textOf(bytes: Uint8Array): string {
  const [first, second] = bytes;
  const encoding = first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8';
  return new TextDecoder(encoding).decode(bytes);
}

/**
 * The text to the end, which for a pipe is when its writers have closed it.
 * @param what a word for messages, such as `job`
 * @param most bytes
 * @throws TareError DOCUMENT_UNREADABLE for more; Error of the system
 */
export function readToEnd(descriptor: number, {name, what, most}: {name: string; what: string; most: number}): string {
  const pieces: Buffer[] = [];
  for (let size = 0; ;) {
    const piece = Buffer.alloc(PIECE);
    const read = readSome(descriptor, piece);
    if (read === 0) return textOf(Buffer.concat(pieces));
    size += read;
    pieces.push(piece.subarray(0, read));
    if (size <= most) continue;
    throw new TareError('DOCUMENT_UNREADABLE', {message: `the ${what} is too large`, where: name, allowed: `${String(most)} bytes`});
  }
}

/** Waits for standard input where another program has made it one that does not block. @throws Error of the system */
function readSome(descriptor: number, piece: Buffer): number {
  for (;;) {
    try {
      return readSync(descriptor, piece);
    } catch (error) {
      if (errnoOf(error) !== 'EAGAIN' || descriptor !== STDIN) throw error;
      standStill(PATIENCE_MS);
    }
  }
}
