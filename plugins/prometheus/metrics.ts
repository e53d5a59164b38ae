/**
 * What a record adds to a node's counters, and the counters as text (Prometheus' text format 0.0.4). All in whole numbers of a small unit, so
 * that adding is exact; labels are from fixed lists, so that no job can make new series. Pure.
 */

import type {ExportRecord, ExportRun} from '@tare/contract';
import {CHECKS, DEGRADED, ENFORCEMENTS, FAULTS, FLAGS, LIMITS, MODES, oneOf, OUTCOMES} from './labels.js';

/** Series, as it is written, to its value in the unit of its metric. */
export type Totals = Record<string, string>;
/** What one record adds, by series, in whole units of its metric. */
export type Increments = Record<string, number>;

interface Metric {
  name: string;
  help: string;
  /** How many of its units are 1. */
  per: number;
  /** Bounds of a histogram, in units. */
  bounds?: readonly number[];
}

const US = 1_000_000;
const GIB = 2 ** 30;
/** Bounds of short times. */
const SECONDS = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 5].map((seconds) => seconds * US);

const METRICS = {
  jobs: {name: 'tare_jobs_total', help: 'Attempts that are over, by how they ended.', per: 1},
  modes: {name: 'tare_jobs_by_mode_total', help: 'Attempts that are over, by whether they were boxed.', per: 1},
  flags: {name: 'tare_job_flags_total', help: 'Attempts that are over, by the flags of their records.', per: 1},
  failures: {name: 'tare_job_failures_total', help: 'Attempts that ended with an error of Tare, by its code.', per: 1},
  userless: {name: 'tare_jobs_user_unknown_total', help: 'Attempts whose account has no name that the node knows.', per: 1},
  exceeded: {name: 'tare_would_exceed_total', help: 'Observed attempts that exceeded what a limit would have allowed.', per: 1},
  untold: {
    name: 'tare_would_exceed_unknown_total',
    help: 'Observed attempts of which it is not known whether they exceeded a limit.',
    per: 1,
  },
  refusals: {name: 'tare_would_refuse_total', help: 'Observed attempts that would have been refused, by the code of the refusal.', per: 1},
  limits: {name: 'tare_limit_hits_total', help: 'Attempts that a limit ended.', per: 1},
  cpu: {name: 'tare_job_cpu_seconds_total', help: 'CPU time of payloads.', per: US},
  wall: {name: 'tare_job_wall_seconds_total', help: 'Wall time of payloads, not multiplied by cores.', per: US},
  unknown: {name: 'tare_jobs_unweighed_total', help: 'Attempts that ran and whose CPU time is not known.', per: 1},
  memory: {
    name: 'tare_job_memory_peak_bytes',
    help: 'Peak of memory of payloads, where it is known.',
    per: 1,
    bounds: [0.25 * GIB, 0.5 * GIB, GIB, 2 * GIB, 4 * GIB, 8 * GIB, 16 * GIB, 32 * GIB, 64 * GIB],
  },
  enforcement: {name: 'tare_limits_enforced_total', help: 'Limits of attempts, by their enforcement.', per: 1},
  launch: {name: 'tare_wrapper_launch_seconds', help: 'From the call of the wrapper to the payload’s exec.', per: US, bounds: SECONDS},
  teardown: {name: 'tare_wrapper_teardown_seconds', help: 'From the payload’s end to the final record.', per: US, bounds: SECONDS},
  ownCpu: {name: 'tare_wrapper_cpu_seconds_total', help: 'CPU time of the wrapper itself.', per: US},
  ownMemory: {
    name: 'tare_wrapper_private_memory_bytes',
    help: 'Private memory of the wrapper’s own processes.',
    per: 1,
    bounds: [8, 16, 32, 64, 128].map((mib) => mib * 2 ** 20),
  },
} as const satisfies Record<string, Metric>;

/** Each once: a record counts once in a series, whatever it says. */
const labels = (limits: readonly string[] = []): Set<string> => new Set(limits.map((limit) => oneOf(LIMITS, limit)));

/** @param codes of errors that are counted by name */
export function increments(
  {outcome, usage, time, enforcement, tare, mode, flags, user, observed}: ExportRecord,
  codes: readonly string[] = [],
): Increments {
  const found: Increments = {};
  const add = ({name}: Metric, labels: string, value: number | null): void => {
    if (value !== null) found[`${name}${labels}`] = (found[`${name}${labels}`] ?? 0) + value;
  };
  const observe = (metric: Metric & {bounds: readonly number[]}, value: number | null): void => {
    if (value === null) return;
    for (const bound of metric.bounds)
      if (value <= bound) add({...metric, name: `${metric.name}_bucket`}, `{le="${String(bound / metric.per)}"}`, 1);
    add({...metric, name: `${metric.name}_bucket`}, '{le="+Inf"}', 1);
    add({...metric, name: `${metric.name}_sum`}, '', value);
    add({...metric, name: `${metric.name}_count`}, '', 1);
  };
  add(METRICS.jobs, `{outcome="${oneOf(OUTCOMES, outcome.status)}"}`, 1);
  add(METRICS.modes, `{mode="${mode === null ? 'none' : oneOf(MODES, mode)}"}`, 1);
  for (const flag of new Set(flags.map((each) => oneOf(FLAGS, each)))) add(METRICS.flags, `{flag="${flag}"}`, 1);
  if (outcome.code !== null) add(METRICS.failures, `{code="${oneOf(codes, outcome.code)}"}`, 1);
  if (user.local === null || user.local === 'unknown') add(METRICS.userless, '', 1);
  for (const limit of labels(observed?.exceeded)) add(METRICS.exceeded, `{limit="${limit}"}`, 1);
  for (const limit of labels(observed?.unknown)) add(METRICS.untold, `{limit="${limit}"}`, 1);
  if (observed !== null && observed.refused !== null) add(METRICS.refusals, `{code="${oneOf(codes, observed.refused)}"}`, 1);
  if (outcome.limit !== null) add(METRICS.limits, `{limit="${oneOf(LIMITS, outcome.limit)}"}`, 1);
  if (time.startEpochUs !== null && usage.cpuUserUs === null) add(METRICS.unknown, '', 1);
  add(METRICS.cpu, '{mode="user"}', usage.cpuUserUs);
  add(METRICS.cpu, '{mode="system"}', usage.cpuSystemUs);
  add(METRICS.wall, '', time.wallUs === null ? null : Math.max(0, time.wallUs));
  observe(METRICS.memory, usage.memPeakBytes);
  for (const [limit, by] of Object.entries(enforcement))
    add(METRICS.enforcement, `{limit="${oneOf(LIMITS, limit)}",enforcement="${oneOf(ENFORCEMENTS, by)}"}`, 1);
  observe(METRICS.launch, tare.launchUs);
  observe(METRICS.teardown, tare.teardownUs);
  add(METRICS.ownCpu, '{mode="user"}', tare.cpuUserUs);
  add(METRICS.ownCpu, '{mode="system"}', tare.cpuSystemUs);
  observe(METRICS.ownMemory, tare.privateMemoryBytes);
  return found;
}

/** Adds to the totals in place. */
export function addTo(totals: Totals, more: Increments): void {
  // sums of microseconds over a node's life do not fit a double
  for (const [series, value] of Object.entries(more)) totals[series] = String(BigInt(totals[series] ?? 0) + BigInt(value));
}

/** Series that are there from the start: what appears with its first count has no increase that Prometheus could see. */
export const AT_FIRST: Totals = Object.fromEntries(
  [
    ...OUTCOMES.map((outcome) => `${METRICS.jobs.name}{outcome="${outcome}"}`),
    ...MODES.map((mode) => `${METRICS.modes.name}{mode="${mode}"}`),
    ...FLAGS.map((flag) => `${METRICS.flags.name}{flag="${flag}"}`),
    METRICS.userless.name,
  ].map((series) => [series, '0']),
);

interface Gauge {
  name: string;
  help: string;
  /** Labels and value; null: not known, and so not there. */
  samples: readonly (readonly [labels: string, value: number | null])[];
}

/** What is true of the node now, in the same format. Unknown is absent, never 0. */
export function renderNode({open, unreadable, waiting, health}: ExportRun, nowUs: number): string {
  const seconds = (us: number): number => Math.round(us / 1000) / 1000;
  const flag = (value: boolean | null | undefined): number | null => (value == null ? null : Number(value));
  const gauges: Gauge[] = [
    {name: 'tare_export_time_seconds', help: 'When this was written, since 1970.', samples: [['', seconds(nowUs)]]},
    {
      name: 'tare_records',
      help: 'Records that are not over, that no spool took so far, and files that are no records.',
      samples: [
        ['{state="open"}', open],
        ['{state="waiting"}', waiting],
        ['{state="unreadable"}', unreadable],
      ],
    },
    {name: 'tare_node_healthy', help: 'Whether this node should get jobs.', samples: [['', flag(health?.healthy)]]},
    {
      name: 'tare_node_fault',
      help: 'What closes the node, each 0 where it does not.',
      samples:
        health?.faults === undefined
          ? []
          : sums(
              [...FAULTS, 'other'],
              [...new Set(health.faults.map((each) => oneOf(FAULTS, each)))].map((each) => [each, 1] as const),
              FAULTS,
              'fault',
            ),
    },
    {
      name: 'tare_node_health_time_seconds',
      help: 'When the node was last looked at, since 1970.',
      samples: [['', health === null ? null : seconds(health.at)]],
    },
    {
      name: 'tare_node_closed_since_seconds',
      help: 'Since when the node is not healthy, since 1970.',
      samples: [['', health?.closedSince == null ? null : seconds(health.closedSince)]],
    },
    {
      name: 'tare_node_boxed',
      help: 'Whether every probe of an account got the box that the policy wants.',
      samples: [['', flag(health?.boxed)]],
    },
    {
      name: 'tare_node_failures',
      help: 'Failures of the wrapper that jobs reported and that count.',
      samples: [['', health?.failures ?? null]],
    },
    {
      name: 'tare_node_failed_accounts',
      help: 'Accounts whose jobs reported them.',
      samples: [['', health?.failures == null ? null : health.failuresByAccount.length]],
    },
    {
      name: 'tare_node_degraded_jobs',
      help: 'Jobs of the last day that ran with less than was asked, by what was less.',
      samples: health === null ? [] : sums([...DEGRADED, 'other'], Object.entries(health.degraded), DEGRADED, 'code'),
    },
    {
      name: 'tare_node_checks',
      help: 'What the last look at the node found, by state.',
      samples:
        health === null
          ? []
          : sums(
              CHECKS,
              health.checks.map(({state}) => [state, 1] as const),
              CHECKS,
              'state',
            ),
    },
  ];
  return gauges
    .map(({name, help, samples}) => {
      const known = samples.filter(([, value]) => value !== null);
      if (known.length === 0) return '';
      return [
        `# HELP ${name} ${help}`,
        `# TYPE ${name} gauge`,
        ...known.map(([labels, value]) => `${name}${labels} ${String(value)}`),
        '',
      ].join('\n');
    })
    .join('');
}

function sums(
  shown: readonly string[],
  counts: readonly (readonly [string, number])[],
  known: readonly string[],
  label: string,
): [string, number][] {
  const found = new Map<string, number>(shown.map((each) => [each, 0]));
  for (const [value, count] of counts) found.set(oneOf(known, value), (found.get(oneOf(known, value)) ?? 0) + count);
  return [...found].map(([value, count]) => [`{${label}="${value}"}`, count]);
}

/** The text that node_exporter reads; the same totals give the same bytes. */
export function render(totals: Totals): string {
  const lines: string[] = [];
  for (const metric of Object.values<Metric>(METRICS)) {
    const {name, help, per, bounds} = metric;
    const series = Object.keys(totals).filter(
      (each) => nameOf(each) === name || (bounds !== undefined && nameOf(each).startsWith(`${name}_`)),
    );
    if (series.length === 0) continue;
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${bounds === undefined ? 'counter' : 'histogram'}`);
    if (bounds === undefined) for (const each of series.sort()) lines.push(`${each} ${decimal(totals[each] ?? '0', per)}`);
    else {
      for (const bound of [...bounds.map((each) => String(each / per)), '+Inf'])
        lines.push(`${name}_bucket{le="${bound}"} ${totals[`${name}_bucket{le="${bound}"}`] ?? '0'}`);
      lines.push(`${name}_sum ${decimal(totals[`${name}_sum`] ?? '0', per)}`, `${name}_count ${totals[`${name}_count`] ?? '0'}`);
    }
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

const nameOf = (series: string): string => series.split('{', 1)[0] ?? series;

/** Exact: digits are moved, not divided. */
function decimal(whole: string, per: number): string {
  if (per === 1) return whole;
  const digits = String(per).length - 1;
  const padded = whole.padStart(digits + 1, '0');
  return `${padded.slice(0, -digits)}.${padded.slice(-digits)}`;
}
