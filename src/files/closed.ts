/** Directories that an account may pass through and not list, as root's of mode 0711, or not even pass through. */

import {statSync, type Stats} from 'node:fs';
import {dirname} from 'node:path/posix';
import {ifPossible} from '../errors.js';
import type {IdentityFacts} from '../host/facts.js';

type Account = Pick<IdentityFacts, 'uid' | 'gid' | 'groups'>;

const READ = 4;
const SEARCH = 1;

/**
 * Directories above the paths that the account cannot list, the outermost first. Its own are none: in its user namespace it can read them. Root has no right to
 * another's there, so it is judged as everybody is. Access lists are not read.
 * @param paths absolute and without links
 */
export function closedAbove(paths: readonly string[], account: Account): string[] {
  const above = new Set(paths.flatMap(directoriesAbove));
  return [...above].filter((directory) => lacks(directory, account, READ)).sort();
}

/** Whether the account can get to what lies at a path, absolute and without links: by the modes of the directories above it. */
export const isWithinReach = (path: string, account: Account): boolean =>
  directoriesAbove(path).every((directory) => !lacks(directory, account, SEARCH));

function directoriesAbove(path: string): string[] {
  const above: string[] = [];
  for (let at = dirname(path); at !== '/'; at = dirname(at)) above.push(at);
  return above;
}

function lacks(directory: string, {uid, gid, groups}: Account, right: number): boolean {
  const found = look(directory);
  if (found === null || found.uid === uid) return false;
  const rights = found.gid === gid || groups.includes(found.gid) ? found.mode >> 3 : found.mode;
  return (rights & right) === 0;
}

const look = (path: string): Stats | null => ifPossible(() => statSync(path)); // not there, or on a server that tells root nothing
