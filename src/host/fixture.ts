/**
 * A captured tree: plain files, and beside them `.access.json`, which says what git does not keep: what the caller may
 * write, empty or long directories, links that lead nowhere, owners and modes of programs, free space.
 */

import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {ifThere} from '../errors.js';
import {byName, realTree, type Entry, type Kind, type Tree} from './tree.js';

const ACCESS_FILE = '.access.json';

/** What the files of a capture cannot show by themselves; it is kept in `.access.json` beside them. */
export interface Access {
  /** How the tree came to be: captured where, or made from which documentation. */
  note: string;
  caller: {uid: number; gid: number; groups: number[]};
  /** Directories and files that the caller may write. */
  writable: string[];
  /** What else is in a directory: `name` (a file), `name/` (a directory), `name -> target` (a link). */
  entries: Record<string, string[]>;
  programs: Record<string, {mode: string; uid: number; version: string | null}>;
  freeBytes: Record<string, number>;
}

/** Null when the directory has no `.access.json`: then it is no capture. @throws Error when it cannot be read */
export const readAccess = (root: string): Access | null =>
  ifThere(() => JSON.parse(readFileSync(join(root, ACCESS_FILE), 'utf8')) as Access);

/** A tree that stands for a captured node: files below `root`, permissions and programs as noted. */
export function fixtureTree(root: string, access: Access): Tree {
  const files = realTree(root);
  const writable = new Set(access.writable);
  const noted = new Map<string, {kind: Kind; target: string | null}>();
  for (const [directory, lines] of Object.entries(access.entries)) {
    for (const line of lines) {
      const {name, kind, target} = parseEntry(directory, line);
      noted.set(join(directory, name), {kind, target});
    }
  }
  const exists = (path: string): boolean => noted.has(path) || path in access.programs || path in access.entries || files.exists(path);
  return {
    text: (path) => files.text(path),
    head: (path) => files.head(path),
    exists,
    isDirectory: (path) => noted.get(path)?.kind === 'directory' || path in access.entries || files.isDirectory(path),
    entries: (path, wanted) => {
      const found = new Map<string, Entry>();
      for (const entry of files.entries(path, ({name}) => name !== ACCESS_FILE)) found.set(entry.name, inFixture(path, entry));
      for (const line of access.entries[path] ?? []) {
        const {name, kind} = parseEntry(path, line);
        found.set(name, {name, kind});
      }
      return [...found.values()].filter(wanted).sort(byName);
    },
    link: (path) => noted.get(path)?.target ?? files.link(path),
    // what the caller could not read is not in a capture
    readable: exists,
    writable: (path) => writable.has(path),
    program: (path) => {
      const program = access.programs[path];
      return program === undefined ? null : {mode: Number.parseInt(program.mode, 8), uid: program.uid, size: 0, mtimeMs: 0};
    },
    // what a capture shows beside programs is root's: sockets of daemons
    owner: (path) => access.programs[path]?.uid ?? (noted.has(path) || files.exists(path) ? 0 : null),
    freeBytes: (path) => access.freeBytes[path] ?? null,
  };
}

function parseEntry(directory: string, line: string): Entry & {target: string | null} {
  const [name = line, target] = line.split(' -> ');
  if (target !== undefined) return {name, kind: 'link', target};
  if (name.endsWith('/')) return {name: name.slice(0, -1), kind: 'directory', target: null};
  return {...inFixture(directory, {name, kind: 'file'}), target: null};
}

/** Device files are plain files in a capture. */
function inFixture(directory: string, entry: Entry): Entry {
  return entry.kind === 'file' && (directory === '/dev' || directory.startsWith('/dev/')) ? {...entry, kind: 'device'} : entry;
}
