/**
 * The reports of all accounts: a directory of root's that all may write to and only root may list (mode 1733), with one file for each
 * account, which that account appends to. Where an account's own folders are broken it can report that all the same; and nobody can write,
 * remove or exchange another's.
 */

import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  opendirSync,
  openSync,
  readSync,
  renameSync,
  rmdirSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import {basename, dirname, join} from 'node:path';
import {randomName} from '../builtin.js';
import {ifPossible} from '../errors.js';
import type {NodePlaces} from '../policy/places.js';
import {isOwn, makeDirectory, PLAIN, withFile} from '../record/durable.js';
import {formatReport, parseReports, type NewReport, type Report} from './report.js';

const FOLDER = 'reports';
/** Most bytes of one account's file; only its end is read, and older lines are removed when it grows beyond. */
const MOST_BYTES = 64 * 1024;
/** What is kept of a file that grew beyond. */
const KEPT_BYTES = 16 * 1024;
const MOST_ACCOUNTS = 1000;
/** Names that are looked at: an account can make as many as the disk has room for. */
const MOST_NAMES = 20_000;
/** `UID`, or `UID.N` where another account has taken that name. */
const NAME = /^(0|[1-9]\d{0,9})(?:\.[1-9])?$/;
const NAMES_OF_ONE = 10;
const HOUR_MS = 3_600_000;

/** Reports something of this node. Never throws and never blocks: the job matters more than the report. */
export function reportNode(places: NodePlaces, report: NewReport): void {
  ifPossible(() => {
    const folder = folderToWrite(places);
    namesOf(places.uid).some((name) => append(join(folder, name), places.uid, report));
  }); // a node on which nothing can be written is what the probe sees
}

/** Reads reports: root those of all accounts, another account its own. null: they cannot be read. Never throws. */
export const readReports = (places: NodePlaces, nowMs: number): Report[] | null =>
  ifPossible(() => {
    const shared = sharedFolder(places);
    if (places.uid === 0) return shared === null ? [] : readAll(shared, nowMs);
    const folders = [shared, ownFolder(places)].filter((folder) => folder !== null);
    return folders.flatMap((folder) => readOf(folder, places.uid, namesOf(places.uid), nowMs)).sort((a, b) => a.epochMs - b.epochMs);
  });

/**
 * Makes the place that all accounts report to, as root; and takes away names that another account has taken.
 * @throws Error when it cannot be made, or is not root's
 */
export function openReports(places: NodePlaces): string {
  const folder = makeShared(places);
  for (const {name, uid} of entries(folder)) {
    const found = lstatSync(join(folder, name), {throwIfNoEntry: false});
    if (found !== undefined && found.uid !== uid) takeAway(join(folder, name), found.isDirectory());
  }
  return folder;
}

/** Root never walks a tree that another account can change meanwhile: a directory with something in it is only moved aside. */
function takeAway(path: string, isDirectory: boolean): void {
  try {
    if (isDirectory) rmdirSync(path);
    else unlinkSync(path);
  } catch {
    if (!basename(path).startsWith(ASIDE)) renameSync(path, join(dirname(path), `${ASIDE}${randomName(6)}`));
  }
}

const ASIDE = 'aside.';

const namesOf = (uid: number): string[] =>
  Array.from({length: NAMES_OF_ONE}, (_, n) => (n === 0 ? String(uid) : `${String(uid)}.${String(n)}`));

/** Root's place, when it is one that no other account can have put in our way. */
function sharedFolder({shared, uid}: NodePlaces): string | null {
  const folder = join(shared, FOLDER);
  return isOwn(shared, uid) && isOwn(folder, uid) ? folder : null;
}

function ownFolder({own, uid}: NodePlaces): string | null {
  return isOwn(dirname(own), uid) && isOwn(own, uid) && isOwn(join(own, FOLDER), uid) ? join(own, FOLDER) : null;
}

/** @throws Error */
function folderToWrite(places: NodePlaces): string {
  const shared = sharedFolder(places);
  if (shared !== null) return shared;
  if (places.uid === 0) return makeShared(places);
  makeDirectory(dirname(places.own), 0o711);
  makeDirectory(places.own, 0o755);
  makeDirectory(join(places.own, FOLDER), 0o700);
  const own = ownFolder(places);
  if (own === null) throw new Error(`${places.own} is not this account's`);
  return own;
}

/** @throws Error */
function makeShared(places: NodePlaces): string {
  const {shared} = places;
  const folder = join(shared, FOLDER);
  if (sharedFolder(places) === null) {
    makeDirectory(dirname(shared), 0o711);
    makeDirectory(shared, 0o755);
    makeDirectory(folder, 0o700);
    if (sharedFolder(places) === null) throw new Error(`${folder} is no directory of root's that nobody else can write to`);
  }
  if ((lstatSync(folder).mode & 0o7777) !== 0o1733) chmodSync(folder, 0o1733); // whatever the umask
  return folder;
}

/** @returns false when the name is another's */
function append(path: string, uid: number, report: NewReport): boolean {
  const {O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK} = constants;
  const descriptor = ifPossible(() => openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600));
  if (descriptor === null) return false;
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile() || stats.nlink !== 1 || stats.uid !== uid) return false;
    const nowMs = Date.now();
    if (report.kind === 'started' && hasStarted(tail(descriptor, stats.size, MOST_BYTES), uid, nowMs)) return true;
    const line = formatReport(report, nowMs);
    let kept = '';
    if (stats.size + line.length > MOST_BYTES) {
      const end = tail(descriptor, stats.size, KEPT_BYTES);
      kept = end.slice(end.indexOf('\n') + 1);
      ftruncateSync(descriptor, 0);
    }
    writeSync(descriptor, kept + line);
    return true;
  } finally {
    closeSync(descriptor);
  }
}

const hasStarted = (text: string, uid: number, nowMs: number): boolean =>
  parseReports(text, uid, nowMs).some(({kind, epochMs}) => kind === 'started' && epochMs > nowMs - HOUR_MS);

function tail(descriptor: number, size: number, most: number): string {
  const length = Math.min(size, most);
  const bytes = Buffer.alloc(length);
  const got = readSync(descriptor, bytes, 0, length, size - length);
  return bytes.toString('latin1', 0, got);
}

function* entries(folder: string): Generator<{name: string; uid: number}> {
  const directory = opendirSync(folder);
  try {
    for (let seen = 0; seen < MOST_NAMES; seen++) {
      const entry = directory.readSync();
      if (entry === null) return;
      const uid = NAME.exec(entry.name)?.[1];
      // a file without a report's name belongs to no account
      yield {name: entry.name, uid: uid === undefined ? -1 : Number(uid)};
    }
  } finally {
    directory.closeSync();
  }
}

function readAll(folder: string, nowMs: number): Report[] {
  const names = new Map<number, string[]>();
  for (const {name, uid} of entries(folder)) {
    if (uid < 0 || (!names.has(uid) && names.size >= MOST_ACCOUNTS)) continue;
    names.set(uid, [...(names.get(uid) ?? []), name]);
  }
  return [...names].flatMap(([uid, all]) => readOf(folder, uid, all, nowMs)).sort((a, b) => a.epochMs - b.epochMs);
}

const readOf = (folder: string, uid: number, names: readonly string[], nowMs: number): Report[] =>
  parseReports(names.map((name) => textOf(join(folder, name), uid)).join('\n'), uid, nowMs);

/** The text of a report; empty where it is not a plain file of that account with one name. Follows no links and does not block on a named pipe. */
function textOf(path: string, uid: number): string {
  const read = (descriptor: number): string => {
    const stats = fstatSync(descriptor);
    return stats.isFile() && stats.nlink === 1 && stats.uid === uid ? tail(descriptor, stats.size, MOST_BYTES) : '';
  };
  return ifPossible(() => withFile(path, PLAIN, read)) ?? '';
}
