/** The command line's tie to its shim: it is the supervisor when a shim started it, and starts a shim when none did. */

import {spawn} from 'node:child_process';
import {existsSync} from 'node:fs';
import {constants} from 'node:os';
import {EXIT, TareError} from '../../errors.js';
import {descriptorOf} from '../../migrate/mark.js';
import {NATIVE} from '../../process/native.js';

let descriptor: number | null = null;

/** Takes the shim's mark off the argv. */
export function attachShim(argv: string[]): string[] {
  descriptor = descriptorOf(argv[0] ?? '');
  return descriptor === null ? argv : argv.slice(1);
}

/** Descriptor of the socket to the shim; null when this process was started without one. */
export const shimDescriptor = (): number | null => descriptor;

/**
 * Runs `tare ARGV` with a shim of its own and ends as that did. Less exact than calling the shim directly, since this process is
 * JavaScript: it raises RLIMIT_NOFILE, passes on descriptors 0 to 2 only, and cannot end by every signal. `bin/tare` is the shim itself.
 * @throws TareError NOT_BUILT
 */
export async function runThroughShim(argv: readonly string[]): Promise<never> {
  if (!existsSync(NATIVE)) {
    throw new TareError('NOT_BUILT', {message: 'the shim is not built', where: NATIVE, remedy: 'run `npm run build`'});
  }
  const child = spawn(NATIVE, argv, {argv0: 'tare', stdio: 'inherit'});
  for (const name of FORWARDED) process.on(name, () => child.kill(name));
  const {code, signal} = await new Promise<{code: number | null; signal: NodeJS.Signals | null}>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (exitCode, exitSignal) => resolve({code: exitCode, signal: exitSignal}));
  });
  if (signal !== null) {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
    await new Promise((resolve) => setTimeout(resolve, 100)); // a signal that does not kill this process
    process.exit(128 + constants.signals[signal]);
  }
  process.exit(code ?? EXIT.failure);
}

const FORWARDED = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGCONT', 'SIGWINCH'] as const;
