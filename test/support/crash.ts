/** Kills a whole wrapper at once, and sweeps what it left. */

import type {ChildProcess} from 'node:child_process';
import {below, ending, send, type Role, type Site} from './tare.js';

/** A line of `tare records sweep --json`. */
export interface Swept {
  uid: number;
  recordId: string | null;
  result: string;
  message: string;
}

/** Paused processes are called after the step (prctl(2), PR_SET_NAME). */
export const isAt = (pid: number, step: string): boolean => below(pid).some(({comm}) => comm === `@${step}`.slice(0, 15));

/** SIGKILL to a process and all below it, in one go. @param spared not these */
export function killAll(pid: number, spared: readonly number[] = []): void {
  const family = below(pid).filter((one) => !spared.includes(one.pid));
  for (const one of family) send(one.pid, 'SIGSTOP');
  for (const one of family) send(one.pid, 'SIGKILL');
}

/** How a sweep is made for a test. */
export interface SweepOptions {
  /** Who sweeps; by default who runs the wrapper. */
  role?: Role;
  /** Beside the folders of the site. */
  policy?: object;
  /** Starts the command elsewhere, in another network namespace, say. */
  start?: (argv: readonly string[]) => ChildProcess;
}

/** What a sweep says. @throws Error when it says nothing */
export async function sweep(site: Site, {role = site.role, policy = {}, start}: SweepOptions = {}): Promise<Swept[]> {
  const argv = ['records', 'sweep', '--json', '--policy', site.policy(policy)];
  const child = start?.(argv) ?? site.start(argv, role === site.role ? {} : {uid: 0, gid: 0});
  child.stdin?.end();
  const {stdout, stderr} = await ending(child);
  try {
    return JSON.parse(stdout) as Swept[];
  } catch {
    throw new Error(`${stdout}\n${stderr}`);
  }
}
