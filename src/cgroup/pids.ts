import {keyed, parseCount, type Read} from './keyed.js';

/** Tasks of a group and its descendants. */
export interface PidsUsage {
  /** Tasks (threads), as the pids controller counts. */
  pidsNow: number | null;
  /** Linux 6.1 or later, v1 and v2. */
  pidsPeak: number | null;
  pidsPeakSource: string | null;
  /** Forks that the limit refused. */
  pidsLimitHits: number | null;
}

/** Usage of pids; both versions have the same files. */
export function pidsUsage(version: 1 | 2, read: Read): PidsUsage {
  const peak = parseCount(read('pids.peak'));
  return {
    pidsNow: parseCount(read('pids.current')),
    pidsPeak: peak,
    pidsPeakSource: peak === null ? null : `cgroup${version}:pids.peak`,
    pidsLimitHits: keyed(read('pids.events'), 'max'),
  };
}
