/** AUDITOR's rules for RecordAdd (AUDITOR 0.11, auditor/src/domain), and a server that has them. */

import {createServer, type Server, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';

const segmenter = new Intl.Segmenter('en', {granularity: 'grapheme'});
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

const isName = (value: unknown): boolean =>
  typeof value === 'string' && value.trim() !== '' && [...segmenter.segment(value)].length <= 256 && !/\p{Surrogate}/u.test(value);

/** What the server would say, or nothing. */
export function problemsOfRecordAdd(value: unknown): string[] {
  const record = value as Record<string, unknown>;
  const problems: string[] = [];
  if (!isName(record['record_id'])) problems.push('record_id');
  for (const [key, values] of Object.entries((record['meta'] ?? {}) as Record<string, unknown>))
    if (!isName(key) || !Array.isArray(values) || !values.every(isName)) problems.push(`meta.${key}`);
  if (!Array.isArray(record['components'])) return [...problems, 'components'];
  for (const {name, amount, scores} of record['components'] as Record<string, unknown>[]) {
    if (!isName(name) || !Number.isSafeInteger(amount) || (amount as number) < 0) problems.push(`component ${String(name)}`);
    if (!Array.isArray(scores)) problems.push('scores');
    else
      for (const score of scores as Record<string, unknown>[])
        if (!isName(score['name']) || !((score['value'] as number) >= 0)) problems.push('score');
  }
  if (!RFC3339.test(String(record['start_time']))) problems.push('start_time');
  if (record['stop_time'] !== undefined && !RFC3339.test(record['stop_time'] as string)) problems.push('stop_time');
  return problems;
}

/** How it treats a request: as a server does; or fails before, or after it has stored the record. */
export type Mood = 'serve' | 'fail' | 'hang' | 'drop' | 'store-and-drop' | 'store-and-hang' | 'half-an-answer' | {status: number};

export class AuditorServer {
  readonly stored = new Map<string, unknown>();
  requests = 0;
  /** For the next requests, one each; then it serves. */
  moods: Mood[] = [];
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (more: string) => (body += more));
      request.on('end', () => {
        this.requests++;
        this.answer(body, response, this.moods.shift() ?? 'serve', request.url);
      });
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  private answer(body: string, response: ServerResponse, mood: Mood, url: string | undefined): void {
    if (typeof mood === 'object') return void response.writeHead(mood.status).end('no');
    if (mood === 'fail') return void response.writeHead(500).end('database is away');
    if (mood === 'hang') return;
    if (mood === 'drop') return void response.socket?.destroy();
    const record = JSON.parse(body) as {record_id: string};
    if (url !== '/record' || problemsOfRecordAdd(record).length > 0)
      return void response.writeHead(400).end(problemsOfRecordAdd(record).join(' '));
    if (this.stored.has(record.record_id)) return void response.writeHead(500).end('RECORD_EXISTS');
    this.stored.set(record.record_id, record);
    if (mood === 'store-and-drop') return void response.socket?.destroy();
    if (mood === 'store-and-hang') return;
    if (mood === 'half-an-answer') {
      response.writeHead(200, {'content-length': '10'});
      response.write('12345', () => response.socket?.destroy());
      return;
    }
    response.writeHead(200).end();
  }
}
