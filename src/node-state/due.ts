/** Which account a full probe tries next. */

import type {HealthResult} from '../schema/generated/health-1.js';
import type {Report} from './report.js';

type Probe = HealthResult['probes'][number];

/** A full probe without a reason. */
export const FULL_PERIOD_US = 600e6;
/** Between two probes of one account that its jobs ask for: what they report is their word. */
export const ASKED_PERIOD_US = 60e6;

export interface Schedule {
  nowUs: number;
  /** Accounts that have jobs here, each once; never empty. */
  accounts: readonly number[];
  probes: readonly Probe[];
  reports: readonly Report[];
  /** What the last probes found may not hold any more: the policy or Tare has changed. */
  changed: boolean;
}

/** null: none is due. First those who were found faulty, so that a node that is mended opens; then who asks; then who was not tried for longest. */
export function nextProbe({nowUs, accounts, probes, reports, changed}: Schedule): number | null {
  const last = (uid: number): number => probes.find((probe) => probe.uid === uid)?.at ?? 0;
  const oldestOf = (uids: readonly number[]): number | null => [...uids].sort((a, b) => last(a) - last(b) || a - b)[0] ?? null;
  const faulty = accounts.filter((uid) => probes.some((probe) => probe.uid === uid && probe.healthy !== true));
  if (faulty.length > 0) return oldestOf(faulty);
  const asking = accounts.filter(
    (uid) =>
      nowUs - last(uid) >= ASKED_PERIOD_US &&
      reports.some(
        ({kind, ...report}) => report.uid === uid && (kind === 'failed' || kind === 'suspected') && report.epochMs * 1000 > last(uid),
      ),
  );
  if (asking.length > 0) return oldestOf(asking);
  const latest = Math.max(0, ...probes.map(({at}) => at));
  // a clock that was set back
  const isDue = changed || nowUs - latest >= FULL_PERIOD_US || latest > nowUs;
  return isDue ? oldestOf(accounts) : null;
}

/** When a probe may next be due although nothing changes, µs since 1970. */
export function nextDueUs({nowUs, accounts, probes, reports}: Omit<Schedule, 'changed'>): number {
  const latest = Math.max(0, ...probes.map(({at}) => at));
  const waiting = accounts.flatMap((uid) => {
    const last = probes.find((probe) => probe.uid === uid)?.at ?? 0;
    const asks = reports.some(
      ({kind, ...report}) => report.uid === uid && (kind === 'failed' || kind === 'suspected') && report.epochMs * 1000 > last,
    );
    return asks ? [last + ASKED_PERIOD_US] : [];
  });
  return Math.max(nowUs, Math.min(latest + FULL_PERIOD_US, ...waiting));
}
