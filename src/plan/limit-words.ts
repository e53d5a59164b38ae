/** Limits as people read them. */

import type {LimitName, LimitUnit} from '../job/job.js';
import {formatInUnit} from '../job/limits.js';

/** A limit's number in its unit, as people write it. */
export const formatLimit = ({value, unit}: {value: number | null; unit: LimitUnit}): string =>
  value === null ? 'none' : formatInUnit(unit, value);

/** What each limit is called in tables and messages. */
export const LIMIT_LABELS: Readonly<Record<LimitName, string>> = {
  cores: 'cores',
  pinCores: 'pinned',
  nice: 'nice value',
  memory: 'memory',
  memoryHigh: 'memory, slowed above',
  swap: 'swap',
  processes: 'processes',
  wallTime: 'wall time',
  cpuTime: 'CPU time',
  openFiles: 'open files',
  coreSize: 'core size',
  scratch: 'scratch',
};
