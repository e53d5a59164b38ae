/** The jobs of a node as a table: `tare ps` and `tare top`. */

import {formatDuration} from '../job/quantity.js';
import {printable} from '../errors.js';
import {clip, known, percent, renderTable, right, UNKNOWN, type Column, type TableOptions} from './table.js';

/** One application of a job: its state, or its outcome, and its own weight. */
type ApplicationRow = Pick<JobRow, 'state' | 'memoryBytes' | 'memoryPeakBytes' | 'cpuUs'> & {name: string};

/** Unknown is null. */
export interface JobRow {
  /** Of the box; null: it has ended, and its record is of a version that did not tell. */
  id: string | null;
  recordId: string | null;
  name: string | null;
  user: string | null;
  /** Of its own; null: the node's. */
  hostname: string | null;
  addresses: readonly string[];
  pattern: string | null;
  cores: number | null;
  memoryBytes: number | null;
  memoryPeakBytes: number | null;
  memoryLimitBytes: number | null;
  processes: number | null;
  cpuUs: number | null;
  /** Since the payload's exec; of an ended job, from its exec to its end. */
  wallUs: number | null;
  /** When the payload executed. */
  startEpochUs: number | null;
  /** null while it lives. */
  endEpochUs: number | null;
  /** How a live one stands, or the outcome of one that has ended. */
  state: string;
  applications: ApplicationRow[];
}

/** CPU time over wall time of all cores that the job has; null when one of them is not known. */
export function efficiencyOf({cpuUs, wallUs, cores}: Pick<JobRow, 'cpuUs' | 'wallUs' | 'cores'>): number | null {
  return cpuUs === null || !wallUs || !cores ? null : cpuUs / wallUs / cores;
}

/** The outcome of an ended job in a word or two: `completed`, `failed (7)`, `signalled (SIGSEGV)`, `limit (memory)`. */
export function endedState({status, exitCode, signal, limit}: EndedOutcome): string {
  const detail = limit ?? (status === 'failed' ? exitCode : status === 'signalled' ? signal : null);
  return detail === null ? status : `${status} (${detail})`;
}

interface EndedOutcome {
  status: string;
  exitCode: number | null;
  signal: string | null;
  limit: string | null;
}

/** How a list of jobs is written; the time is µs since 1970. */
export interface JobsOptions extends TableOptions {
  nowEpochUs: number;
  /** Ids and names whole. Off unless asked for. */
  whole?: boolean;
  /** CPUs that each live job used since the last look, by its id: a column of its own. */
  rates?: ReadonlyMap<string, number>;
}

/** Length of an id in the table; the JSON has the whole id. */
const SHORT_ID = 12;

/** As much of a job's id as tables have, which every command takes; a record without a box's id is named by the first part of its own. null: it has none. */
export const shortId = ({id, recordId}: Pick<JobRow, 'id' | 'recordId'>): string | null =>
  id?.slice(0, SHORT_ID) ?? recordId?.split('-', 1)[0] ?? null;

/** Jobs as a table for people, one row for each. */
export function renderJobs(jobs: readonly JobRow[], {nowEpochUs, rates, whole = false, ...options}: JobsOptions): string {
  const short = whole ? (text: string): string => text : clip;
  const withHosts = jobs.some(({hostname}) => hostname !== null);
  const columns: Column[] = [
    {header: 'ID'},
    {header: 'NAME'},
    {header: 'USER'},
    ...(withHosts ? [{header: 'HOST'}, {header: 'ADDRESS'}] : []),
    {header: 'PATTERN'},
    right('CORES'),
    ...(rates === undefined ? [] : [right('%CPU')]),
    right('MEMORY'),
    right('PEAK'),
    right('LIMIT'),
    right('CPU TIME'),
    right('EFF'),
    right('AGE'),
    {header: 'STATE'},
  ];
  const rows = jobs.flatMap((job) => {
    const efficiency = efficiencyOf(job);
    const rate = job.id === null ? undefined : rates?.get(job.id);
    const own = [
      (whole ? (job.id ?? job.recordId) : shortId(job)) ?? UNKNOWN,
      short(job.name ?? UNKNOWN),
      short(job.user ?? UNKNOWN),
      ...(withHosts ? [job.hostname ?? UNKNOWN, job.addresses.join(' ') || UNKNOWN] : []),
      job.pattern ?? UNKNOWN,
      known(job.cores, String),
      ...(rates === undefined ? [] : [known(rate ?? null, percent)]),
      known(job.memoryBytes, roughBytes),
      known(job.memoryPeakBytes, roughBytes),
      known(job.memoryLimitBytes, roughBytes),
      known(job.cpuUs, roughDuration),
      known(efficiency, (value) => `${percent(value)}%`),
      known(job.wallUs, roughDuration),
      job.endEpochUs === null ? job.state : `${job.state}, ${roughDuration(Math.max(0, nowEpochUs - job.endEpochUs))} ago`,
    ];
    return [own, ...job.applications.map((application) => applicationCells(application, rates !== undefined, withHosts))];
  });
  return renderTable(columns, rows, options);
}

function applicationCells(
  {name, state, memoryBytes, memoryPeakBytes, cpuUs}: ApplicationRow,
  withRate: boolean,
  withHosts: boolean,
): string[] {
  const figures = [known(memoryBytes, roughBytes), known(memoryPeakBytes, roughBytes), '', known(cpuUs, roughDuration)];
  return ['', clip(`- ${name}`), '', ...(withHosts ? ['', ''] : []), '', '', ...(withRate ? [''] : []), ...figures, '', '', state];
}

/** What the whole node is busy with; unknown is null. */
export interface NodeLine {
  node: string;
  cpus: number | null;
  cpuShare: number | null;
  load: number | null;
  memoryTotalBytes: number | null;
  memoryUsedBytes: number | null;
  swapUsedBytes: number | null;
}

/** The head of `tare top`: the node, and its jobs together. */
export function renderNode(node: NodeLine, jobs: readonly JobRow[], rates: ReadonlyMap<string, number>): string {
  const {cpus, cpuShare, load, memoryTotalBytes, memoryUsedBytes, swapUsedBytes} = node;
  const busy = [...rates.values()].reduce((sum, rate) => sum + rate, 0);
  const memory = jobs.reduce((sum, {memoryBytes}) => sum + (memoryBytes ?? 0), 0);
  const lines = [
    [
      node.node,
      `${known(cpus, String)} CPUs ${known(cpuShare, (share) => `${percent(share)}%`)} busy`,
      `load ${known(load, (value) => value.toFixed(2))}`,
      `memory ${known(memoryUsedBytes, roughBytes)} of ${known(memoryTotalBytes, roughBytes)}`,
      `swap ${known(swapUsedBytes, roughBytes)}`,
    ],
    [`${jobs.length} ${jobs.length === 1 ? 'job' : 'jobs'}`, `${busy.toFixed(2)} CPUs`, `memory ${roughBytes(memory)}`],
  ];
  return `${lines.map((parts) => printable(parts.join(', '))).join('\n')}\n`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** Three digits: `3.13 MiB`, `512 MiB`. */
export function roughBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  for (; value >= 999.5 && unit < UNITS.length - 1; unit++) value /= 1024;
  const digits = unit === 0 ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return `${Number(value.toFixed(digits))} ${UNITS[unit] ?? ''}`;
}

/** The two largest units: `3d4h`, `1h2m`, `12s`, `1.5s`. */
export function roughDuration(us: number): string {
  const seconds = us / 1e6;
  if (seconds < 1) return formatDuration(Math.round(us / 1e3) * 1e3);
  if (seconds < 10) return formatDuration(Math.round(us / 1e5) * 1e5);
  const step = seconds < 3600 ? 1e6 : seconds < 86_400 ? 60e6 : 3600e6;
  return formatDuration(Math.round(us / step) * step);
}
