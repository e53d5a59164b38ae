/** Name and home of an account, from the node's own passwd file; accounts of a directory service have neither here. */

import type {IdentityFacts} from './facts.js';
import type {Tree} from './tree.js';

export interface Caller {
  uid: number;
  gid: number;
  groups: number[];
}

export function readIdentity(tree: Tree, caller: Caller): IdentityFacts {
  const row = findAccount(tree.text('/etc/passwd') ?? '', caller.uid);
  return {uid: caller.uid, gid: caller.gid, groups: [...caller.groups], name: row?.name ?? null, home: row?.home ?? null};
}

function findAccount(passwd: string, uid: number): {name: string; home: string | null} | null {
  for (const line of passwd.split('\n')) {
    const [name, , id, , , home] = line.split(':');
    if (name !== undefined && name !== '' && id === String(uid)) return {name, home: home === undefined || home === '' ? null : home};
  }
  return null;
}
