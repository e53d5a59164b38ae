/** Paths that lead to where repositories or network file systems are mounted: not touched by this process, however they get there. */

import {lstatSync, readlinkSync} from 'node:fs';
import {dirname, join, normalize} from 'node:path/posix';
import {ifPossible} from '../errors.js';
import {mountOf, type Mount} from '../host/mountinfo.js';
import {isNetwork} from '../host/scratch.js';
import {liesIn} from '../policy/glob.js';

/** Most links in a path: the kernel's own limit (path_resolution(7)). */
const MOST_LINKS = 40;

/** Whether a path, links followed, lies in the directory or is it. Nothing in that is looked at, and what is not there leads nowhere. */
export const leadsTo = (path: string, directory: string): boolean => leads(path, (at) => liesIn(at, directory));

/** Whether a path, links followed, lies on a mount that can hang. Nothing on such a mount is looked at. */
export const leadsToNetwork = (path: string, mounts: readonly Mount[]): boolean =>
  leads(path, (at) => isNetwork(mountOf(mounts, at)?.type ?? ''));

/** Whether the path, or a directory on the way to it, is there; what lies below that is not looked at. */
function leads(path: string, isThere: (at: string) => boolean): boolean {
  const rest = normalize(path).split('/').filter(Boolean);
  let at = '/';
  for (let links = 0; rest.length > 0;) {
    const next = join(at, rest.shift() ?? '');
    if (isThere(next)) return true;
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
