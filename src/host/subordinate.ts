/** Ids that a user may give to others in a user namespace of its own (subuid(5), newuidmap(1)). */

import type {IdentityFacts, IdRange, SubordinateFacts} from './facts.js';
import type {Tree} from './tree.js';

const PROGRAMS = ['/usr/bin/newuidmap', '/usr/bin/newgidmap'] as const;
const NONE: IdRange = {start: 0, count: 0};
/** Most ids that are used: the usual number of a user namespace, which is enough for an image. */
const MOST = 65_536;

/** The subordinate ids in the first line that names the user. */
export function readSubordinate(tree: Tree, {uid, name}: IdentityFacts): SubordinateFacts {
  const missing = PROGRAMS.find((path) => tree.program(path) === null);
  if (missing !== undefined)
    return {uids: NONE, gids: NONE, how: `${missing} is not there`, remedy: 'install uidmap (Debian) or shadow-utils-subid'};
  const [uids, gids] = [rangeIn(tree, '/etc/subuid', uid, name), rangeIn(tree, '/etc/subgid', uid, name)];
  const lacking = uids === null ? '/etc/subuid' : gids === null ? '/etc/subgid' : null;
  const user = name ?? String(uid);
  return uids === null || gids === null
    ? {
        uids: NONE,
        gids: NONE,
        how: `${lacking ?? ''} has no ids for ${user}`,
        remedy: `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${user}`,
      }
    : {uids, gids, how: '/etc/subuid, /etc/subgid', remedy: null};
}

function rangeIn(tree: Tree, path: string, uid: number, name: string | null): IdRange | null {
  for (const line of (tree.text(path) ?? '').split('\n')) {
    const [who, start, count] = line.trim().split(':');
    if (who !== name && who !== String(uid)) continue;
    const range = {start: Number(start), count: Math.min(MOST, Number(count))};
    if (Number.isSafeInteger(range.start) && Number.isSafeInteger(range.count) && range.start > 0 && range.count > 0) return range;
  }
  return null;
}
