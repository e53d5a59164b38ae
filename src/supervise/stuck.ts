/** Processes that SIGKILL does not end, since they wait in the kernel for the server of a file system. */

import {readFileSync} from 'node:fs';
import {ifPossible} from '../errors.js';
import {namesIn} from '../record/durable.js';
import {SIGKILL} from '../record/wait-status.js';
import {readTree} from '../process/tree.js';

/** PF_EXITING (include/linux/sched.h): the thread has taken its kill, and waits on its way out. */
const EXITING = 0x4;
/** Place of the flags in /proc/PID/stat (proc_pid_stat(5)). */
const FLAGS = 9;
const START = 22;

/** A thread that waits in the kernel (state D). */
export interface WaitingThread {
  /** Names one thread, and not a later one with its number. */
  key: string;
  /** Whether it was killed and is still there. */
  killed: boolean;
  /** Signals that it could not take yet, one bit for each, the lowest for signal 1. */
  pending: bigint;
}

/** All threads in state D below these processes. One that ends meanwhile is left out. */
export function waitingThreads(roots: readonly number[]): WaitingThread[] {
  return roots.flatMap((root) => readTree(root)).flatMap(({pid}) => namesIn(`/proc/${String(pid)}/task`).flatMap((tid) => look(pid, tid)));
}

function look(pid: number, tid: string): WaitingThread[] {
  const directory = `/proc/${String(pid)}/task/${tid}`;
  const found = ifPossible((): WaitingThread[] => {
    const stat = readFileSync(`${directory}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] !== 'D') return [];
    const pending = pendingIn(readFileSync(`${directory}/status`, 'latin1'));
    const isExiting = (Number(fields[FLAGS - 3]) & EXITING) !== 0;
    return [{key: `${tid}:${fields[START - 3] ?? ''}`, killed: isExiting || hasSignal(pending, SIGKILL), pending}];
  });
  return found ?? [];
}

/** Pending signals of the thread and of its process (proc_pid_status(5)). */
export function pendingIn(status: string): bigint {
  const mask = (key: string): bigint => BigInt(`0x${new RegExp(`^${key}:\\s*([0-9a-f]{1,32})$`, 'm').exec(status)?.[1] ?? '0'}`);
  return mask('SigPnd') | mask('ShdPnd');
}

/** Whether a mask of /proc/PID/status has a signal (proc_pid_status(5), SigPnd and the like: bit 0 is signal 1). */
export const hasSignal = (mask: bigint, signal: number): boolean => signal > 0 && ((mask >> BigInt(signal - 1)) & 1n) === 1n;

/** Says when a wait has lasted: fed with one look after the other. Pure. */
export class LongWaits {
  private since = new Map<string, number>();

  /**
   * @param keys what waits now
   * @returns for how long the longest of them waits, as far as it was seen; 0: none does
   */
  longestUs(keys: readonly string[], nowUs: number): number {
    this.since = new Map(keys.map((key) => [key, this.since.get(key) ?? nowUs]));
    return keys.length === 0 ? 0 : nowUs - Math.min(...this.since.values());
  }
}
