/** What can be seen of a node without a box: cheap, so that it can be looked at often. */

import {accessSync, constants, existsSync, lstatSync, statfsSync, statSync} from 'node:fs';
import type {Engine} from '@tare/contract';
import type {TareError} from '../errors.js';
import {versionWords} from '../host/engine.js';
import {runs} from '../host/spawn.js';
import type {HealthCheck} from '../node-state/health.js';
import {unknownEngines, unknownText} from '../plan/engine-names.js';
import {placesOf} from '../policy/places.js';
import type {Policy} from '../policy/policy.js';
import {soughtEngines} from '../prepare/gather.js';
import {NATIVE} from '../process/native.js';
import {isOwn} from '../record/durable.js';
import {tryPlace} from './trial.js';

/** Paths at which jobs look for the engines of their boxes (src/host/engine.ts), in that order. */
export const enginePlaces = (policy: Policy, engines: readonly Engine[]): string[] =>
  soughtEngines(policy, engines, {system: false}).flatMap(({program}) => program.places);

/** What one record, one box's state and one line of a report take, with room for some. */
const LEAST_BYTES = 4 * 2 ** 20;
const LEAST_INODES = 64;

const ok = (name: string): HealthCheck => ({name, state: 'ok', because: null});

/**
 * @param policy or the error that reading it gave
 * @param uids accounts whose places are looked at
 * @param engines that Tare has
 */
export function checkNode(policy: Policy | TareError, uids: readonly number[], engines: readonly Engine[]): HealthCheck[] {
  if (policy instanceof Error) return [checkFolder(), {name: 'policy', state: 'missing', because: policy.message}];
  return [checkFolder(), ok('policy'), checkEngine(policy, engines), checkSwitch(policy), ...checkPlaces(policy, uids)];
}

function checkFolder(): HealthCheck {
  try {
    accessSync(NATIVE, constants.X_OK);
    return ok('folder');
  } catch (error) {
    return {name: 'folder', state: 'missing', because: (error as Error).message};
  }
}

/** Whether jobs run without a box is the policy's to say, and its full probe's to find out: here only that the program is there and runs. */
function checkEngine(policy: Policy, engines: readonly Engine[]): HealthCheck {
  const {box, mode} = policy;
  if (mode.value === 'observe') return ok('engine');
  const unknown = unknownEngines({engines: policy.engines, rules: []}, engines).find(({others}) => !others);
  if (unknown !== undefined) return {name: 'engine', state: 'missing', because: unknownText(unknown)};
  const sought = soughtEngines(policy, engines, {system: false});
  const places = sought.flatMap(({program}) => program.places);
  const path = places.find((place) => existsSync(place));
  const program = sought.find((engine) => path !== undefined && engine.program.places.includes(path))?.program;
  const answer = path === undefined || program === undefined ? false : runs(path, versionWords(program.version));
  if (answer === true) return ok('engine');
  if (answer === null && box.value === 'required')
    return {name: 'engine', state: 'unknown', because: `${path ?? ''} --version does not end`};
  const names = sought.map(({name}) => name);
  const because = path === undefined ? `${names.join(', ')}: in none of ${places.join(', ')}` : `${path} --version fails`;
  return box.value === 'required'
    ? {name: 'engine', state: 'missing', because: `${because}, and the policy requires a box (${box.provenance.at})`}
    : {name: 'engine', state: 'limited', because: `${because}: jobs run without a box`};
}

function checkSwitch({killSwitch}: Policy): HealthCheck {
  const file = ['/etc/tare/off', killSwitch.value].find((path) => existsSync(path));
  return file === undefined
    ? ok('switch')
    : {name: 'switch', state: 'limited', because: `the kill switch is on (${file}): jobs run without Tare`};
}

/** Places of jobs, each once. */
export interface NodesPlaces {
  /** Where root may try to write: no other account can have put links there. */
  spools: string[];
  /** Whose file systems need room. */
  rooms: string[];
  /** The accounts' own. */
  own: string[];
}

/** The directories of some accounts that exist, for the checks of this process's account. */
export function placesOn(policy: Policy, uids: readonly number[]): NodesPlaces {
  const self = process.getuid?.() ?? -1;
  const spools = new Set<string>();
  const own = new Set<string>();
  for (const uid of uids) {
    const {state, spools: places, scratch} = placesOf(policy, uid);
    for (const place of places) spools.add(place);
    own.add(state).add(scratch);
  }
  const there = [...spools, ...own].filter(isThere);
  return {
    spools: [...new Set(there)].filter((place) => spools.has(place) && isOwn(place, self)),
    rooms: [...new Set(there)],
    own: there.filter((place) => own.has(place)),
  };
}

/** What the first job makes is not there yet; a file in the place of a directory above it is what a box that is tried finds. */
function isThere(path: string): boolean {
  try {
    return lstatSync(path, {throwIfNoEntry: false}) !== undefined;
  } catch {
    return false;
  }
}

function checkPlaces(policy: Policy, uids: readonly number[]): HealthCheck[] {
  const {spools, rooms} = placesOn(policy, uids);
  const refusing = spools.flatMap((place) => tryPlace(place) ?? refusedBy(place, policy, uids) ?? []);
  const least = leastRoom(policy);
  const full = rooms.flatMap((place) => roomIn(place, least) ?? []);
  const another = (policy.directories.spools?.value.length ?? 1) > 1 && refusing.length < spools.length;
  return [
    refusing.length === 0 ? ok('spool') : {name: 'spool', state: another ? 'limited' : 'missing', because: refusing.join('; ')},
    full.length === 0 ? ok('space') : {name: 'space', state: 'missing', because: full.join('; ')},
  ];
}

/** Root may write where accounts may not. Of groups and access lists, which both are in the group's bits, nothing is said. */
function refusedBy(spool: string, policy: Policy, uids: readonly number[]): string | null {
  const {uid: owner, mode} = statSync(spool);
  const other = uids.find((uid) => uid !== 0 && uid !== owner && placesOf(policy, uid).spools.includes(spool));
  return other === undefined || (mode & 0o022) !== 0
    ? null
    : `${spool}: uid ${String(other)} may not write there (mode ${(mode & 0o7777).toString(8)}); a spool of all accounts has mode 1777`;
}

/** What a disk needs for the node to get jobs: the policy's reserve, and never less than a job takes. */
export const leastRoom = ({reserveDisk: {bytes, inodes}}: Policy): {bytes: number; inodes: number} => ({
  bytes: Math.max(LEAST_BYTES, bytes?.value ?? 0),
  inodes: Math.max(LEAST_INODES, inodes?.value ?? 0),
});

/** @returns what is too little, or null */
function roomIn(place: string, least: {bytes: number; inodes: number}): string | null {
  try {
    const {bavail, bsize, ffree, files} = statfsSync(place);
    if (bavail * bsize < least.bytes)
      return `${place}: ${String(bavail * bsize)} bytes are free, and at least ${String(least.bytes)} are needed`;
    // some file systems count no inodes
    return files > 0 && ffree < least.inodes
      ? `${place}: ${String(ffree)} inodes are free, and at least ${String(least.inodes)} are needed`
      : null;
  } catch {
    return null;
  }
}
