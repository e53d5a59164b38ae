/** Whom the payload runs as. */

import {statSync} from 'node:fs';
import {userInfo} from 'node:os';
import {TareError} from '../errors.js';
import type {IdentityFacts} from '../host/facts.js';
import {childProcess} from '../host/spawn.js';
import type {Job, Valued} from '../job/job.js';
import type {Policy} from '../policy/policy.js';
import {leadsTo} from '../files/network-path.js';
import {isSquashed, statSquashed} from '../files/squashed.js';

/** Whoever runs this process. */
export function callerIdentity(): IdentityFacts {
  const uid = process.getuid?.() ?? -1;
  const gid = process.getgid?.() ?? -1;
  const groups = process.getgroups?.() ?? [];
  try {
    const {username, homedir} = userInfo();
    return {uid, gid, groups, name: username, home: homedir};
  } catch {
    return {uid, gid, groups, name: null, home: null}; // an account that no database knows
  }
}

/**
 * The caller itself; for root the account that the job names, else the owner of the work directory, else the policy's.
 * Whether that is allowed, the plan decides.
 * @throws TareError USER_UNKNOWN
 */
export function payloadIdentity(job: Job, policy: Policy, caller: IdentityFacts): Valued<IdentityFacts> {
  if (job.user !== null) {
    const {value: name, provenance} = job.user;
    if (name === caller.name) return {value: caller, provenance};
    return {value: lookUp(name, provenance.at), provenance};
  }
  if (caller.uid !== 0) return {value: caller, provenance: {source: 'caller', at: 'the caller'}};
  const {root} = policy.cvmfs.value;
  const owner = leadsTo(job.workDirectory.value, root) ? null : ownerOf(job.workDirectory.value);
  if (owner !== null && owner !== 0) {
    return {
      value: lookUp(String(owner), 'the owner of the work directory'),
      provenance: {source: 'caller', at: 'the owner of the work directory'},
    };
  }
  return defaultIdentity(policy, caller);
}

/**
 * For root, whoever is not named: the policy's account.
 * @throws TareError USER_UNKNOWN
 */
export function defaultIdentity(policy: Policy, caller: IdentityFacts): Valued<IdentityFacts> {
  const {value: name, provenance} = policy.identity.user;
  return {value: name === caller.name ? caller : lookUp(name, provenance.at), provenance};
}

/** The account of a user of this node, to become it; one that no database knows has no group. */
export function accountOf(uid: number): {gid: number; groups: number[]} {
  try {
    return lookUp(String(uid), 'the owner of a box');
  } catch {
    return {gid: NOGROUP, groups: []};
  }
}

const NOGROUP = 65534;

function ownerOf(directory: string): number | null {
  try {
    return statSync(directory).uid;
  } catch (error) {
    return isSquashed(error) ? (statSquashed(directory)?.uid ?? null) : null;
  }
}

/** An account by name or number, from every source that the node's name service has (getent(1), id(1)). */
function lookUp(key: string, at: string): IdentityFacts {
  const entry = ask('getent', ['passwd', '--', key])?.split(':');
  const [name, , uid, gid, , home] = entry ?? [];
  if (name === undefined || uid === undefined || gid === undefined) {
    throw new TareError('USER_UNKNOWN', {message: 'no such account on this node', where: at, found: key});
  }
  const groups = ask('id', ['-G', '--', name])?.split(/\s+/).map(Number) ?? [Number(gid)];
  return {uid: Number(uid), gid: Number(gid), groups, name, home: home ?? null};
}

function ask(program: string, argv: string[]): string | null {
  const {status, stdout} = childProcess().spawnSync(program, argv, {
    encoding: 'utf8',
    env: {PATH: '/usr/bin:/bin'},
    timeout: 10_000,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const text = (stdout as string | null)?.trim() ?? ''; // null when the program is not there
  return status === 0 && text !== '' ? text : null;
}
