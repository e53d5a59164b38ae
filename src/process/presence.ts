/** Whether the wrapper that began an attempt is still there to end it. */

import {readFileSync} from 'node:fs';
import {hostname} from 'node:os';
import {ifPossible} from '../errors.js';
import type {UsageRecord} from '../record/record.js';
import {allPids, isRunning, pidNamespace, processId, statFields, timeNamespace, type ProcessId} from './process.js';

/** `gone`: dead on this node; `restarted`: the node was started anew since; `unknown`: cannot be seen from here, so nothing may be done. */
export type Presence = 'here' | 'gone' | 'restarted' | 'unknown';

/** The node, boot and namespaces of the process that asks. */
export interface Here {
  node: string;
  bootId: string | null;
  pidNamespace: string | null;
  timeNamespace: string | null;
}

/** The namespace of the node's own process 1: PROC_PID_INIT_INO of include/linux/proc_ns.h. */
const NODES_NAMESPACE = 'pid:[4026531836]';

/** Where this process runs, as `presenceOf` compares it. */
export const here = (): Here => ({node: hostname(), bootId: bootId(), pidNamespace: pidNamespace(), timeNamespace: timeNamespace()});

/** The shim and supervisor as the `started` record names them. */
export function wrapperOf(shimPid: number): NonNullable<UsageRecord['wrapper']> {
  const namespace = pidNamespace();
  // whatever /proc has under a number then is another process: what is not known is not swept
  if (namespace === null) return {pidNamespace: null, timeNamespace: null, shim: null, supervisor: null};
  return {pidNamespace: namespace, timeNamespace: timeNamespace(), shim: processId(shimPid), supervisor: processId(process.pid)};
}

/** What a record says of its wrapper, or a folder of its maker. */
export interface WhoBegan {
  host: Pick<UsageRecord['host'], 'node' | 'bootId'>;
  wrapper: UsageRecord['wrapper'];
}

/** Whether the wrapper of a box or record still lives: by boot id, namespaces, pid and start time. `unknown`: it cannot be told from here. */
export function presenceOf({host, wrapper}: WhoBegan, at: Here): Presence {
  if (host.bootId === null || at.bootId === null) return 'unknown';
  // a boot's id is the node's own whatever the node is called; another boot's is ours only by the name
  if (host.bootId !== at.bootId) return host.node === at.node ? 'restarted' : 'unknown';
  if (wrapper?.pidNamespace == null) return 'unknown';
  // a start that was noted in another is another number here; versions before 0.2 noted none
  if (wrapper.timeNamespace !== undefined && wrapper.timeNamespace !== at.timeNamespace) return 'unknown';
  const parts = [wrapper.shim, wrapper.supervisor, wrapper.caller ?? null].filter((part) => part !== null);
  if (parts.length === 0) return 'unknown';
  if (wrapper.pidNamespace === at.pidNamespace) return parts.some(isRunning) ? 'here' : 'gone';
  // from a namespace above all others everything can be seen, under other numbers
  if (at.pidNamespace !== NODES_NAMESPACE) return 'unknown';
  return isSomewhere(parts) ? 'here' : 'gone';
}

/** Looks through all processes for one that has the number in the innermost of its namespaces, and the start. */
function isSomewhere(parts: readonly ProcessId[]): boolean {
  return allPids().some((pid) => {
    const fields = statFields(pid);
    if (fields === null || fields[0] === 'Z') return false;
    const startTicks = Number(fields[19]);
    return parts.some((part) => part.startTicks === startTicks && part.pid === innermostNumber(pid));
  });
}

/** NSpid of proc_pid_status(5). */
const innermostNumber = (pid: number): number | null =>
  ifPossible(() => {
    const numbers = /^NSpid:\s+(.*)$/m.exec(readFileSync(`/proc/${String(pid)}/status`, 'latin1'))?.[1]?.split(/\s+/);
    return numbers === undefined ? null : Number(numbers.at(-1));
  });

const bootId = (): string | null => ifPossible(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
