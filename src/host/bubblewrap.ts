/** bubblewrap: which one, and what it can do. Found in fixed places, never by the PATH, which is the job's. */

import type {BubblewrapFacts} from './facts.js';
import type {Caller} from './identity.js';
import {cached, type Cached} from './cache.js';
import {mountOf, type Mount} from './mountinfo.js';
import type {ProcessStatus} from './status.js';
import type {Program, Tree} from './tree.js';

const PLACES = ['/usr/bin/bwrap', '/usr/local/bin/bwrap', '/bin/bwrap'];
const SETUID = 0o4000;

/** What a program prints on its standard output, null when it failed. */
export type Spawn = (path: string, args: readonly string[]) => string | null;

/** What bubblewrap's facts are found with. */
export interface BubblewrapInputs {
  tree: Tree;
  mounts: readonly Mount[];
  status: ProcessStatus;
  caller: Caller;
  /** How to ask for the version. */
  version: (path: string, program: Program) => string | null;
}

/** Finds the first bubblewrap of the usual places that the caller can use, its version and abilities. */
export function readBubblewrap(inputs: BubblewrapInputs): BubblewrapFacts {
  const skipped: string[] = [];
  for (const path of PLACES) {
    const program = inputs.tree.program(path);
    if (program === null) continue;
    const version = inputs.version(path, program);
    const {setuid, obstacle, note} = privilege(inputs, path, program, version);
    if (obstacle !== null) {
      skipped.push(obstacle);
      continue;
    }
    const how = [`${path} --version`, note, ...skipped].filter((part) => part !== null).join('; ');
    return {path, version, setuid, abilities: abilitiesOf(version, setuid), how};
  }
  return {
    path: null,
    version: null,
    setuid: false,
    abilities: abilitiesOf(null, false),
    how: skipped.join('; ') || `not in ${PLACES.join(', ')}`,
  };
}

interface Privilege {
  /** It is setuid root, and the caller is not root. */
  setuid: boolean;
  obstacle: string | null;
  note: string | null;
}

function privilege({mounts, status, caller}: BubblewrapInputs, path: string, {mode, uid}: Program, version: string | null): Privilege {
  const plain = {setuid: false, obstacle: null, note: null};
  if ((mode & SETUID) === 0 || uid === caller.uid) return plain;
  if (status.noNewPrivileges) return {...plain, note: 'its setuid bit has no effect: no_new_privs'};
  if (mountOf(mounts, path)?.options.includes('nosuid') === true) return {...plain, note: 'its setuid bit has no effect: mounted nosuid'};
  if (uid !== 0) return {...plain, obstacle: `${path} is setuid to uid ${String(uid)}, which bubblewrap does not know`};
  // 0.11.2 can be built with and without, by default without; 0.12.0 only without.
  if (since(version, [0, 11, 2]))
    return {
      ...plain,
      obstacle: `${path} is setuid root, and refuses to run so since 0.11.2 (found ${version ?? '?'}): take the setuid bit away`,
    };
  return {setuid: true, obstacle: null, note: 'setuid root'};
}

/** NEWS of bubblewrap; a setuid one dies of `--size`, `--disable-userns` and `--overlay`. An unknown version can do nothing new. */
function abilitiesOf(version: string | null, setuid: boolean): BubblewrapFacts['abilities'] {
  return {
    tmpfsSize: !setuid && since(version, [0, 7, 0]),
    perms: since(version, [0, 5, 0]),
    overlay: !setuid && since(version, [0, 11, 0]),
    disableUserns: !setuid && since(version, [0, 8, 0]),
  };
}

function since(version: string | null, wanted: readonly [number, number, number]): boolean {
  const found = /^(\d+)\.(\d+)(?:\.(\d+))?/
    .exec(version ?? '')
    ?.slice(1)
    .map((part: string | undefined) => Number(part ?? 0));
  if (found === undefined) return false;
  const different = wanted.findIndex((part, index) => found[index] !== part);
  return different < 0 || (found[different] ?? 0) > (wanted[different] ?? 0);
}

/** Asks the program, once per file and boot when there is a cache. */
export const askVersion =
  (spawn: Spawn | undefined, cache: Cached | null): BubblewrapInputs['version'] =>
  (path, {mtimeMs, size, uid, mode}) =>
    cached(cache, `bubblewrap ${path} ${String(mtimeMs)} ${String(size)} ${String(uid)} ${mode.toString(8)}`, () =>
      parseVersion(spawn?.(path, ['--version']) ?? null),
    );

const parseVersion = (output: string | null): string | null => /^bubblewrap (\d+(?:\.\d+)+)/.exec(output ?? '')?.[1] ?? null;
