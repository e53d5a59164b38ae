/** Runs the static program in one of its other roles: by its argv[0], a name that no other program has. */

import type {ChildProcess} from 'node:child_process';
import type {Through} from '../host/abandon.js';
import {childProcess, start} from '../host/spawn.js';
import {NATIVE} from './native.js';

export type {Through};

const DEADLINE_MS = 10_000;
const MOST_BYTES = 64 * 1024 * 1024;

/** Runs a role of the static program and waits for it, for at most 10 s; status null: it was killed, late or not started. Never throws. */
export function runTool(
  role: 'tare-trial' | 'tare-opaque' | 'tare-clear' | 'tare-own' | 'tare-clock' | 'tare-landlock',
  argv: readonly string[],
  encoding: 'utf8' | 'latin1' = 'utf8',
): {status: number | null; stdout: string} {
  const {status, stdout, error} = childProcess().spawnSync(NATIVE, [role, ...argv], {
    argv0: `/proc/self/fd/${role}`,
    cwd: '/',
    env: {},
    stdio: ['ignore', 'pipe', 'ignore'],
    encoding,
    timeout: DEADLINE_MS,
    killSignal: 'SIGKILL',
    maxBuffer: MOST_BYTES,
  });
  // one that could not be started, for want of descriptors say, has no output (child_process)
  return {status, stdout: error === undefined ? stdout : ''};
}

/** The same without waiting: the caller keeps the deadline. */
export function startTool(role: 'tare-repository' | 'tare-mounter' | 'tare-held', argv: readonly string[]): ChildProcess {
  return start(NATIVE, [role, ...argv], {
    argv0: `/proc/self/fd/${role}`,
    cwd: '/',
    env: {},
    stdio: ['ignore', 'pipe', 'ignore'],
    // a signal to this process's group is none of its business
    detached: true,
  });
}

/** A program that becomes another one, which sees what this one has arranged. */
export const throughTool = (role: 'tare-within', args: readonly string[]): Through => ({
  program: NATIVE,
  argv0: `/proc/self/fd/${role}`,
  args: [role, ...args],
});
