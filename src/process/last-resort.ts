/** Where a record goes that no spool takes: the wrapper's log, and without one the node's. */

import {childProcess} from '../host/spawn.js';
import type {UsageRecord} from '../record/record.js';
import type {Log} from './log.js';

const LOGGER = ['/usr/bin/logger', '/bin/logger'];
/** More than any record has; logger(1) cuts at 1 KiB otherwise. */
const MOST_BYTES = '256KiB';
const DEADLINE_MS = 2000;

/** @returns where, for people; null when there is no such place either */
export function keepInLog(record: UsageRecord, logFile: string | null, log: Log): string | null {
  if (logFile !== null) {
    log.error('no spool took the record', {record});
    return logFile;
  }
  const argv = ['--tag', 'tare', '--priority', 'daemon.err', '--size', MOST_BYTES, '--', `record ${JSON.stringify(record)}`];
  for (const program of LOGGER) {
    const {status, error} = childProcess().spawnSync(program, argv, {timeout: DEADLINE_MS, stdio: 'ignore', env: {}});
    if (status === 0) return 'the node’s log (logger, tag tare)';
    if (error === undefined) return null;
  }
  return null;
}
