/** The account that runs the wrapper; of a captured node, from its passwd file. */

import type {IdentityFacts} from './facts.js';
import {findRow} from './passwd.js';
import type {Tree} from './tree.js';

/** The account that runs the wrapper. */
export interface Caller extends Pick<IdentityFacts, 'uid' | 'gid' | 'groups'> {
  /** As the name service knows it, null where it does not; absent: /etc/passwd is asked, which a captured node has. */
  name?: string | null;
  home?: string | null;
}

/** The caller's account, with its name and home where they are known. */
export function readIdentity(tree: Tree, {uid, gid, groups, name, home}: Caller): IdentityFacts {
  const known = name === undefined ? findRow(tree.text('/etc/passwd') ?? '', uid) : {name, home: home ?? null};
  return {uid, gid, groups: [...groups], name: known?.name ?? null, home: known?.home ?? null};
}
