/** Small files that Tare keeps for itself between jobs: they are believed only where no other account could have written them. */

import {closeSync, constants, fstatSync, openSync, readFileSync, renameSync, unlinkSync, writeFileSync} from 'node:fs';
import {randomName} from '../builtin.js';
import {ifPossible} from '../errors.js';

const WRITABLE_BY_OTHERS = 0o022;

/**
 * What a plain file says; null where it cannot be read, is not one of these accounts', can be written by others, has another name, or is
 * longer than so many bytes.
 */
export function readTrusted(file: string, owners: readonly number[], mostBytes: number): string | null {
  let descriptor: number | null = null;
  try {
    // Neither through a link, nor blocking on a FIFO.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stat = fstatSync(descriptor);
    const trusted = stat.isFile() && owners.includes(stat.uid) && (stat.mode & WRITABLE_BY_OTHERS) === 0 && stat.nlink === 1;
    return trusted && stat.size <= mostBytes ? readFileSync(descriptor, 'utf8') : null;
  } catch {
    return null;
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
}

/** Whole, in place of what was there, for everybody to read. A failure is no failure of ours: what was not kept is found out again. */
export function writeWhole(file: string, text: string): void {
  const temporary = `${file}.${randomName(6)}`;
  try {
    writeFileSync(temporary, text, {flag: 'wx', mode: 0o644});
    renameSync(temporary, file);
  } catch {
    ifPossible(() => unlinkSync(temporary)); // It was never made.
  }
}
