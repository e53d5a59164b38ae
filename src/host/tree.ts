/**
 * The files of a node, below a directory that stands for `/`. Every read of this folder goes through here, so that
 * facts come from a captured tree just as from the machine, and so that a capture holds exactly what was read.
 * Nothing throws: what cannot be read is null, empty or false.
 */

import {
  accessSync,
  constants,
  existsSync,
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  statfsSync,
  statSync,
  type Dirent,
} from 'node:fs';
import {ifPossible, succeeds} from '../errors.js';

/** Kinds of directory entries. */
export type Kind = 'file' | 'directory' | 'link' | 'device' | 'other';

/** An entry of a directory, not touched itself. */
export interface Entry {
  name: string;
  kind: Kind;
}

/** A program's file, for its set-user-ID bit and for caches. */
export interface Program {
  /** Permission bits, for instance 0o4755. */
  mode: number;
  uid: number;
  size: number;
  mtimeMs: number;
}

/** The files of a node, read only, so that facts can be found on a capture too. What cannot be read is null, false or empty; nothing throws. */
export interface Tree {
  text(path: string): string | null;
  /** The beginning of a file, for files that cost the kernel much and say everything at once (/proc/cpuinfo). */
  head(path: string): string | null;
  exists(path: string): boolean;
  /** Touches it: not for what can hang. */
  isDirectory(path: string): boolean;
  /** The entries that are `wanted`, by name. Nothing listed is touched: an automount stays asleep. */
  entries(path: string, wanted: (entry: Entry) => boolean): Entry[];
  link(path: string): string | null;
  readable(path: string): boolean;
  writable(path: string): boolean;
  program(path: string): Program | null;
  /** The uid of what is at a path, or of what a link there leads to; null: nothing is there, or it cannot be told. */
  owner(path: string): number | null;
  freeBytes(path: string): number | null;
}

const HEAD_BYTES = 4096;

/** The files below a directory of this machine, `/` for the machine itself. */
export function realTree(root: string): Tree {
  const prefix = root === '/' ? '' : root.replace(/\/+$/, '');
  const at = (path: string): string => prefix + path;
  return {
    text: (path) => ifPossible(() => readFileSync(at(path), 'utf8')),
    head: (path) => ifPossible(() => readHead(at(path))),
    exists: (path) => existsSync(at(path)),
    isDirectory: (path) => ifPossible(() => statSync(at(path)).isDirectory()) ?? false,
    entries: (path, wanted) => {
      const found: Entry[] = [];
      for (const entry of ifPossible(() => readdirSync(at(path), {withFileTypes: true})) ?? []) {
        const each = {name: entry.name, kind: kindOf(entry)};
        if (wanted(each)) found.push(each);
      }
      return found.sort(byName);
    },
    link: (path) => ifPossible(() => readlinkSync(at(path))),
    readable: (path) => succeeds(() => accessSync(at(path), constants.R_OK)),
    writable: (path) => succeeds(() => accessSync(at(path), constants.W_OK)),
    program: (path) => ifPossible(() => programAt(at(path))),
    owner: (path) => ifPossible(() => statSync(at(path)).uid),
    freeBytes: (path) => ifPossible(() => freeAt(at(path))),
  };
}

/** Compares entries by their names, in code units. */
export const byName = (a: Entry, b: Entry): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

function programAt(path: string): Program | null {
  const stat = statSync(path);
  if (!stat.isFile() || (stat.mode & 0o111) === 0) return null;
  return {mode: stat.mode & 0o7777, uid: stat.uid, size: stat.size, mtimeMs: stat.mtimeMs};
}

function freeAt(path: string): number {
  const {bavail, bsize} = statfsSync(path);
  return bavail * bsize;
}

function readHead(path: string): string {
  const file = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(HEAD_BYTES);
    return buffer.toString('utf8', 0, readSync(file, buffer, 0, HEAD_BYTES, 0));
  } finally {
    closeSync(file);
  }
}

function kindOf(entry: Dirent): Kind {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'directory';
  if (entry.isSymbolicLink()) return 'link';
  return entry.isCharacterDevice() || entry.isBlockDevice() ? 'device' : 'other';
}
