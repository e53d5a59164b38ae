/** Root does what a user's files say only as that user, in a process of its own: nothing that they say can then do more than the user could. */

import {EXIT} from '../errors.js';
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

/** The account's own group, from the name service; nobody's where there is no such account. */
export function groupOf(uid: number): number {
  const {status, stdout} = childProcess().spawnSync('getent', ['passwd', '--', String(uid)], {
    encoding: 'utf8',
    env: {PATH: '/usr/bin:/bin'},
    timeout: 10_000,
  });
  const gid = status === 0 ? stdout.split(':')[3] : undefined;
  return gid !== undefined && /^\d+$/.test(gid) ? Number(gid) : NOGROUP;
}

const NOGROUP = 65534;
