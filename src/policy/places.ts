/** Where the wrapper keeps things, by policy or by the built-in places: root's are the node's, a user's are the user's own. */

import type {Policy} from './policy.js';

export interface Places {
  state: string;
  /** In the order in which they are tried. */
  spools: string[];
  scratch: string;
  log: string | null;
}

/** @param policy null when it could not be read */
export function placesOf(policy: Policy | null, uid: number): Places {
  const fill = (path: string): string => path.replaceAll('%u', String(uid));
  const place = (name: 'state' | 'scratch' | 'log'): string | null => {
    const written = policy?.directories[name]?.value;
    return written === undefined ? null : fill(written);
  };
  const state = place('state') ?? (uid === 0 ? '/var/lib/tare' : `/var/tmp/tare-${String(uid)}`);
  const spools = policy?.directories.spools?.value.map(fill) ?? [`${state}/spool`];
  return {state, spools, scratch: place('scratch') ?? `${state}/scratch`, log: place('log')};
}
