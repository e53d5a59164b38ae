/** A process by its number and its start: the number alone can be another's later (proc_pid_stat(5), starttime). */

import {readdirSync, readFileSync, readlinkSync} from 'node:fs';
import {ifPossible} from '../errors.js';

/** One process, and no later one with its pid. */
export interface ProcessId {
  pid: number;
  /** Clock ticks after boot. */
  startTicks: number;
}

/** null when it is gone. */
export function processId(pid: number): ProcessId | null {
  const startTicks = startOf(pid);
  return startTicks === null ? null : {pid, startTicks};
}

/** Whether that very process exists and is no zombie. */
export const isRunning = ({pid, startTicks}: ProcessId): boolean => startOf(pid) === startTicks;

/** SIGKILL to one that may be gone. */
export function killProcess(pid: number): void {
  ifPossible(() => process.kill(pid, 'SIGKILL')); // it is gone
}

/** SIGKILL to its group, or to it alone when it leads none. */
export function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    killProcess(pid);
  }
}

/** Numbers of all processes that /proc shows. */
export const allPids = (): number[] => (ifPossible(() => readdirSync('/proc')) ?? []).filter((name) => /^[1-9]\d*$/.test(name)).map(Number);

/** The namespace of a process (namespaces(7)); null: it is gone, or may not be looked at: another account's, and init, which is never dumpable, for all but root. */
export const namespaceOf = (pid: number | 'self', kind: 'mnt' | 'pid' | 'user'): string | null =>
  ifPossible(() => readlinkSync(`/proc/${String(pid)}/ns/${kind}`));

/** Its real, effective, saved and file system uid (proc_pid_status(5)) are all this one. */
export const isAllOf = (pid: number, uid: number): boolean => {
  const ids = /^Uid:\s+(.*)$/m.exec(ifPossible(() => readFileSync(`/proc/${String(pid)}/status`, 'latin1')) ?? '')?.[1]?.split(/\s+/) ?? [];
  return ids.length === 4 && ids.every((id) => id === String(uid));
};

/**
 * The namespace that our numbers of processes are of (pid_namespaces(7)); null where /proc does not tell, or is one of another namespace
 * (`unshare --pid` without `--mount-proc`): our numbers are other processes' there.
 */
export const pidNamespace = (): string | null =>
  ifPossible(() => (readlinkSync('/proc/self') === String(process.pid) ? readlinkSync('/proc/self/ns/pid') : null));

/**
 * The time namespace in which starts of processes are given: /proc shifts them for the reader (time_namespaces(7), Linux 5.6). null where the kernel
 * has none, or /proc is another's.
 */
export const timeNamespace = (): string | null => ifPossible(() => readlinkSync('/proc/self/ns/time'));

/** The fields of /proc/PID/stat from the third on, the state; null when it cannot be read. */
export const statFields = (pid: number): string[] | null =>
  ifPossible(() => splitStat(readFileSync(`/proc/${String(pid)}/stat`, 'latin1')));

/** The command's name, which a process chooses, may hold spaces and brackets: fields are counted after the last bracket. */
export const splitStat = (stat: string): string[] => stat.slice(stat.lastIndexOf(')') + 2).split(' ');

/** The parent of a process; null when it is not visible here. */
export function parentOf(pid: number): ProcessId | null {
  const parent = Number(statFields(pid)?.[1] ?? 0);
  return parent > 1 ? processId(parent) : null;
}

function startOf(pid: number): number | null {
  const fields = statFields(pid);
  return fields === null || fields[0] === 'Z' ? null : Number(fields[19]);
}
