/** A process by its number and its start: the number alone can be another's later (proc_pid_stat(5), starttime). */

import {readFileSync} from 'node:fs';

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

export const isRunning = ({pid, startTicks}: ProcessId): boolean => startOf(pid) === startTicks;

function startOf(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? null : Number(fields[19]);
  } catch {
    return null;
  }
}
