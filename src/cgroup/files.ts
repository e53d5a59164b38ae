import {closeSync, constants, openSync, readdirSync, readFileSync, statfsSync, statSync, writeSync} from 'node:fs';
import {errnoOf, ifPossible, succeeds} from '../errors.js';
import type {Read} from './keyed.js';

/** Reads files of one group. Missing and forbidden are both "not known". */
export function reader(directory: string): Read {
  return (file) => ifPossible(() => readFileSync(`${directory}/${file}`, 'utf8'));
}

/** Names a group while the node is up: another that is made later in its place has another. null when there is none. */
export const inodeOf = (directory: string): number | null => statSync(directory, {throwIfNoEntry: false})?.ino ?? null;

/** One write(2), as cgroup files need it. The file must exist, and is not opened for reading: cgroup.kill forbids that. */
export function writeGroupFile(directory: string, file: string, value: string): void {
  const descriptor = openSync(`${directory}/${file}`, constants.O_WRONLY);
  try {
    writeSync(descriptor, value);
  } finally {
    closeSync(descriptor);
  }
}

/** Writes as `write` does; false when that fails. */
export const tryWrite = (directory: string, file: string, value: string): boolean => succeeds(() => writeGroupFile(directory, file, value));

/**
 * A group and all groups below it, the deepest first; none where it is not there. One that cannot be looked into stands for all below it:
 * it cannot be removed then, and removal fails with an error. Symbolic links are not directories here.
 */
export function deepestFirst(directory: string): string[] {
  let entries;
  try {
    entries = readdirSync(directory, {withFileTypes: true});
  } catch (error) {
    return errnoOf(error) === 'ENOENT' ? [] : [directory];
  }
  const below = entries.filter((entry) => entry.isDirectory()).flatMap((entry) => deepestFirst(`${directory}/${entry.name}`));
  return [...below, directory];
}

/** Process ids of a group and all below it. 0 stands for a process outside our PID namespace: it cannot be named. */
export function processesBelow(directory: string): number[] {
  const ids = deepestFirst(directory).flatMap((group) => (reader(group)('cgroup.procs') ?? '').split('\n'));
  return [...new Set(ids.map(Number))].filter((id) => id > 0);
}

const CGROUP_SUPER_MAGIC = 0x27e0eb;
const CGROUP2_SUPER_MAGIC = 0x63677270;

/** The directory exists and lies on a cgroup file system. */
export const isCgroup = (directory: string): boolean =>
  ifPossible(() => {
    const {type} = statfsSync(directory);
    return type === CGROUP_SUPER_MAGIC || type === CGROUP2_SUPER_MAGIC;
  }) ?? false;
