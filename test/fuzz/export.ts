/** Records that a user wrote, as exporters take them, and messages that others wrote for APEL. */
import type {Exporter} from '@tare/contract';
import {openApel, openCar} from '../../plugins/apel/exporter.js';
import {ownRefusals, readMessage} from '../../plugins/apel/validate.js';
import {openAuditor} from '../../plugins/auditor/exporter.js';
import {openPrmon} from '../../plugins/prmon/exporter.js';
import {openPrometheus} from '../../plugins/prometheus/exporter.js';
import {jsonl} from '../../src/export/jsonl.js';
import {migrateRecord} from '../../src/migrate/record.js';
import {viewOf} from '../../src/export/view.js';
import {holds, refusing, type Target} from './target.js';

const NOW_US = 1.8e15;
const SETTINGS = {directory: '/out', file: '/out/tare.prom', submitHost: 'ce.example.org'};
const NODE = {benchmarks: [{name: 'HEPscore23', valuePerCore: 10}], codes: ['INTERNAL']};
const EXPORTERS: readonly Exporter[] = [
  openApel(SETTINGS, NODE),
  openApel({...SETTINGS, version: '0.4'}, NODE),
  openCar(SETTINGS, NODE),
  openAuditor(SETTINGS, NODE),
  openPrmon(SETTINGS),
  openPrometheus(SETTINGS, NODE),
  (await jsonl.load()).open(SETTINGS, NODE),
];

/** One record stays one, whatever its texts are. */
const COUNTS: Readonly<Record<string, (joined: string) => number>> = {
  apel: (joined) => {
    const read = readMessage(joined, NOW_US);
    // what would be refused is not sent
    return read.verdict === 'accept' ? read.records.length : 1;
  },
  car: (joined) => joined.split('<urf:UsageRecord>').length - 1,
  auditor: (joined) => joined.split('\n').filter((line) => line !== '' && JSON.parse(line) !== null).length,
  jsonl: (joined) => joined.split('\n').filter((line) => line !== '' && JSON.parse(line) !== null).length,
};

async function records(input: Buffer): Promise<void> {
  const text = input.toString('utf8').trimEnd();
  let parsed: unknown;
  try {
    parsed = migrateRecord(JSON.parse(text));
  } catch {
    return;
  }
  const record = await refusing(() => viewOf(parsed), Error);
  if (record === undefined) return;
  for (const exporter of EXPORTERS) {
    const {name} = exporter;
    if (exporter.select(record) !== null) continue;
    const made = exporter.convert({record, text});
    if ('refused' in made) holds(made.refused !== '', 'what is refused is refused in words');
    else holds((COUNTS[name]?.(exporter.join([made.text])) ?? 1) === 1, `${name}: a record is one record`);
  }
}

function message(input: Buffer): void {
  const text = input.toString('utf8');
  const read = readMessage(text, NOW_US);
  ownRefusals(text);
  if (read.verdict === 'reject') holds(read.error !== '', 'what is refused is refused in words');
  else
    for (const fields of read.records)
      for (const [name, value] of fields)
        holds(typeof value !== 'number' || !Number.isNaN(value) || name === 'ServiceLevel', `${name} is a number`);
}

export const EXPORT: Target[] = [
  {name: 'export', words: ['%%', 'Site: x', '"sealed":{}', '"trust":"root"', '\n', '<', '&', ']]>', 'none', '-1', '1e400'], run: records},
  {name: 'message', words: ['%%\n', ': ', 'ServiceLevel: {', 'HEPscore23: 1', 'EndTime: ', '9e99', '\r'], run: message},
];
