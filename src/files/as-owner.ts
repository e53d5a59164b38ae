/** Root does what a user's files say only as that user, in a process of its own: nothing that they say can then do more than the user could. */

import {EXIT} from '../errors.js';
import {askNow, inFirstFile} from '../host/name-service.js';
import {childProcess} from '../host/spawn.js';
import {NATIVE} from '../process/native.js';

/** `tare ARGV` as that user, with our standard streams. @returns its exit status */
export function asOwner(uid: number, argv: readonly string[]): number {
  const {status} = childProcess().spawnSync(NATIVE, argv, {
    ...{uid, gid: groupOf(uid), argv0: 'tare'},
    env: {PATH: '/usr/bin:/bin'},
    stdio: 'inherit',
  });
  return status ?? EXIT.failure;
}

/** The account's own group, from the name service; nobody's where there is no such account, or no answer. */
export function groupOf(uid: number): number {
  const local = inFirstFile(uid);
  if (local !== null) return local.gid;
  const answer = askNow(String(uid), {});
  return answer.state === 'found' ? answer.account.gid : NOGROUP;
}

/** The account of a user of this node, to become it, with all its groups; nobody's group where there is no such account, or no answer. */
export function accountOf(uid: number): {gid: number; groups: number[]} {
  const answer = askNow(String(uid), {groups: true});
  return answer.state === 'found' ? answer.account : {gid: NOGROUP, groups: []};
}

/** The group of who has none, by convention: `nogroup` or `nobody`. */
export const NOGROUP = 65534;
