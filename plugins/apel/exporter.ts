/** APEL's two formats, into what SSM sends from: text messages and CAR. Signing and sending are SSM's. */

import {createHash, randomInt} from 'node:crypto';
import type {ExportEffects, ExportNode, Exporter, ExporterSettings, ExportItem} from '@tare/contract';
import {carDocument, carRecord} from './car.js';
import {addToQueue} from './dirq.js';
import {apelFields, notForApel, type ApelSettings} from './fields.js';
import {apelRecord, header} from './message.js';
import {ownRefusals, readMessage} from './validate.js';

/** As many as apel's own writer puts into a message; ARGO's messaging service takes less than 1 MB, and SSM's signature adds to it. */
const RECORDS = 1000;
const BYTES = 700_000;

const DOUBLE_COUNTING =
  'these jobs are counted twice when anything else at this site publishes them to APEL as well (HTCondor-CE’s or ARC’s accounting, AUDITOR): APEL knows a job by site, id and end, and these differ';

const settingsOf = (settings: ExporterSettings): ApelSettings => ({
  directory: settings['directory'] as string,
  layout: (settings['layout'] as ApelSettings['layout'] | undefined) ?? 'dirq',
  version: (settings['version'] as ApelSettings['version'] | undefined) ?? '0.3',
  submitHost: (settings['submitHost'] as string | undefined) ?? null,
  infrastructure: (settings['infrastructure'] as ApelSettings['infrastructure'] | undefined) ?? 'grid',
});

/** Opens the exporter of APEL job records: text messages in the formats 0.3 or 0.4, delivered to a dirq or a directory. */
export function openApel(written: ExporterSettings, node: ExportNode): Exporter {
  const settings = settingsOf(written);
  const join = (texts: readonly string[]): string => header(settings.version) + texts.join('');
  return {
    name: 'apel',
    api: 1,
    batchRecords: RECORDS,
    batchBytes: BYTES,
    // APEL replaces what has the same site, id and end
    corrections: 'deliver',
    warnings: [DOUBLE_COUNTING],
    select: notForApel,
    convert: ({record}) => {
      const made = apelFields(record, settings, node);
      return 'refused' in made ? made : {text: apelRecord(made.fields, settings.version), changed: made.changed};
    },
    join,
    deliver: (items, effects) => Promise.resolve(deliver(items, join, settings, effects, checked)),
  };
}

/** Opens the exporter of EMI Compute Accounting Records 1.2 (CAR), APEL's XML form, to the same places as the text messages. */
export function openCar(written: ExporterSettings, node: ExportNode): Exporter {
  const settings = settingsOf(written);
  return {
    name: 'car',
    api: 1,
    batchRecords: RECORDS,
    batchBytes: BYTES,
    corrections: 'deliver',
    warnings: [DOUBLE_COUNTING, 'APEL takes no memory from CAR, and one benchmark'],
    select: notForApel,
    convert: ({record}) => {
      const made = apelFields(record, settings, node);
      return 'refused' in made ? made : {text: carRecord(made.fields, record), changed: made.changed};
    },
    join: carDocument,
    deliver: (items, effects) => Promise.resolve(deliver(items, carDocument, settings, effects, () => null)),
  };
}

type Results = Awaited<ReturnType<Exporter['deliver']>>;

/** One message. A message is taken whole or not at all, so one that APEL would not take is not sent. */
function deliver(
  items: readonly ExportItem[],
  join: (texts: readonly string[]) => string,
  settings: ApelSettings,
  effects: ExportEffects,
  complaint: (message: string, nowUs: number) => string | null,
): Results {
  const alone = items.map(({text}) => complaint(join([text]), effects.nowUs()));
  const message = join(items.filter((_, index) => alone[index] === null).map(({text}) => text));
  if (alone.some((reason) => reason === null)) {
    if (settings.layout === 'dirq') addToQueue(settings.directory, message, effects, DIGIT);
    else {
      effects.makeDirectory(settings.directory);
      effects.replace(`${settings.directory}/tare-${createHash('sha256').update(message).digest('hex').slice(0, 32)}`, message);
    }
  }
  return alone.map((reason) => (reason === null ? {is: 'delivered'} : {is: 'refused', reason}));
}

/** What APEL would say of a message, or we do. */
function checked(message: string, nowUs: number): string | null {
  const read = readMessage(message, nowUs);
  if (read.verdict === 'reject') return `APEL would not take it: ${read.error}`;
  return ownRefusals(message)[0] ?? null;
}

/** dirq's last digit: fixed for a process, so that two that write at the same microsecond rarely meet. */
const DIGIT = randomInt(16);
