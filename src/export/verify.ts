/** Whether a record is what it says: its form, its schema, its identity, and its figures among each other. Pure. */

import {printable} from '../errors.js';
import {migrateRecord} from '../migrate/record.js';
import {canonicalJson} from '../plan/canonical.js';
import type {UsageRecord} from '../schema/generated/record-2.js';
import {recordId} from '../record/uuid.js';

/** The generated validator: too large to be loaded by whoever does not verify. */
export interface Validator {
  (value: unknown): boolean;
  errors?: readonly {instancePath: string; message?: string}[] | null;
}

const SHOWN = 3;

/** Where below a value others are that are `wrong`. */
function* found(value: unknown, at: string, wrong: (inner: unknown) => boolean): Generator<string> {
  if (wrong(value)) yield at;
  if (typeof value === 'object' && value !== null)
    for (const [key, inner] of Object.entries(value)) yield* found(inner, `${at}/${printable(key)}`, wrong);
}

/** Figures are amounts. */
const negatives = (value: unknown, at: string): string[] => first(found(value, at, (inner) => typeof inner === 'number' && inner < 0));
const nuls = (value: unknown, at: string): string[] =>
  first(found(value, at, (inner) => typeof inner === 'string' && inner.includes('\0')));

function first(places: Generator<string>): string[] {
  const shown: string[] = [];
  for (const place of places) {
    shown.push(place);
    if (shown.length === SHOWN) break;
  }
  return shown;
}

/**
 * @param text of the file
 * @param id from its name
 * @returns what is wrong; empty: nothing
 */
export function verifyRecord(text: string, id: string, validate: Validator): string[] {
  let written: unknown;
  try {
    written = JSON.parse(text);
  } catch (error) {
    return [`not JSON: ${printable((error as Error).message)}`];
  }
  const value = migrateRecord(written);
  if (!validate(value))
    return (validate.errors ?? []).slice(0, SHOWN).map(({instancePath, message}) => `#${instancePath}: ${message ?? 'wrong'}`);
  const record = value as UsageRecord;
  const {site, lrms, payload, time, outcome, state} = record;
  const problems: string[] = [];
  if (`${canonicalJson(written)}\n` !== text) problems.push('not canonical JSON: it was changed by something else');
  if (record.recordId !== id) problems.push(`#/recordId: ${record.recordId} in a file of another name`);
  const made = recordId({site: site.name, globalJobId: lrms.globalJobId, attempt: lrms.attempt, application: payload.index});
  if (made !== record.recordId) problems.push(`#/recordId: not that of site, job, attempt and application, which is ${made}`);
  // between phases there is time that is none of the payload's
  const spans =
    record.phases === undefined
      ? [{at: '/time', ...time}]
      : record.phases.list.map((phase, index) => ({at: `/phases/list/${String(index)}`, ...phase}));
  for (const {at, startEpochUs, endEpochUs, wallUs} of spans)
    if (startEpochUs !== null && endEpochUs !== null && wallUs !== null && endEpochUs !== startEpochUs + wallUs)
      problems.push(`#${at}: end is not start + wall, by ${String(endEpochUs - startEpochUs - wallUs)} us`);
  if (time.wallUs !== null && time.wallUs < 0) problems.push('#/time/wallUs: negative');
  for (const at of negatives({usage: record.usage, tare: record.tare}, '#')) problems.push(`${at}: negative`);
  for (const at of nuls(record, '#')) problems.push(`${at}: a NUL, which no text of a system has`);
  const names = record.tare.processes.map(({name}) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) problems.push(`#/tare/processes: ${JSON.stringify(twice)} twice`);
  if ((state === 'started') !== (outcome.status === 'running'))
    problems.push(`#/outcome/status: ${outcome.status} in a record that is ${state}`);
  if (outcome.exitCode !== null && outcome.signal !== null) problems.push('#/outcome: both an exit code and a signal');
  return problems;
}
