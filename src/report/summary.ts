/** What a person reads at the end of a job: allowed, used, what the wrapper cost, how it ended, where the record lies. */

import {formatBytes, formatDuration} from '../job/quantity.js';
import {LIMIT_NAMES} from '../job/job.js';
import {formatLimit, LIMIT_LABELS} from '../plan/limit-words.js';
import type {RecordChild} from '../record/parts.js';
import {cpuTimeOf, type UsageRecord} from '../record/record.js';
import {printable} from '../errors.js';
import {renderTable, type Column} from './table.js';

/** A record for people, at the end of a run or by `tare records show`. */
export function formatSummary(record: UsageRecord, path: string | null): string {
  const {outcome, pattern, mode, payload, time, flags} = record;
  const lines = [
    printable(`${payload.name ?? 'job'}: ${describeOutcome(outcome)}`),
    `pattern ${pattern ?? '-'}, mode ${mode ?? '-'}, wall time ${duration(time.wallUs)}`,
    '',
    renderTable(columns('', 'allowed', 'used', 'enforcement', 'by', 'from'), limitRows(record)),
    ...(record.applications.length === 0
      ? []
      : [renderTable(columns('application', 'CPU time', 'memory', 'wall time', 'how it ended'), record.applications.map(applicationRow))]),
    ...phaseLines(record),
    ...childLines(record),
    renderTable(columns('the wrapper itself', ''), costRows(record)),
    ...(record.parent === null
      ? []
      : [printable(`part of: ${record.parent.recordId ?? 'a record that is not known'} (${record.parent.how})`)]),
    `flags: ${flags.join(', ') || 'none'}`,
    `record: ${path ?? 'could not be written'}`,
  ];
  return `${lines.join('\n')}\n`;
}

/**
 * One line on standard error: the limit that was reached. For memory the reason has the numbers, and the record the counter. A payload can end by
 * itself all the same: the kernel killed one process of several, or it caught the SIGTERM that told it to stop.
 */
export function stopText({limit, reason, evidence, exitCode}: UsageRecord['outcome']): string {
  const what =
    exitCode === null ? 'the payload was stopped' : `a limit was reached, and the payload ended with exit code ${String(exitCode)}`;
  const detail = limit === 'memory' || evidence === null ? '' : ` (${evidence})`;
  return `${what}: ${reason ?? `over its limit on ${limit ?? 'something'}`}${detail}`;
}

type Described = Pick<UsageRecord['outcome'], 'exitCode' | 'signal' | 'reason' | 'evidence'> & {status: string; limitScope: string | null};

/** An outcome in a few words, such as `failed (exit code 2)`. */
export function describeOutcome({status, exitCode, signal, reason, limitScope, evidence}: Described): string {
  const how = signal ?? (exitCode === null ? '' : `exit code ${String(exitCode)}`);
  const detail = [how, reason, limitScope === null ? null : `limit of the ${limitScope}`, evidence].filter(Boolean).join('; ');
  return detail === '' ? status : `${status} (${detail})`;
}

function limitRows({limits, usage, time}: UsageRecord): string[][] {
  const cpuUs = cpuTimeOf(usage);
  const used: Partial<Record<(typeof LIMIT_NAMES)[number], string>> = {
    cores: cpuUs === null || !time.wallUs ? '-' : (cpuUs / time.wallUs).toFixed(2),
    memory: bytes(usage.memPeakBytes),
    swap: bytes(usage.swapPeakBytes),
    processes: usage.pidsPeak === null ? '-' : String(usage.pidsPeak),
    wallTime: duration(time.wallUs),
    cpuTime: duration(cpuUs),
  };
  return LIMIT_NAMES.flatMap((name) => {
    const limit = limits?.[name];
    if (limit === undefined || (limit.value === null && used[name] === undefined)) return [];
    return [[LIMIT_LABELS[name], formatLimit(limit), used[name] ?? '-', limit.enforcement, limit.by ?? '-', limit.provenance.at]];
  });
}

function applicationRow({name, starts, usage, wallUs, outcome}: UsageRecord['applications'][number]): string[] {
  const how = describeOutcome({...outcome, evidence: null});
  return [
    name,
    duration(cpuTimeOf(usage)),
    bytes(usage.memPeakBytes),
    duration(wallUs),
    starts > 1 ? `${how}; started ${String(starts)} times` : how,
  ];
}

/** Lines about the phases of a payload that makes checkpoints. */
function phaseLines({phases}: UsageRecord): string[] {
  if (phases === undefined) return [];
  const headers = columns('phase', 'CPU time', 'memory', 'wall time', 'how it ended');
  const first = phases.count - phases.list.length + 1;
  const rows = phases.list.map(({memPeakBytes, wallUs, status, exitCode, signal, ...usage}, index) => [
    String(first + index),
    duration(cpuTimeOf(usage)),
    bytes(memPeakBytes),
    duration(wallUs),
    describeOutcome({status, exitCode, signal, reason: null, limitScope: null, evidence: null}),
  ]);
  return [renderTable(headers, rows)];
}

/** Parts of a job. Their usage is contained in the job's, so they are listed and not added up. */
function childLines({children}: UsageRecord): string[] {
  if (children == null || children.list.length === 0) return [];
  const headers = columns('wrapper in it, as it told', 'name', 'pattern', 'CPU time', 'memory', 'wall time', 'how it ended');
  const more = children.others === 0 ? [] : [`and ${String(children.others)} more`];
  return [renderTable(headers, children.list.map(childRow)), ...more];
}

function childRow({recordId, state, name, pattern, usage, wallUs, outcome}: RecordChild): string[] {
  const {status, exitCode, signal, limit} = outcome;
  const how =
    state === 'started'
      ? 'not told'
      : describeOutcome({status, exitCode, signal, reason: limit === null ? null : `limit ${limit}`, limitScope: null, evidence: null});
  return [recordId, name ?? '-', pattern ?? '-', duration(cpuTimeOf(usage)), bytes(usage.memPeakBytes), duration(wallUs), how];
}

const costRows = ({tare}: UsageRecord): string[][] => [
  ['launch', duration(tare.launchUs)],
  ['teardown', duration(tare.teardownUs)],
  ['CPU time', duration(cpuTimeOf(tare))],
  ['private memory', bytes(tare.privateMemoryBytes)],
];

const bytes = (value: number | null): string => (value === null ? '-' : formatBytes(value));
const duration = (value: number | null): string =>
  value === null ? '-' : formatDuration(value < MILLISECONDS_FROM_US ? value : Math.round(value / 1000) * 1000);
/** Microseconds are shown below this. */
const MILLISECONDS_FROM_US = 100_000;

const columns = (...headers: string[]): Column[] => headers.map((header) => ({header}));
