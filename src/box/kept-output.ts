/**
 * What is kept of the output of a payload when its job has ended (`logs` in the policy): `logs/BOX/` below the state directory of the wrapper's
 * account, with a note of the files to which it went, and of each the beginning and the end. The payload's descriptors are the caller's own, so
 * that nothing is copied while it runs: the files are read once it has ended, where they are files.
 */

import {
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import {join} from 'node:path';
import {errnoOf, ifPossible} from '../errors.js';
import {parseMountinfo, type Mount} from '../host/mountinfo.js';
import type {LogsRule} from '../policy/policy.js';
import {isOwn, makeDirectory, namesIn} from '../record/durable.js';
import type {UsageRecord} from '../record/record.js';
import type {BoxState} from './box-state.js';
import {openOutputFile, type OutputFile} from './output-file.js';
import {pathCanHang} from './slow-output.js';

/** Standard output or standard error. */
const STREAMS = ['stdout', 'stderr'] as const;
/** One of them. */
export type StreamName = (typeof STREAMS)[number];

/** The files to which a payload's output goes; null: no file, or not known. */
export type OutputFiles = Record<StreamName, OutputFile | null>;

/** One stream of an ended job: where it was, and what is kept of it. */
interface KeptStream extends OutputFile {
  /** Offset of the output's end in the file, when the job had ended. */
  end: number;
  /** Bytes that are kept from the beginning of the output and from its end, one after the other in a file of the stream's name. */
  head: number;
  tail: number;
}

/** `note.json`: what is known of the output of an ended job. */
interface KeptNote {
  schema: 'tare/output/v1';
  boxId: string;
  recordId: string;
  /** null: it went to no file, or that could not be read any more. `stdout`: it went to the same file. */
  streams: {stdout: KeptStream | null; stderr: KeptStream | 'stdout' | null};
}

/** Name of the note, in the folder of a box. */
export const NOTE = 'note.json';
/** The folder of all that is kept for an account. */
export const keptPlace = (state: string): string => join(state, 'logs');

/** A folder in the making, by the number of the process that makes it. */
const UNFINISHED = /^[0-9a-f]+\.\d+\.tmp$/;
const FINISHED = /^[0-9a-f]+$/;
const UNFINISHED_MS = 3_600_000;
/** Most jobs of which something is kept, however little it is. */
const MOST_KEPT = 1000;

/** How much of two outputs is kept: half of it of each, and what one does not need of its half the other has. */
export function shares(lengths: Record<StreamName, number>, mostBytes: number): Record<StreamName, number> {
  const half = Math.floor(mostBytes / 2);
  const own = (length: number, other: number): number => Math.min(length, Math.max(half, mostBytes - other));
  return {stdout: own(lengths.stdout, lengths.stderr), stderr: own(lengths.stderr, lengths.stdout)};
}

/** What is kept of so many bytes: all, or the beginning and the end. */
export function cut(length: number, most: number): {head: number; tail: number} {
  if (length <= most) return {head: length, tail: 0};
  const head = Math.floor(most / 2);
  return {head, tail: most - head};
}

/** What of a job is to be kept, and by what name. */
export interface Keeping {
  /** State directory of the account. */
  state: string;
  boxId: string;
  recordId: string;
  files: OutputFiles;
  rule: LogsRule;
  /** Mounts of this process, by which files that can hang are known. Absent: as /proc has them. */
  mounts?: readonly Mount[];
}

/**
 * Keeps the output of a job that has ended, and removes what is over the policy's bounds.
 * @returns what could not be kept, each with the reason
 * @throws Error of the system, when the place for it cannot be used
 */
export function keepOutput({state, boxId, recordId, files, rule, mounts = mountsNow()}: Keeping): string[] {
  const place = keptPlace(state);
  makeDirectory(place, 0o700);
  if (!isOwn(place, process.getuid?.() ?? -1)) throw new Error(`${place} is no directory of this account that nobody else can write to`);
  const troubles: string[] = [];
  const safe = {stdout: onlySafe(files.stdout, mounts, troubles), stderr: onlySafe(files.stderr, mounts, troubles)};
  const open = openStreams(safe, troubles);
  const fresh = join(place, `${boxId}.${String(process.pid)}.tmp`);
  try {
    const most = shares({stdout: lengthOf(open.stdout), stderr: lengthOf(open.stderr === 'stdout' ? null : open.stderr)}, rule.maxBytes);
    mkdirSync(fresh, {mode: 0o700});
    const keep = (name: StreamName, stream: OpenStream | null): KeptStream | null =>
      stream === null ? null : copy(stream, most[name], join(fresh, name));
    const stdout = keep('stdout', open.stdout);
    const stderr = open.stderr === 'stdout' ? 'stdout' : keep('stderr', open.stderr);
    const note: KeptNote = {schema: 'tare/output/v1', boxId, recordId, streams: {stdout, stderr}};
    writeFileSync(join(fresh, NOTE), JSON.stringify(note), {flag: 'wx', mode: 0o600});
    // a supervisor or a sweep before this one may have come as far
    rmSync(join(place, boxId), {recursive: true, force: true});
    renameSync(fresh, join(place, boxId));
  } finally {
    for (const stream of [open.stdout, open.stderr]) if (stream !== null && stream !== 'stdout') closeSync(stream.descriptor);
    rmSync(fresh, {recursive: true, force: true});
  }
  pruneKept(state, rule);
  return troubles;
}

/**
 * Keeps the output of a box whose payload has ended, as its policy has it. Never throws: a job has ended as it has, whatever is kept of it.
 * @returns what could not be kept, each with the reason
 */
export function keepOfBox({id, plan, output, logs}: BoxState, record: UsageRecord): string[] {
  if (logs == null || output === null || !isWanted(logs, record)) return [];
  try {
    return keepOutput({state: plan.directories.state, boxId: id, recordId: record.recordId, files: output, rule: logs});
  } catch (error) {
    return [`the output of the box ${id}: ${(error as Error).message}`];
  }
}

/** Of an attempt that goes on after a checkpoint it is not known yet whether it fails. */
const isWanted = ({keep}: LogsRule, {state, outcome}: UsageRecord): boolean =>
  keep === 'all' || (keep === 'failed' && state !== 'started' && outcome.status !== 'completed');

const mountsNow = (): Mount[] => parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8'));

/** Files are read without a deadline: one on a file system that can hang would stop the supervisor, or the sweep of all boxes. */
function onlySafe(file: OutputFile | null, mounts: readonly Mount[], troubles: string[]): OutputFile | null {
  if (file === null || !pathCanHang(file.path, mounts)) return file;
  const trouble = `${file.path} lies on a network file system: its output is not kept`;
  if (!troubles.includes(trouble)) troubles.push(trouble);
  return null;
}

interface OpenStream {
  file: OutputFile;
  descriptor: number;
  begin: number;
  end: number;
}

function openStreams({stdout, stderr}: OutputFiles, troubles: string[]): {stdout: OpenStream | null; stderr: OpenStream | 'stdout' | null} {
  const first = openStream(stdout, troubles);
  const isSame = stdout !== null && stderr !== null && stdout.device === stderr.device && stdout.inode === stderr.inode;
  return {stdout: first, stderr: isSame ? 'stdout' : openStream(stderr, troubles)};
}

function openStream(file: OutputFile | null, troubles: string[]): OpenStream | null {
  if (file === null) return null;
  try {
    const descriptor = openOutputFile(file);
    if (descriptor === null) {
      troubles.push(`${file.path}: another file has its name, or none`);
      return null;
    }
    const {size} = fstatSync(descriptor);
    // what was cut off was of the job, or before it: nothing of the job is known to be left
    return {file, descriptor, begin: Math.min(file.begin ?? 0, size), end: size};
  } catch (error) {
    troubles.push(`${file.path}: ${errnoOf(error) ?? String(error)}`);
    return null;
  }
}

const lengthOf = (stream: OpenStream | null): number => (stream === null ? 0 : stream.end - stream.begin);

const PIECE = 64 * 1024;

/** Copies the beginning and the end of a stream to a new file. */
function copy({file, descriptor, begin, end}: OpenStream, most: number, path: string): KeptStream {
  const {head, tail} = cut(end - begin, most);
  const target = openSync(path, 'wx', 0o600);
  try {
    const first = copyRange(descriptor, target, begin, begin + head);
    const last = copyRange(descriptor, target, end - tail, end);
    return {...file, begin, end, head: first, tail: last};
  } finally {
    closeSync(target);
  }
}

/** @returns how many bytes there were: the file can be cut off meanwhile */
function copyRange(from: number, to: number, begin: number, end: number): number {
  const piece = Buffer.allocUnsafe(Math.max(1, Math.min(PIECE, end - begin)));
  let at = begin;
  while (at < end) {
    const count = readSync(from, piece, 0, Math.min(piece.length, end - at), at);
    if (count === 0) break;
    for (let written = 0; written < count;) written += writeSync(to, piece, written, count - written);
    at += count;
  }
  return at - begin;
}

/** Removes what is kept for longer than the policy has it, and of the rest what ended longest ago until no more is left than the policy has. */
export function pruneKept(state: string, {totalBytes, forUs}: Pick<LogsRule, 'totalBytes' | 'forUs'>, nowMs = Date.now()): void {
  const place = keptPlace(state);
  if (!isOwn(place, process.getuid?.() ?? -1)) return;
  const kept: {path: string; bytes: number; atMs: number}[] = [];
  for (const name of namesIn(place)) {
    const path = join(place, name);
    const found = lstatSync(path, {throwIfNoEntry: false});
    if (found?.isDirectory() !== true) continue;
    const ageMs = nowMs - found.mtimeMs;
    if (UNFINISHED.test(name) ? ageMs > UNFINISHED_MS : FINISHED.test(name) && ageMs > forUs / 1000) remove(path);
    else if (FINISHED.test(name)) kept.push({path, bytes: bytesIn(path), atMs: found.mtimeMs});
  }
  let bytes = 0;
  for (const [index, one] of kept.sort((a, b) => b.atMs - a.atMs).entries()) {
    bytes += one.bytes;
    if (bytes > totalBytes || index >= MOST_KEPT) remove(one.path);
  }
}

const bytesIn = (path: string): number =>
  STREAMS.reduce((sum, name) => sum + (lstatSync(join(path, name), {throwIfNoEntry: false})?.size ?? 0), 0);

/** Another process of the account may remove it at the same time. */
function remove(path: string): void {
  ifPossible(() => {
    rmSync(path, {recursive: true, force: true});
  });
}
