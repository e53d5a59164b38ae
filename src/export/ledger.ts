/**
 * What an exporter has done, record by record, in files of its own: nothing of it is in memory, and asking takes as long among a million as
 * among ten.
 *
 *     LEDGER/ab/RECORDID.REVISION    empty: that revision was delivered
 *     LEDGER/ab/RECORDID.json        what there is to say: refused, failed and how often, or delivered with changes
 *
 * Neither is synced. What a crash takes back is delivered again, which an exporter must make harmless; an acknowledgement that is there is
 * of something that is safe. A note that a crash left empty or broken counts as none.
 */

import {closeSync, existsSync, openSync, readFileSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {ifPossible, ifThere} from '../errors.js';
import {makeDirectory, namesIn, replaceNote} from '../record/durable.js';

/** What is kept of a record that was not simply delivered. */
export interface Note {
  state: 'delivered' | 'refused' | 'failed';
  revision: number;
  /** Why it was refused or failed; null when it was delivered. */
  reason: string | null;
  /** Deliveries that failed. */
  attempts: number;
  /** Of the last attempt, µs since 1970. */
  atEpochUs: number;
  /** What was changed to fit the format. */
  changed: readonly string[];
}

type ExportState = 'pending' | 'delivered' | 'refused' | 'failed';

/** How far one revision of a record has come with one exporter. */
export interface Standing {
  state: ExportState;
  note: Note | null;
  /** An earlier revision was delivered. */
  isCorrection: boolean;
}

/** The files of one exporter's ledger, in one directory. */
export class Ledger {
  readonly directory: string;
  private readonly made = new Set<string>();

  constructor(directory: string) {
    this.directory = directory;
  }

  /** Looks up one revision of a record. @throws Error of the system when a file cannot be read */
  standing(id: string, revision: number): Standing {
    if (existsSync(this.marker(id, revision))) return {state: 'delivered', note: null, isCorrection: false};
    let isCorrection = false;
    for (let earlier = revision - 1; earlier > 0 && !isCorrection; earlier--) isCorrection = existsSync(this.marker(id, earlier));
    const note = this.note(id);
    if (note?.revision !== revision || note.state === 'delivered') return {state: 'pending', note: null, isCorrection};
    return {state: note.state, note, isCorrection};
  }

  /** What was noted last of a record; null: nothing, or a broken note. @throws Error of the system when the file cannot be read */
  note(id: string): Note | null {
    const text = ifThere(() => readFileSync(this.notePath(id), 'utf8'));
    if (text === null) return null;
    return ifPossible(() => {
      const note = JSON.parse(text) as Note;
      return typeof note.revision === 'number' ? note : null;
    });
  }

  /** @param note null: there is nothing to say but that it was delivered */
  delivered(id: string, revision: number, note: Note | null): void {
    this.makeShard(id);
    if (note !== null) this.write(id, note);
    closeSync(openSync(this.marker(id, revision), 'w', 0o600));
    if (note === null) rmSync(this.notePath(id), {force: true});
  }

  /** Replaces the note of a record in one step, without a sync. @throws Error of the system */
  write(id: string, note: Note): void {
    this.makeShard(id);
    replaceNote(this.notePath(id), note, 'tmp');
  }

  /** The record is gone. */
  forget(id: string, revision: number): void {
    for (let each = revision; each > 0; each--) rmSync(this.marker(id, each), {force: true});
    rmSync(this.notePath(id), {force: true});
  }

  private makeShard(id: string): void {
    const shard = id.slice(0, 2);
    if (this.made.has(shard)) return;
    makeDirectory(join(this.directory, shard), 0o700);
    this.made.add(shard);
  }

  private marker(id: string, revision: number): string {
    return join(this.directory, id.slice(0, 2), `${id}.${String(revision)}`);
  }

  private notePath(id: string): string {
    return join(this.directory, id.slice(0, 2), `${id}.json`);
  }
}

/** Exporters that have ever kept something there, also those that the policy has switched off since. */
export const ledgersIn = (place: string): string[] => namesIn(place).filter((name) => existsSync(join(place, name, LEDGER)));

/** Name of the directory below an exporter's. */
export const LEDGER = 'ledger';
