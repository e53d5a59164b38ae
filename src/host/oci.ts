/** OCI runtimes: which one, found in fixed places, never by the PATH, which is the job's. */

import {cached, type Cached} from './cache.js';
import type {Spawn} from './bubblewrap.js';
import type {OciFacts} from './facts.js';
import type {Program, Tree} from './tree.js';

const PLACES = ['/usr/bin', '/usr/sbin', '/usr/local/bin', '/usr/local/sbin'] as const;
/** The first is preferred: it can leave control groups alone. */
const NAMES = ['crun', 'runc'] as const;
/** How each begins what it prints for `--version`. */
const VERSION = /^(?:crun|runc) version (\d+(?:\.\d+)+)/;

/** Finds the first OCI runtime, crun before runc, in the usual places. */
export function readOci(tree: Tree, version: (path: string, program: Program) => string | null): OciFacts {
  for (const name of NAMES) {
    for (const place of PLACES) {
      const path = `${place}/${name}`;
      const program = tree.program(path);
      if (program !== null) return {path, name, version: version(path, program), how: `${path} --version`};
    }
  }
  return {path: null, name: null, version: null, how: `neither ${NAMES.join(' nor ')} in ${PLACES.join(', ')}`};
}

/** Asks the program, once per file and boot when there is a cache. */
export const askOciVersion =
  (spawn: Spawn | undefined, cache: Cached | null): Parameters<typeof readOci>[1] =>
  (path, {mtimeMs, size}) =>
    cached(cache, `oci ${path} ${String(mtimeMs)} ${String(size)}`, () => VERSION.exec(spawn?.(path, ['--version']) ?? '')?.[1] ?? null);
