/** Pausing a live box: by the freezer of its groups; where there is none, each of its processes is stopped. */

import {readdirSync, readlinkSync} from 'node:fs';
import type {Groups} from '../cgroup/manager.js';
import {sleep} from './clock.js';
import {isRunning, statFields, type ProcessId} from './process.js';
import {readTree, standsStill, type ProcessSample} from './tree.js';

/** By what it was done. */
export type PausedBy = 'freezer' | 'SIGSTOP';

/** A process in uninterruptible sleep stops when that ends. */
const PATIENCE_MS = 5_000;
const LOOK_MS = 10;

/** null: not all of the payload stands still yet, but it will. */
export async function pauseBox({init}: {init: ProcessId | null}, groups: Groups): Promise<PausedBy | null> {
  const byGroup = hasFreezer(groups);
  if (byGroup) groups.freeze(true);
  for (let waited = 0; waited < PATIENCE_MS; waited += LOOK_MS) {
    // again each time: one that was not stopped yet may have made another
    if (!byGroup) signalAll(init, 'SIGSTOP');
    if (byGroup ? groups.frozen().frozen === true : standsStill(processesIn(init))) return byGroup ? 'freezer' : 'SIGSTOP';
    await sleep(LOOK_MS);
  }
  return null;
}

/** Lets all go on, also what the payload itself had stopped when there is no freezer. */
export function resumeBox({init, front}: {init: ProcessId | null; front: ProcessId | null}, groups: Groups): void {
  if (hasFreezer(groups)) {
    groups.freeze(false);
    return;
  }
  signalAll(init, 'SIGCONT');
  // at a terminal the front stops with its payload, for the shell to see
  if (front !== null && isRunning(front) && statFields(front.pid)?.[0] === 'T') signal(front.pid, 'SIGCONT');
}

const hasFreezer = (groups: Groups): boolean => groups.frozen().frozen !== null;

function signalAll(init: ProcessId | null, name: NodeJS.Signals): void {
  for (const {pid} of processesIn(init)) signal(pid, name);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // it is gone, or not ours to signal: then the look that follows tells
  }
}

/** Below init; and what has joined the box's PID namespace since (pid_namespaces(7)), with all below that. */
function processesIn(init: ProcessId | null): ProcessSample[] {
  if (init === null || !isRunning(init)) return [];
  const found = new Map(readTree(init.pid).map((sample) => [sample.pid, sample]));
  const [first] = found.keys();
  const namespace = first === undefined ? null : namespaceOf(first);
  if (namespace === null || namespace === namespaceOf('self')) return [...found.values()];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isSafeInteger(pid) || pid === init.pid || found.has(pid) || namespaceOf(pid) !== namespace) continue;
    for (const sample of readTree(pid, true)) found.set(sample.pid, sample);
  }
  return [...found.values()];
}

/** null when it is gone, or another user's; init is never dumpable, and so left out for all but root. */
function namespaceOf(pid: number | 'self'): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return null;
  }
}
