/** The processes of a box as /proc shows them (proc_pid_stat(5), proc_pid_statm(5)): what is left where no controller counts. */

import {readFileSync} from 'node:fs';
import {ifPossible} from '../errors.js';
import {namesIn} from '../record/durable.js';
import {isRunning, statFields, type ProcessId} from './process.js';

/** Kernel ticks of utime and stime per second: USER_HZ is 100 on every architecture that Linux has grid nodes of (time(7)). */
const US_PER_TICK = 10_000;

/** What /proc/PID/stat tells of one process (proc_pid_stat(5)). */
export interface ProcessSample {
  pid: number;
  /** Ticks after boot: with the pid, names one process and not a later one with the same pid. */
  startTicks: number;
  parent: number;
  /** As proc_pid_stat(5) has it: R, S, T, Z, … */
  state: string;
  /** CPU time of the process itself, µs. */
  cpuUs: number;
  /** CPU time of its children that it waited for, µs. */
  waitedUs: number;
  threads: number;
  rssBytes: number;
  /** Address space. */
  vmemBytes: number;
}

/** What a keeper keeps: its only child that it did not inherit, the first; null when none runs. */
export function firstProcessOf(keeper: ProcessId): ProcessId | null {
  const [first] = isRunning(keeper) ? readTree(keeper.pid) : [];
  return first === undefined ? null : {pid: first.pid, startTicks: first.startTicks};
}

/** All living descendants of a process, and itself if so asked. A process that ends meanwhile is left out. */
export function readTree(root: number, withRoot = false): ProcessSample[] {
  const samples: ProcessSample[] = [];
  const seen = new Set<number>(withRoot ? [] : [root]);
  const open = withRoot ? [root] : readChildren(root);
  for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
    if (seen.has(pid)) continue;
    seen.add(pid);
    const sample = readProcess(pid);
    if (sample === null) continue;
    samples.push(sample);
    open.push(...readChildren(pid));
  }
  return samples;
}

/** Children of all threads of a process: /proc/PID/task/TID/children (CONFIG_PROC_CHILDREN). */
function readChildren(pid: number): number[] {
  const task = `/proc/${String(pid)}/task`;
  return namesIn(task).flatMap((thread) =>
    (ifPossible(() => readFileSync(`${task}/${thread}/children`, 'latin1')) ?? '').split(' ').filter(Boolean).map(Number),
  );
}

/** Reads one process; null: it is gone, or hidden. */
export function readProcess(pid: number): ProcessSample | null {
  const fields = statFields(pid);
  if (fields === null) return null;
  const field = (number: number): number => Number(fields[number - 3] ?? 0);
  return {
    pid,
    startTicks: field(22),
    parent: field(4),
    state: fields[0] ?? '',
    cpuUs: (field(14) + field(15)) * US_PER_TICK,
    waitedUs: (field(16) + field(17)) * US_PER_TICK,
    threads: field(20),
    rssBytes: field(24) * PAGE_BYTES,
    vmemBytes: field(23),
  };
}

/** Whether all processes are stopped (by SIGSTOP, or by a tracer). Dead ones do not count; with no process left it is false. */
export function standsStill(processes: readonly ProcessSample[]): boolean {
  const living = processes.filter(({state}) => state !== 'Z');
  return living.length > 0 && living.every(({state}) => state === 'T' || state === 't');
}

/** Memory of one process, bytes; the names are those of proc_pid_smaps_rollup(5). */
export interface PrivateMemory {
  pssBytes: number;
  pssShmemBytes: number;
  swapBytes: number;
  privateBytes: number;
  privateDirtyBytes: number;
}

/** Sums of /proc/PID/smaps_rollup; null when the process is gone or not ours to read. */
export function readSmapsRollup(pid: number | 'self'): PrivateMemory | null {
  const text = ifPossible(() => readFileSync(`/proc/${String(pid)}/smaps_rollup`, 'latin1'));
  if (text === null) return null;
  const bytes = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024;
  const privateDirtyBytes = bytes('Private_Dirty');
  return {
    pssBytes: bytes('Pss'),
    pssShmemBytes: bytes('Pss_Shmem'),
    swapBytes: bytes('Swap'),
    privateBytes: bytes('Private_Clean') + privateDirtyBytes,
    privateDirtyBytes,
  };
}

/** Parent of a process, null when it is gone. */
export function readParent(pid: number): number | null {
  const fields = statFields(pid);
  return fields === null ? null : Number(fields[1]);
}

const AT_PAGESZ = 6n;

/** Page size from the auxiliary vector (getauxval(3)). */
function readPageSize(): number {
  const vector = ifPossible(() => readFileSync('/proc/self/auxv'));
  for (let at = 0; vector !== null && at + 16 <= vector.length; at += 16) {
    if (vector.readBigUInt64LE(at) === AT_PAGESZ) return Number(vector.readBigUInt64LE(at + 8));
  }
  return 4096;
}
const PAGE_BYTES = readPageSize();
