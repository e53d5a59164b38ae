/**
 * The live boxes that a caller may look into: the caller's own; for root those of all users of this node. Nothing that a user's file says
 * is believed: each value is checked, and root becomes that user before it does anything to the box.
 */

import {lstatSync} from 'node:fs';
import {join} from 'node:path';
import {noGroups, openGroups, type Groups} from '../cgroup/manager.js';
import {TareError} from '../errors.js';
import {placesOf} from '../policy/places.js';
import type {Policy} from '../policy/policy.js';
import {isOwn, namesIn} from '../record/durable.js';
import type {UsageRecord} from '../record/record.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {accountOf} from '../files/as-owner.js';
import {here, presenceOf, type Here} from '../process/presence.js';
import type {OutputFile} from '../box/output-file.js';
import type {ProcessId} from '../process/process.js';
import {BOX_ID, readForeignState} from '../box/state.js';
import {firstProcessOf} from '../process/tree.js';
import {userPlaces} from '../box/user-places.js';

/** What box.json says of a box, as far as it is what it should be; null where it is not known. */
export interface LiveBox {
  id: string;
  /** Whose box it is: the one who runs the wrapper. */
  uid: number;
  directory: string;
  name: string | null;
  /** The payload's account. */
  user: string | null;
  /** Of its own; null: the node's. */
  hostname: string | null;
  addresses: string[];
  pattern: string | null;
  mode: string | null;
  cores: number | null;
  memoryLimitBytes: number | null;
  /** Of the payload's exec; null until then. */
  startEpochUs: number | null;
  graceUs: number;
  init: ProcessId | null;
  /** The payload's first process; of several applications, that of the first that runs. */
  payload: ProcessId | null;
  /** Several applications, in their order; empty where there is one payload. */
  applications: LiveApplication[];
  /** Where the lines of several applications go, with their names before them; null where each has files of its own, and where it is no file. */
  output: Record<'stdout' | 'stderr', OutputFile | null>;
  front: ProcessId | null;
  brain: ProcessId | null;
  /** A limit was found exceeded. */
  stopped: boolean;
  recordId: string | null;
  /** Unchecked: `groupsOf` reads them. */
  steps: unknown;
}

/** One of several applications of a live box. */
interface LiveApplication {
  name: string;
  state: string;
  /** Of a small machine: no payload. */
  service: boolean;
  /** Its first process; null while it does not run. */
  process: ProcessId | null;
}

/** A user who makes folders without end holds nobody up for long. */
const MOST_BOXES = 10_000;

/** All that can be seen, in no order. One that is just being made or removed is left out. */
export function liveBoxes(policy: Policy, uid: number): LiveBox[] {
  const at = here();
  return placesFor(policy, uid).flatMap(({boxes, owner}) =>
    namesIn(boxes)
      .slice(0, MOST_BOXES)
      .flatMap((id) => (BOX_ID.test(id) ? (readBox(boxes, id, owner, at) ?? []) : [])),
  );
}

/**
 * The one whose id is or begins with `prefix`.
 * @throws TareError BOX_UNKNOWN, BOX_AMBIGUOUS, BOX_FORBIDDEN
 */
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

/**
 * The box as seen from one of its applications; the whole box without a name.
 * @throws TareError APPLICATION_UNKNOWN
 */
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
 * Root becomes the owner of a box, for good: whatever the owner's files then lead to, it is nothing that the owner could not do. Anybody else
 * is the owner already.
 */
export function becomeOwner({uid}: LiveBox): void {
  if (process.getuid?.() !== 0 || uid === 0) return;
  const {gid, groups} = accountOf(uid);
  process.setgroups?.(groups);
  process.setgid?.(gid);
  process.setuid?.(uid);
}

/** Where group files of others may lie: no user can put a link or a pipe below it. */
const GROUP_ROOT = '/sys/fs/cgroup/';

/** The box's groups, as far as they are there. */
export function groupsOf({id, uid, steps}: LiveBox): Groups {
  try {
    const written = steps as Plan['steps'];
    const isMine = uid === process.getuid?.();
    const outside = written.some((step) => 'directory' in step && !`${step.directory}/`.startsWith(GROUP_ROOT));
    return outside && !isMine ? noGroups : openGroups(written, id);
  } catch {
    return noGroups; // not the steps of a plan
  }
}

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

function readBox(boxes: string, id: string, owner: number, at: Here): LiveBox | null {
  try {
    const directory = join(boxes, id);
    const {state, uid} = readForeignState(directory);
    // the file that is open says whose it is, whatever links led to it
    if (uid !== owner || text(state, 'id') !== id) return null;
    const started = value(state, 'started') as UsageRecord;
    const presence = presenceOf(started, at);
    return presence === 'gone' || presence === 'restarted' ? null : viewOf(state, {id, uid, directory});
  } catch {
    return null;
  }
}

/** Of what box.json says only what has the form that it should have. */
export function viewOf(state: unknown, known: Pick<LiveBox, 'id' | 'uid' | 'directory'>): LiveBox {
  const applications = applicationsOf(state);
  return {
    ...known,
    name: text(state, 'started', 'payload', 'name'),
    user: text(state, 'started', 'user', 'local') ?? number(state, 'started', 'user', 'uid')?.toString() ?? null,
    hostname: text(state, 'started', 'identity', 'hostname'),
    addresses: addressesOf(state),
    pattern: text(state, 'plan', 'pattern', 'value'),
    mode: text(state, 'plan', 'mode', 'value'),
    cores: number(state, 'started', 'allocation', 'cores'),
    memoryLimitBytes: number(state, 'plan', 'limits', 'memory', 'value'),
    startEpochUs: number(state, 'startEpochUs'),
    graceUs: number(state, 'plan', 'grace', 'us') ?? 0,
    init: processOf(state, 'init'),
    payload: processOf(state, 'payload') ?? applications.find((one) => one.process !== null && !one.service)?.process ?? null,
    applications,
    output: {stdout: fileOf(state, 'stdout'), stderr: fileOf(state, 'stderr')},
    front: processOf(state, 'started', 'wrapper', 'front'),
    brain: processOf(state, 'started', 'wrapper', 'brain'),
    stopped: typeof value(state, 'stop') === 'object' && value(state, 'stop') !== null,
    recordId: text(state, 'started', 'recordId'),
    steps: value(state, 'plan', 'steps'),
  };
}

/** One of each family. */
const MOST_ADDRESSES = 2;

function addressesOf(state: unknown): string[] {
  const written = value(state, 'started', 'identity', 'addresses');
  return Array.isArray(written)
    ? written.slice(0, MOST_ADDRESSES).filter((one): one is string => typeof one === 'string' && /^[0-9a-fA-F.:]{2,45}$/.test(one))
    : [];
}

/** More are in no job. */
const MOST_APPLICATIONS = 64;

function applicationsOf(state: unknown): LiveApplication[] {
  const written = value(state, 'applications');
  if (!Array.isArray(written)) return [];
  return written.slice(0, MOST_APPLICATIONS).flatMap((one: unknown) => {
    const name = text(one, 'name');
    const keeper = processOf(one, 'keeper');
    if (name === null) return [];
    return [
      {
        name,
        state: text(one, 'state') ?? 'unknown',
        service: value(one, 'service') === true,
        process: keeper === null ? null : firstProcessOf(keeper),
      },
    ];
  });
}

function fileOf(state: unknown, stream: string): OutputFile | null {
  const [path, device, inode] = [
    text(state, 'output', stream, 'path'),
    number(state, 'output', stream, 'device'),
    number(state, 'output', stream, 'inode'),
  ];
  return path === null || device === null || inode === null ? null : {path, device, inode};
}

function processOf(state: unknown, ...path: string[]): ProcessId | null {
  const pid = number(state, ...path, 'pid');
  const startTicks = number(state, ...path, 'startTicks');
  return Number.isSafeInteger(pid) && Number.isSafeInteger(startTicks) && (pid ?? 0) > 1 ? ({pid, startTicks} as ProcessId) : null;
}

/** What is at a place in parsed JSON; undefined where nothing is. */
function value(root: unknown, ...path: string[]): unknown {
  let at = root;
  for (const key of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined;
    at = (at as Record<string, unknown>)[key];
  }
  return at;
}

const LONGEST_TEXT = 256;

function text(root: unknown, ...path: string[]): string | null {
  const found = value(root, ...path);
  return typeof found === 'string' ? found.slice(0, LONGEST_TEXT) : null;
}

function number(root: unknown, ...path: string[]): number | null {
  const found = value(root, ...path);
  return typeof found === 'number' && Number.isFinite(found) && found >= 0 ? found : null;
}

function ownerOf(path: string): number | null {
  try {
    return lstatSync(path).uid;
  } catch {
    return null;
  }
}

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
