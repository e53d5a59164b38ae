/** One box whose wrapper is gone: claimed, stopped, weighed, removed, and its record closed. */

import {renameSync, rmSync, statSync} from 'node:fs';
import {join} from 'node:path';
import type {Happening} from '../box/events.js';
import {keepOfBox} from '../box/kept-output.js';
import {readKills} from '../box/kills.js';
import {readState} from '../box/state-read.js';
import {emit, readSeen, type BoxState} from '../box/state.js';
import {stopBox, teardown} from '../box/teardown.js';
import {readWaiting, removeWaiting, waitingSinceMs} from '../box/waiting.js';
import {openGroups, verdictFromOutside, type Groups, type MemoryEvents} from '../cgroup/manager.js';
import type {EndedObservation} from '../decide/observation.js';
import {recordOf} from '../decide/record-of.js';
import {asTareError, TareError} from '../errors.js';
import {weighPayload} from '../supervise/weigh.js';
import type {Places} from '../policy/places.js';
import {pauseAt} from '../process/pause.js';
import {presenceOf, type Here} from '../process/presence.js';
import {isRunning, processId} from '../process/process.js';
import {removeUnfinished} from '../record/durable.js';
import {find, journal} from '../record/journal.js';
import {NO_MARKS} from '../record/observed.js';
import {lostRecordOf} from '../record/of-box.js';
import {NO_TARE, NO_USAGE, type UsageRecord} from '../record/record.js';
import {isClosed, pathOf} from '../record/spool.js';
import {REASONS, type Over, type Swept} from './swept.js';

/** A folder without a readable state is one that is just being made, or that a crash left half made. */
export const HALF_MADE_MS = 60_000;
/** A wrapper that cannot be seen from here has told its batch system of the end by then, and needs its record no more. */
const TOLD_MS = 600_000;

interface How {
  patienceMs: number;
  pauses: readonly string[];
  /** Of the account, by the policy of today. */
  places: Places;
}

interface Sweeping {
  directory: string;
  presence: Over;
  /** Something has happened to the box. */
  note: (happening: Happening) => void;
}

/** `ID`, or `ID.sweep-PID-STARTTICKS` when a sweep has claimed it. */
const NAME = /^([0-9a-f]+)(?:\.sweep-(\d+)-(\d+))?$/;

/** @returns null where there was nothing to do. @throws TareError SPOOL_UNWRITABLE */
export async function sweepBox(folder: string, name: string, at: Here, how: How): Promise<Swept | null> {
  const [, id, pid, startTicks] = NAME.exec(name) ?? [];
  const directory = join(folder, name);
  if (id === undefined || (pid !== undefined && isRunning({pid: Number(pid), startTicks: Number(startTicks)}))) return null;
  const state = stateIn(directory);
  if (state === null) return writeOfNoBox(directory, id, how) ?? removeHalfMade(directory);
  const presence = presenceOf(state.started, at);
  if (presence === 'unknown') return writeOfUnseen(state, directory, how);
  if (presence === 'here') return null;
  const claimed = claim(folder, id, name);
  // read again: what was read before the claim may be older
  const box = claimed === null ? null : stateIn(claimed);
  return claimed === null || box === null ? null : close(box, claimed, presence, how);
}

/** Renaming is what only one can do. @returns the folder's new place, null when another was faster */
function claim(folder: string, id: string, name: string): string | null {
  const self = processId(process.pid);
  const claimed = join(folder, `${id}.sweep-${String(process.pid)}-${String(self?.startTicks ?? 0)}`);
  try {
    renameSync(join(folder, name), claimed);
    return claimed;
  } catch {
    return null;
  }
}

/** Stops, weighs, removes, records; the folder goes last, so that a sweep after a crash finds it. */
async function close(box: BoxState, directory: string, presence: Over, {patienceMs, pauses, places}: How): Promise<Swept> {
  const {plan, started, id} = box;
  const {recordId} = started;
  const spools = spoolsOf(box, places);
  const waiting = readWaiting(directory, plan.directories, id);
  const groups = openGroups(plan.steps, id);
  pauseAt(pauses, 'sweep-claimed');
  if (presence === 'gone' && !(await stopBox(box.undo, id, box.init, patienceMs))) {
    return {recordId, result: 'left', message: `processes of the box ${id} cannot be killed; the next sweep tries again`};
  }
  const note = (happening: Happening): void => {
    emit(box, happening, directory);
    pauseAt(pauses, `sweep-${happening.type}`);
  };
  const record =
    waiting ?? (box.observed == null ? lostRecord(box, groups, {directory, presence, note}) : endedRecord(box, box.observed, directory));
  const left = await teardown(box.undo, id, (obeyed) => {
    pauseAt(pauses, `sweep-undo-${String(obeyed)}`);
  });
  pauseAt(pauses, 'sweep-removed');
  const closed = box.recorded || isClosed(find(spools, recordId)?.record ?? null);
  if (!closed) {
    if (waiting === null) journal(spools, record);
    else writeWaiting(spools, waiting);
    note({type: 'recorded'});
  }
  for (const spool of spools) removeUnfinished(pathOf(spool, recordId));
  // nobody is told what could not be kept: the account has its output where it sent it
  keepOfBox(box, find(spools, recordId)?.record ?? record);
  // what is left is looked at again: its folder says where it is
  if (left.length > 0) return {recordId, result: 'left', message: `cannot be removed: ${left.join(', ')}`};
  removeWaiting(plan.directories, id);
  rmSync(directory, {recursive: true, force: true});
  if (closed) return {recordId, result: 'cleaned', message: 'its wrapper was killed after its end'};
  return waiting === null ? {recordId, result: 'closed', message: REASONS[presence]} : {recordId, result: 'written', message: WRITTEN};
}

const WRITTEN = 'no spool had taken its record';

/** The job's own, and those of today: a policy may have been mended since. */
const spoolsOf = ({plan}: BoxState, {spools}: Places): string[] => [...new Set([...plan.directories.spools, ...spools])];

/** @throws TareError SPOOL_UNWRITABLE: it waits on */
function writeWaiting(spools: readonly string[], record: UsageRecord): void {
  try {
    journal(spools, record);
  } catch (error) {
    const {message} = asTareError(error);
    throw new TareError('SPOOL_UNWRITABLE', {message: `the record ${record.recordId} waits for a spool: ${message}`, cause: error});
  }
}

/** Writes the waiting record of a job that was not run; null when none waits. @throws TareError SPOOL_UNWRITABLE */
function writeOfNoBox(directory: string, id: string, {places}: How): Swept | null {
  const record = readWaiting(directory, places, id);
  if (record === null) return null;
  const {recordId} = record;
  if (!isClosed(find(places.spools, recordId)?.record ?? null)) writeWaiting(places.spools, record);
  removeWaiting(places, id);
  rmSync(directory, {recursive: true, force: true});
  return {recordId, result: 'written', message: WRITTEN};
}

/** A wrapper that cannot be seen from here is touched only when it was at its very end: with its record in the folder nothing is left of it. */
function writeOfUnseen(box: BoxState, directory: string, {places}: How): Swept | null {
  const since = waitingSinceMs(directory);
  if (since === null || Date.now() - since < TOLD_MS) return null;
  const record = readWaiting(directory, box.plan.directories, box.id);
  if (record === null || record.flags.includes('left-behind')) return null;
  const {recordId} = record;
  const spools = spoolsOf(box, places);
  if (!isClosed(find(spools, recordId)?.record ?? null)) writeWaiting(spools, record);
  removeWaiting(box.plan.directories, box.id);
  rmSync(directory, {recursive: true, force: true});
  return {recordId, result: 'written', message: WRITTEN};
}

/** Of a wrapper that was killed before its end. What is noted is kept: a sweep that follows finds no groups any more. */
function lostRecord(box: BoxState, groups: Groups, {directory, presence, note}: Sweeping): UsageRecord {
  const {startEpochUs, noted, stop} = box;
  const seen = readSeen(directory);
  const counted =
    box.weighed !== null || presence !== 'gone'
      ? null
      : weighPayload(box.plan, groups, {sampler: null, levels: null, init: null, applications: []});
  const weighing =
    box.weighed ??
    (counted !== null && hasFigures(counted.usage) ? counted : (seen?.weighing ?? {usage: NO_USAGE, applications: [], flags: []}));
  const before = box.memoryBefore as MemoryEvents;
  const oom = box.oom ?? (presence === 'gone' ? (groups.verdict(before, groups.memoryEvents()) ?? verdictFromOutside(before)) : null);
  note({type: 'weighed', weighing});
  note({type: 'killed-by', oom});
  // what its wrapper saw of a payload that was only observed
  const marks = weighing.marks ?? seen?.weighing.marks ?? NO_MARKS;
  const remains = {reason: REASONS[presence], startEpochUs, seen, noted, ...weighing, oom, stop, kills: readKills(directory)};
  return lostRecordOf(box, {...remains, marks});
}

/** Of a wrapper that was killed when its box was empty, and had noted how that ended: what it would have written, but for what Tare itself cost. */
function endedRecord(box: BoxState, observed: EndedObservation, directory: string): UsageRecord {
  const found = {kills: readKills(directory), cvmfs: null, left: [], now: null, tare: NO_TARE, flags: ['supervisor-lost']};
  return recordOf(box, observed, {...found, checkpoint: box.batch.checkpoint}).record;
}

/** A group that is gone tells nothing. */
const hasFigures = ({cpuUserUs, memPeakBytes}: UsageRecord['usage']): boolean => cpuUserUs !== null || memPeakBytes !== null;

/** null: it cannot be read. */
export function stateIn(directory: string): BoxState | null {
  try {
    const state = readState(directory);
    return Array.isArray(state.plan.steps) && typeof state.started.recordId === 'string' ? state : null;
  } catch {
    return null;
  }
}

function removeHalfMade(directory: string): Swept | null {
  if (!isOld(directory)) return null;
  rmSync(directory, {recursive: true, force: true});
  return {recordId: null, result: 'cleaned', message: `${directory} was begun and never finished`};
}

function isOld(directory: string): boolean {
  const found = statSync(directory, {throwIfNoEntry: false});
  return found !== undefined && Date.now() - found.mtimeMs > HALF_MADE_MS;
}
