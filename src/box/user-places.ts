/** The state directories of all users on this node, as the policy places them. */

import {lstatSync} from 'node:fs';
import {basename, dirname, join} from 'node:path';
import {placesOf} from '../policy/places.js';
import type {Policy} from '../policy/policy.js';
import {namesIn} from '../record/durable.js';

/** A state directory of one account, or of all. */
export interface UserPlace {
  state: string;
  /** By the directory's name, which does not prove its owner; null: one place for all. */
  uid: number | null;
}

/** Found by name; where `%u` is not in the last component of the place, only root's. */
export function userPlaces(policy: Policy): UserPlace[] {
  const MARK = 4_294_967_294; // no user's number
  const pattern = placesOf(policy, MARK).state;
  // one place for all
  if (!pattern.includes(String(MARK))) return [{state: pattern, uid: null}];
  const root = {state: placesOf(policy, 0).state, uid: 0};
  const place = basename(pattern);
  if (!place.includes(String(MARK))) return [root];
  const [before = '', after = ''] = place.split(String(MARK));
  // with a number behind it where another account had taken the name (files/own-state.ts)
  const named = new RegExp(`^${literally(before)}(\\d+)${literally(after)}(?:\\.[1-9])?$`);
  const found = namesIn(dirname(pattern)).flatMap((name) => {
    const number = named.exec(name)?.[1];
    return number === undefined ? [] : [{state: join(dirname(pattern), name), uid: Number(number)}];
  });
  return [root, ...found.filter(({state}) => state !== root.state)];
}

const literally = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Places that all write to, and those of each user on this node. */
export function userSpools(policy: Policy): Set<string> {
  const spools = new Set(placesOf(policy, 0).spools);
  for (const {state, uid} of userPlaces(policy)) {
    const found = lstatSync(state, {throwIfNoEntry: false});
    if (found?.isDirectory() === true && found.uid === uid && policy.directories.spools === null) spools.add(join(state, 'spool'));
    else if (found?.isDirectory() === true) for (const spool of placesOf(policy, found.uid).spools) spools.add(spool);
  }
  return spools;
}
