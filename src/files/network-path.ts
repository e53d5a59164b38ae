/** Paths that lead to where repositories are mounted: not touched by this process, however they get there. */

import {lstatSync, readlinkSync} from 'node:fs';
import {dirname, join, normalize} from 'node:path/posix';
import {ifPossible} from '../errors.js';
import {liesIn} from '../policy/glob.js';

/** Most links in a path: the kernel's own limit (path_resolution(7)). */
const MOST_LINKS = 40;

/** Whether a path, links followed, lies in the directory or is it. Nothing in that is looked at, and what is not there leads nowhere. */
export function leadsTo(path: string, directory: string): boolean {
  const rest = normalize(path).split('/').filter(Boolean);
  let at = '/';
  for (let links = 0; rest.length > 0;) {
    const next = join(at, rest.shift() ?? '');
    if (liesIn(next, directory)) return true;
    const target = linkAt(next);
    if (target === null) {
      at = next;
      continue;
    }
    if (++links > MOST_LINKS) return false;
    rest.unshift(...target.split('/').filter(Boolean));
    if (target.startsWith('/')) at = '/';
    else at = dirname(next);
  }
  return false;
}

const linkAt = (path: string): string | null => ifPossible(() => (lstatSync(path).isSymbolicLink() ? readlinkSync(path) : null));
