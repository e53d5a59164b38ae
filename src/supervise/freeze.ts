/** Pausing a live box: by the freezer of its groups; where there is none, each of its processes is stopped. */

import type {Groups} from '../cgroup/manager.js';
import {ifPossible} from '../errors.js';
import {processesIn} from './box-processes.js';
import {sleep} from '../process/clock.js';
import {isRunning, statFields, type ProcessId} from '../process/process.js';
import {standsStill} from '../process/tree.js';

/** The means of a pause. */
export type PausedBy = 'freezer' | 'SIGSTOP';

/** A process in uninterruptible sleep stops when that ends. */
const PATIENCE_MS = 5_000;
const LOOK_MS = 10;
/**
 * Number of looks after which all processes are continued for a moment and stopped again. A v1 freezer (seen on Linux 6.1) may stop a child of vfork(2) before its exec,
 * and waits for the parent, which waits for the child.
 */
const LET_GO_EVERY = 50;

/** null: not all of the payload stands still yet, but it will. */
export async function pauseBox({init}: {init: ProcessId | null}, groups: Groups): Promise<PausedBy | null> {
  const byGroup = hasFreezer(groups);
  for (let looks = 0; looks * LOOK_MS < PATIENCE_MS; looks++) {
    if (byGroup && looks % LET_GO_EVERY === 0) await freezeAgain(groups, looks / LET_GO_EVERY);
    // again each time: one that was not stopped yet may have made another
    if (byGroup ? groups.frozen().frozen === true : stopAll(init)) return byGroup ? 'freezer' : 'SIGSTOP';
    await sleep(LOOK_MS);
  }
  return null;
}

/** @param times how often it was tried: the child gets more time to execute each time */
async function freezeAgain(groups: Groups, times: number): Promise<void> {
  if (times > 0) {
    groups.freeze(false);
    await sleep(times * LOOK_MS);
  }
  groups.freeze(true);
}

/** Lets all go on, also what the payload itself had stopped when there is no freezer. */
export function resumeBox({init, shim}: {init: ProcessId | null; shim: ProcessId | null}, groups: Groups): void {
  if (hasFreezer(groups)) {
    groups.freeze(false);
    return;
  }
  signalAll(init, 'SIGCONT');
  // at a terminal the shim stops with its payload, for the shell to see
  if (shim !== null && isRunning(shim) && statFields(shim.pid)?.[0] === 'T') signal(shim.pid, 'SIGCONT');
}

/**
 * true when all stand still. A process that waits for a child of its vfork(2) stops only after that child has executed or ended: such a child is let
 * go, and stopped the next time.
 */
function stopAll(init: ProcessId | null): boolean {
  signalAll(init, 'SIGSTOP');
  const processes = processesIn(init);
  if (standsStill(processes)) return true;
  const waiting = new Set(processes.filter(({state}) => state === 'D').map(({pid}) => pid));
  for (const {pid, parent} of processes) if (waiting.has(parent)) signal(pid, 'SIGCONT');
  return false;
}

const hasFreezer = (groups: Groups): boolean => groups.frozen().frozen !== null;

function signalAll(init: ProcessId | null, name: NodeJS.Signals): void {
  for (const {pid} of processesIn(init)) signal(pid, name);
}

function signal(pid: number, name: NodeJS.Signals): void {
  ifPossible(() => process.kill(pid, name)); // it is gone, or not ours to signal: then the look that follows tells
}
