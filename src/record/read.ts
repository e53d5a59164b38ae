/** Reads a spool as a stream: no list of its names, and no more than one record, is ever in memory. Nothing in it is trusted. */

import {fstatSync, opendirSync, readSync, type Dir} from 'node:fs';
import {join} from 'node:path';
import {ifThere} from '../errors.js';
import {PLAIN, withFile} from './durable.js';

/** `RECORDID.json`; with the number of its user where another had taken that name. */
const NAME = /^([0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})(?:\.\d+)?\.json$/;
/** A collector may move records into folders, for instance by date; no deeper than that. */
const DEEPEST = 3;
/** Names that are asked of the kernel at once. */
const NAMES_AT_ONCE = 256;
const LARGEST_RECORD = 1024 * 1024;

/** A record's id and path in a spool. */
export interface RecordFile {
  id: string;
  path: string;
}

/** Callbacks for what a spool has beside records. */
export interface SpoolEvents {
  /** A folder that cannot be read. */
  unreadable?: (directory: string, error: Error) => void;
  /** Something that is no record: a file that is being written, or was left by a crash. */
  other?: (path: string) => void;
}

/** Every record of a spool, in the order of the directory. Records that come and go meanwhile may be seen or not. */
export function* recordFiles(spool: string, events: SpoolEvents = {}, depth = 0): Generator<RecordFile> {
  let directory: Dir;
  try {
    directory = opendirSync(spool, {bufferSize: NAMES_AT_ONCE});
  } catch (error) {
    events.unreadable?.(spool, error as Error);
    return;
  }
  try {
    for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
      const path = join(spool, entry.name);
      const id = NAME.exec(entry.name)?.[1];
      if (id !== undefined) yield {id, path};
      else if (entry.isDirectory() && !entry.name.startsWith('.') && depth < DEEPEST) yield* recordFiles(path, events, depth + 1);
      else events.other?.(path);
    }
  } finally {
    directory.closeSync();
  }
}

/** The same of several spools, one after the other. */
export function* recordFilesIn(spools: readonly string[], events: SpoolEvents = {}): Generator<RecordFile> {
  for (const spool of spools) yield* recordFiles(spool, events);
}

/** A record as it is on disk. */
export interface RecordText {
  text: string;
  /** When the file was last written, µs since 1970. */
  writtenUs: number;
  /** Owner of the file. */
  uid: number;
}

/**
 * @returns null when it is gone
 * @throws Error when it is no plain file, or larger than any record, or cannot be read
 */
export const readRecordText = (path: string): RecordText | null => ifThere(() => withFile(path, PLAIN, textOf));

function textOf(descriptor: number): RecordText {
  const stats = fstatSync(descriptor);
  if (!stats.isFile()) throw new Error('not a plain file');
  if (stats.size > LARGEST_RECORD) throw new Error(`${String(stats.size)} bytes; a record has at most ${String(LARGEST_RECORD)}`);
  const bytes = Buffer.allocUnsafe(stats.size);
  let length = 0;
  while (length < bytes.length) {
    const got = readSync(descriptor, bytes, length, bytes.length - length, null);
    if (got === 0) break;
    length += got;
  }
  return {text: bytes.toString('utf8', 0, length), writtenUs: Math.round(stats.mtimeMs * 1000), uid: stats.uid};
}
