/** Whether the disks of the wrapper have the room that the policy keeps for them. */

import {statfsSync} from 'node:fs';
import {dirname} from 'node:path';
import {errnoOf, TareError} from '../errors.js';
import {formatBytes} from '../job/quantity.js';
import {placesOf} from '../policy/places.js';
import type {Policy} from '../policy/policy.js';

/** One disk below the reserve. */
export interface Shortage {
  /** The directory on it. */
  place: string;
  what: 'bytes' | 'inodes';
  free: number;
  allowed: number;
  /** Where the policy says so. */
  at: string;
}

/**
 * Disks of an account's places that have less than the policy keeps. Of several spools one that has it is enough. What cannot be looked at is
 * not short: the write that fails gives the reason. Never throws.
 */
export function belowReserve(policy: Policy, uid: number): Shortage[] {
  const {bytes, inodes} = policy.reserveDisk;
  if (bytes === null && inodes === null) return [];
  const {state, spools, scratch} = placesOf(policy, uid);
  const short = (place: string): Shortage[] => {
    const free = freeAt(place);
    if (free === null) return [];
    const found: Shortage[] = [];
    if (bytes !== null && free.bytes < bytes.value)
      found.push({place, what: 'bytes', free: free.bytes, allowed: bytes.value, at: bytes.provenance.at});
    if (inodes !== null && free.inodes !== null && free.inodes < inodes.value)
      found.push({place, what: 'inodes', free: free.inodes, allowed: inodes.value, at: inodes.provenance.at});
    return found;
  };
  const ofSpools = spools.map(short);
  const spool = ofSpools.some(({length}) => length === 0) ? [] : (ofSpools[0] ?? []);
  return [...spool, ...short(state), ...short(scratch)];
}

/** Free space and inodes for an account without privileges; inodes null where the file system has no number of them. null: the place cannot be examined. */
function freeAt(place: string): {bytes: number; inodes: number | null} | null {
  try {
    const {bavail, bsize, files, ffree} = statfsSync(place);
    return {bytes: bavail * bsize, inodes: files === 0 ? null : ffree};
  } catch (error) {
    // it is made when the first job needs it
    return errnoOf(error) === 'ENOENT' && dirname(place) !== place ? freeAt(dirname(place)) : null;
  }
}

/** The shortage in words. */
export const shortageText = ({place, what, free}: Shortage): string =>
  `${what === 'bytes' ? formatBytes(free) : `${String(free)} inodes`} free for ${place}`;

/** @throws TareError RESERVE_LOW */
export function requireReserve(policy: Policy, uid: number): void {
  const found = belowReserve(policy, uid);
  const [first] = found;
  if (first === undefined) return;
  throw new TareError('RESERVE_LOW', {
    message: 'too little room for another job',
    where: first.at,
    found: found.map(shortageText).join(', '),
    allowed: `${first.what === 'bytes' ? formatBytes(first.allowed) : `${String(first.allowed)} inodes`} or more`,
    remedy: 'free space there, or lower the reserve',
  });
}
