/** Runs a program of the node for one line of output: nothing of the job's environment, and not for long. */

import type * as ChildProcess from 'node:child_process';
import {events} from '../builtin.js';
import {errnoOf} from '../errors.js';
import type {Spawn} from './engine.js';

/**
 * Node's module, loaded when first needed: most jobs start no program but the engine, which the shim starts. Loading it costs a supervisor
 * 1 ms.
 */
export const childProcess = (): typeof ChildProcess => process.getBuiltinModule('node:child_process');

/**
 * Starts a program and waits for nothing. One that cannot be started says so by `error`, whatever the reason is: Node.js throws some of them,
 * Bun throws others. Then there are no pipes, as the type says and that of Node.js does not.
 */
export function start(program: string, argv: readonly string[], options: ChildProcess.SpawnOptions): ChildProcess.ChildProcess {
  try {
    return childProcess().spawn(program, [...argv], options);
  } catch (error) {
    const none = {stdin: null, stdout: null, stderr: null, pid: undefined, kill: () => false, unref: () => undefined};
    const child = Object.assign(new (events().EventEmitter)(), none);
    setImmediate(() => child.emit('error', error));
    return child as unknown as ChildProcess.ChildProcess;
  }
}

/** On a node with a load of 50, what takes milliseconds may take some seconds. */
const DEADLINE_MS = 10_000;
/** Limit for a program that is only tried: the caller tries again before it acts on a late answer. */
const LOOK_MS = 2000;
const MOST_BYTES = 4096;

/** Runs a program for its standard output, within 10 s; null: it failed, was late or is not there. */
export const spawnBriefly: Spawn = (path, args) => {
  const {status, stdout} = spawned(path, args, DEADLINE_MS);
  return status === 0 ? stdout : null;
};

/** Whether a program runs; null: it did not end in time, which a loaded node explains too. */
export function runs(path: string, args: readonly string[]): boolean | null {
  const {status, error} = spawned(path, args, LOOK_MS);
  return errnoOf(error) === 'ETIMEDOUT' ? null : status === 0;
}

const spawned = (path: string, args: readonly string[], timeout: number): ChildProcess.SpawnSyncReturns<string> =>
  childProcess().spawnSync(path, [...args], {
    cwd: '/',
    // podman(1) looks for a configuration before it says its version
    env: {LC_ALL: 'C', HOME: '/', XDG_CONFIG_HOME: '/'},
    stdio: ['ignore', 'pipe', 'ignore'],
    encoding: 'utf8',
    timeout,
    killSignal: 'SIGKILL',
    maxBuffer: MOST_BYTES,
  });
