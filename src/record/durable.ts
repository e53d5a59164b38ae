/** Directories, and files that are whole or not there: what a crash must not lose. */

import {closeSync, constants, fsyncSync, lstatSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import {basename, dirname, join} from 'node:path';
import {randomName} from '../builtin.js';
import {errnoOf, ifPossible, makes} from '../errors.js';

/**
 * Makes a directory and those above it that are missing. Node's own recursive mkdir never returns where a file system answers ENOENT
 * although the parent is there, as /proc does.
 * @throws Error of the system
 */
export function makeDirectory(path: string, mode: number): void {
  const make = (): boolean => makes(() => mkdirSync(path, {mode})); // or another job that starts now does
  try {
    make();
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    makeDirectory(dirname(path), mode);
    make();
  }
}

/** How a file is opened where others may write: no link is followed, and no named pipe waited for. */
export const PLAIN = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Uses an open file, and closes it whatever happens. @throws Error of the system, and what `use` throws */
export function withFile<T>(path: string, flags: string | number, use: (descriptor: number) => T, mode?: number): T {
  const descriptor = openSync(path, flags, mode);
  try {
    return use(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Whether a directory is there that only this user or root can have put anything of ours into. */
export function isOwn(path: string, uid: number): boolean {
  const found = lstatSync(path, {throwIfNoEntry: false});
  if (found?.isDirectory() !== true || (found.uid !== uid && found.uid !== 0)) return false;
  return (found.mode & 0o022) === 0 || (found.mode & 0o1000) !== 0;
}

/** What is in a directory; nothing when it is not there or cannot be read. */
export const namesIn = (directory: string): string[] => ifPossible(() => readdirSync(directory)) ?? [];

/** Writes a whole file so that a crash leaves the old one or the new one: file synced, renamed, directory synced. @throws Error of the system */
export function writeDurably(path: string, text: string): void {
  const directory = dirname(path);
  // others who may write to the spool cannot foresee the name and take it
  const temporary = `${path}.${randomName(8)}.tmp`;
  try {
    writeAndSync(temporary, text);
    renameSync(temporary, path);
    syncDirectory(directory);
  } catch (error) {
    discard(temporary);
    throw error;
  }
}

/** What a process that may be killed notes, for its account alone: whole or not there. Not synced. @param own ends the name of its new file */
export function replaceNote(path: string, content: unknown, own = String(process.pid)): void {
  const fresh = `${path}.${own}`;
  writeFileSync(fresh, JSON.stringify(content), {mode: 0o600});
  renameSync(fresh, path);
}

/** The same at a path that the caller names: through a link, and into a pipe or a device, which stay. */
export function replaceOrWrite(path: string, text: string): void {
  const there = lstatSync(path, {throwIfNoEntry: false});
  if (there === undefined || there.isFile()) writeDurably(path, text);
  else writeFileSync(path, text);
}

/** What a supervisor that died while writing left beside a file. */
export function removeUnfinished(path: string): void {
  const directory = dirname(path);
  for (const name of namesIn(directory)) if (name.startsWith(`${basename(path)}.`) && name.endsWith('.tmp')) discard(join(directory, name));
}

/** Whatever keeps it from being removed is no news: the error before it is. */
function discard(path: string): void {
  ifPossible(() => rmSync(path, {force: true})); // its directory may be what cannot be written to
}

/** Makes a file with its content on disk; its name is there for good once the directory is synced. @throws EEXIST when there is one */
export function writeAndSync(path: string, text: string): void {
  const write = (descriptor: number): void => {
    writeFileSync(descriptor, text);
    fsyncSync(descriptor);
  };
  withFile(path, 'wx', write, 0o644); // wx: never through a link that somebody put there
}

/** Makes names in a directory durable (fsync(2)). @throws Error of the system */
export const syncDirectory = (directory: string): void => withFile(directory, 'r', fsyncSync);
