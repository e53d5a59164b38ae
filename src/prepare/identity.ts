/** Decides the account of the payload. */

import {statSync} from 'node:fs';
import {join} from 'node:path';
import {TareError} from '../errors.js';
import {keepAccount, readCachedAccount} from '../host/account-cache.js';
import type {IdentityFacts} from '../host/facts.js';
import {askFor, inFirstFile, type Answer, type Member, type Silent, type Wish} from '../host/name-service.js';
import type {Job, Valued} from '../job/job.js';
import type {Account} from '../plan/account.js';
import {placesOf} from '../policy/places.js';
import type {Policy} from '../policy/policy.js';
import {groupOf, NOGROUP} from '../files/as-owner.js';
import {leadsTo} from '../files/network-path.js';
import {isRootSquashed, statRootSquashed} from '../files/root-squash.js';

/**
 * The account of this process: the ids from the kernel; name and home only where /etc/passwd has the name service's answer, else null
 * until `nameCaller` has asked. USER and HOME of the environment are not used: the caller can set them to anything.
 */
export function callerIdentity(): IdentityFacts {
  const uid = process.getuid?.() ?? -1;
  const gid = process.getgid?.() ?? -1;
  // a compiled program does not count its own group among them
  const groups = [...new Set([...(process.getgroups?.() ?? []), gid])];
  const row = inFirstFile(uid);
  return {uid, gid, groups, name: row?.name ?? null, home: row?.home ?? null};
}

/** The caller with the name that the name service gave. */
export interface NamedCaller {
  caller: IdentityFacts;
  /** Why the name service gave no answer; null: it did, also that there is no such account. */
  silent: Silent | null;
}

/** The caller with name and home, by the name service; at most 10 s. Never fails: what that means is the policy's to say (`requireAnswer`). */
export async function nameCaller(caller: IdentityFacts, policy: Policy): Promise<NamedCaller> {
  if (caller.name !== null) return {caller, silent: null};
  const answer = await lookUp(String(caller.uid), policy, caller, {sure: ruleOnUsers(policy) !== null});
  if (answer.state === 'found') {
    const {name, home} = answer.account;
    return {caller: {...caller, name, home}, silent: null};
  }
  return {caller, silent: answer.state === 'silent' ? answer : null};
}

/**
 * A job whose user is not known would be fitted by no rule on users, and so escape each of them.
 * @throws TareError NAME_SERVICE_SILENT where a rule names users
 */
export function requireAnswer({caller, silent}: NamedCaller, policy: Policy): void {
  const rule = ruleOnUsers(policy);
  if (silent === null || rule === null) return;
  throw new TareError('NAME_SERVICE_SILENT', {
    message: `the node’s name service does not say who uid ${String(caller.uid)} is, which rule "${rule.name}" of the policy asks`,
    where: rule.at,
    found: silent.because,
    remedy: `mend the name service of this node: \`getent passwd ${String(caller.uid)}\` has to answer`,
  });
}

const ruleOnUsers = ({rules}: Policy): Policy['rules'][number] | null => rules.find(({match}) => match.user !== null) ?? null;

/**
 * The caller itself; for root the account that the job names, else the owner of the work directory, else the policy's.
 * Whether that is allowed, the plan decides.
 * @param cameTo where the job was started, for one whose descriptor came with it: it does not choose its account, that is the owner there; null: the caller has named the descriptor itself
 * @throws TareError USER_UNKNOWN, NAME_SERVICE_SILENT, USER_FORBIDDEN
 */
export async function payloadIdentity(
  job: Job,
  policy: Policy,
  caller: IdentityFacts,
  cameTo: string | null,
): Promise<Valued<IdentityFacts>> {
  if (cameTo !== null && caller.uid === 0) {
    const own = await ownerIdentity(cameTo, policy, caller);
    const {name, uid} = own.value;
    if (job.user === null || [name, String(uid)].includes(job.user.value)) return own;
    throw new TareError('USER_FORBIDDEN', {
      message: 'a descriptor that came with the job does not choose its account',
      where: job.user.provenance.at,
      found: job.user.value,
      allowed: `${name ?? String(uid)}, ${own.provenance.at}`,
      remedy: 'leave `user` out; root may name another account by `tare run FILE`',
    });
  }
  if (job.user !== null) {
    const {value: name, provenance} = job.user;
    if (name === caller.name) return {value: caller, provenance};
    return {value: await accountNamed(name, provenance.at, policy, caller), provenance};
  }
  if (caller.uid !== 0) return {value: caller, provenance: {source: 'caller', at: 'the caller'}};
  return ownerIdentity(job.workDirectory.value, policy, caller);
}

/** The account of a job that root starts: the owner of the directory; the policy's account where that is root, or where the directory is in a repository. */
async function ownerIdentity(directory: string, policy: Policy, caller: IdentityFacts): Promise<Valued<IdentityFacts>> {
  const owner = leadsTo(directory, policy.cvmfs.value.root) ? null : ownerOf(directory);
  if (owner !== null && owner !== 0) {
    const at = 'the owner of the work directory';
    return {value: await accountOfOwner(owner, at, policy, caller), provenance: {source: 'caller', at}};
  }
  return defaultIdentity(policy, caller);
}

/**
 * The account of a job that root starts and that names none: the policy's.
 * @throws TareError USER_UNKNOWN, NAME_SERVICE_SILENT
 */
export async function defaultIdentity(policy: Policy, caller: IdentityFacts): Promise<Valued<IdentityFacts>> {
  const {value: name, provenance} = policy.identity.user;
  return {value: name === caller.name ? caller : await accountNamed(name, provenance.at, policy, caller), provenance};
}

/**
 * Whose a job is before its policy and its batch system are known: the owner of the directory that root was called in, in its own group; of root's
 * own, nobody. null: the caller, who is not root.
 */
export function accountIn(directory: string): Account | null {
  if (process.getuid?.() !== 0) return null;
  const uid = ownerOf(directory) ?? 0;
  return uid === 0 ? {uid: NOGROUP, gid: NOGROUP, groups: []} : {uid, gid: groupOf(uid), groups: []};
}

function ownerOf(directory: string): number | null {
  try {
    return statSync(directory).uid;
  } catch (error) {
    return isRootSquashed(error) ? (statRootSquashed(directory)?.uid ?? null) : null;
  }
}

/** The account that a key names, with its groups: a process that becomes the account needs them, so no answer is an error. */
async function accountNamed(key: string, at: string, policy: Policy, caller: IdentityFacts): Promise<IdentityFacts> {
  const answer = await lookUp(key, policy, caller, {groups: true, sure: true});
  if (answer.state === 'found') return answer.account;
  if (answer.state === 'silent') throw noAnswer(key, at, answer);
  throw new TareError('USER_UNKNOWN', {message: 'no such account on this node', where: at, found: key});
}

/** A file can belong to a uid without an account: the payload then runs with this uid, in the group of nobody. */
async function accountOfOwner(uid: number, at: string, policy: Policy, caller: IdentityFacts): Promise<IdentityFacts> {
  const answer = await lookUp(String(uid), policy, caller, {groups: true, sure: true});
  if (answer.state === 'found') return answer.account;
  if (answer.state === 'silent') throw noAnswer(String(uid), at, answer);
  return {uid, gid: NOGROUP, groups: [NOGROUP], name: null, home: null};
}

const noAnswer = (key: string, at: string, {because}: Silent): TareError =>
  new TareError('NAME_SERVICE_SILENT', {
    message: `the node’s name service does not say which groups ${key} has`,
    where: at,
    found: because,
    remedy: `mend the name service of this node: \`getent passwd ${key}\` and \`id ${key}\` have to answer`,
  });

const CACHE = 'accounts.json';

/**
 * Looks an account up in a cache that may be believed, else by the name service. Every account can read root's cache. A user's own is believed only where no rule
 * of the policy names users: the user can write anything into it.
 */
async function lookUp(key: string, policy: Policy, {uid}: IdentityFacts, wish: Wish): Promise<Answer<Member>> {
  const own = join(placesOf(policy, uid).state, CACHE);
  const caches: [file: string, owner: number][] = [[join(placesOf(policy, 0).state, CACHE), 0]];
  if (uid !== 0 && ruleOnUsers(policy) === null) caches.push([own, uid]);
  for (const [file, owner] of caches) {
    const known = readCachedAccount(file, [owner], key, {groups: wish.groups === true, now: Date.now()});
    if (known !== null) return {state: 'found', account: known};
  }
  const answer = await askFor(key, wish);
  if (answer.state === 'found') keepAccount(own, uid, key, answer.account, Date.now());
  return answer;
}
