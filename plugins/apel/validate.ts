/**
 * What APEL says of a text message (apel 2.5.0: db/loader/record_factory.py, db/records): our own reading of its rules, held against its verdicts
 * on fixtures/apel/vectors.json; and what we refuse though APEL takes it. Pure: the time is an argument.
 */

import {ABSURD_EFFICIENCY, isAbsurd} from './fields.js';

/** APEL's answer to a message: it takes all of its records, or none because of the first that is wrong. */
export type MessageCheck = {verdict: 'accept'; records: ReadonlyMap<string, Value>[]} | {verdict: 'reject'; error: string};
type Value = string | number | null;

class Rejection extends Error {}

const MANDATORY = ['Site', 'LocalJobId', 'WallDuration', 'CpuDuration', 'StartTime', 'EndTime'];
const TEXTS =
  'SubmitHost MachineName Queue LocalUserId GlobalUserName FQAN VO VOGroup VORole InfrastructureDescription InfrastructureType'.split(' ');
const INTEGERS = ['WallDuration', 'CpuDuration', 'Processors', 'NodeCount', 'MemoryReal', 'MemoryVirtual'];
const TIMES = ['StartTime', 'EndTime'];
const KNOWN = [...MANDATORY, ...TEXTS, ...INTEGERS, 'ServiceLevelType', 'ServiceLevel'];
const IGNORED = ['SubmitHostType', 'UpdateTime'];
const SERVICE_LEVELS = ['hepscore23', 'hepspec', 'si2k'];
const TWO_DAYS_S = 2 * 86_400;

/** A job message of any version but 0.4 is read as 0.3. Messages of other types, which Tare never writes, are not read here. */
function versionOf(first: string): '0.3' | '0.4' {
  const [type = '', ...rest] = first.split(':');
  if (rest.length === 0) throw new Rejection('Message header is incorrect: substring not found');
  if (type.trim() !== 'APEL-individual-job-message') throw new Rejection(`Message type ${first} not recognised.`);
  return rest.join(':').trim() === 'v0.4' ? '0.4' : '0.3';
}

/** @param nowUs calendar time of the reader, µs since 1970 @throws Error of a defect, never for what a message says */
export function readMessage(message: string, nowUs: number): MessageCheck {
  try {
    const [first = '', ...lines] = message.trim().split(/\r\n|\n|\r/);
    const version = versionOf(first);
    const parts = lines
      .join('\n')
      .split('%%')
      .filter((part) => part.trim() !== '');
    return {verdict: 'accept', records: parts.map((part) => readRecord(part, version, nowUs))};
  } catch (error) {
    if (!(error instanceof Rejection)) throw error;
    return {verdict: 'reject', error: error.message};
  }
}

function readRecord(part: string, version: '0.3' | '0.4', nowUs: number): ReadonlyMap<string, Value> {
  const written = new Map<string, string>();
  for (const line of part.trim().split('\n')) {
    const colon = line.indexOf(':');
    if (colon < 0) throw new Rejection('Message header is incorrect: not enough values to unpack (expected 2, got 1)');
    written.set(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
  }
  const fields = new Map<string, Value>();
  for (const [key, text] of version === '0.4' ? withBestBenchmark(written) : written) {
    if (IGNORED.includes(key)) continue;
    if (!KNOWN.includes(key)) throw new Rejection(`Unknown field: ${key}`);
    const isNull = /^(none|null|)$/i.test(text);
    if (isNull && MANDATORY.includes(key)) throw new Rejection(`NULL in mandatory field: ${key}`);
    fields.set(key, isNull ? null : typed(key, text));
  }
  for (const key of MANDATORY) if (!fields.has(key)) throw new Rejection(`Mandatory field ${key} not specified.`);
  checkServiceLevel(fields);
  const [start, end] = [fields.get('StartTime') as number, fields.get('EndTime') as number];
  if (end < start) throw new Rejection('EndTime is before StartTime.');
  if (end > nowUs / 1e6 + TWO_DAYS_S) throw new Rejection(`Epoch time ${pythonTime(end)} is in the future.`);
  return fields;
}

function typed(key: string, text: string): Value {
  if (INTEGERS.includes(key)) {
    if (!/^[+-]?\d+(_\d+)*$/.test(text)) throw new Rejection(`Invalid int value ${text} in field ${key}`);
    return Number(text.replaceAll('_', ''));
  }
  if (key === 'ServiceLevel') {
    if (!/^[+-]?(\d+(\.\d*)?|\.\d+|inf|infinity|nan)(e[+-]?\d+)?$/i.test(text))
      throw new Rejection(`Invalid float value ${text} in field ${key}`);
    return Number(text);
  }
  if (TIMES.includes(key)) {
    if (/^[+-]?\d+$/.test(text)) return Number(text);
    // in the reader's own time zone, which is not known here: read as UTC, and refused by us
    if (/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text)) return Date.parse(text) / 1000;
    throw new Rejection(`Unknown datetime format!: ${text}`);
  }
  return text;
}

/** v0.4: `{HEPscore23: 14.37}` becomes the best benchmark that APEL knows and its value. */
function withBestBenchmark(written: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const text = written.get('ServiceLevel');
  // apel's code does not expect that, and its loader ends
  if (text === undefined) throw new Rejection("'ServiceLevelType'");
  const [type, value] = bestOf(text);
  return new Map([...written, ['ServiceLevel', value], ['ServiceLevelType', type]]);
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

/** Checks the benchmark as APEL's database does, where a missing one is an unknown one. */
function checkServiceLevel(fields: ReadonlyMap<string, Value>): void {
  const type = fields.get('ServiceLevelType') ?? null;
  const value = fields.get('ServiceLevel') ?? null;
  if (type === null && value === null) throw new Rejection('ScalingFactorUnit custom not valid.');
  if (type === null || value === null) throw new Rejection('Unit but not value supplied for ScalingFactor.');
  if (!SERVICE_LEVELS.includes(String(type).toLowerCase())) throw new Rejection(`ScalingFactorUnit ${String(type)} not valid.`);
}

function pythonTime(epoch: number): string {
  const date = new Date(epoch * 1000);
  return Number.isNaN(date.getTime()) ? `${String(epoch)} s` : date.toISOString().slice(0, 19).replace('T', ' ');
}

/** Fields of job messages that are refused by us though APEL takes them: it would count something else than was meant, or SSM would choke. */
export function ownRefusals(message: string): string[] {
  const refusals: string[] = [];
  const foreign = /[^\n\r\x20-\x7E]/.exec(message)?.[0];
  if (foreign !== undefined)
    refusals.push(`SSM sends ASCII only; found U+${(foreign.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`);
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
