/** The jobs of this node that have ended, by the records that are still in a spool. */

import {lstatSync} from 'node:fs';
import {hostname} from 'node:os';
import {ifPossible, TareError} from '../errors.js';
import {readOne, type ReadRecord} from '../export/export.js';
import {isClosed} from '../export/view.js';
import {placesOf, sealedPlace} from '../policy/places.js';
import type {Policy} from '../policy/policy.js';
import {recordFilesIn, type RecordFile, type SpoolEvents} from '../record/read.js';
import {userSpools} from '../box/user-places.js';
import {text as textAt, value} from './box-view.js';
import {ambiguous, choose, type Named} from './choose.js';

/** A record, and the id that its box had; null: the record is of a version that did not tell. */
export interface EndedJob extends ReadRecord {
  boxId: string | null;
}

/** Records of jobs that are over. */
export interface EndedJobs {
  /** The newest first. */
  jobs: EndedJob[];
  /** There are more files than were looked at. */
  cut: boolean;
}

/** Most files of a spool that are searched for the newest records. */
const MOST_FILES = 20_000;
/** Some of the newest are of jobs that still run, or of other nodes where the spool is shared. */
const READ_FOR_ONE = 8;
/** Most records that are read to find those of a name, of a box, or those that pass a filter: some 0.1 ms each. */
const MOST_READ = 2000;
/** As many characters of a record's id are enough to know that it is meant; `tare ps -a` showed that many of records without a box's id. */
const SHORT_ID = 8;

/**
 * The caller's own; for root those of all users. What cannot be read is left out.
 * @param most so many at most
 * @param wanted only those; null: all
 */
export function endedJobs(policy: Policy, uid: number, most: number, wanted: ((job: EndedJob) => boolean) | null = null): EndedJobs {
  const {files, cut} = newest(spoolsFor(policy, uid), uid);
  const node = hostname();
  const jobs = new Map<string, EndedJob>();
  for (const file of files.slice(0, wanted === null ? most * READ_FOR_ONE : Math.max(MOST_READ, most * READ_FOR_ONE))) {
    if (jobs.size >= most) break;
    const job = readJob(file);
    if (job !== null && isClosed(job.record) && job.record.host.node === node && !jobs.has(file.id) && wanted?.(job) !== false)
      jobs.set(file.id, job);
  }
  return {jobs: [...jobs.values()], cut};
}

/**
 * The ended job of this node that a word means: the id of its box or its record, the beginning of one, or its name.
 * @throws TareError BOX_UNKNOWN, BOX_AMBIGUOUS
 */
export function findEnded(policy: Policy, uid: number, word: string): EndedJob {
  const node = hostname();
  const found = findRecords(spoolsFor(policy, uid), word, {uid}).filter(({record}) => isClosed(record) && record.host.node === node);
  const [job, ...others] = found;
  if (job === undefined) {
    const whose = uid === 0 ? '' : ' that is yours';
    throw new TareError('BOX_UNKNOWN', {
      message: `no job of that id or name${whose} on this node, live or ended`,
      found: word,
      remedy: '`tare ps -a` lists them; a record that a collector took from the spool is not seen',
    });
  }
  if (others.length > 0) throw severalRecords(word, found);
  return job;
}

/** That a word means several records, which it lists, the newest first. */
export const severalRecords = (word: string, found: readonly EndedJob[]): TareError => {
  const shown = found.map(({record: {recordId, payload, time}}) => {
    const ended = time.endEpochUs === null ? [] : [new Date(time.endEpochUs / 1000).toISOString().replace(/\.\d+/, '')];
    return `${recordId} (${[payload.name ?? '-', ...ended].join(', ')})`;
  });
  return ambiguous(word, 'records', shown);
};

/**
 * All records that a word means, the newest first. Those that it means by more than a record's id are looked for among the newest alone.
 * @param uid only files of that account, but for root; absent: all that can be read
 */
export function findRecords(
  spools: readonly string[],
  word: string,
  {uid = 0, events}: {uid?: number; events?: SpoolEvents} = {},
): EndedJob[] {
  const {files} = newest(spools, uid, {events, word});
  const byId = choose(files, word);
  const isPlain = byId.length > 0 && (word.length >= SHORT_ID || byId[0]?.id === word);
  const jobs = isPlain ? byId.flatMap((file) => readJob(file) ?? []) : choose(named(files), word).map(({job}) => job);
  // one that was sealed, or moved, can be in two places
  return jobs.filter(({record}, index) => jobs.findIndex((other) => other.record.recordId === record.recordId) === index);
}

function* named(files: readonly Filed[]): Generator<Named & {job: EndedJob}> {
  for (const file of files.slice(0, MOST_READ)) {
    const job = readJob(file);
    if (job === null) continue;
    const {record, boxId} = job;
    yield {ids: boxId === null ? [record.recordId] : [boxId, record.recordId], name: record.payload.name, job};
  }
}

interface Filed extends RecordFile, Named {
  writtenMs: number;
}

const spoolsFor = (policy: Policy, uid: number): readonly string[] =>
  uid === 0 ? [sealedPlace(policy), ...userSpools(policy)] : placesOf(policy, uid).spools;

/** Files of records, the newest first. @param word those whose id begins so are among them, however many there are */
function newest(spools: readonly string[], uid: number, {events, word = ''}: Looking = {}): {files: Filed[]; cut: boolean} {
  const files: Filed[] = [];
  let looked = 0;
  for (const {path, id} of recordFilesIn(spools, events)) {
    const isMeant = word !== '' && id.startsWith(word);
    if (!isMeant && ++looked > MOST_FILES) {
      if (word === '') break;
      continue;
    }
    const found = lstatSync(path, {throwIfNoEntry: false});
    if (found?.isFile() === true && (uid === 0 || found.uid === uid))
      files.push({path, id, ids: [id], name: null, writtenMs: found.mtimeMs});
  }
  files.sort((a, b) => b.writtenMs - a.writtenMs);
  return {files, cut: looked > MOST_FILES};
}

interface Looking {
  events?: SpoolEvents | undefined;
  word?: string;
}

const readJob = ({path, id}: RecordFile): EndedJob | null =>
  ifPossible(() => {
    const found = readOne(path, id);
    return found === null ? null : {...found, boxId: textAt(JSON.parse(found.text), 'boxId')};
  });

/** Names of the applications of an ended job; none where it had one payload. */
export function applicationsOf({text}: EndedJob): string[] {
  const written = value(JSON.parse(text), 'applications');
  return Array.isArray(written) ? written.flatMap((one: unknown) => textAt(one, 'name') ?? []) : [];
}
