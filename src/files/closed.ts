/** Directories that an account may pass through and not list, as root's of mode 0711. */

import {statSync, type Stats} from 'node:fs';
import {dirname} from 'node:path/posix';
import type {IdentityFacts} from '../host/facts.js';

const READ = 4;

/**
 * Those above the paths, the outermost first. An owner's own is none: in its user namespace it reads what is its own. Root has no right to
 * another's there, so it is judged as everybody is. Access lists are not read.
 * @param paths absolute and without links
 */
export function closedAbove(paths: readonly string[], account: Pick<IdentityFacts, 'uid' | 'gid' | 'groups'>): string[] {
  const above = new Set<string>();
  for (const path of paths) for (let at = dirname(path); at !== '/' && !above.has(at); at = dirname(at)) above.add(at);
  return [...above].filter((directory) => isClosed(directory, account)).sort();
}

function isClosed(directory: string, {uid, gid, groups}: Pick<IdentityFacts, 'uid' | 'gid' | 'groups'>): boolean {
  const found = look(directory);
  if (found === null || found.uid === uid) return false;
  const rights = found.gid === gid || groups.includes(found.gid) ? found.mode >> 3 : found.mode;
  return (rights & READ) === 0;
}

function look(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null; // not there, or on a server that tells root nothing
  }
}
