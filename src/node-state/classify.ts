/**
 * Whether a node should get jobs. A fault that was seen closes it at once; one that was only not answered, when that happened twice in a
 * row. What jobs report is their word: it asks for a probe, and closes the node only when two accounts say it.
 */

import type {HealthResult} from '../schema/generated/health-1.js';
import type {Report} from './report.js';

type Probe = HealthResult['probes'][number];
type Check = HealthResult['checks'][number];

/** When so many failures count, and for how long; as the policy's `batch.blackHole`. */
export interface Hole {
  failures: number;
  withinUs: number;
  /** Whether they close the node. */
  drains: boolean;
}

/** Where the policy counts nothing: for display only. */
export const NO_HOLE: Hole = {failures: 1, withinUs: 600e6, drains: false};

/** Everything that decides whether a node should get jobs; times in µs since 1970. */
export interface Evidence {
  nowUs: number;
  hole: Hole;
  checks: readonly Check[];
  /** The last of each account. */
  probes: readonly Probe[];
  /** null: they cannot be read. */
  reports: readonly Report[] | null;
  /** What was found the last time; null: nothing. */
  before: HealthResult | null;
}

/** The part of a health document that is decided here. */
export type Classification = Pick<
  HealthResult,
  'healthy' | 'reason' | 'faults' | 'closedSince' | 'boxed' | 'failures' | 'failuresByAccount' | 'degraded' | 'forgivenAt' | 'explainedAt'
>;

/** Decides whether the node should get jobs, and says why not. Pure. */
export function classify(evidence: Evidence): Classification {
  const {nowUs, checks, probes, reports, before} = evidence;
  const ofChecks = checks.map((check) => ({kind: kindOf(check.name), said: faultOfCheck(check, before)}));
  const seen = [...ofChecks, {kind: 'box' as const, said: probes.flatMap(faultOfProbe)}];
  const explainedAt = explained(evidence, !seen.some(({said}) => said.length > 0));
  const forgivenAt = forgiven(evidence, explainedAt);
  const counted = countedFailures(evidence, forgivenAt, explainedAt);
  const found = [...seen, {kind: 'jobs' as const, said: closedByJobs(counted, evidence.hole)}];
  const faults = found.flatMap(({said}) => said);
  const healthy = faults.length === 0;
  const less = [...checks.filter(({state}) => state !== 'ok').map(wordsOf), ...probes.flatMap(lessThanWanted)];
  const said = healthy ? less : faults;
  return {
    healthy,
    reason: said.length === 0 ? null : clip(said.join('; ')),
    faults: [...new Set(found.filter(({said: words}) => words.length > 0).map(({kind}) => kind))],
    closedSince: healthy ? null : (before?.closedSince ?? nowUs),
    boxed: boxedOf(probes),
    failures: reports === null ? null : counted.length,
    failuresByAccount: byAccount(counted),
    degraded: count((reports ?? []).filter(({kind}) => kind === 'degraded').map(({code}) => code)),
    forgivenAt,
    explainedAt,
  };
}

/** Accounts that had jobs in the last day, in the order of their numbers. */
export const accountsIn = (reports: readonly Report[]): number[] => [...new Set(reports.map(({uid}) => uid))].sort((a, b) => a - b);

const MOST_WORDS = 2000;
const clip = (text: string): string => (text.length > MOST_WORDS ? `${text.slice(0, MOST_WORDS)} …` : text);

const wordsOf = ({name, because}: Check): string => (because === null ? name : `${name}: ${because}`);

type Fault = NonNullable<HealthResult['faults']>[number];
/** Checks that can close a node. */
const CHECKS: readonly Fault[] = ['folder', 'policy', 'engine', 'spool', 'space'];
const kindOf = (name: string): Fault => CHECKS.find((each) => each === name) ?? 'other';

function faultOfCheck(check: Check, before: HealthResult | null): string[] {
  if (check.state === 'missing') return [wordsOf(check)];
  if (check.state !== 'unknown') return [];
  const last = before?.checks.find(({name}) => name === check.name)?.state;
  return last === 'unknown' || (last === 'missing' && before?.healthy === false) ? [`${wordsOf(check)}, twice in a row`] : [];
}

function faultOfProbe({uid, user, healthy, timeouts, because}: Probe): string[] {
  const whose = `a box as ${user ?? `uid ${String(uid)}`}`;
  if (healthy === false) return [`${whose}: ${because ?? 'it failed'}`];
  return healthy === null && timeouts >= 2 ? [`${whose}: ${because ?? 'it did not end in time'}, ${String(timeouts)} times in a row`] : [];
}

const lessThanWanted = ({uid, user, healthy, because}: Probe): string[] =>
  healthy === true && because !== null ? [`a box as ${user ?? `uid ${String(uid)}`}: ${because}`] : [];

/** Failures that count: those after the last reset, the last forgiveness, and the last fault that was seen and mended. */
function countedFailures({nowUs, hole, reports, before}: Evidence, forgivenAt: number | null, explainedAt: number | null): Report[] {
  const since = Math.max(nowUs - hole.withinUs, before?.resetAt ?? 0, forgivenAt ?? 0, explainedAt ?? 0);
  return (reports ?? []).filter(({kind, epochMs}) => kind === 'failed' && epochMs * 1000 > since);
}

function closedByJobs(counted: readonly Report[], {failures, withinUs, drains}: Hole): string[] {
  const accounts = new Set(counted.map(({uid}) => uid)).size;
  if (!drains || accounts < 2 || counted.length < failures) return [];
  const codes = [...new Set(counted.map(({code}) => code))].sort().join(' ');
  const minutes = Math.round(withinUs / 60e6);
  const time = minutes > 0 ? `${String(minutes)} min` : `${String(Math.round(withinUs / 1e6))} s`;
  return [`${String(counted.length)} failures of the wrapper in ${time}, of ${String(accounts)} accounts: ${codes}`];
}

/** A fault that was seen explains what jobs have reported until it was mended. */
const explained = ({nowUs, before}: Evidence, isMended: boolean): number | null =>
  isMended && before?.healthy === false && before.faults?.some((fault) => fault !== 'jobs') === true
    ? nowUs
    : (before?.explainedAt ?? null);

/**
 * A closure by reports of jobs is forgotten when a probe of each account that reported has succeeded since the last of it: once in
 * the time for which failures count. If it closes again within that time, no probe sees what is wrong, and the time itself must pass.
 */
function forgiven(evidence: Evidence, explainedAt: number | null): number | null {
  const {nowUs, hole, probes, before} = evidence;
  const last = before?.forgivenAt ?? null;
  const counted = countedFailures(evidence, last, explainedAt);
  const closedSince = before?.healthy === false ? before.closedSince : null;
  if (closedSince === null || closedByJobs(counted, hole).length === 0) return last;
  if (last !== null && nowUs - last < hole.withinUs) return last;
  const lastFailureUs = Math.max(...counted.map(({epochMs}) => epochMs * 1000));
  const isMended = [...new Set(counted.map(({uid}) => uid))].every((uid) =>
    probes.some((probe) => probe.uid === uid && probe.healthy === true && probe.at > Math.max(lastFailureUs, closedSince)),
  );
  return isMended ? nowUs : last;
}

function boxedOf(probes: readonly Probe[]): boolean | null {
  // where the policy refuses, or the kill switch is on, no box is wanted
  const ended = probes.filter(({healthy, wanted}) => healthy === false || (healthy !== null && wanted !== null));
  if (ended.length === 0) return null;
  return ended.every(({got, wanted}) => got !== null && wanted !== null && got.mode === wanted.mode);
}

const MOST_CODES = 20;

function byAccount(counted: readonly Report[]): HealthResult['failuresByAccount'] {
  const uids = [...new Set(counted.map(({uid}) => uid))].sort((a, b) => a - b);
  return uids.map((uid) => {
    const own = counted.filter((report) => report.uid === uid);
    return {uid, count: own.length, codes: [...new Set(own.map(({code}) => code))].sort().slice(0, MOST_CODES)};
  });
}

function count(words: readonly string[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}
