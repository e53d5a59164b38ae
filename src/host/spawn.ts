/** Runs a program of the node for one line of output: nothing of the job's environment, and not for long. */

import {spawnSync} from 'node:child_process';
import type {Spawn} from './bubblewrap.js';

const DEADLINE_MS = 2000;
const MOST_BYTES = 4096;

export const spawnBriefly: Spawn = (path, args) => {
  const {status, stdout} = spawnSync(path, [...args], {
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
