/** A wrapper in the box of another: which that is, and what it is told. How it hears that is in listen.ts. */

import {closeSync, constants, fstatSync, openSync, writeSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {errnoOf, ifPossible} from '../errors.js';
import type {Facts} from '../host/facts.js';
import {LINE_BYTES, partLine} from '../record/parts.js';
import type {UsageRecord} from '../record/record.js';
import {sleep} from '../process/clock.js';
import {readText} from '../files/documents.js';

/** The box around. */
export interface OuterBox {
  recordId: string | null;
  /** What proves that there is one. */
  how: string;
  /** Where it listens; null: not known. */
  pipe: string | null;
}

/** What every box is told about itself (plan/features.ts). */
const ABOUT = '/dev/tare';
const PIPE = 'parts';
const RECORD_ID = /^[0-9a-f-]{36}$/;

/**
 * The outer box. Where the outer wrapper made no box, only a variable that the payload can set names its record: good enough for a name, and for a pipe
 * that root does not write to.
 */
export function outerBoxOf(within: Facts['within'], environment: Readonly<Record<string, string>>, uid: number): OuterBox | null {
  if (within === null) return null;
  const {recordId, how} = within;
  if (recordId !== null) return {recordId, how, pipe: join(ABOUT, PIPE)};
  const features = environment['JOBFEATURES'];
  const folder = uid !== 0 && features?.startsWith('/') === true ? dirname(features) : null;
  const told = folder === null ? null : recordIn(folder);
  return folder === null || told === null ? {recordId, how, pipe: null} : {recordId: told, how, pipe: join(folder, PIPE)};
}

const recordIn = (folder: string): string | null =>
  ifPossible(() => {
    const {recordId} = JSON.parse(readText(join(folder, 'box.json'), 'document').text) as {recordId?: unknown};
    return typeof recordId === 'string' && RECORD_ID.test(recordId) ? recordId : null;
  });

/** Number of tries at a pipe that is full; its reader reads it at the same interval. */
const TRIES = 10;
const TRY_MS = 100;

/** At the start and at the end of a wrapper in a box; best effort: the wrapper runs on without a listener. */
export async function notifyOuter(outer: OuterBox | null, record: UsageRecord): Promise<void> {
  if (outer?.pipe == null) return;
  const line = Buffer.from(partLine(record));
  if (line.length > LINE_BYTES) return;
  for (let tried = 0; !writeLine(outer.pipe, line) && tried < TRIES; tried++) await sleep(TRY_MS);
}

/** @returns false when it is full */
function writeLine(path: string, line: Buffer): boolean {
  const pipe = ifPossible(() => openPipe(path, constants.O_WRONLY));
  if (pipe === null) return true; // there is none, or nobody has it open
  try {
    writeSync(pipe, line);
    return true;
  } catch (error) {
    return errnoOf(error) !== 'EAGAIN';
  } finally {
    closeSync(pipe);
  }
}

/** @throws Error when there is no pipe, or, for writing, no process that reads it */
export function openPipe(path: string, how: number): number {
  const pipe = openSync(path, how | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  if (fstatSync(pipe).isFIFO()) return pipe;
  closeSync(pipe);
  throw new Error(`${path} is no pipe`);
}
