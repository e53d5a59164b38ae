/** The static program that keeps a repository mounted for a job (native/README.md, Tools): started, waited for, ended. */

import {ifPossible} from '../errors.js';
import {accountOrOwn, type Account} from '../plan/account.js';
import {isRunning, killProcess, processId, type ProcessId} from '../process/process.js';
import {startTool} from '../process/tool.js';
import {sleep} from '../process/clock.js';

/** Arguments of `tare-mounter`. */
export interface MounterOrder {
  /** The mounter ends with this process. */
  shimPid: number;
  /** Where the client's output goes. */
  folder: string;
  /** Where it mounts, in mounts of its own. */
  place: string;
  /** The account that runs the client; null: the caller. */
  identity: Account | null;
  /** In whose mounts it begins; null: in ours. */
  within: number | null;
  /** The client's argv; the descriptor of its mount comes last. */
  client: readonly string[];
}

/** Time in which a mounter ends; it gives its client two times one second. */
const LEAVE_MS = 3000;

/**
 * Starts a mounter and waits until the kernel has mounted: the client is only starting then, and a process that touches the mount waits for it.
 * @param onEnd is told how the client ended, if it does before it is told to
 * @returns the process in whose mounts it is, or why there is none
 */
export function startMounter(order: MounterOrder, deadlineMs: number, onEnd: (how: string) => void): Promise<ProcessId | string> {
  const {shimPid, folder, place, identity, within, client} = order;
  return new Promise((resolve) => {
    let text = '';
    // two processes say it, in either order
    let isMounted = false;
    let mounter: ProcessId | null = null;
    const argv = [String(shimPid), folder, place, accountOrOwn(identity), within === null ? '-' : String(within), ...client];
    const child = startTool('tare-mounter', argv);
    const settle = (found: ProcessId | string): void => {
      clearTimeout(timer);
      if (typeof found === 'string') child.kill('SIGKILL');
      // this process does not wait for it
      child.unref();
      (child.stdout as unknown as {unref(): void} | null)?.unref();
      resolve(found);
    };
    const timer = setTimeout(() => settle('the kernel did not mount it in time'), deadlineMs);
    child.stdout?.setEncoding('utf8').on('data', (more: string) => {
      text += more;
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) {
        const [key = '', value = ''] = line.split('\t');
        if (key === 'mounter') mounter = processId(Number(value));
        if (key === 'mounted') isMounted = true;
        if (isMounted && mounter !== null) settle(mounter);
        if (key === 'failed') settle(value);
        if (key === 'ended') onEnd(value);
      }
    });
    child.on('error', ({message}) => settle(message));
    child.on('close', () => settle('it ended early'));
  });
}

/**
 * Unmounts, and ends the client. Returns when nothing of it is left, or it cannot be killed.
 * @param how `kill`: the client is not asked first, since it does not answer
 */
export async function endMounter(mounter: ProcessId, how: 'ask' | 'kill' = 'ask'): Promise<void> {
  for (const signal of how === 'ask' ? (['SIGTERM', 'SIGKILL'] as const) : (['SIGKILL'] as const)) {
    if (!isRunning(mounter)) return;
    if (signal === 'SIGKILL') killProcess(mounter.pid);
    else terminate(mounter.pid);
    for (let waited = 0; waited < LEAVE_MS && isRunning(mounter); waited += 10) await sleep(10);
  }
}

/** Kills process 1 of the client's PID namespace: the client ends with it, and all requests that wait for the client fail (ENOTCONN, ECONNABORTED). */
export function killMounter(mounter: ProcessId): void {
  if (isRunning(mounter)) killProcess(mounter.pid);
}

function terminate(pid: number): void {
  ifPossible(() => process.kill(pid, 'SIGTERM')); // it is gone
}
