/**
 * Takes closed records from a spool to exporters: one pass over the spool for all of them, a batch at a time. An exporter whose target does not
 * answer is left alone for the rest of the run; its records stay pending, or failed with the reason, and are offered again in the next.
 */

import {mkdirSync} from 'node:fs';
import {join} from 'node:path';
import type {Delivery, ExportEffects, ExportItem, ExportRecord, ExportRun, Exporter} from '@tare/contract';
import {canonicalJson} from '../plan/canonical.js';
import {readRecordText, recordFilesIn, type SpoolEvents} from '../record/read.js';
import {migrateRecord} from '../migrate/record.js';
import {Ledger, LEDGER, type Note} from './ledger.js';
import {isClosed, viewOf} from './view.js';

/** An exporter that is switched on, and what it works with. */
export interface Opened {
  exporter: Exporter;
  effects: ExportEffects;
  ledger: Ledger;
  /** Only what root wrote or sealed. */
  sealedOnly: boolean;
}

/** @param place where exporters keep things; it is made with a mode that keeps other accounts out */
export function openExporter(exporter: Exporter, place: string, sealedOnly: boolean, effects: (own: string) => ExportEffects): Opened {
  const own = join(place, exporter.name);
  mkdirSync(own, {recursive: true, mode: 0o700});
  return {exporter, effects: effects(own), ledger: new Ledger(join(own, LEDGER)), sealedOnly};
}

/** What became of records in one run of an exporter. */
export interface Tally {
  exporter: string;
  /** In this run. */
  delivered: number;
  /** In earlier runs. */
  before: number;
  /** Records that the exporter does not select. */
  passed: number;
  refused: number;
  failed: number;
  /** Delivered with changes. */
  changed: number;
  /** Why it stopped before the end. */
  stopped: string | null;
  /** The first reasons of refusals and failures. */
  reasons: string[];
}

/** What one run of `tare records export` did. */
export interface ExportSummary {
  records: number;
  open: number;
  /** Files that are not what a record is. */
  unreadable: number;
  tallies: Tally[];
}

/** Reasons that are shown; all of them are in the ledger. */
const REASONS = 5;

class Line {
  readonly tally: Tally;
  private readonly opened: Opened;
  private items: ExportItem[] = [];
  private changed = new Map<string, readonly string[]>();
  private bytes = 0;

  constructor(opened: Opened) {
    this.opened = opened;
    const exporter = opened.exporter.name;
    this.tally = {exporter, delivered: 0, before: 0, passed: 0, refused: 0, failed: 0, changed: 0, stopped: null, reasons: []};
  }

  async take(record: ExportRecord, text: string): Promise<void> {
    const {exporter, ledger, sealedOnly} = this.opened;
    const {tally} = this;
    const {recordId: id, revision} = record;
    // a directory that changes while it is read may show a name twice
    if (tally.stopped !== null || this.changed.has(id)) return;
    const standing = ledger.standing(id, revision);
    if (standing.state === 'delivered') {
      tally.before++;
      return;
    }
    if ((sealedOnly && !record.sealed && record.trust !== 'root') || exporter.select(record) !== null) {
      tally.passed++;
      return;
    }
    if (standing.isCorrection && exporter.corrections === 'ignore') {
      ledger.delivered(id, revision, null);
      tally.before++;
      return;
    }
    const converted =
      standing.isCorrection && exporter.corrections === 'refuse'
        ? {refused: 'its target cannot replace what it has: mend it there by hand'}
        : exporter.convert({record, text});
    if ('refused' in converted) {
      this.refuse(id, revision, converted.refused);
      return;
    }
    const bytes = Buffer.byteLength(converted.text);
    if (this.items.length > 0 && this.bytes + bytes > exporter.batchBytes) await this.flush();
    // the flush may have found out that the server does not answer
    if (this.isStopped()) return;
    this.items.push({id, revision, text: converted.text});
    this.changed.set(id, converted.changed);
    this.bytes += bytes;
    if (this.items.length >= exporter.batchRecords) await this.flush();
  }

  async flush(): Promise<void> {
    const {exporter, effects} = this.opened;
    const {items, changed} = this;
    if (items.length === 0) return;
    let results: Delivery[];
    try {
      results = await exporter.deliver(items, effects);
    } catch (error) {
      const reason = (error as Error).message;
      this.tally.stopped = reason;
      results = items.map(() => ({is: 'failed', reason}));
    }
    const done = items.filter((item, index) => this.settle(item, results[index], changed.get(item.id) ?? []));
    if (done.length > 0) exporter.acknowledge?.(done, effects);
    this.items = [];
    this.changed = new Map();
    this.bytes = 0;
  }

  /** A failure is told, and changes nothing of what was delivered. */
  conclude(run: ExportRun): void {
    const {exporter, effects} = this.opened;
    try {
      exporter.conclude?.(run, effects);
    } catch (error) {
      this.tally.stopped ??= (error as Error).message;
    }
  }

  private isStopped(): boolean {
    return this.tally.stopped !== null;
  }

  /** @returns whether it is delivered */
  private settle({id, revision}: ExportItem, result: Delivery | undefined, changed: readonly string[]): boolean {
    const {ledger, effects, exporter} = this.opened;
    const {tally} = this;
    const delivery = result ?? {is: 'failed', reason: `${exporter.name} did not say`};
    if (delivery.is === 'delivered') {
      tally.delivered++;
      if (changed.length > 0) tally.changed++;
      const note: Note = {state: 'delivered', revision, reason: null, attempts: 0, atEpochUs: effects.nowUs(), changed};
      ledger.delivered(id, revision, changed.length > 0 ? note : null);
      return true;
    }
    if (delivery.is === 'refused') {
      this.refuse(id, revision, delivery.reason);
    } else if (delivery.is === 'failed') {
      tally.failed++;
      const earlier = ledger.note(id);
      const attempts = earlier?.revision === revision ? earlier.attempts + 1 : 1;
      ledger.write(id, {state: 'failed', revision, reason: delivery.reason, attempts, atEpochUs: effects.nowUs(), changed: []});
      this.remark(id, delivery.reason);
    } else {
      tally.stopped = delivery.reason;
    }
    return false;
  }

  private refuse(id: string, revision: number, reason: string): void {
    const {ledger, effects} = this.opened;
    this.tally.refused++;
    this.remark(id, reason);
    const earlier = ledger.note(id);
    if (earlier?.state === 'refused' && earlier.revision === revision && earlier.reason === reason) return;
    ledger.write(id, {state: 'refused', revision, reason, attempts: 0, atEpochUs: effects.nowUs(), changed: []});
  }

  private remark(id: string, reason: string): void {
    if (this.tally.reasons.length < REASONS) this.tally.reasons.push(`${id}: ${reason}`);
  }
}

/** A record of a spool that is over or open, as exporters see it; `writtenUs`: when the file was written, µs since 1970. */
export interface ReadRecord {
  path: string;
  /** Of the record in this version's schema, whichever wrote it. */
  text: string;
  record: ExportRecord;
  writtenUs: number;
}

/** Callbacks for what is no record. */
export interface ReadEvents extends SpoolEvents {
  /** A file that is not what a record is. */
  bad?: (path: string, reason: string) => void;
}

/** The same events; those that are no records are counted. */
export const countingBad = (events: ReadEvents, summary: {unreadable: number}): ReadEvents => ({
  ...events,
  bad: (path, reason) => {
    summary.unreadable++;
    events.bad?.(path, reason);
  },
});

/** The records of spools, checked as far as exporters need it. */
export function* readRecords(spools: readonly string[], events: ReadEvents = {}): Generator<ReadRecord> {
  for (const {id, path} of recordFilesIn(spools, events)) {
    let found: ReadRecord | null = null;
    try {
      found = readOne(path, id);
    } catch (error) {
      events.bad?.(path, (error as Error).message);
    }
    if (found !== null) yield found;
  }
}

/**
 * @param id that it must have; null: any
 * @returns null when it is gone
 * @throws Error when it is not what a record is
 */
export function readOne(path: string, id: string | null): ReadRecord | null {
  const read = readRecordText(path);
  if (read === null) return null;
  const {record: parsed, text} = migrateText(read.text);
  // the record of a trial that was killed is no job's
  if ((parsed as {probe?: unknown} | null)?.probe === true) return null;
  const view = viewOf(parsed);
  // what a user's file says of its own trust is the user's word
  const record = read.uid === 0 ? view : {...view, sealed: false, trust: 'user'};
  if (id !== null && record.recordId !== id) throw new Error(`#/recordId: found ${record.recordId}; allowed ${id}, the file’s name`);
  return {path, record, text, writtenUs: read.writtenUs};
}

/** @returns what a file holds, and the text of that: its own, or, where another version wrote it, as this one would have */
function migrateText(text: string): {record: unknown; text: string} {
  const written: unknown = JSON.parse(text);
  const record = migrateRecord(written);
  return {record, text: record === written ? text.trimEnd() : canonicalJson(record)};
}

/**
 * @param wanted of the closed records, those that are to go
 * @param node what the exporters are told of the node at the end
 */
export async function exportRecords(
  spools: readonly string[],
  exporters: readonly Opened[],
  wanted: (record: ExportRecord, writtenUs: number) => boolean,
  events: ReadEvents = {},
  node: () => Pick<ExportRun, 'waiting' | 'health'> = () => ({waiting: null, health: null}),
): Promise<ExportSummary> {
  const lines = exporters.map((opened) => new Line(opened));
  const summary: ExportSummary = {records: 0, open: 0, unreadable: 0, tallies: lines.map(({tally}) => tally)};
  for (const {record, text, writtenUs} of readRecords(spools, countingBad(events, summary))) {
    summary.records++;
    if (!isClosed(record)) summary.open++;
    else if (wanted(record, writtenUs)) for (const line of lines) await line.take(record, text);
    if (lines.length > 0 && lines.every(({tally}) => tally.stopped !== null)) break;
  }
  for (const line of lines) await line.flush();
  const {open, unreadable} = summary;
  for (const line of lines) line.conclude({open, unreadable, ...node()});
  return summary;
}
