/**
 * What a daemon has forgotten of a box: when it is killed while its runtime starts a container, the first process of that waits for ever, with the box's
 * mounts, and the runtime's shim waits for it.
 */

import {readFileSync, readlinkSync} from 'node:fs';
import {basename} from 'node:path';
import {ifPossible} from '../errors.js';
import {parseMountinfo, type Mount} from '../host/mountinfo.js';
import {BRIDGE} from '../plan/engine.js';
import {sleep} from '../process/clock.js';
import {allPids, isAllOf, isRunning, killProcess, namespaceOf, parentOf, processId, type ProcessId} from '../process/process.js';

/** Where engines that keep containers bind the bridge's folder (`kind.daemon` of their plugins). */
export const PLACE = '/dev/.tare';
/** Shims of containerd, whatever the runtime: `containerd-shim-runc-v2`. */
const SHIM = 'containerd-shim';
const DEADLINE_MS = 2000;
const LOOK_MS = 20;

/**
 * Processes in a container of a daemon's for the box. Each has all of this, which nobody without privileges can give to another's process: mounts and
 * process numbers of its own, in the user namespace of this process, where only root makes mounts; and among those, at its place, the folder that the
 * daemon binds into the box (src/engine/init.ts): a mount elsewhere, as a helper of the node's makes for an account, can be in any container. Nothing
 * that a process says of itself counts. The box's folder may be removed by now: then the kernel adds `//deleted`.
 * @param name of the container, `tare-ID`
 */
export function forgotten(name: string): ProcessId[] {
  const own = {mnt: namespaceOf('self', 'mnt'), pid: namespaceOf('self', 'pid'), user: namespaceOf('self', 'user')};
  const isBound = ({root, point}: Mount): boolean => point === PLACE && root.replace(/\/\/deleted$/, '').endsWith(`/${name}/${BRIDGE}/at`);
  const isOfBox = (pid: number): boolean =>
    ![null, own.mnt].includes(namespaceOf(pid, 'mnt')) &&
    ![null, own.pid].includes(namespaceOf(pid, 'pid')) &&
    own.user !== null &&
    namespaceOf(pid, 'user') === own.user &&
    parseMountinfo(ifPossible(() => readFileSync(`/proc/${String(pid)}/mountinfo`, 'utf8')) ?? '').some(isBound);
  return allPids()
    .filter(isOfBox)
    .map(processId)
    .filter((found) => found !== null);
}

/** The shim of containerd that waits for a process; null: its parent is none. */
function shimOf({pid}: ProcessId): ProcessId | null {
  const parent = parentOf(pid);
  if (parent === null || !isAllOf(parent.pid, 0) || namespaceOf(parent.pid, 'pid') !== namespaceOf('self', 'pid')) return null;
  const program = ifPossible(() => readlinkSync(`/proc/${String(parent.pid)}/exe`));
  return program !== null && basename(program).startsWith(SHIM) ? parent : null;
}

/**
 * Kills what a daemon has forgotten of a box that is over, the shims first: a containerd that lives tidies up behind a shim that is gone, and not behind
 * one whose container is.
 * @param name of the container, `tare-ID`
 * @returns what is left of it, with the reason
 */
export async function killForgotten(name: string): Promise<string[]> {
  const inits = forgotten(name);
  const found = [...inits.map(shimOf).filter((shim) => shim !== null), ...inits];
  for (const one of found) if (isRunning(one)) killProcess(one.pid);
  for (let waited = 0; found.some(isRunning) && waited < DEADLINE_MS; waited += LOOK_MS) await sleep(LOOK_MS);
  return found.filter(isRunning).map(({pid}) => `process ${String(pid)} of the container ${name} (it does not end by SIGKILL)`);
}
