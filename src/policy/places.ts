/** Where the wrapper keeps things, by policy or by the built-in places: root's are the node's, a user's are the user's own. */

import type {Policy} from './policy.js';

/** Directories of one account, without placeholders. */
export interface Places {
  state: string;
  /** In the order in which they are tried. */
  spools: string[];
  scratch: string;
  log: string | null;
}

/** @param policy null when it could not be read */
export function placesOf(policy: Policy | null, uid: number): Places {
  const state = written(policy, 'state', uid) ?? (uid === 0 ? '/var/lib/tare' : `/var/tmp/tare-${String(uid)}`);
  const spools = policy?.directories.spools?.value.map((spool) => fill(spool, uid)) ?? [`${state}/spool`];
  return {state, spools, scratch: written(policy, 'scratch', uid) ?? `${state}/scratch`, log: written(policy, 'log', uid)};
}

/** The directory in which exporters note deliveries; not in a plan, since no job can reach it. */
export const exportersPlace = (policy: Policy, uid: number): string =>
  written(policy, 'exporters', uid) ?? `${placesOf(policy, uid).state}/exporters`;

/** The directory of unpacked images, for all jobs of one account. */
export const imagesPlace = (policy: Policy, uid: number): string => {
  const path = policy.imageStore.cache?.value;
  return path === undefined ? `${placesOf(policy, uid).state}/images` : fill(path, uid);
};

/** The directories of the wrapper that a job must not write to. */
export function ownPlaces(policy: Policy, uid: number): string[] {
  const {state, spools, scratch} = placesOf(policy, uid);
  return [...new Set([state, ...spools, scratch, imagesPlace(policy, uid)])];
}

/** The directory of records that root has taken over from users. */
export const sealedPlace = (policy: Policy): string => written(policy, 'sealed', 0) ?? `${placesOf(policy, 0).state}/sealed`;

/** The directories of the node's state: its health, and the reports of wrappers. */
export interface NodePlaces {
  uid: number;
  /** Root's, for all accounts. */
  shared: string;
  /** The account's own, which counts for that account only: where there is no shared one. */
  own: string;
}

/** @param policy null when it could not be read: then the built-in places */
export const nodePlaces = (policy: Policy | null, uid: number): NodePlaces => ({
  uid,
  shared: policy?.directories.node?.value ?? '/var/lib/tare/node',
  own: `${placesOf(policy, uid).state}/node`,
});

function written(policy: Policy | null, name: Exclude<keyof Policy['directories'], 'spools'>, uid: number): string | null {
  const path = policy?.directories[name]?.value;
  return path === undefined ? null : fill(path, uid);
}

const fill = (path: string, uid: number): string => path.replaceAll('%u', String(uid));
