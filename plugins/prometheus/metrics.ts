/**
 * What a record adds to a node's counters, and the counters as text (Prometheus' text format 0.0.4). All in whole numbers of a small unit, so
 * that adding is exact; labels are from fixed lists, so that no job can make new series. Pure.
 */

import type {ExportRecord} from '@tare/contract';

/** Series, as it is written, to its value in the unit of its metric. */
export type Totals = Record<string, string>;
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

const METRICS = {
  jobs: {name: 'tare_jobs_total', help: 'Attempts that are over, by how they ended.', per: 1},
  limits: {name: 'tare_limit_hits_total', help: 'Attempts that a limit ended.', per: 1},
  cpu: {name: 'tare_job_cpu_seconds_total', help: 'CPU time of payloads.', per: US},
  wall: {name: 'tare_job_wall_seconds_total', help: 'Wall time of payloads, not multiplied by cores.', per: US},
  unknown: {name: 'tare_jobs_unweighed_total', help: 'Attempts that ran and whose CPU time nobody knows.', per: 1},
  memory: {
    name: 'tare_job_memory_peak_bytes',
    help: 'Peak of memory of payloads, where it is known.',
    per: 1,
    bounds: [0.25 * GIB, 0.5 * GIB, GIB, 2 * GIB, 4 * GIB, 8 * GIB, 16 * GIB, 32 * GIB, 64 * GIB],
  },
  enforcement: {name: 'tare_limits_enforced_total', help: 'Limits of attempts, by who held the payload to them.', per: 1},
  launch: {
    name: 'tare_wrapper_launch_seconds',
    help: 'From the call of the wrapper to the payload’s exec.',
    per: US,
    bounds: [0.02 * US, 0.05 * US, 0.1 * US, 0.2 * US, 0.5 * US, US, 5 * US],
  },
  teardown: {
    name: 'tare_wrapper_teardown_seconds',
    help: 'From the payload’s end to the final record.',
    per: US,
    bounds: [0.02 * US, 0.05 * US, 0.1 * US, 0.2 * US, 0.5 * US, US, 5 * US],
  },
  ownCpu: {name: 'tare_wrapper_cpu_seconds_total', help: 'CPU time of the wrapper itself.', per: US},
  ownMemory: {
    name: 'tare_wrapper_private_memory_bytes',
    help: 'Private memory of the wrapper’s own processes.',
    per: 1,
    bounds: [8, 16, 32, 64, 128].map((mib) => mib * 2 ** 20),
  },
} as const satisfies Record<string, Metric>;

const OUTCOMES = ['completed', 'failed', 'signalled', 'limit', 'stopped', 'killed', 'refused', 'wrapper-failure', 'lost', 'killed-by-slot'];
const LIMITS = ['cores', 'pinCores', 'memory', 'swap', 'processes', 'wallTime', 'cpuTime', 'openFiles', 'coreSize', 'scratch'];
const ENFORCEMENTS = ['kernel', 'watched', 'none'];

const oneOf = (known: readonly string[], value: string): string => (known.includes(value) ? value : 'other');

export function increments({outcome, net, time, enforcement, tare}: ExportRecord): Increments {
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
  if (outcome.limit !== null) add(METRICS.limits, `{limit="${oneOf(LIMITS, outcome.limit)}"}`, 1);
  if (time.startEpochUs !== null && net.cpuUserUs === null) add(METRICS.unknown, '', 1);
  add(METRICS.cpu, '{mode="user"}', net.cpuUserUs);
  add(METRICS.cpu, '{mode="system"}', net.cpuSystemUs);
  add(METRICS.wall, '', time.wallUs === null ? null : Math.max(0, time.wallUs));
  observe(METRICS.memory, net.memPeakBytes);
  for (const [limit, by] of Object.entries(enforcement))
    add(METRICS.enforcement, `{limit="${oneOf(LIMITS, limit)}",enforcement="${oneOf(ENFORCEMENTS, by)}"}`, 1);
  observe(METRICS.launch, tare.launchUs);
  observe(METRICS.teardown, tare.teardownUs);
  add(METRICS.ownCpu, '{mode="user"}', tare.cpuUserUs);
  add(METRICS.ownCpu, '{mode="system"}', tare.cpuSystemUs);
  observe(METRICS.ownMemory, tare.privateMemoryBytes);
  return found;
}

export function addTo(totals: Totals, more: Increments): void {
  // sums of microseconds over a node's life do not fit a double
  for (const [series, value] of Object.entries(more)) totals[series] = String(BigInt(totals[series] ?? 0) + BigInt(value));
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
