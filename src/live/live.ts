/**
 * The live boxes that a caller may look into: the caller's own; for root those of all users of this node. Nothing that a user's file says
 * is believed: each value is checked, and root becomes that user before it does anything to the box.
 */

import {lstatSync} from 'node:fs';
import {join} from 'node:path';
import {readForeignState} from '../box/state-read.js';
import {BOX_ID} from '../box/state.js';
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
import {ambiguous, choose} from './choose.js';

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

/**
 * The live box that a word means: its id, the record's, the beginning of one, or the job's name.
 * @throws TareError BOX_UNKNOWN, BOX_AMBIGUOUS, BOX_FORBIDDEN
 */
export function findBox(policy: Policy, uid: number, word: string): LiveBox {
  const box = findLive(policy, uid, word);
  if (box !== null) return box;
  throw new TareError('BOX_UNKNOWN', {
    message: uid === 0 ? 'no live box of that id or name on this node' : 'no live box of that id or name that is yours on this node',
    found: word,
    remedy: '`tare ps` lists them, `tare ps -a` also what has ended',
  });
}

/** The same; null where no live box is meant. @throws TareError BOX_AMBIGUOUS, BOX_FORBIDDEN */
export function findLive(policy: Policy, uid: number, word: string): LiveBox | null {
  const named = liveBoxes(policy, uid).map((box) => ({box, ids: idsOf(box), name: box.name}));
  // two folders of one id are of two users, and one of them is made up
  const found = choose(named, word).map(({box}) => box);
  if (found.length > 1) {
    const shown = found.sort((a, b) => (a.id < b.id ? -1 : 1));
    throw ambiguous(
      word,
      'live boxes',
      shown.map(({id, uid: owner, name}) => `${id} (uid ${owner}${name === null ? '' : `, ${name}`})`),
    );
  }
  const [box] = found;
  const owner = box === undefined && uid !== 0 ? ownerElsewhere(policy, uid, word) : null;
  if (owner !== null) {
    throw new TareError('BOX_FORBIDDEN', {
      message: `the box ${word} belongs to another user`,
      found: `uid ${owner}; this is uid ${uid}`,
      allowed: 'its owner and root',
    });
  }
  return box ?? null;
}

const idsOf = ({id, recordId}: LiveBox): string[] => (recordId === null ? [id] : [id, recordId]);

/** The box as seen from one of its applications; the whole box without a name. @throws TareError APPLICATION_UNKNOWN */
export function narrowTo(box: LiveBox, name: string | undefined): LiveBox {
  if (name === undefined) return box;
  const found = box.applications.find((one) => one.name === name);
  if (found !== undefined) return {...box, payload: found.process};
  throw noApplication(
    box.applications.map((one) => one.name),
    name,
    box.id,
  );
}

/** @param names of the applications that the box of an id has. @throws TareError APPLICATION_UNKNOWN */
export function requireApplication(names: readonly string[], name: string, id: string): void {
  if (!names.includes(name)) throw noApplication(names, name, id);
}

function noApplication(names: readonly string[], name: string, id: string): TareError {
  const none = names.length === 0;
  return new TareError('APPLICATION_UNKNOWN', {
    message: none ? `the box ${id} has one payload and no applications` : `the box ${id} has no such application`,
    found: name,
    ...(none ? {remedy: 'leave --application out'} : {allowed: names.join(', ')}),
  });
}

/**
 * Root becomes the owner of a box, for good: whatever the owner's files then lead to, it is nothing that the owner could not do. Another account
 * is the owner already.
 */
export function becomeOwner({uid}: Pick<LiveBox, 'uid'>): void {
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
