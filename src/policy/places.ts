/** Where the wrapper keeps things, by policy or by the built-in places: root's are the node's, a user's are the user's own. */

import type {Policy} from './policy.js';

export interface Places {
  state: string;
  spool: string;
  scratch: string;
  log: string | null;
}

/** @param policy null when it could not be read */
export function placesOf(policy: Policy | null, uid: number): Places {
  const place = (name: keyof Places): string | null => written(policy, name, uid);
  const state = place('state') ?? (uid === 0 ? '/var/lib/tare' : `/var/tmp/tare-${String(uid)}`);
  return {state, spool: place('spool') ?? `${state}/spool`, scratch: place('scratch') ?? `${state}/scratch`, log: place('log')};
}

/** Where exporters remember what they did; no part of a plan, since no job comes near it. */
export const exportersPlace = (policy: Policy, uid: number): string =>
  written(policy, 'exporters', uid) ?? `${placesOf(policy, uid).state}/exporters`;

const written = (policy: Policy | null, name: keyof Policy['directories'], uid: number): string | null =>
  policy?.directories[name]?.value.replaceAll('%u', String(uid)) ?? null;
