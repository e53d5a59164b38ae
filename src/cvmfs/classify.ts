/** From what a look at a repository found to whether it can be used, and to the record's entry. Pure. */

import type {UsageRecord} from '../schema/generated/record-2.js';
import {wholeNumber, type Answer} from './answer.js';

export type Entry = UsageRecord['cvmfs'][number];
type State = Entry['state'];

/** What a look before the payload found. */
export interface ProbeResult {
  entry: Entry;
  /** What the client had counted (user.nioerr); null: it does not tell. */
  errors: number | null;
  /** What it had fetched; absent: not asked for. */
  fetched?: Fetched;
  /** Where Tare has mounted it; absent: it is the node's. */
  own?: OwnMount;
  /** Why its client was ended before the box was gone; absent: it was not. */
  clientEnded?: string;
}

/** Counters of a client; null: it does not tell. */
export interface Fetched {
  /** user.ndownload */
  files: number | null;
  /** user.rx, in KiB */
  kib: number | null;
}

/** A repository that was mounted for the job. */
export interface OwnMount {
  /** Process 1 of the client's namespaces: in its mounts the repository is, and with it all of it ends. */
  mounter: {pid: number; startTicks: number};
  /** The directory with all files of the client. */
  folder: string;
  /** The mount point, in the mounter's mounts. */
  place: string;
}

/** A repository's state, and why it is not ok. */
export interface RepositoryState {
  state: State;
  /** For people; null when it is ok. */
  reason: string | null;
}

/** Which repository is looked at, and how old it may be. */
export interface Wanted {
  repository: string;
  minimumRevision: number | null;
}

const ENOENT = 2;
const ELOOP = 40;
const ENOTCONN = 107;

/** What a step of the look is, for people. */
const STEPS: Readonly<Record<string, string>> = {
  join: 'joining the mounts that its client serves',
  root: 'looking at the directory of all repositories',
  open: 'opening it, which mounts it',
  statfs: 'asking for its size',
  list: 'reading its directory',
  attributes: 'reading what its client says of itself',
  other: 'waiting for another look at it',
};

/** What an error means here. */
const MEANINGS: Readonly<Record<number, string>> = {
  [ENOTCONN]: 'its client has died',
  [ELOOP]: 'its automounter cannot mount it in this mount namespace',
};

/** Turns the answer of a look into a state; the first thing that is wrong decides. */
export function classify(answer: Answer, {repository, minimumRevision}: Wanted): RepositoryState {
  const step = STEPS[answer.step ?? ''] ?? 'the look at it';
  if (answer.late) return {state: 'hung', reason: `no answer in ${String(Math.round((answer.us ?? 0) / 1e5) / 10)} s: ${step}`};
  if (answer.errno === ENOENT && answer.step === 'open') {
    const how =
      answer.automount === true ? 'the automounter did not mount it' : answer.root === false ? 'there is no CVMFS' : 'no such directory';
    return {state: 'absent', reason: how};
  }
  if (answer.errno !== null || !answer.done) {
    if (answer.step === 'join') return {state: 'broken', reason: `${step}: ${answer.error ?? 'it ended early'}: its client has died`};
    const meaning = answer.errno === null ? undefined : MEANINGS[answer.errno];
    const said = answer.error ?? 'it ended early';
    return {state: 'broken', reason: `${step}: ${meaning === undefined ? said : `${said}: ${meaning}`}`};
  }
  if (answer.mounted === '' && answer.entries === false) return {state: 'absent', reason: 'an empty directory, nothing is mounted there'};
  const {fqrn} = answer.attributes;
  if (fqrn !== undefined && fqrn !== repository) return {state: 'broken', reason: `it is another repository: ${fqrn}`};
  const revision = wholeNumber(answer.attributes['revision']);
  if (minimumRevision !== null && revision !== null && revision < minimumRevision)
    return {state: 'stale', reason: `revision ${String(revision)} is older than ${String(minimumRevision)}`};
  return {state: 'ok', reason: null};
}

/** The entry before the payload runs. `own`: it was mounted for this job. */
export function entryOf({repository}: Wanted, answer: Answer, {state, reason}: RepositoryState, own = false): Entry {
  const {attributes, before, mounted} = answer;
  const hasMount = mounted !== null && mounted !== '';
  return {
    repository,
    revision: wholeNumber(attributes['revision']),
    probedEpochUs: answer.epochUs,
    state,
    reason,
    probeUs: answer.us,
    mounted: own ? 'tare' : hasMount ? (before === '' ? 'automount' : 'before') : null,
    fileSystem: hasMount ? mounted : null,
    rootHash: attributes['root_hash'] ?? null,
    clientVersion: attributes['version'] ?? null,
    server: attributes['host'] ?? null,
    proxy: attributes['proxy'] ?? null,
    hitRate: null,
    stateAtEnd: null,
    reasonAtEnd: null,
    revisionAtEnd: null,
    rootHashAtEnd: null,
    ioErrorsGained: null,
    downloads: null,
    downloadedBytes: null,
    offline: answer.offline,
    clientCpuUs: null,
    clientMemoryBytes: null,
    timeouts: null,
  };
}

/** The first look's entry with the result of a look after the payload's end. `errorsBefore`: what the client had counted at the first look. */
export function closeEntry(
  entry: Entry,
  answer: Answer,
  errorsBefore: number | null,
  fetchedBefore: Fetched = {files: null, kib: null},
): Entry {
  const {attributes} = answer;
  const {state, reason} = classify(answer, {repository: entry.repository, minimumRevision: null});
  const errors = wholeNumber(attributes['nioerr']);
  const gained = errors === null || errorsBefore === null ? null : errors - errorsBefore;
  const before = entry.mounted === 'tare' ? {files: 0, kib: 0} : fetchedBefore;
  const {files, kib} = fetchedOf(answer);
  const bytes = gainOf(kib, before.kib);
  return {
    ...entry,
    hitRate: decimal(attributes['hitrate']),
    stateAtEnd: state === 'stale' ? 'ok' : state,
    reasonAtEnd: reason,
    revisionAtEnd: wholeNumber(attributes['revision']),
    rootHashAtEnd: attributes['root_hash'] ?? null,
    // a client that was started anew counts from 0
    ioErrorsGained: gained === null || gained < 0 ? null : gained,
    downloads: gainOf(files, before.files),
    downloadedBytes: bytes === null ? null : bytes * KIB,
    offline: answer.offline,
  };
}

const KIB = 1024;

/** What the client fetched since it was mounted: files, and KiB (extended attributes `ndownload` and `rx`); null: unknown. */
export const fetchedOf = ({attributes}: Answer): Fetched => ({
  files: wholeNumber(attributes['ndownload']),
  kib: wholeNumber(attributes['rx']),
});

/** null also where it was started anew, and counts from 0. */
const gainOf = (after: number | null, before: number | null): number | null =>
  after === null || before === null || after < before ? null : after - before;

/** A repository that the payload had, and had no longer at its end. */
export const wasLost = ({state, stateAtEnd}: Entry): boolean => state === 'ok' && stateAtEnd !== null && stateAtEnd !== 'ok';

/** The same for a repository whose client Tare ended, because the payload could not be ended: no client is left that could answer. */
export const closeEnded = (entry: Entry, because: string): Entry => ({
  ...entry,
  stateAtEnd: 'hung',
  reasonAtEnd: `${because}: Tare ended its client`,
});

function decimal(text: string | undefined): number | null {
  const value = text === undefined || !/^\d+(\.\d+)?$/.test(text.trim()) ? NaN : Number(text);
  return Number.isFinite(value) ? value : null;
}
