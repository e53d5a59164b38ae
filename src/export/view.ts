/**
 * The part of a record that exporters get. A job's user may have written the file: each field is checked, and wrong ones are named.
 * What this version does not know is left out, and what an older version did not have is null. Pure.
 */

import type {Benchmark, ExportObserved, ExportRecord, UsageFigure} from '@tare/contract';
import {count, each, integer, isGiven, list, name, number, text, tree, wrong, type JsonObject} from './fields.js';

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
    site: each(name, site, '/site', 'name', 'infrastructure', 'description'),
    ce: {id: name(ce, 'id', '/ce')},
    lrms: {
      type: text(lrms, 'type', '/lrms'),
      ...each(name, lrms, '/lrms', 'host', 'queue', 'localJobId'),
      globalJobId: text(lrms, 'globalJobId', '/lrms'),
      attempt: count(lrms, 'attempt', '/lrms') ?? 1,
    },
    payload: {index: count(payload, 'index', '/payload') ?? 0, name: name(payload, 'name', '/payload')},
    isPart: isGiven(record['parent']),
    partOf: isGiven(record['parent']) ? name(part('parent'), 'recordId', '/parent') : null,
    user: {
      local: name(user, 'local', '/user'),
      uid: count(user, 'uid', '/user'),
      ...each(name, user, '/user', 'global', 'issuer', 'vo', 'fqan'),
    },
    time: each(integer, time, '/time', 'startEpochUs', 'endEpochUs', 'wallUs', 'suspendedUs'),
    allocation: {
      cores: number(allocation, 'cores', '/allocation'),
      ...each(count, allocation, '/allocation', 'nodes', 'memoryLimitBytes', 'gpus'),
    },
    pattern: name(record, 'pattern', ''),
    mode: name(record, 'mode', ''),
    enforcement: enforcement(record['limits']),
    usage: each(count, usage, '/usage', ...FIGURES),
    tare: each(count, tare, '/tare', 'launchUs', 'teardownUs', 'cpuUserUs', 'cpuSystemUs', 'privateMemoryBytes'),
    benchmarks: benchmarks(record['benchmarks']),
    outcome: {
      status: text(outcome, 'status', '/outcome'),
      exitCode: count(outcome, 'exitCode', '/outcome'),
      ...each(name, outcome, '/outcome', 'signal', 'limit', 'limitScope', 'code'),
    },
    observed: observed(record['observed']),
    host: {node: text(host, 'node', '/host'), cpuModel: name(host, 'cpuModel', '/host'), tareVersion: text(host, 'tareVersion', '/host')},
    flags: list(record['flags'], '/flags').map((flag, index) => text({flag}, 'flag', `/flags/${String(index)}`)),
  };
}

type Six = [JsonObject, JsonObject, JsonObject, JsonObject, JsonObject, JsonObject];
type Five = [JsonObject, JsonObject, JsonObject, JsonObject, JsonObject];

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
  const limits = Object.entries(tree(found['limits'], '/observed/limits')).map(([limit, one]) => {
    const pointer = `/observed/limits/${limit}`;
    return {limit, by: number(tree(one, pointer), 'exceededBy', pointer)};
  });
  const refused = found['refused'] ?? null;
  return {
    exceeded: limits.filter(({by}) => by !== null && by > 0).map(({limit}) => limit),
    unknown: limits.filter(({by}) => by === null).map(({limit}) => limit),
    refused: refused === null ? null : text(tree(refused, '/observed/refused'), 'code', '/observed/refused'),
  };
}

function benchmarks(value: unknown): Benchmark[] {
  return list(value, '/benchmarks').map((benchmark, index) => {
    const pointer = `/benchmarks/${String(index)}`;
    const one = tree(benchmark, pointer);
    const valuePerCore = number(one, 'valuePerCore', pointer);
    if (valuePerCore === null) throw wrong(`${pointer}/valuePerCore`, null, 'a number');
    return {name: text(one, 'name', pointer), valuePerCore};
  });
}
