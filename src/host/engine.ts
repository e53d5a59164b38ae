/** Engines: which programs are here, and what they can do. Found in fixed places, never by the PATH, which is the job's. */

import type {Engine, EngineFacts, EnginePart, EngineProgram} from '@tare/contract';
import {isOlder} from '../version.js';
import {cached, type Cached} from './cache.js';
import type {Caller} from './identity.js';
import {mountOf, type Mount} from './mountinfo.js';
import type {ProcessStatus} from './status.js';
import type {Program, Tree} from './tree.js';

const SETUID = 0o4000;

/** What a program prints on its standard output, null when it failed. */
export type Spawn = (path: string, args: readonly string[]) => string | null;

/** What of an engine is needed to find it. */
export type Sought = Pick<Engine, 'name' | 'program'>;

/** What the facts of engines are found with. */
export interface EngineInputs {
  tree: Tree;
  mounts: readonly Mount[];
  status: ProcessStatus;
  caller: Caller;
  /** How to ask for the version. */
  version: (engine: Sought, path: string, program: Program) => string | null;
}

/** Finds the first program of the engine's places that the caller can use, its version and abilities. */
export function readEngine(engine: Sought, inputs: EngineInputs): EngineFacts {
  const {name, program} = engine;
  const skipped: string[] = [];
  for (const path of program.places) {
    const file = inputs.tree.program(path);
    if (file === null) continue;
    const version = inputs.version(engine, path, file);
    const {setuid, obstacle, note} = privilege(inputs, engine, path, file, version);
    if (obstacle !== null) {
      skipped.push(`${path} ${obstacle}`);
      continue;
    }
    const daemonless = program.sockets === undefined ? null : daemonObstacle(program.sockets, inputs.tree);
    if (daemonless !== null) {
      skipped.push(`${path} ${daemonless}`);
      continue;
    }
    const parts = program.parts === undefined ? NO_PARTS : readParts(program.parts, inputs.tree);
    const how = [`${path} ${program.version.argument}`, note, ...parts.words, ...skipped].filter((part) => part !== null).join('; ');
    const common = {name, version, setuid, abilities: abilitiesOf(program, version, setuid), ...parts.facts};
    return parts.missing === null ? {...common, path, how} : {...common, path: null, how: parts.missing};
  }
  const how = skipped.join('; ') || `not in ${program.places.join(', ')}`;
  return {name, path: null, version: null, setuid: false, abilities: [], how};
}

/** What a version of a program can do (`EngineProgram.abilities`). @param setuid it is used as setuid root */
export const abilitiesOf = ({abilities}: Pick<EngineProgram, 'abilities'>, version: string | null, setuid: boolean): readonly string[] =>
  Object.entries(abilities)
    .filter(([, ability]) => !(setuid && ability.setuid === false))
    .filter(([, {since}]) => since === undefined || (version !== null && !isOlder(version, since)))
    .map(([name]) => name);

function setuidObstacle({setuid}: EngineProgram, version: string | null): string | null {
  if (setuid === null) return 'is not made to be setuid root: take the setuid bit away';
  const {refusedSince} = setuid;
  return version === null || isOlder(version, refusedSince)
    ? null
    : `is setuid root, and refuses to run so since ${refusedSince} (found ${version}): take the setuid bit away`;
}

/**
 * A daemon of another account's, as a rootless one that somebody has linked to root's place, would build boxes with that account's rights and ids.
 * @returns null: one of root's is there
 */
function daemonObstacle(sockets: readonly string[], tree: Tree): string | null {
  const there = sockets.filter((socket) => tree.exists(socket));
  if (there.length === 0) return `has no daemon: nothing is at ${sockets.join(', ')}`;
  const foreign = there.map((socket) => ({socket, uid: tree.owner(socket)})).find(({uid}) => uid !== 0);
  return foreign === undefined
    ? null
    : `has no daemon of root’s: ${foreign.socket} is uid ${String(foreign.uid ?? 'unknown')}’s; have root’s daemon listen there (a rootless one builds no boxes)`;
}

interface FoundParts {
  /** Empty where the engine has no parts. */
  facts: Pick<EngineFacts, 'parts' | 'less'>;
  words: string[];
  /** The first that is needed and not there; null: none. */
  missing: string | null;
}

const NO_PARTS: FoundParts = {facts: {}, words: [], missing: null};

function readParts(parts: readonly EnginePart[], tree: Tree): FoundParts {
  const found = parts.map((part) => ({part, path: findPart(part, tree)}));
  const lost = found.find(({part, path}) => part.needed && path === null)?.part;
  const less = found.flatMap(({part: {lacking, words}, path}) =>
    path === null && lacking !== undefined ? [{code: lacking, because: words.missing ?? ''}] : [],
  );
  return {
    facts: {
      parts: Object.fromEntries(found.flatMap(({part, path}) => (path === null ? [] : [[part.name, path]]))),
      ...(less.length === 0 ? {} : {less}),
    },
    words: found.flatMap(({part: {words}, path}) => (path === null ? words.missing : words.found?.replace('%', path)) ?? []),
    missing: lost === undefined ? null : `its ${lost.name} is not in ${lost.places.join(', ')}, or cannot be read there`,
  };
}

/** The path of a part; null: it is not there. */
function findPart({places, written, processor}: EnginePart, tree: Tree): string | null {
  if (processor?.test(tree.head('/proc/cpuinfo') ?? '') === false) return null;
  for (const place of places) {
    const path = place.endsWith('*') ? lastOf(place.slice(0, -1), tree) : place;
    if (path !== null && tree.exists(path) && (written ? tree.writable(path) : tree.readable(path))) return path;
  }
  return null;
}

/** The last path that begins so; `-10` comes after `-9`. */
function lastOf(beginning: string, tree: Tree): string | null {
  const slash = beginning.lastIndexOf('/') + 1;
  const [folder, start] = [beginning.slice(0, slash), beginning.slice(slash)];
  const names = tree.entries(folder, ({name, kind}) => name.startsWith(start) && kind !== 'directory').map(({name}) => name);
  const last = names.sort((a, b) => a.localeCompare(b, 'en', {numeric: true})).at(-1);
  return last === undefined ? null : folder + last;
}

interface Privilege {
  /** It is setuid root, and the caller is not root. */
  setuid: boolean;
  obstacle: string | null;
  note: string | null;
}

function privilege(
  {mounts, status, caller}: EngineInputs,
  {name, program}: Sought,
  path: string,
  {mode, uid}: Program,
  version: string | null,
): Privilege {
  const plain = {setuid: false, obstacle: null, note: null};
  if ((mode & SETUID) === 0 || uid === caller.uid) return plain;
  if (status.noNewPrivileges) return {...plain, note: 'its setuid bit has no effect: no_new_privs'};
  if (mountOf(mounts, path)?.options.includes('nosuid') === true) return {...plain, note: 'its setuid bit has no effect: mounted nosuid'};
  if (uid !== 0) return {...plain, obstacle: `is setuid to uid ${String(uid)}, which ${name} does not know`};
  const obstacle = setuidObstacle(program, version);
  return obstacle === null ? {setuid: true, obstacle, note: 'setuid root'} : {...plain, obstacle};
}

/** The arguments with which a program says its version. */
export const versionWords = ({before = [], argument}: EngineProgram['version']): readonly string[] => [...before, argument];

/** Asks the program, once per file and boot when there is a cache. */
export const askVersion =
  (spawn: Spawn | undefined, cache: Cached | null): EngineInputs['version'] =>
  ({name, program: {version}}, path, {mtimeMs, size, uid, mode}) =>
    cached(
      cache,
      `${name} ${path} ${String(mtimeMs)} ${String(size)} ${String(uid)} ${mode.toString(8)}`,
      () => version.pattern.exec(spawn?.(path, versionWords(version)) ?? '')?.[1] ?? null,
    );

/** The path of an engine that makes its boxes with root's rights for this caller; null: there is none. */
export const setuidEngine = (engines: readonly EngineFacts[]): string | null => engines.find(({setuid}) => setuid)?.path ?? null;
