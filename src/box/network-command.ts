/** Runs a command of iproute2 or nftables, and says why a network could not be made. */

import {TareError} from '../errors.js';
import {childProcess} from '../host/spawn.js';
import type {Command} from '../network/commands.js';

/** A command of iproute2 or nftables; a program that stands for a network takes as long until it is ready. */
export const COMMAND_MS = 10_000;
const MOST_BYTES = 64 * 1024;

/** @returns what it said; an empty text when it failed and may. @throws TareError NETWORK_FAILED */
export function runCommand({program, argv, input, optional}: Command): string {
  const {status, stdout, stderr, error} = childProcess().spawnSync(program, argv, {
    cwd: '/',
    env: {LC_ALL: 'C', PATH: '/usr/sbin:/usr/bin:/sbin:/bin'},
    input: input ?? '',
    encoding: 'utf8',
    timeout: COMMAND_MS,
    killSignal: 'SIGKILL',
    maxBuffer: MOST_BYTES,
  });
  if (status === 0 || optional) return status === 0 ? stdout : '';
  throw failed(`${program} ${argv.join(' ')}`, error?.message ?? stderr, input);
}

/** NETWORK_FAILED, with the line of the input that the program complains about. @param said what the program wrote */
export function failed(command: string, said: string, input: string | null = null): TareError {
  const words = said.trim().replaceAll('\n', ' | ');
  // ip and nft name the line of their input
  const line = Number(/:(\d+)[:.]?/.exec(words)?.[1] ?? NaN);
  const what = input?.split('\n')[line - 1];
  return new TareError('NETWORK_FAILED', {
    message: 'the box could not be connected to the network',
    where: command,
    found: `${words || 'no answer'}${what === undefined ? '' : ` (${what})`}`,
    remedy: '`tare doctor` tells what the node lacks',
  });
}
