/** The node's own log, for what an administrator has to see and the wrapper has no log for. */

import {statSync} from 'node:fs';
import {ifPossible} from '../errors.js';
import {childProcess} from '../host/spawn.js';

const LOGGER = ['/usr/bin/logger', '/bin/logger'];
/** The socket of the node's log (syslog(3)); without it logger(1) drops the line and exits with 0. */
const SOCKET = '/dev/log';
/** More than any record has; logger(1) cuts at 1 KiB otherwise. */
const MOST_BYTES = '256KiB';
const DEADLINE_MS = 2000;

/**
 * Writes to the node's log. Never throws.
 * @returns whether the node's log took it; logger(1) does not tell whether it is on disk
 */
export function tellNodesLog(text: string): boolean {
  if (ifPossible(() => statSync(SOCKET).isSocket()) !== true) return false;
  const argv = ['--tag', 'tare', '--priority', 'daemon.err', '--socket-errors=on', '--size', MOST_BYTES, '--', text];
  for (const program of LOGGER) {
    const {status, error} = childProcess().spawnSync(program, argv, {timeout: DEADLINE_MS, stdio: 'ignore', env: {}});
    if (error === undefined) return status === 0;
  }
  return false;
}

/** Name of the node's log in messages. */
export const NODES_LOG = 'the node’s log (logger, tag tare)';
