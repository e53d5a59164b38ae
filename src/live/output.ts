/**
 * What a payload writes, where that is a file: found by what its first process has open, and read through that, so that no path is followed.
 * Nothing is stored about it anywhere.
 */

import {closeSync, constants, fstatSync, openSync, readFileSync, readlinkSync, readSync, type Stats} from 'node:fs';
import {openOutputFile, type OutputFile} from '../box/output-file.js';
import {answersInTime, descriptorCanHang, OUTPUT_DEADLINE_MS, pathCanHang} from '../box/slow-output.js';
import {errnoOf, TareError} from '../errors.js';
import {sleep} from '../process/clock.js';
import {isRunning, type ProcessId} from '../process/process.js';
import type {LiveBox} from './box-view.js';
import {narrowTo} from './live.js';

/** open(2): a file that is named and not opened, so that looking at it does nothing to it; missing in Node's constants. */
const O_PATH = 0o10000000;
/** Bits of O_ACCMODE in the flags of /proc/PID/fdinfo (proc_pid_fdinfo(5)), which are octal. */
const O_ACCMODE = 0o3;

const STREAMS = {stdout: 1, stderr: 2} as const;
/** Standard output or standard error. */
export type Stream = keyof typeof STREAMS;

const NAMES = {stdout: 'standard output', stderr: 'standard error'} as const;

/**
 * The file that the payload's first process writes to as this stream, opened for reading.
 * @returns a descriptor, the caller's to close
 * @throws TareError BOX_STATE, OUTPUT_ELSEWHERE, OUTPUT_UNREADABLE
 */
async function openOutput({id, payload}: LiveBox, stream: Stream): Promise<number> {
  if (payload === null || !isRunning(payload)) {
    throw new TareError('BOX_STATE', {
      message: `nothing runs in the box ${id}`,
      remedy:
        'what a job that has ended wrote is where its batch system put it, and with logs.keep in the policy `tare logs` has it by the id once the record is final',
    });
  }
  const number = STREAMS[stream];
  const what = `the ${NAMES[stream]} of ${id}`;
  const link = `/proc/${payload.pid}/fd/${number}`;
  if (descriptorCanHang(payload.pid, number) && !(await answersInTime(link))) throw silent(what);
  let named: number | null = null;
  try {
    named = openSync(link, O_PATH);
    const stats = fstatSync(named);
    if (!stats.isFile()) throw elsewhere(what, kindOf(stats, link));
    // what it cannot write to is no output of its: it could show root any file by a descriptor without rights
    if (!isWritten(payload.pid, number)) throw elsewhere(what, 'a file that it only reads');
    const descriptor = openSync(`/proc/self/fd/${named}`, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    // the number can be another process's by now
    if (isRunning(payload)) return descriptor;
    closeSync(descriptor);
    throw new TareError('BOX_STATE', {message: `the box ${id} has just ended`});
  } catch (error) {
    if (error instanceof TareError) throw error;
    if (errnoOf(error) === 'ENOENT') throw elsewhere(what, 'closed');
    throw unreadable(what, error);
  } finally {
    if (named !== null) closeSync(named);
  }
}

/** What is to be read for one stream of a box. */
export interface Source {
  /** The caller's to close. */
  descriptor: number;
  /** Only lines with this before them, which is then left out; null: all. */
  prefix: string | null;
  /** The process after whose end nothing more is written. */
  writer: ProcessId | null;
}

/**
 * The payload's output. Of several applications: all lines, or those of one, or the file that one has of its own.
 * @throws TareError APPLICATION_UNKNOWN, BOX_STATE, OUTPUT_ELSEWHERE, OUTPUT_UNREADABLE
 */
export async function openSource(box: LiveBox, application: string | undefined, stream: Stream): Promise<Source> {
  const narrowed = narrowTo(box, application);
  if (box.applications.length === 0) return {descriptor: await openOutput(box, stream), prefix: null, writer: box.payload};
  const own = application === undefined ? null : await ownFile(narrowed, stream);
  if (own !== null) return {descriptor: own, prefix: null, writer: narrowed.payload};
  const what = `the ${NAMES[stream]} of ${box.id}`;
  const file = box.output[stream];
  const descriptor = file === null ? null : await openGiven(file, what);
  if (descriptor === null) throw elsewhere(what, file === null ? 'the caller of the wrapper gave no file' : 'it is not there any more');
  return {descriptor, prefix: application === undefined ? null : `${application}: `, writer: box.init};
}

async function openGiven(file: OutputFile, what: string): Promise<number | null> {
  if (pathCanHang(file.path) && !(await answersInTime(file.path))) throw silent(what);
  try {
    return openOutputFile(file);
  } catch (error) {
    throw unreadable(what, error);
  }
}

const silent = (what: string): TareError =>
  new TareError('OUTPUT_UNREADABLE', {
    message: `${what} cannot be read`,
    found: `its file system gave no answer within ${OUTPUT_DEADLINE_MS / 1000} s`,
    remedy: 'try again when the file system answers',
  });

const unreadable = (what: string, cause: unknown): TareError =>
  new TareError('OUTPUT_UNREADABLE', {
    message: `${what} cannot be read`,
    found: errnoOf(cause),
    remedy: 'call it as root, or as an account that may read the file',
    cause,
  });

/**
 * What is written to the file that is read comes back, until the disk is full: cat(1) compares the same two numbers.
 * @param output the descriptor that will be written to
 * @throws TareError OUTPUT_ITSELF
 */
export function refuseItself({id}: LiveBox, {descriptor}: Source, stream: Stream, output: number): void {
  const [read, written] = [fstatSync(descriptor, {bigint: true}), fstatSync(output, {bigint: true})];
  if (!written.isFile() || read.dev !== written.dev || read.ino !== written.ino) return;
  throw new TareError('OUTPUT_ITSELF', {
    message: `the ${NAMES[stream]} of ${id} is the file that this command writes to`,
    found: readlinkSync(`/proc/self/fd/${output}`),
    remedy: 'it would read what it has written, for ever: send its output elsewhere',
  });
}

/** A descriptor of the file to which a running application alone writes; null: it has none. */
async function ownFile(box: LiveBox, stream: Stream): Promise<number | null> {
  try {
    return await openOutput(box, stream);
  } catch (error) {
    if (error instanceof TareError && (error.code === 'OUTPUT_ELSEWHERE' || error.code === 'BOX_STATE')) return null;
    throw error;
  }
}

/** Passes on the lines that begin with a prefix, without it; what is no whole line yet waits. */
export function onlyLines(prefix: string, write: (bytes: Buffer) => boolean): (bytes: Buffer) => boolean {
  const before = Buffer.from(prefix);
  let rest: Buffer = Buffer.alloc(0);
  return (bytes) => {
    const all = Buffer.concat([rest, bytes]);
    const end = all.lastIndexOf(NEWLINE) + 1;
    rest = all.subarray(end);
    const wanted: Buffer[] = [];
    for (let at = 0; at < end;) {
      const next = all.indexOf(NEWLINE, at) + 1;
      const line = all.subarray(at, next);
      if (line.subarray(0, before.length).equals(before)) wanted.push(line.subarray(before.length));
      at = next;
    }
    return write(Buffer.concat(wanted));
  };
}

const NEWLINE = 0x0a;

const elsewhere = (what: string, found: string): TareError =>
  new TareError('OUTPUT_ELSEWHERE', {message: `${what} is no file`, found, remedy: 'the caller of the wrapper has it'});

function isWritten(pid: number, number: number): boolean {
  const flags = /^flags:\s+([0-7]+)$/m.exec(readFileSync(`/proc/${pid}/fdinfo/${number}`, 'latin1'))?.[1] ?? '0';
  return (Number.parseInt(flags, 8) & O_ACCMODE) !== constants.O_RDONLY;
}

function kindOf(stats: Stats, link: string): string {
  if (stats.isFIFO()) return 'a pipe';
  if (stats.isSocket()) return 'a socket';
  const target = readlinkSync(link);
  if (stats.isCharacterDevice() && /^\/dev\/(?:pts\/\d+|tty\w*|console)$/.test(target)) return `a terminal (${target})`;
  if (stats.isCharacterDevice() && target === '/dev/null') return '/dev/null';
  return stats.isCharacterDevice() || stats.isBlockDevice() ? 'a device' : 'no plain file';
}

const CHUNK_BYTES = 64 * 1024;
/** Interval at which the file is read again: NFS sends no notice of a change. */
const LOOK_MS = {first: 100, most: 1_000} as const;

/** What of a file is passed on. */
export interface Copying {
  /** Offset of the first byte. Absent: 0. */
  from?: number;
  follow: boolean;
  /** @returns false when nobody reads any more */
  write: (bytes: Buffer) => boolean;
}

/** Passes on what is in the file now, and with `follow` what comes until the box has ended. */
export async function copyOutput(descriptor: number, writer: ProcessId | null, {from = 0, follow, write}: Copying): Promise<void> {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let at = from;
  let waitMs: number = LOOK_MS.first;
  // a payload can write faster than the reader reads, and what is read can come back by a pipe
  const end = follow ? Infinity : fstatSync(descriptor).size;
  for (;;) {
    // asked before the last look: what was written until the end is seen
    const lives = follow && writer !== null && isRunning(writer);
    // it was cut off, and begins anew
    if (fstatSync(descriptor).size < at) at = 0;
    for (let count = 1; at < end && count > 0;) {
      count = readSync(descriptor, chunk, 0, Math.min(chunk.length, end - at), at);
      at += count;
      if (count > 0) waitMs = LOOK_MS.first;
      if (count > 0 && !write(chunk.subarray(0, count))) return;
    }
    if (!lives) return;
    await sleep(waitMs);
    waitMs = Math.min(LOOK_MS.most, 2 * waitMs);
  }
}

/** Passes on a range of a file, as far as it is there. @returns false when nobody reads any more */
export function copyRange(descriptor: number, begin: number, end: number, write: (bytes: Buffer) => boolean): boolean {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  for (let at = begin; at < end;) {
    const count = readSync(descriptor, chunk, 0, Math.min(chunk.length, end - at), at);
    if (count === 0) return true;
    at += count;
    if (!write(chunk.subarray(0, count))) return false;
  }
  return true;
}

/** Where the last lines of a range of a file begin; what is no whole line at its end is one. Read from the end, so that a large file costs no more. */
export function lastLines(descriptor: number, begin: number, end: number, lines: number): number {
  if (lines <= 0) return end;
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let left = lines;
  for (let until = end; until > begin;) {
    const from = Math.max(begin, until - CHUNK_BYTES);
    const count = readSync(descriptor, chunk, 0, until - from, from);
    for (let at = count - 1; at >= 0; at--) {
      // the newline at the very end ends the last line
      if (chunk[at] === NEWLINE && from + at !== end - 1 && --left === 0) return from + at + 1;
    }
    until = from;
  }
  return begin;
}
