/** The live boxes of this node that the caller may look into: one's own; root, everybody's. */

import {lstatSync} from 'node:fs';
import {join} from 'node:path';
import {TareError} from '../errors.js';
import {placesOf} from '../policy/places.js';
import type {Policy} from '../policy/policy.js';
import {isOwn} from '../record/durable.js';
import {isRunning} from './process.js';
import {BOX_ID, liveBoxes, namesIn, type BoxState} from './state.js';
import {userPlaces} from './user-places.js';

/** So much of an id is enough when no other begins so. */
const SHORTEST = 4;

/** A box of the caller's, or whose it is: that user's files are read by nobody but a process of that user. */
export type FoundBox = {state: BoxState} | {owner: number};

/** @throws TareError BOX_UNKNOWN */
export function findBox(policy: Policy, uid: number, named: string): FoundBox {
  const {state} = placesOf(policy, uid);
  const boxes = isOwn(state, uid) && isOwn(join(state, 'boxes'), uid) ? liveBoxes(state) : [];
  const own = boxes.filter(({id, init}) => fits(id, named) && init != null && isRunning(init));
  const others = uid === 0 && own.length === 0 ? ownersOf(policy, named) : [];
  const [box] = own;
  const [owner] = others;
  if (own.length + others.length > 1) throw unknown(`${named} is the beginning of several boxes’ ids`);
  if (box !== undefined) return {state: box};
  if (owner !== undefined) return {owner};
  throw unknown(`there is no live box ${named}${uid === 0 ? '' : ' of yours'} on this node`);
}

/** By the names of folders alone. */
function ownersOf(policy: Policy, named: string): number[] {
  return userPlaces(policy).flatMap(({state}) => {
    const folder = join(state, 'boxes');
    return namesIn(folder).flatMap((id) => {
      const owner = BOX_ID.test(id) && fits(id, named) ? lstatSync(join(folder, id), {throwIfNoEntry: false})?.uid : undefined;
      return owner === undefined || owner === 0 ? [] : [owner];
    });
  });
}

const fits = (id: string, named: string): boolean => id === named || (named.length >= SHORTEST && id.startsWith(named));

const unknown = (message: string): TareError =>
  new TareError('BOX_UNKNOWN', {message, allowed: 'the id of a live box, or four characters or more of its beginning'});
