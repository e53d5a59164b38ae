import {deepestFirst, processesBelow, reader, tryWrite} from './files.js';
import {freezerFile, isFrozen} from './freezer.js';

/** A group, with all below it, that is to be emptied. The same processes can be in several, one for each hierarchy. */
export interface Doomed {
  version: 1 | 2;
  directory: string;
}

const ROUNDS = 20;
const FREEZE_MS = 100;

/**
 * SIGKILL to everything in the groups. cgroup.kill (v2, Linux 5.14) does it at once, forks included. Elsewhere: stop
 * all, kill each, let go, until nobody is found. What cannot be stopped is kept from forking by pids.max instead.
 */
export function killAll(groups: readonly Doomed[]): void {
  const rest = groups.filter(({version, directory}) => !(version === 2 && tryWrite(directory, 'cgroup.kill', '1')));
  for (let round = 0; round < ROUNDS; round++) {
    if (rest.every(({directory}) => processesBelow(directory).length === 0)) return;
    const stopped = setFrozen(rest, true);
    if (!stopped) for (const {directory} of rest) tryWrite(directory, 'pids.max', '0');
    if (stopped) waitFrozen(rest);
    for (const id of new Set(rest.flatMap(({directory}) => processesBelow(directory)))) sigkill(id);
    // A v1 freezer keeps even SIGKILL waiting, and a group that the payload froze itself does so too.
    if (stopped) setFrozen(rest, false);
    pause(Math.min(1 + round, 10));
  }
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
  try {
    process.kill(id, 'SIGKILL');
  } catch {
    // Gone already, or not ours to kill: the next round, or the one who waits for the group, will see.
  }
}

/** Blocks for so long: a fork bomb must not get the event loop's time. */
export function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
