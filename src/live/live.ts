/**
 * The live boxes that a caller may look into: the caller's own; for root those of all users of this node. Nothing that a user's file says
 * is believed: each value is checked, and root becomes that user before it does anything to the box.
 */

import {lstatSync} from 'node:fs';
import {join} from 'node:path';
import {BOX_ID, readForeignState} from '../box/state.js';
import {userPlaces} from '../box/user-places.js';
import {noGroups, openGroups, type Groups} from '../cgroup/manager.js';
import {ifPossible, TareError} from '../errors.js';
import {accountOf} from '../files/as-owner.js';
import {placesOf} from '../policy/places.js';
import type {Policy} from '../policy/policy.js';
import {here, presenceOf, type Here} from '../process/presence.js';
import {isOwn, namesIn} from '../record/durable.js';
import type {UsageRecord} from '../record/record.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {text, value, viewOf, type LiveBox} from './box-view.js';

/** Most folders that are read, so that a user who makes folders without end does not delay others. */
const MOST_BOXES = 10_000;

/** All live boxes that can be seen, in no order, without those that are just being made or removed. */
export function liveBoxes(policy: Policy, uid: number): LiveBox[] {
  const at = here();
  return placesFor(policy, uid).flatMap(({boxes, owner}) =>
    namesIn(boxes)
      .slice(0, MOST_BOXES)
      .flatMap((id) => (BOX_ID.test(id) ? (readBox(boxes, id, owner, at) ?? []) : [])),
  );
}

/** The one whose id is or begins with `prefix`. @throws TareError BOX_UNKNOWN, BOX_AMBIGUOUS, BOX_FORBIDDEN */
export function findBox(policy: Policy, uid: number, prefix: string): LiveBox {
  const boxes = liveBoxes(policy, uid);
  const found = BOX_ID.test(prefix) ? boxes.filter(({id}) => id.startsWith(prefix)).sort((a, b) => (a.id < b.id ? -1 : 1)) : [];
  // two folders of one id are of two users, and one of them is made up
  const exact = found.filter(({id}) => id === prefix);
  const [box, ...others] = exact.length === 1 ? exact : found;
  if (box === undefined) {
    const owner = uid === 0 ? null : ownerElsewhere(policy, uid, prefix);
    if (owner !== null) {
      throw new TareError('BOX_FORBIDDEN', {
        message: `the box ${prefix} belongs to another user`,
        found: `uid ${owner}; this is uid ${uid}`,
        allowed: 'its owner and root',
      });
    }
    throw new TareError('BOX_UNKNOWN', {
      message: uid === 0 ? 'no live box of that id on this node' : 'no live box of that id that is yours on this node',
      found: prefix,
      remedy: '`tare ps` lists them; what has ended has a record',
    });
  }
  if (others.length > 0) {
    const names = found.map(({id, uid: owner, name}) => `${id} (uid ${owner}${name === null ? '' : `, ${name}`})`);
    throw new TareError('BOX_AMBIGUOUS', {
      message: `several live boxes have an id that begins with ${prefix}`,
      found: names.slice(0, MOST_NAMED).join(', ') + (names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : ''),
      remedy: 'give more of the id',
    });
  }
  return box;
}

const MOST_NAMED = 8;

/** The box as seen from one of its applications; the whole box without a name. @throws TareError APPLICATION_UNKNOWN */
export function narrowTo(box: LiveBox, name: string | undefined): LiveBox {
  if (name === undefined) return box;
  const found = box.applications.find((one) => one.name === name);
  if (found !== undefined) return {...box, payload: found.process};
  const none = box.applications.length === 0;
  throw new TareError('APPLICATION_UNKNOWN', {
    message: none ? `the box ${box.id} has one payload and no applications` : `the box ${box.id} has no such application`,
    found: name,
    ...(none ? {remedy: 'leave --application out'} : {allowed: box.applications.map((one) => one.name).join(', ')}),
  });
}

/**
 * Root becomes the owner of a box, for good: whatever the owner's files then lead to, it is nothing that the owner could not do. Another account
 * is the owner already.
 */
export function becomeOwner({uid}: LiveBox): void {
  if (process.getuid?.() !== 0 || uid === 0) return;
  const {gid, groups} = accountOf(uid);
  process.setgroups?.(groups);
  process.setgid?.(gid);
  process.setuid?.(uid);
}

/** The directory below which files of groups may lie: no user can put a link or a pipe there. */
const GROUP_ROOT = '/sys/fs/cgroup/';

/** The box's groups, as far as they are there. */
export const groupsOf = ({id, uid, steps}: LiveBox): Groups =>
  ifPossible(() => {
    const written = steps as Plan['steps'];
    const isMine = uid === process.getuid?.();
    const outside = written.some((step) => 'directory' in step && !`${step.directory}/`.startsWith(GROUP_ROOT));
    return outside && !isMine ? noGroups : openGroups(written, id);
  }) ?? noGroups; // not the steps of a plan

/** The folders of boxes, and whose they are. */
function placesFor(policy: Policy, uid: number): {boxes: string; owner: number}[] {
  const places = uid === 0 ? userPlaces(policy) : [{state: placesOf(policy, uid).state, uid}];
  return places.flatMap(({state, uid: named}) => {
    const boxes = join(state, 'boxes');
    const owner = ownerOf(boxes);
    if (owner === null || (named !== null && named !== owner) || (uid !== 0 && owner !== uid)) return [];
    // what others could have put there is not shown as the owner's
    return isOwn(state, owner) && isOwn(boxes, owner) ? [{boxes, owner}] : [];
  });
}

const readBox = (boxes: string, id: string, owner: number, at: Here): LiveBox | null =>
  ifPossible(() => {
    const directory = join(boxes, id);
    const {state, uid} = readForeignState(directory);
    // the file that is open says whose it is, whatever links led to it
    if (uid !== owner || text(state, 'id') !== id) return null;
    const started = value(state, 'started') as UsageRecord;
    const presence = presenceOf(started, at);
    return presence === 'gone' || presence === 'restarted' ? null : viewOf(state, {id, uid, directory});
  });

const ownerOf = (path: string): number | null => ifPossible(() => lstatSync(path).uid);

/** Another user's box of that id: others may pass through the scratch place of each user, but not look around. null when there is none. */
function ownerElsewhere(policy: Policy, uid: number, id: string): number | null {
  if (!BOX_ID.test(id)) return null;
  for (const {state, uid: named} of userPlaces(policy)) {
    const owner = ownerOf(state);
    if (owner === null || owner === uid) continue;
    const scratch = policy.directories.scratch === null ? join(state, 'scratch') : placesOf(policy, named ?? owner).scratch;
    if (ownerOf(join(scratch, `tare-${id}`)) !== null) return owner;
  }
  return null;
}
