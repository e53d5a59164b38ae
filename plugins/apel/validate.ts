/**
 * What APEL says of a text message (apel 2.5.0: db/loader/record_factory.py, db/records): our own reading of its rules, held against its verdicts
 * on fixtures/apel/vectors.json; and what we refuse though APEL takes it. Pure: the time is an argument.
 */

import {ABSURD_EFFICIENCY, isAbsurd} from './fields.js';

export type Verdict = {verdict: 'accept'; records: ReadonlyMap<string, Value>[]} | {verdict: 'reject'; error: string};
type Value = string | number | null;

interface Kind {
  mandatory: readonly string[];
  optional: readonly string[];
  integers: readonly string[];
  /** Benchmark by name, where a field has it as a map. */
  maps: readonly string[];
  floats: readonly string[];
  times: readonly string[];
  check(fields: ReadonlyMap<string, Value>, nowUs: number): void;
}

class Rejection extends Error {}

const JOB_TEXTS =
  'SubmitHost MachineName Queue LocalUserId GlobalUserName FQAN VO VOGroup VORole InfrastructureDescription InfrastructureType'.split(' ');
const IGNORED = ['SubmitHostType', 'UpdateTime'];
const SERVICE_LEVELS = ['hepscore23', 'hepspec', 'si2k'];
const SUMMARY_MANDATORY = ['Site', 'Month', 'Year', 'WallDuration', 'CpuDuration', 'NumberOfJobs'];
const SUMMARY_TEXTS = 'SubmitHost GlobalUserName VO VOGroup VORole InfrastructureDescription'.split(' ');
const SUMMARY_INTEGERS = ['Month', 'Year', 'WallDuration', 'CpuDuration', 'NumberOfJobs', 'NodeCount', 'Processors'];
const SUMMARY_TIMES = ['EarliestEndTime', 'LatestEndTime'];
const TWO_DAYS_S = 2 * 86_400;

const JOB: Kind = {
  mandatory: ['Site', 'LocalJobId', 'WallDuration', 'CpuDuration', 'StartTime', 'EndTime'],
  optional: [...JOB_TEXTS, 'Processors', 'NodeCount', 'MemoryReal', 'MemoryVirtual', 'ServiceLevelType', 'ServiceLevel', ...IGNORED],
  integers: ['WallDuration', 'CpuDuration', 'Processors', 'NodeCount', 'MemoryReal', 'MemoryVirtual'],
  maps: [],
  floats: ['ServiceLevel'],
  times: ['StartTime', 'EndTime'],
  check(fields, nowUs) {
    checkServiceLevel(fields, true);
    const [start, end] = [fields.get('StartTime') as number, fields.get('EndTime') as number];
    if (end < start) throw new Rejection('EndTime is before StartTime.');
    if (end > nowUs / 1e6 + TWO_DAYS_S) throw new Rejection(`Epoch time ${pythonTime(end)} is in the future.`);
  },
};

const SUMMARY: Kind = {
  mandatory: SUMMARY_MANDATORY,
  optional: [
    ...SUMMARY_TEXTS,
    'InfrastructureType',
    'ServiceLevelType',
    'ServiceLevel',
    'NodeCount',
    'Processors',
    ...SUMMARY_TIMES,
    'UpdateTime',
  ],
  integers: SUMMARY_INTEGERS,
  maps: [],
  floats: ['ServiceLevel'],
  times: SUMMARY_TIMES,
  check(fields, nowUs) {
    checkServiceLevel(fields, true);
    checkMonth(fields, nowUs);
  },
};

const NORMALISED: Kind = {
  ...SUMMARY,
  mandatory: [...SUMMARY_MANDATORY, 'NormalisedWallDuration', 'NormalisedCpuDuration'],
  optional: [...SUMMARY_TEXTS, 'Infrastructure', 'NodeCount', 'Processors', ...SUMMARY_TIMES, 'UpdateTime'],
  integers: [...SUMMARY_INTEGERS, 'NormalisedWallDuration', 'NormalisedCpuDuration'],
  floats: [],
  check: checkMonth,
};

const SYNC: Kind = {
  mandatory: ['Site', 'NumberOfJobs', 'Month', 'Year'],
  optional: ['SubmitHost', 'UpdateTime'],
  integers: ['NumberOfJobs', 'Month', 'Year'],
  maps: [],
  floats: [],
  times: [],
  check: () => undefined,
};

/** By its first line. A job message of any version but 0.4 is read as 0.3. */
function kindOf(first: string): Kind {
  const [type = '', ...rest] = first.split(':');
  if (rest.length === 0) throw new Rejection('Message header is incorrect: substring not found');
  const version = rest.join(':').trim();
  if (type.trim() === 'APEL-individual-job-message') return version === 'v0.4' ? {...JOB, maps: ['ServiceLevel']} : JOB;
  if (type.trim() === 'APEL-sync-message') return SYNC;
  if (first === 'APEL-summary-job-message: v0.2') return SUMMARY;
  if (first === 'APEL-summary-job-message: v0.4') return {...SUMMARY, maps: ['ServiceLevel']};
  if (first === 'APEL-summary-job-message: v0.3') return NORMALISED;
  if (first === 'APEL-normalised-summary-message: v0.4') return {...NORMALISED, maps: ['NormalisedWallDuration', 'NormalisedCpuDuration']};
  throw new Rejection(`Message type ${first} not recognised.`);
}

/** @param nowUs calendar time of the reader, µs since 1970 */
export function readMessage(message: string, nowUs: number): Verdict {
  try {
    const [first = '', ...lines] = message.trim().split(/\r\n|\n|\r/);
    const kind = kindOf(first);
    const parts = lines
      .join('\n')
      .split('%%')
      .filter((part) => part.trim() !== '');
    return {verdict: 'accept', records: parts.map((part) => readRecord(part, kind, nowUs))};
  } catch (error) {
    if (!(error instanceof Rejection)) throw error;
    return {verdict: 'reject', error: error.message};
  }
}

function readRecord(part: string, kind: Kind, nowUs: number): ReadonlyMap<string, Value> {
  const written = new Map<string, string>();
  for (const line of part.trim().split('\n')) {
    const colon = line.indexOf(':');
    if (colon < 0) throw new Rejection('Message header is incorrect: not enough values to unpack (expected 2, got 1)');
    written.set(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
  }
  return checkFields(written, kind, nowUs);
}

/** What APEL makes of named texts; also those that it takes from CAR. @throws Rejection */
function checkFields(written: ReadonlyMap<string, string>, kind: Kind, nowUs: number): ReadonlyMap<string, Value> {
  const texts = withMaps(written, kind);
  const fields = new Map<string, Value>();
  for (const [key, text] of texts) {
    if (IGNORED.includes(key)) continue;
    const isMandatory = kind.mandatory.includes(key);
    if (!isMandatory && !kind.optional.includes(key) && key !== 'ServiceLevelType') throw new Rejection(`Unknown field: ${key}`);
    const isNull = /^(none|null|)$/i.test(text);
    if (isNull && isMandatory) throw new Rejection(`NULL in mandatory field: ${key}`);
    fields.set(key, isNull ? null : typed(key, text, kind));
  }
  for (const key of kind.mandatory) if (!fields.has(key)) throw new Rejection(`Mandatory field ${key} not specified.`);
  kind.check(fields, nowUs);
  return fields;
}

function typed(key: string, text: string, kind: Kind): Value {
  if (kind.integers.includes(key)) {
    if (!/^[+-]?\d+(_\d+)*$/.test(text)) throw new Rejection(`Invalid int value ${text} in field ${key}`);
    return Number(text.replaceAll('_', ''));
  }
  if (kind.floats.includes(key)) {
    if (!/^[+-]?(\d+(\.\d*)?|\.\d+|inf|infinity|nan)(e[+-]?\d+)?$/i.test(text))
      throw new Rejection(`Invalid float value ${text} in field ${key}`);
    return Number(text);
  }
  if (kind.times.includes(key)) {
    if (/^[+-]?\d+$/.test(text)) return Number(text);
    // in the reader's own time zone, which nobody here knows: read as UTC, and refused by us
    if (/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text)) return Date.parse(text) / 1000;
    throw new Rejection(`Unknown datetime format!: ${text}`);
  }
  return text;
}

/** v0.4: `{HEPscore23: 14.37}` becomes the best benchmark that APEL knows and its value. */
function withMaps(written: ReadonlyMap<string, string>, kind: Kind): ReadonlyMap<string, string> {
  if (kind.maps.length === 0) return written;
  const result = new Map(written);
  const types = new Set<string>();
  for (const key of kind.maps) {
    const text = written.get(key);
    if (text === undefined) {
      // apel's code does not expect that, and its loader ends
      if (key === 'ServiceLevel') throw new Rejection("'ServiceLevelType'");
      continue;
    }
    const [type, value] = bestOf(text);
    types.add(type);
    result.set(key, key === 'ServiceLevel' ? value : String(Math.trunc(Number(value))));
  }
  if (types.size > 1) throw new Rejection('Mixture of benchmark types detected');
  const [type] = types;
  if (type !== undefined) result.set('ServiceLevelType', type);
  return result;
}

function bestOf(text: string): [type: string, value: string] {
  const values = new Map<string, string>();
  for (const pair of text.replaceAll(/[{}]/g, '').split(',')) {
    const [key = '', value, ...rest] = pair.split(':');
    if (value === undefined || rest.length > 0 || !Number.isFinite(Number(value.trim())) || value.trim() === '')
      throw new Rejection(`Expecting dictionary-like value. ${text}`);
    if (values.has(key.trim())) throw new Rejection(`Expecting dictionary-like value. Duplicate keys found in ${text}`);
    values.set(key.trim(), value.trim());
  }
  const lower = new Map([...values].map(([key, value]) => [key.toLowerCase(), value]));
  for (const type of SERVICE_LEVELS) {
    const value = lower.get(type);
    if (value !== undefined) return [type, value];
  }
  throw new Rejection('No valid benchmark type found');
}

/** @param late as when it goes into the database: there no benchmark at all is no benchmark that APEL knows */
function checkServiceLevel(fields: ReadonlyMap<string, Value>, late: boolean): void {
  const type = fields.get('ServiceLevelType') ?? null;
  const value = fields.get('ServiceLevel') ?? null;
  if (type === null && value === null) {
    if (late) throw new Rejection('ScalingFactorUnit custom not valid.');
    return;
  }
  if (type === null || value === null) throw new Rejection('Unit but not value supplied for ScalingFactor.');
  if (!SERVICE_LEVELS.includes(String(type).toLowerCase())) throw new Rejection(`ScalingFactorUnit ${String(type)} not valid.`);
}

function checkMonth(fields: ReadonlyMap<string, Value>, nowUs: number): void {
  const [month, year] = [Number(fields.get('Month')), Number(fields.get('Year'))];
  const first = Date.UTC(year, month - 1) / 1000;
  if (month < 1 || month > 12 || year < 1970 || first > nowUs / 1e6) throw new Rejection('Invalid values for month and/or year.');
  const next = Date.UTC(year, month) / 1000;
  const [earliest, latest] = SUMMARY_TIMES.map((key) => (fields.get(key) ?? null) as number | null);
  for (const [key, time] of [
    ['EarliestEndTime', earliest],
    ['LatestEndTime', latest],
  ] as const)
    if (time != null && (time < first || time > next)) throw new Rejection(`${key} is not within stated month.`);
  if (earliest != null && latest != null && earliest > latest) throw new Rejection('LatestEndTime is before EarliestEndTime.');
  for (const key of ['WallDuration', 'CpuDuration', 'NormalisedWallDuration', 'NormalisedCpuDuration'])
    if (Number(fields.get(key) ?? 0) < 0) throw new Rejection(`Negative ${key}`);
}

function pythonTime(epoch: number): string {
  const date = new Date(epoch * 1000);
  return Number.isNaN(date.getTime()) ? `${String(epoch)} s` : date.toISOString().slice(0, 19).replace('T', ' ');
}

/** The named texts of a CAR job record, as APEL checks them when they go into its database. */
export function readCarFields(written: ReadonlyMap<string, string>, nowUs: number): Verdict {
  try {
    return {verdict: 'accept', records: [checkFields(written, JOB, nowUs)]};
  } catch (error) {
    if (!(error instanceof Rejection)) throw error;
    return {verdict: 'reject', error: error.message};
  }
}

/** Fields of job messages that are refused by us though APEL takes them: it would count something else than was meant, or SSM would choke. */
export function ownRefusals(message: string): string[] {
  const refusals: string[] = [];
  const foreign = /[^\n\r\x20-\x7E]/.exec(message)?.[0];
  if (foreign !== undefined)
    refusals.push(`SSM sends ASCII only; found U+${(foreign.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`);
  if (!message.startsWith('APEL-individual-job-message:')) return refusals;
  const [, ...lines] = message.trim().split(/\r?\n/);
  for (const part of lines.join('\n').split('%%')) if (part.trim() !== '') refusals.push(...recordRefusals(part));
  return refusals;
}

function recordRefusals(part: string): string[] {
  const refusals: string[] = [];
  const fields = new Map<string, string>();
  for (const line of part.trim().split('\n')) {
    const [key = '', ...rest] = line.split(':');
    if (fields.has(key.trim())) refusals.push(`${key.trim()} is given twice, and APEL takes the last`);
    fields.set(key.trim(), rest.join(':').trim());
  }
  const number = (key: string): number => Number(fields.get(key) ?? Number.NaN);
  if (!fields.get('SubmitHost')) refusals.push('no SubmitHost: the accounting portal has no place for it');
  for (const key of ['WallDuration', 'CpuDuration']) if (number(key) < 0) refusals.push(`${key} is negative`);
  for (const key of ['StartTime', 'EndTime']) {
    const text = fields.get(key) ?? '';
    if (!/^[+-]?\d+$/.test(text)) refusals.push(`${key} is no number of seconds: APEL reads it in its own time zone`);
    else if (Number(text) <= 0) refusals.push(`${key} is not after 1970`);
  }
  if (!(number('Processors') >= 1)) refusals.push('Processors is not 1 or more: efficiency is divided by it');
  else if (isAbsurd(number('CpuDuration'), number('WallDuration'), number('Processors')))
    refusals.push(`CpuDuration is more than ${String(ABSURD_EFFICIENCY)} x WallDuration x Processors: a wrong unit`);
  const infrastructure = fields.get('InfrastructureType') ?? '';
  if (infrastructure !== 'grid' && infrastructure !== 'local')
    refusals.push(`InfrastructureType is ${infrastructure || 'absent'}, not grid or local`);
  const level = fields.get('ServiceLevel') ?? '';
  if (!level.startsWith('{') && !(Number(level) > 0)) refusals.push('ServiceLevel is not more than 0');
  return refusals;
}
