/** From a life that is over to its record: weighs, cleans, judges, writes. */

import {tellAround} from '../box/around.js';
import {readKills} from '../box/kills.js';
import {stateDirectory, type BoxState} from '../box/state.js';
import {teardown} from '../box/teardown.js';
import {readWaiting} from '../box/waiting.js';
import type {Groups} from '../cgroup/manager.js';
import {wasLost} from '../cvmfs/judge.js';
import type {JobFiles} from '../files/job-files.js';
import type {Cause} from '../follow/gathering.js';
import type {Life} from '../follow/life.js';
import {weighPayload, weighTare} from '../follow/weigh.js';
import type {RunResult} from '../prepare/request.js';
import {epochUs, monotonicUs} from '../process/clock.js';
import type {Log} from '../process/log.js';
import {pauseAt} from '../process/pause.js';
import {removeUnfinished} from '../record/durable.js';
import {findFinal} from '../record/journal.js';
import {NO_MARKS} from '../record/observed.js';
import {closedRecordOf} from '../record/of-box.js';
import {checkpointOutcome, hasCheckpoint, sentReason, type Outcome} from '../record/outcome.js';
import {NO_TIME, NO_USAGE, type RecordTime, type RecordUsage, type UsageRecord} from '../record/record.js';
import {pathOf} from '../record/spool.js';
import {endOwn} from '../repositories/own.js';
import {lookAgain} from '../repositories/later-looks.js';
import type {PlannedLimit} from '../schema/generated/plan-1.js';
import {UNLOGGED} from './less.js';
import {keep} from './live-box.js';
import {outcomeOf, quitOf} from './outcome.js';
import {store, type Stored} from './store.js';
import {failureOf} from './tell.js';

/** The state on disk stays until the batch system was told: a brain that follows tells it again. */
export async function finish(state: BoxState, groups: Groups, life: Life, files: JobFiles, log: Log): Promise<RunResult> {
  const {plan, started, id} = state;
  const before = recordedBefore(state, life);
  if (before !== null) return before;
  const {sampler, levels, init, observation} = life;
  const {bytes, source} = life.scratch?.peak() ?? {bytes: null, source: null};
  const weighing =
    state.weighed ?? weighPayload(plan, groups, {sampler, levels, init, applications: life.applications?.totals() ?? [], observation});
  const scratchPeak = bytes === null ? {} : {scratchPeakBytes: bytes, scratchPeakSource: source};
  // whoever follows finds no groups any more
  keep(state, {type: 'weighed', weighing: {...weighing, usage: {...weighing.usage, ...scratchPeak}}}, log);
  const {usage, applications, flags: weighed} = state.weighed ?? weighing;
  const flags = [...weighed];
  // with what services said, which is about to be removed
  const parts = life.applications?.report(applications, life.verdict?.whose ?? null) ?? life.gathering?.report(causeOf(life), life.noted);
  const endedUs = life.init?.endedUs ?? monotonicUs();
  const again = life.executedUs === null ? null : lookAgain(plan, state.looked ?? [], endedUs, {frontLost: life.frontLost, log});
  const left = await removeBox(state, life);
  if (left.length > 0) log.error('left behind', {left});
  pauseAt(plan.pauseAt, 'brain-removed');

  const {memory, scratch} = plan.limits;
  const figures = {allowedBytes: memory.value, usedBytes: usedMemory(usage, life.watch, memory.value)};
  const ended = outcomeOf(life, readKills(stateDirectory(plan, id)), figures, plan);
  const isCheckpoint = hasCheckpoint(ended, life.init?.rawStatus ?? null, state.batch.checkpoint);
  const isLast = life.noted.some((signal) => state.batch.checkpoint?.endedBy.includes(signal));
  const outcome = isCheckpoint && isLast ? checkpointOutcome(ended, sentReason(life.noted)) : ended;
  // a payload that was over and gone between two looks
  if (isOver(memory, usage.memPeakBytes) || isOver(scratch, bytes)) flags.push('over-limit');
  const cvmfs = await again;
  if (cvmfs?.some(wasLost) === true) flags.push('cvmfs-lost');
  // the box is gone, and with it what used them
  left.push(...(await endOwn(state.looked ?? [], cvmfs ?? [])));
  const ran = life.executedUs !== null;
  const record = closedRecordOf(state, {
    time: timeOf(life, endedUs),
    usage: ran ? usage : NO_USAGE,
    tare: weighOwn(state, life, endedUs),
    watch: life.watch,
    outcome,
    ...(parts === undefined ? {} : {applications: parts}),
    ...(cvmfs === null ? {} : {cvmfs}),
    flags: [...(ran ? flags : []), ...flagsOf(life, outcome, left), ...(log.trouble() === null ? [] : [UNLOGGED])],
    marks: weighing.marks ?? NO_MARKS,
    goesOn: isCheckpoint && !isLast,
  });
  if (life.brainsLost > 0) for (const spool of plan.directories.spools) removeUnfinished(pathOf(spool, started.recordId));
  const messages = (!ran || outcome.code === 'SERVICES_FAILED') && outcome.reason !== null ? [outcome.reason] : [];
  const stored = store({places: plan.directories, id, copy: state.recordCopy, files, messages, log}, record);
  if (stored.path !== null) keep(state, {type: 'recorded'}, log);
  await tellAround(state.around ?? null, stored.record);
  pauseAt(plan.pauseAt, 'brain-recorded');
  const {status, exitCode, signal, reason} = outcome;
  log.info('ended', {status, exitCode, signal, reason, record: stored.path ?? stored.waits});
  return resultOf(stored.record, stored, messages, life);
}

/** A brain died between its record and its end; else such a record is not ours. */
function recordedBefore({plan, started, id}: BoxState, life: Life): RunResult | null {
  if (life.brainsLost === 0) return null;
  const before = findFinal(plan.directories.spools, started.recordId);
  if (before !== null) return resultOf(before.record, {path: before.path, waits: null}, [], life);
  const directory = stateDirectory(plan, id);
  const waiting = readWaiting(directory, plan.directories, id);
  return waiting === null ? null : resultOf(waiting, {path: null, waits: directory}, [], life);
}

/** What cannot be killed has it still: a sweep removes it later. @returns what is left, each with the reason */
async function removeBox({plan, id, undo}: BoxState, {unkillable}: Life): Promise<string[]> {
  if (unkillable) return [`processes of ${id}, which cannot be killed`];
  return teardown(undo, id, (obeyed) => {
    pauseAt(plan.pauseAt, `brain-undo-${String(obeyed)}`);
  });
}

/** Of a limit that is watched, at the end. */
const isOver = ({enforcement, value}: PlannedLimit, used: number | null): boolean =>
  enforcement === 'watched' && value !== null && (used ?? 0) > value;

/** What Tare itself cost; the end of the teardown is now. */
const weighOwn = ({frontStartedUs}: BoxState, {executedUs, processes, init, engine}: Life, endedUs: number): UsageRecord['tare'] =>
  weighTare(
    {
      launchUs: executedUs === null ? null : executedUs - frontStartedUs,
      teardownUs: executedUs === null ? null : monotonicUs() - endedUs,
    },
    processes,
    init,
    engine,
  );

function causeOf({verdict, stop}: Life): Cause {
  return {whose: verdict?.whose ?? (stop?.limit === 'memory' ? 'payload' : null), stopped: stop !== null};
}

function resultOf(record: UsageRecord, {path, waits}: Pick<Stored, 'path' | 'waits'>, messages: string[], life: Life): RunResult {
  const quit = quitOf(life, record.outcome);
  return {quit, record, path, waits, messages, failure: failureOf(record, quit), signals: life.noted};
}

/** The peak; where memory was watched, at least what the watch found at the kill. */
function usedMemory({memPeakBytes}: RecordUsage, watch: UsageRecord['watch'], limitBytes: number | null): number | null {
  const overshoot = watch?.overshootBytes ?? null;
  const found = overshoot === null || limitBytes === null ? null : limitBytes + overshoot;
  return memPeakBytes === null ? found : Math.max(memPeakBytes, found ?? 0);
}

function timeOf({executedUs, startEpochUs, suspended}: Life, endedUs: number): RecordTime {
  if (executedUs === null || startEpochUs === null) return NO_TIME;
  const wallUs = Math.max(0, endedUs - executedUs);
  const endEpochUs = startEpochUs + wallUs;
  return {
    startEpochUs,
    endEpochUs,
    wallUs,
    suspendedUs: suspended?.us ?? null,
    suspendedSource: suspended?.source ?? null,
    suspendedCounted: suspended?.counted ?? null,
    clockStepUs: epochUs() - (monotonicUs() - endedUs) - endEpochUs,
  };
}

function flagsOf({unkillable, stop, spared, verdict, brainsLost}: Life, {status, killedProcesses}: Outcome, left: string[]): string[] {
  const flags: string[] = [];
  if (unkillable || left.length > 0) flags.push('left-behind');
  if (stop !== null || spared !== null || verdict !== null || status === 'killed' || (killedProcesses ?? 0) > 0) flags.push('killed');
  if (verdict?.certain === false) flags.push('oom-verdict-uncertain');
  if (brainsLost > 0) flags.push('brain-lost');
  return flags;
}
