/** What doctor says of the node's own state: its clock, room on its disks, its log, records that wait, and jobs that had less than asked. */

import {checkRow, type Check} from './check.js';

/** What was found of the node; each is null when it was not looked at. */
export interface NodeFound {
  clock: {synchronised: boolean | null; how: string} | null;
  /** Disks below the reserve of the policy, in words; null: there is no reserve. */
  shortages: string[] | null;
  /** The log of the policy, and why it cannot be written; null: there is none. */
  log: {file: string; obstacle: string | null} | null;
  /** Records that no spool took, which wait for a sweep. */
  waiting: number;
  /** Jobs of the last day that had less than was asked for, by flag; null: it cannot be read. */
  degraded: Readonly<Record<string, number>> | null;
}

/** Rows for the node's own state; what was not looked at has none. */
export function checkNode({clock, shortages, log, waiting, degraded}: NodeFound): Check[] {
  return [
    ...(clock === null ? [] : [checkClock(clock)]),
    ...(shortages === null ? [] : [checkReserve(shortages)]),
    ...(log === null ? [] : [checkLog(log)]),
    ...(waiting === 0 ? [] : [checkWaiting(waiting)]),
    ...(degraded === null ? [] : checkDegraded(degraded)),
  ];
}

function checkClock({synchronised, how}: NonNullable<NodeFound['clock']>): Check {
  const row = {
    found: `${synchronised === null ? 'not known' : synchronised ? 'synchronised' : 'not synchronised'} (${how})`,
    costs: 'records have wrong times, which accounting refuses or counts in another month',
    remedy: 'run systemd-timesyncd, chronyd (with rtcsync) or ntpd',
  };
  return checkRow('clock', synchronised !== false, row, 'limited');
}

const checkReserve = (shortages: readonly string[]): Check =>
  checkRow('reserve', shortages.length === 0, {
    found: shortages.join('; ') || 'the disks have the room that the policy keeps',
    costs: 'no job is started below it',
    remedy: 'free space there (tare records prune, tare images prune), or lower reserve in the policy',
  });

function checkLog({file, obstacle}: NonNullable<NodeFound['log']>): Check {
  const costs = 'log lines of the wrapper are lost';
  const remedy = 'name a file that this account can append to in directories.log';
  return checkRow('log', obstacle === null, {found: obstacle ?? file, costs, remedy}, 'limited');
}

const checkWaiting = (waiting: number): Check => ({
  name: 'waiting records',
  state: 'limited',
  found: `no spool took ${String(waiting)} of this account`,
  costs: 'accounting does not have these jobs yet',
  remedy: 'make room in the spool, then tare records sweep',
});

function checkDegraded(degraded: Readonly<Record<string, number>>): Check[] {
  const counts = Object.entries(degraded).filter(([, count]) => count > 0);
  if (counts.length === 0) return [];
  const found = counts.map(([code, count]) => `${code}: ${String(count)}`).join(', ');
  return [
    {
      name: 'less than asked',
      state: 'limited',
      found: `jobs of the last day: ${found}`,
      costs: 'these jobs were not boxed, limited or recorded as the policy wants',
      remedy: 'see what is missing here; degraded in the policy says whether such jobs run',
    },
  ];
}
