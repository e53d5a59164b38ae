/** Which name an account's state directory has: where all may make names another account can have taken the first. */

import {lstatSync} from 'node:fs';
import {dirname} from 'node:path';
import {ifPossible} from '../errors.js';
import {placesOf} from '../policy/places.js';
import type {Policy} from '../policy/policy.js';

/** `PATH`, `PATH.1`, …: so many names another account has to take before a job fails for it. */
export const OTHER_NAMES = 9;

/**
 * The policy with the state directory that this account uses: of the names, the first that is its own (or root's), else the first that nobody
 * has. Only in a directory where every account may make names, as /tmp is (sticky): anywhere else what is in the way is the site's to mend.
 */
export function withOwnState(policy: Policy, uid: number): Policy {
  if (uid === 0) return policy;
  const {state} = placesOf(policy, uid);
  const first = ownerOf(state);
  if (isOwn(first, uid) || !isForAll(dirname(state))) return policy;
  const names = [state, ...Array.from({length: OTHER_NAMES}, (_, n) => `${state}.${String(n + 1)}`)];
  const chosen = names.find((name) => isOwn(ownerOf(name), uid)) ?? names.find((name) => ownerOf(name) === null) ?? state;
  if (chosen === state) return policy;
  const {source, at} = policy.directories.state?.provenance ?? {source: 'builtin' as const, at: 'builtin'};
  return {
    ...policy,
    directories: {
      ...policy.directories,
      state: {value: chosen, provenance: {source, at: `${at}, where uid ${String(first ?? 'nobody')} has ${state}`}},
    },
  };
}

const isOwn = (owner: number | null, uid: number): boolean => owner === uid || owner === 0;

/** null: nothing has that name. */
const ownerOf = (path: string): number | null => ifPossible(() => lstatSync(path, {throwIfNoEntry: false})?.uid ?? null);

const isForAll = (directory: string): boolean => ifPossible(() => (lstatSync(directory).mode & 0o1002) === 0o1002) ?? false;
