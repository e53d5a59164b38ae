/** From what was observed of a box to its record: cleans, looks once more, writes. */

import {notifyOuter} from '../box/outer-box.js';
import {keepOfBox} from '../box/kept-output.js';
import {readKills} from '../box/kills.js';
import {stateDirectory, type BoxState} from '../box/state.js';
import {teardown} from '../box/teardown.js';
import {readWaiting} from '../box/waiting.js';
import type {EndedObservation} from '../decide/observation.js';
import {quitOf} from '../decide/outcome.js';
import {recordOf} from '../decide/record-of.js';
import type {JobFiles} from '../files/job-files.js';
import {weighTare} from '../supervise/weigh.js';
import type {RunResult} from '../prepare/request.js';
import {epochUs, monotonicUs} from '../process/clock.js';
import type {Log} from '../process/log.js';
import {pauseAt} from '../process/pause.js';
import {comeTo} from '../process/trace.js';
import {removeUnfinished} from '../record/durable.js';
import {isUnexecuted} from '../record/outcome.js';
import {findFinal} from '../record/journal.js';
import type {UsageRecord} from '../record/record.js';
import {pathOf} from '../record/spool.js';
import {endOwn} from '../repositories/own.js';
import {lookAgain} from '../repositories/later-looks.js';
import {keep} from './following.js';
import {UNLOGGED} from './less.js';
import {store, type Stored} from './store.js';
import {failureOf} from './tell.js';

/** The state on disk stays until the batch system was told: a supervisor that follows tells it again. */
export async function finish(state: BoxState, observed: EndedObservation, files: JobFiles, log: Log): Promise<RunResult> {
  const {plan, started, id, batch} = state;
  const before = recordedBefore(state, observed);
  if (before !== null) return before;
  // a supervisor that takes over, or a sweep, finds no groups any more
  keep(state, {type: 'observed', observation: observed}, log);
  const {endedUs} = observed;
  const again = observed.executedUs === null ? null : lookAgain(plan, state.looked ?? [], endedUs, {shimKilled: observed.shimKilled, log});
  const left = await removeBox(state, observed);
  comeTo('ended', endedUs);
  comeTo('removed');
  if (left.length > 0) log.error('left behind', {left});
  pauseAt(plan.pauseAt, 'supervisor-removed');
  const kills = readKills(stateDirectory(plan, id));
  const cvmfs = await again;
  // the box is gone, and with it what used them
  left.push(...(await endOwn(state.looked ?? [], cvmfs ?? [])));
  const {record, outcome} = recordOf(state, observed, {
    ...{kills, cvmfs, left},
    checkpoint: batch.checkpoint,
    now: {us: monotonicUs(), epochUs: epochUs()},
    tare: weighOwn(state, observed, endedUs),
    flags: log.trouble() === null ? [] : [UNLOGGED],
  });
  if (observed.supervisorsLost > 0) for (const spool of plan.directories.spools) removeUnfinished(pathOf(spool, started.recordId));
  const isUnrun = observed.executedUs === null || isUnexecuted(outcome);
  const messages = isUnrun && outcome.reason !== null ? [outcome.reason] : [];
  const stored = store({places: plan.directories, id, copy: state.recordCopy, files, messages, log}, record);
  if (stored.path !== null) keep(state, {type: 'recorded'}, log);
  for (const trouble of keepOfBox(state, stored.record)) log.warn('output is not kept', {trouble});
  comeTo('recorded');
  await notifyOuter(state.outer ?? null, stored.record);
  pauseAt(plan.pauseAt, 'supervisor-recorded');
  const {status, exitCode, signal, reason} = outcome;
  log.info('ended', {status, exitCode, signal, reason, record: stored.path ?? stored.waits});
  return resultOf(stored.record, stored, messages, observed);
}

/** A supervisor died between its record and its end; else such a record is not ours. */
function recordedBefore({plan, started, id}: BoxState, observed: EndedObservation): RunResult | null {
  if (observed.supervisorsLost === 0) return null;
  const before = findFinal(plan.directories.spools, started.recordId);
  if (before !== null) return resultOf(before.record, {path: before.path, waits: null}, [], observed);
  const directory = stateDirectory(plan, id);
  const waiting = readWaiting(directory, plan.directories, id);
  return waiting === null ? null : resultOf(waiting, {path: null, waits: directory}, [], observed);
}

/** What cannot be killed has it still: a sweep removes it later. @returns what is left, each with the reason */
async function removeBox({plan, id, undo}: BoxState, {unkillable}: EndedObservation): Promise<string[]> {
  if (unkillable) return [`processes of ${id}, which cannot be killed`];
  return teardown(undo, id, (obeyed) => {
    pauseAt(plan.pauseAt, `supervisor-undo-${String(obeyed)}`);
  });
}

/** What Tare itself cost; the end of the teardown is now. */
const weighOwn = (
  {shimStartedUs}: BoxState,
  {executedUs, processes, init, engine}: EndedObservation,
  endedUs: number,
): UsageRecord['tare'] =>
  weighTare(
    {
      launchUs: executedUs === null ? null : executedUs - shimStartedUs,
      teardownUs: executedUs === null ? null : monotonicUs() - endedUs,
    },
    processes,
    init,
    engine,
  );

function resultOf(
  record: UsageRecord,
  {path, waits}: Pick<Stored, 'path' | 'waits'>,
  messages: string[],
  observed: EndedObservation,
): RunResult {
  const quit = quitOf(observed, record.outcome);
  return {quit, record, path, waits, messages, failure: failureOf(record, quit), signals: observed.noted};
}
