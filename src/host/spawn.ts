/** Runs a program of the node for one line of output: nothing of the job's environment, and not for long. */

import type * as ChildProcess from 'node:child_process';
import type {Spawn} from './bubblewrap.js';

/**
 * Node's module, loaded when first needed: most jobs start no program but the engine, which the front starts. Loading it costs a brain
 * 1 ms.
 */
export const childProcess = (): typeof ChildProcess => process.getBuiltinModule('node:child_process');

const DEADLINE_MS = 2000;
const MOST_BYTES = 4096;

export const spawnBriefly: Spawn = (path, args) => {
  const {status, stdout} = childProcess().spawnSync(path, [...args], {
    cwd: '/',
    env: {LC_ALL: 'C'},
    stdio: ['ignore', 'pipe', 'ignore'],
    encoding: 'utf8',
    timeout: DEADLINE_MS,
    killSignal: 'SIGKILL',
    maxBuffer: MOST_BYTES,
  });
  return status === 0 ? stdout : null;
};
