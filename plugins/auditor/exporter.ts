/** Records to an AUDITOR server, one by one, or to files of one record per line. */

import {createHash} from 'node:crypto';
import type {Delivery, ExportEffects, ExportItem, ExportNode, Exporter, ExporterSettings, HttpRequest} from '@tare/contract';
import {auditorRecord, notForAuditor} from './record.js';

/** Failures in a row after which the rest is spared. */
const PATIENCE = 3;
const TIMEOUT_MS = 30_000;
/** Statuses about the client, the request or its rate, not about the record. */
const NOT_THE_RECORDS_FAULT = [401, 403, 404, 405, 407, 408, 425, 429];
const LONGEST_REASON = 200;

/** Opens the exporter of AUDITOR: it posts records to a collector, or writes them as JSON lines to a directory for another program. */
export function openAuditor(settings: ExporterSettings, node: ExportNode): Exporter {
  const text = (name: string): string | null => (settings[name] as string | undefined) ?? null;
  const url = text('url');
  const directory = text('directory');
  const escape = settings['escape'] === true;
  const timeoutUs = settings['timeout'] as number | null | undefined;
  const lines = (texts: readonly string[]): string => texts.map((each) => `${each}\n`).join('');
  return {
    name: 'auditor',
    api: 1,
    batchRecords: 1000,
    batchBytes: 16 * 1024 * 1024,
    // its ids are unique, and nothing but the stop time of a record can be changed
    corrections: 'refuse',
    warnings:
      url?.startsWith('http:') === true && !/^http:\/\/(localhost|127\.|\[::1\])/.test(url)
        ? ['http: every host on the way can read and change the records']
        : [],
    select: notForAuditor,
    convert: ({record}) => auditorRecord(record, escape, node),
    join: lines,
    deliver: async (items, effects) => {
      if (url !== null)
        return post(items, `${url.replace(/\/$/, '')}/record`, (timeoutUs ?? TIMEOUT_MS * 1000) / 1000, secrets(text, effects), effects);
      const written = lines(items.map((item) => item.text));
      const place = directory ?? '';
      effects.makeDirectory(place);
      effects.replace(`${place}/${createHash('sha256').update(written).digest('hex').slice(0, 32)}.jsonl`, written);
      return items.map(() => ({is: 'delivered'}));
    },
  };
}

/** Read for each delivery, so that a renewed certificate counts at once. */
function secrets(text: (name: string) => string | null, effects: ExportEffects): HttpRequest['tls'] {
  const plain = (name: string): string | null => {
    const path = text(name);
    if (path === null) return null;
    const content = effects.readText(path);
    if (content === null) throw new Error(`${path}: no such file (exporters.auditor.${name})`);
    return content;
  };
  const key = text('key');
  return {certificate: plain('certificate'), key: key === null ? null : effects.readSecret(key), ca: plain('ca')};
}

/** Each on its own: of several in one request, one that is there already makes all of them fail. */
async function post(
  items: readonly ExportItem[],
  url: string,
  timeoutMs: number,
  tls: HttpRequest['tls'],
  effects: ExportEffects,
): Promise<Delivery[]> {
  const results: Delivery[] = [];
  let failures = 0;
  for (const {text} of items) {
    const last = results.at(-1);
    if (last?.is === 'untried' || failures >= PATIENCE) {
      results.push(last?.is === 'untried' ? last : {is: 'untried', reason: last !== undefined && 'reason' in last ? last.reason : url});
      continue;
    }
    const result = await postOne(text, url, timeoutMs, tls, effects);
    failures = result.is === 'failed' ? failures + 1 : 0;
    results.push(result);
  }
  return results;
}

async function postOne(body: string, url: string, timeoutMs: number, tls: HttpRequest['tls'], effects: ExportEffects): Promise<Delivery> {
  let answer: {status: number; body: string};
  try {
    answer = await effects.request({method: 'POST', url, headers: {'content-type': 'application/json'}, body, timeoutMs, tls});
  } catch (error) {
    return {is: 'failed', reason: `${url}: ${(error as Error).message}`};
  }
  const {status} = answer;
  if (status >= 200 && status < 300) return {is: 'delivered'};
  // it has the record: from us, when the answer to the first time was lost
  if (status === 500 && answer.body.includes('RECORD_EXISTS')) return {is: 'delivered'};
  const reason = `${url}: ${String(status)} ${answer.body
    .replaceAll(/[\p{Cc}\p{Cf}]/gu, ' ')
    .trim()
    .slice(0, LONGEST_REASON)}`.trim();
  if (status >= 300 && status < 400) return {is: 'untried', reason: `${reason} (a redirection is not followed)`};
  if (NOT_THE_RECORDS_FAULT.includes(status)) return {is: 'untried', reason};
  return status < 500 ? {is: 'refused', reason} : {is: 'failed', reason};
}
