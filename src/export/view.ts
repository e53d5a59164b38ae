/**
 * The part of a record that exporters get. A job's user may have written the file: each field is checked, and wrong ones are named.
 * What this version does not know is left out, and what an older version did not have is null. Pure.
 */

import type {Benchmark, ExportObserved, ExportRecord, UsageFigure} from '@tare/contract';
import {count, integer, isGiven, list, name, number, text, tree, wrong, type JsonObject} from './fields.js';

const FIGURES: readonly UsageFigure[] = [
  'cpuUserUs',
  'cpuSystemUs',
  'throttledUs',
  'memPeakBytes',
  'anonPeakBytes',
  'rssPeakBytes',
  'pssPeakBytes',
  'vmemPeakBytes',
  'swapPeakBytes',
  'rssAverageBytes',
  'pssAverageBytes',
  'vmemAverageBytes',
  'swapAverageBytes',
  'ioReadBytes',
  'ioWriteBytes',
  'pidsPeak',
  'oomKills',
  'scratchPeakBytes',
];

/** @throws Error that names the field */
export function viewOf(value: unknown): ExportRecord {
  const record = tree(value, '');
  if (record['schema'] !== 'tare/record/v2') throw wrong('/schema', record['schema'], 'tare/record/v2');
  const part = (name: string): JsonObject => tree(record[name], `/${name}`);
  const [site, ce, lrms, payload, user, time] = ['site', 'ce', 'lrms', 'payload', 'user', 'time'].map(part) as Six;
  const [allocation, usage, tare, outcome, host] = ['allocation', 'usage', 'tare', 'outcome', 'host'].map(part) as Five;
  return {
    recordId: text(record, 'recordId', ''),
    revision: revision(record),
    state: text(record, 'state', ''),
    trust: text(record, 'trust', ''),
    sealed: isGiven(record['sealed']),
    site: siteOf(site),
    ce: {id: name(ce, 'id', '/ce')},
    lrms: lrmsOf(lrms),
    payload: {index: count(payload, 'index', '/payload') ?? 0, name: name(payload, 'name', '/payload')},
    isPart: isGiven(record['parent']),
    partOf: isGiven(record['parent']) ? name(part('parent'), 'recordId', '/parent') : null,
    user: userOf(user),
    time: timeOf(time),
    allocation: allocationOf(allocation),
    pattern: name(record, 'pattern', ''),
    mode: name(record, 'mode', ''),
    enforcement: enforcement(record['limits']),
    usage: Object.fromEntries(FIGURES.map((figure) => [figure, count(usage, figure, '/usage')])) as ExportRecord['usage'],
    tare: tareOf(tare),
    benchmarks: benchmarks(record['benchmarks']),
    outcome: outcomeOf(outcome),
    observed: observed(record['observed']),
    host: {node: text(host, 'node', '/host'), cpuModel: name(host, 'cpuModel', '/host'), tareVersion: text(host, 'tareVersion', '/host')},
    flags: list(record['flags'], '/flags').map((flag, index) => text({flag}, 'flag', `/flags/${String(index)}`)),
  };
}

type Six = [JsonObject, JsonObject, JsonObject, JsonObject, JsonObject, JsonObject];
type Five = [JsonObject, JsonObject, JsonObject, JsonObject, JsonObject];

const siteOf = (site: JsonObject): ExportRecord['site'] => ({
  name: name(site, 'name', '/site'),
  infrastructure: name(site, 'infrastructure', '/site'),
  description: name(site, 'description', '/site'),
});

const lrmsOf = (lrms: JsonObject): ExportRecord['lrms'] => ({
  type: text(lrms, 'type', '/lrms'),
  host: name(lrms, 'host', '/lrms'),
  queue: name(lrms, 'queue', '/lrms'),
  localJobId: name(lrms, 'localJobId', '/lrms'),
  globalJobId: text(lrms, 'globalJobId', '/lrms'),
  attempt: count(lrms, 'attempt', '/lrms') ?? 1,
});

const userOf = (user: JsonObject): ExportRecord['user'] => ({
  local: name(user, 'local', '/user'),
  uid: count(user, 'uid', '/user'),
  global: name(user, 'global', '/user'),
  issuer: name(user, 'issuer', '/user'),
  vo: name(user, 'vo', '/user'),
  fqan: name(user, 'fqan', '/user'),
});

const timeOf = (time: JsonObject): ExportRecord['time'] => ({
  startEpochUs: integer(time, 'startEpochUs', '/time'),
  endEpochUs: integer(time, 'endEpochUs', '/time'),
  wallUs: integer(time, 'wallUs', '/time'),
  suspendedUs: integer(time, 'suspendedUs', '/time'),
});

const allocationOf = (allocation: JsonObject): ExportRecord['allocation'] => ({
  cores: number(allocation, 'cores', '/allocation'),
  nodes: count(allocation, 'nodes', '/allocation'),
  memoryLimitBytes: count(allocation, 'memoryLimitBytes', '/allocation'),
  gpus: count(allocation, 'gpus', '/allocation'),
});

const tareOf = (tare: JsonObject): ExportRecord['tare'] => ({
  launchUs: count(tare, 'launchUs', '/tare'),
  teardownUs: count(tare, 'teardownUs', '/tare'),
  cpuUserUs: count(tare, 'cpuUserUs', '/tare'),
  cpuSystemUs: count(tare, 'cpuSystemUs', '/tare'),
  privateMemoryBytes: count(tare, 'privateMemoryBytes', '/tare'),
});

const outcomeOf = (outcome: JsonObject): ExportRecord['outcome'] => ({
  status: text(outcome, 'status', '/outcome'),
  exitCode: count(outcome, 'exitCode', '/outcome'),
  signal: name(outcome, 'signal', '/outcome'),
  limit: name(outcome, 'limit', '/outcome'),
  limitScope: name(outcome, 'limitScope', '/outcome'),
  code: name(outcome, 'code', '/outcome'),
});

/** The attempt is over, whatever way a later version has of saying so. */
export const isClosed = ({state, outcome}: Pick<ExportRecord, 'state' | 'outcome'>): boolean =>
  state !== 'started' && outcome.status !== 'running';

/** Each revision may have a file in each ledger: a number that a user made up must not become work. */
const MOST_REVISIONS = 1000;

function revision(record: JsonObject): number {
  const value = count(record, 'revision', '');
  if (value === null || value < 1 || value > MOST_REVISIONS) throw wrong('/revision', record['revision'], `1 to ${String(MOST_REVISIONS)}`);
  return value;
}

function enforcement(limits: unknown): Record<string, string> {
  const found: Record<string, string> = {};
  if (limits === undefined || limits === null) return found;
  for (const [limit, value] of Object.entries(tree(limits, '/limits'))) {
    const pointer = `/limits/${limit}`;
    const one = tree(value, pointer);
    if (isGiven(one['value'])) found[limit] = text(one, 'enforcement', pointer);
  }
  return found;
}

function observed(value: unknown): ExportObserved | null {
  if (value === undefined || value === null) return null;
  const found = tree(value, '/observed');
  const limits = Object.entries(tree(found['limits'], '/observed/limits')).map(([limit, each]) => {
    const pointer = `/observed/limits/${limit}`;
    return {limit, by: number(tree(each, pointer), 'exceededBy', pointer)};
  });
  const refused = found['refused'] ?? null;
  return {
    exceeded: limits.filter(({by}) => by !== null && by > 0).map(({limit}) => limit),
    unknown: limits.filter(({by}) => by === null).map(({limit}) => limit),
    refused: refused === null ? null : text(tree(refused, '/observed/refused'), 'code', '/observed/refused'),
  };
}

function benchmarks(value: unknown): Benchmark[] {
  return list(value, '/benchmarks').map((each, index) => {
    const pointer = `/benchmarks/${String(index)}`;
    const one = tree(each, pointer);
    const valuePerCore = number(one, 'valuePerCore', pointer);
    if (valuePerCore === null) throw wrong(`${pointer}/valuePerCore`, null, 'a number');
    return {name: text(one, 'name', pointer), valuePerCore};
  });
}
