/** A tree in memory, for layouts that are not worth a fixture. */

import {byName} from '../../../src/host/tree.js';
import type {Entry, Tree} from '../../../src/host/tree.js';

/** `files`: path to text; a directory is whatever leads to a file. `writable`: paths. */
export function memoryTree(files: Readonly<Record<string, string>>, writable: readonly string[] = []): Tree {
  const paths = Object.keys(files);
  const isDirectory = (path: string): boolean => paths.some((each) => each.startsWith(`${path}/`));
  return {
    text: (path) => files[path] ?? null,
    head: (path) => files[path] ?? null,
    exists: (path) => path in files || isDirectory(path),
    entries: (path, wanted) => {
      const start = path === '/' ? '/' : `${path}/`;
      const names = new Set(paths.filter((each) => each.startsWith(start)).map((each) => each.slice(start.length).split('/')[0] ?? ''));
      return [...names]
        .map((name): Entry => ({name, kind: isDirectory(`${start}${name}`) ? 'directory' : 'file'}))
        .filter(wanted)
        .sort(byName);
    },
    isDirectory,
    link: (path) => files[path] ?? null,
    readable: (path) => path in files,
    writable: (path) => writable.includes(path),
    program: () => null,
    owner: (path) => (path in files ? 0 : null),
    freeBytes: () => null,
  };
}
