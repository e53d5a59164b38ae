/** A wrapper in the box of another cannot get at the site's folders, which are not in the box: it has folders of its own there. */

import {accessSync, constants, existsSync} from 'node:fs';
import {dirname} from 'node:path';
import {placesOf} from '../policy/places.js';
import type {Policy} from '../policy/policy.js';

/** What every box is told about itself (plan/features.ts); only root could make it elsewhere. */
const ABOUT = '/dev/tare/box.json';

/**
 * The policy with the built-in places, in the box's private /var/tmp, where this is a box and the places that the policy names are hidden.
 * What is written there is gone with the box: the record that stays is that of the box around.
 */
export function withinReach(policy: Policy, uid: number): Policy {
  if (!existsSync(ABOUT) || canBeMade(placesOf(policy, uid).state)) return policy;
  return {...policy, directories: {...policy.directories, state: null, spools: null, scratch: null, log: null}};
}

function canBeMade(path: string): boolean {
  for (let at = path; ; at = dirname(at)) {
    if (!existsSync(at) && at !== '/') continue;
    try {
      accessSync(at, constants.W_OK);
      return true;
    } catch {
      return false;
    }
  }
}
