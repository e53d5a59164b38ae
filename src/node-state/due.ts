/** Which account a full probe tries next. */

import type {HealthResult} from '../schema/generated/health-1.js';
import type {Report} from './report.js';

type Probe = HealthResult['probes'][number];

/** A full probe without a reason. */
const FULL_PERIOD_US = 600e6;
/** Least time between two probes of an account whose jobs report failures that probes do not find. */
const VAIN_PERIOD_US = 60e6;

/** What decides which account is probed; times in µs since 1970. */
export interface Schedule {
  nowUs: number;
  /** Accounts that have jobs here, each once; never empty. */
  accounts: readonly number[];
  probes: readonly Probe[];
  reports: readonly Report[];
  /** Failures before this moment are explained by a fault that was mended then, µs since 1970; null: there was none. */
  explainedAt: number | null;
  /** What the last probes found may not hold any more: the policy or Tare has changed. */
  changed: boolean;
}

type KnownSchedule = Pick<Schedule, 'probes' | 'reports' | 'explainedAt'>;

const lastOf = ({probes}: Pick<KnownSchedule, 'probes'>, uid: number): Probe | undefined => probes.find((probe) => probe.uid === uid);

/** Whether jobs of an account have failed since it was last tried, and nothing explains it. */
export function isAsking(known: KnownSchedule, uid: number): boolean {
  const sinceUs = Math.max(lastOf(known, uid)?.at ?? 0, known.explainedAt ?? 0);
  return known.reports.some(
    ({kind, ...report}) => report.uid === uid && (kind === 'failed' || kind === 'suspected') && report.epochMs * 1000 > sinceUs,
  );
}

/** When an account that asks may be tried, µs since 1970. */
const answeredFromUs = (known: KnownSchedule, uid: number): number => (lastOf(known, uid)?.vainAt ?? -VAIN_PERIOD_US) + VAIN_PERIOD_US;

/** null: none is due. First accounts whose last probe failed, so that a mended node opens; then accounts that reported; then the one not tried for longest. */
export function nextProbe({nowUs, accounts, changed, ...known}: Schedule): number | null {
  const {probes} = known;
  const last = (uid: number): number => lastOf(known, uid)?.at ?? 0;
  const oldestOf = (uids: readonly number[]): number | null => [...uids].sort((a, b) => last(a) - last(b) || a - b)[0] ?? null;
  const faulty = accounts.filter((uid) => probes.some((probe) => probe.uid === uid && probe.healthy !== true));
  if (faulty.length > 0) return oldestOf(faulty);
  const asking = accounts.filter((uid) => nowUs >= answeredFromUs(known, uid) && isAsking(known, uid));
  if (asking.length > 0) return oldestOf(asking);
  const latest = Math.max(0, ...probes.map(({at}) => at));
  // a clock that was set back
  const isDue = changed || nowUs - latest >= FULL_PERIOD_US || latest > nowUs;
  return isDue ? oldestOf(accounts) : null;
}

/** When a probe may next be due although nothing changes, µs since 1970. */
export function nextDueUs({nowUs, accounts, ...known}: Omit<Schedule, 'changed'>): number {
  const latest = Math.max(0, ...known.probes.map(({at}) => at));
  const waiting = accounts.filter((uid) => isAsking(known, uid)).map((uid) => answeredFromUs(known, uid));
  return Math.max(nowUs, Math.min(latest + FULL_PERIOD_US, ...waiting));
}
