import {setTimeout as sleep} from 'node:timers/promises';
import {ifPossible} from '../errors.js';
import {deepestFirst, processesBelow, reader, tryWrite} from './files.js';
import {freezerFile, isFrozen} from './freezer.js';
import {keyed} from './keyed.js';

/** A group, with all below it, that is to be emptied. The same processes can be in several, one for each hierarchy. */
export interface Doomed {
  version: 1 | 2;
  directory: string;
}

const ROUNDS = 20;
const FREEZE_MS = 100;

/**
 * SIGKILL to everything in the groups. cgroup.kill (v2, Linux 5.14) does it at once, forks included. Elsewhere each is killed until none is
 * found; while new ones come, all are stopped first, or kept from forking by pids.max where nothing stops them. Only then: whoever
 * calls and is killed between the two writes leaves a group frozen, which no signal reaches.
 */
export function killAll(groups: readonly Doomed[]): void {
  const rest = groups.filter(({version, directory}) => !(version === 2 && tryWrite(directory, 'cgroup.kill', '1')));
  const killed = new Set<number>();
  for (let round = 0; round < ROUNDS; round++) {
    let found = processesOf(rest);
    if (found.size === 0) return;
    if (round > 0 && [...found].some((id) => !killed.has(id))) {
      stop(rest);
      found = processesOf(rest);
    }
    for (const id of found) {
      sigkill(id);
      killed.add(id);
    }
    // A v1 freezer keeps even SIGKILL waiting, and a group that the payload froze itself does so too.
    setFrozen(rest, false);
    pause(Math.min(1 + round, 10));
  }
}

const processesOf = (groups: readonly Doomed[]): Set<number> => new Set(groups.flatMap(({directory}) => processesBelow(directory)));

/** Stops all processes for one round, so that those which fork faster than they are found make no new ones. */
function stop(groups: readonly Doomed[]): void {
  if (setFrozen(groups, true)) waitFrozen(groups);
  else for (const {directory} of groups) tryWrite(directory, 'pids.max', '0');
}

/** false when none of the groups has a freezer. Thawing goes through groups below, which may have been frozen on their own. */
export function setFrozen(groups: readonly Doomed[], on: boolean): boolean {
  let any = false;
  for (const {version, directory} of groups) {
    const {file, freeze, thaw} = freezerFile(version);
    const written = tryWrite(directory, file, on ? freeze : thaw);
    if (written && !on) for (const group of deepestFirst(directory)) tryWrite(group, file, thaw);
    any ||= written;
  }
  return any;
}

/** Processes in uninterruptible sleep do not stop, so the wait has an end. */
function waitFrozen(groups: readonly Doomed[]): void {
  const end = process.hrtime.bigint() + BigInt(FREEZE_MS) * 1_000_000n;
  while (groups.some(({version, directory}) => isFrozen(version, reader(directory)) === false)) {
    if (process.hrtime.bigint() > end) return;
    pause(1);
  }
}

function sigkill(id: number): void {
  // It is gone already, or may not be killed by us: the next round, or the wait for the empty group, finds out.
  ifPossible(() => process.kill(id, 'SIGKILL'));
}

/** Blocks for so long: a fork bomb must not get the event loop's time. */
export function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** A process is left in one of the groups, or below. */
export const isPopulated = (groups: readonly Doomed[]): boolean =>
  groups.some(({version, directory}) => {
    // v2 says it itself, for processes that have no number in our PID namespace too
    const populated = version === 2 ? keyed(reader(directory)('cgroup.events'), 'populated') : null;
    return populated === null ? processesBelow(directory).length > 0 : populated === 1;
  });

/** true when all are empty within so many ms. */
export async function waitEmpty(groups: readonly Doomed[], timeoutMs: number): Promise<boolean> {
  const start = performance.now();
  for (let delay = 1; isPopulated(groups); delay = Math.min(delay * 2, 20)) {
    const left = timeoutMs - (performance.now() - start);
    if (left <= 0) return false;
    await sleep(Math.min(delay, left));
  }
  return true;
}
