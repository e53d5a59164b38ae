/** Limits as people read them. */

import type {LimitName} from '../job/job.js';
import {formatBytes, formatCores, formatDuration} from '../job/quantity.js';
import type {PlannedLimit} from '../schema/generated/plan-1.js';

/** A limit's number in its unit, as people write it. */
export function formatLimit({value, unit}: {value: number | null; unit: PlannedLimit['unit']}): string {
  if (value === null) return 'none';
  switch (unit) {
    case 'bytes':
      return formatBytes(value);
    case 'us':
      return formatDuration(value);
    case 'cores':
      return formatCores(value);
    case 'flag':
      return value === 0 ? 'no' : 'yes';
    case 'count':
    case 'nice':
      return String(value);
  }
}

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
