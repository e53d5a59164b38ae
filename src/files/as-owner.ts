/**
 * Groups of the account that root becomes. Root does what a user's files say only as that user, in a process of its own: nothing that they say can
 * then do more than the user could.
 */

import {askNow, inFirstFile} from '../host/name-service.js';

/** The account's own group, from the name service; the group of the account nobody where there is no such account, or no answer. */
export function groupOf(uid: number): number {
  const local = inFirstFile(uid);
  if (local !== null) return local.gid;
  const answer = askNow(String(uid), {});
  return answer.state === 'found' ? answer.account.gid : NOGROUP;
}

/** The account of a user of this node, to become it, with all its groups; the group of the account nobody where there is no such account, or no answer. */
export function accountOf(uid: number): {gid: number; groups: number[]} {
  const answer = askNow(String(uid), {groups: true});
  return answer.state === 'found' ? answer.account : {gid: NOGROUP, groups: []};
}

/** The group `nogroup` or `nobody`, by convention that of processes without another. */
export const NOGROUP = 65534;
