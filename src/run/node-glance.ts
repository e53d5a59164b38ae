/** What the native look compares the node with, so that the next call need not look: written where nothing is wrong, and forgotten before each look. */

import {existsSync, lstatSync, rmSync, statSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {nextDueUs} from '../node-state/due.js';
import {glanceText, type Stamp} from '../node-state/glance.js';
import type {NodePlaces} from '../policy/places.js';
import type {Policy} from '../policy/policy.js';
import {NATIVE} from '../process/native.js';
import {enginePlaces, leastRoom, placesOn} from './node-checks.js';
import {replace} from './node-folder.js';
import {explainedAtOf, type NodeLook, type ProbeOptions} from './node-look.js';
import {policyFilesNow} from './node-marks.js';

/** The file that native/glance.c reads, which knows no policy. */
const GLANCE = '/var/lib/tare/node/glance';

/** Whether root's timer calls, with the node's own policy: only it uses the glance. */
const isTimers = ({policyFile}: ProbeOptions, self: number): boolean => self === 0 && policyFile === null;

/** While this call looks, whatever was written down before is no more to be compared with. */
export function forgetGlance(options: ProbeOptions, self: number): void {
  if (isTimers(options, self)) rmSync(GLANCE, {force: true});
}

interface ToGlance {
  options: ProbeOptions;
  policy: Policy;
  places: NodePlaces;
  folder: string;
  result: NodeLook;
  beganMs: number;
}

/** Writes the glance of a node without faults; a node with faults gets the full look each time. */
export function writeGlance({options, policy, places, folder, result, beganMs}: ToGlance): void {
  const {health, reports, accounts, probes} = result;
  const {healthy, checks, bootId} = health;
  const settled =
    healthy && checks.every(({name, state}) => state === 'ok' || (state === 'limited' && name !== 'switch' && name !== 'spool'));
  if (!isTimers(options, places.uid) || !settled || bootId === null) return;
  try {
    const {spools, rooms, own} = placesOn(policy, accounts);
    const engines = enginePlaces(policy, options.engines);
    const engine = engines.find((path) => existsSync(path));
    const files = [
      NATIVE,
      `${NATIVE}.supervisor`,
      process.execPath,
      ...policyFilesNow(),
      '/etc/tare',
      '/etc/tare/policy.d',
      ...(engine === undefined ? [] : [engine]),
    ];
    const switches = ['/etc/tare/off', policy.killSwitch.value];
    const before = engine === undefined ? engines : engines.slice(0, engines.indexOf(engine));
    const text = glanceText({
      result: join(folder, 'health.json'),
      bootId,
      beforeS: nextDueUs({explainedAt: explainedAtOf(result), nowUs: health.at, accounts, probes, reports}) / 1e6,
      same: files.filter((path) => existsSync(path)).map(stampOf),
      kinds: [...own, ...spools].map(kindOf),
      gone: [...new Set([...files.filter((path) => !existsSync(path)), ...switches, ...before])],
      room: rooms.map((path) => ({path, ...leastRoom(policy)})),
      write: spools,
      runs: engine === undefined ? [] : [engine],
      quiet: {path: join(places.shared, 'reports'), sinceMs: beganMs},
    });
    if (text !== null && existsSync(dirname(GLANCE))) replace(GLANCE, text, 0o600);
  } catch {
    // something is no longer what it was: the next call looks properly
  }
}

function stampOf(path: string): Stamp {
  const {size, mtimeNs, ino} = statSync(path, {bigint: true});
  return {path, size, mtimeNs, inode: ino};
}

function kindOf(path: string): {path: string; uid: number; mode: number} {
  const {uid, mode} = lstatSync(path);
  return {path, uid, mode};
}
