/** From a life that is over to its record: weighs, cleans, judges, writes. */

import type {Groups} from '../cgroup/manager.js';
import {asTareError, EXIT} from '../errors.js';
import type {Places} from '../policy/places.js';
import {
  checkpointOutcome,
  endedOutcome,
  hasCheckpoint,
  notRunOutcome,
  sentReason,
  type Kill,
  type MemoryFigures,
  type Outcome,
} from '../record/outcome.js';
import {NO_MARKS, withObserved} from '../record/observed.js';
import {afterPhases, atCheckpoint} from '../record/phases.js';
import {whyNotInBox} from '../plan/mounts.js';
import {stepOf} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {finalRecord, NO_TIME, NO_USAGE, type RecordTime, type RecordUsage, type UsageRecord} from '../record/record.js';
import {removeUnfinished} from '../record/durable.js';
import {findFinal, journal} from '../record/journal.js';
import {pathOf, writeCopy} from '../record/spool.js';
import {SIGKILL} from '../record/wait-status.js';
import {epochUs, monotonicUs} from '../process/clock.js';
import {teardown} from '../box/teardown.js';
import type {Cause} from '../follow/gathering.js';
import {readKills} from '../box/kills.js';
import {NODES_LOG, tellNodesLog} from '../process/last-resort.js';
import {NETWORK_STEP, type Life} from '../follow/life.js';
import {UNLOGGED} from './less.js';
import type {Log} from '../process/log.js';
import {tellAround} from '../box/around.js';
import {pauseAt} from '../process/pause.js';
import type {Quit} from '../process/quit.js';
import type {RunResult} from '../prepare/request.js';
import {wasLost} from '../cvmfs/judge.js';
import {endOwn} from '../repositories/own.js';
import {lookAgain} from '../repositories/repositories.js';
import {failureOf} from './tell.js';
import type {JobFiles} from '../files/job-files.js';
import {DELAYED, keepWaiting, readWaiting} from '../box/waiting.js';
import {stateDirectory, writeState, type BoxState} from '../box/state.js';
import {weighPayload, weighTare} from '../follow/weigh.js';

/** The state on disk stays until the batch system was told: a brain that follows tells it again. */
export async function finish(state: BoxState, groups: Groups, life: Life, files: JobFiles, log: Log): Promise<RunResult> {
  const {plan, started, id} = state;
  // a brain died between its record and its end; else such a record is not ours
  const before = life.brainsLost > 0 ? findFinal(plan.directories.spools, started.recordId) : null;
  if (before !== null) return resultOf(before.record, {path: before.path, waits: null}, [], life);
  const waiting = life.brainsLost > 0 ? readWaiting(stateDirectory(plan, id), plan.directories, id) : null;
  if (waiting !== null) return resultOf(waiting, {path: null, waits: stateDirectory(plan, id)}, [], life);
  const {sampler, levels, init, observation} = life;
  state.weighed ??= weighPayload(plan, groups, {sampler, levels, init, applications: life.applications?.totals() ?? [], observation});
  const {usage, applications, flags} = state.weighed;
  const {bytes, source} = life.scratch?.peak() ?? {bytes: null, source: null};
  if (bytes !== null) Object.assign(state.weighed.usage, {scratchPeakBytes: bytes, scratchPeakSource: source});
  keep(state, log); // whoever follows finds no groups any more
  // with what services said, which is about to be removed
  const parts = life.applications?.report(applications, life.verdict?.whose ?? null) ?? life.gathering?.report(causeOf(life), life.noted);
  pauseAt(plan.pauseAt, 'brain-weighed');
  const endedUs = life.init?.endedUs ?? monotonicUs();
  const again = life.executedUs === null ? null : lookAgain(plan, state.looked ?? [], endedUs, {frontLost: life.frontLost, log});
  // what cannot be killed has it still: a sweep removes it later
  const left = life.unkillable ? [`processes of ${id}, which cannot be killed`] : await teardown(state.undo, id);
  if (left.length > 0) log.error('left behind', {left});
  pauseAt(plan.pauseAt, 'brain-removed');

  const {memory, scratch} = plan.limits;
  const figures = {allowedBytes: memory.value, usedBytes: usedMemory(usage, life.watch, memory.value)};
  const ended = outcomeOf(life, readKills(stateDirectory(plan, id)), figures, hintOf(plan));
  const isCheckpoint = hasCheckpoint(ended, life.init?.rawStatus ?? null, state.batch.checkpoint);
  const isLast = life.noted.some((signal) => state.batch.checkpoint?.endedBy.includes(signal));
  const outcome = isCheckpoint && isLast ? checkpointOutcome(ended, sentReason(life.noted)) : ended;
  // a payload that was over and gone between two looks
  if (memory.enforcement === 'watched' && memory.value !== null && (usage.memPeakBytes ?? 0) > memory.value) flags.push('over-limit');
  if (scratch.enforcement === 'watched' && scratch.value !== null && (bytes ?? 0) > scratch.value) flags.push('over-limit');
  const cvmfs = await again;
  if (cvmfs?.some(wasLost) === true) flags.push('cvmfs-lost');
  // the box is gone, and with it what used them
  left.push(...(await endOwn(state.looked ?? [], cvmfs ?? [])));
  const ran = life.executedUs !== null;
  const closed = finalRecord(started, {
    time: timeOf(life, endedUs),
    net: ran ? usage : NO_USAGE,
    tare: weighTare(
      {
        launchUs: life.executedUs === null ? null : life.executedUs - state.frontStartedUs,
        teardownUs: ran ? monotonicUs() - endedUs : null,
      },
      life.processes,
      life.init,
      life.engine,
    ),
    watch: life.watch,
    outcome,
    ...(parts === undefined ? {} : {applications: parts}),
    ...(cvmfs === null ? {} : {cvmfs}),
    parts: state.parts,
    flags: [...(ran ? flags : []), ...flagsOf(life, outcome, left), ...(log.trouble() === null ? [] : [UNLOGGED])],
  });
  const own = withObserved(closed, plan, state.weighed.marks ?? NO_MARKS);
  const {caller = null, earlier = null} = state.phases ?? {};
  const {wrapper} = started;
  const record =
    isCheckpoint && !isLast && caller !== null && wrapper !== null
      ? atCheckpoint(earlier, own, {...wrapper, front: null, brain: null, caller})
      : afterPhases(earlier, own);
  if (life.brainsLost > 0) for (const spool of plan.directories.spools) removeUnfinished(pathOf(spool, started.recordId));
  const messages = (!ran || outcome.code === 'SERVICES_FAILED') && outcome.reason !== null ? [outcome.reason] : [];
  const stored = store({places: plan.directories, id, copy: state.recordCopy, files, messages, log}, record);
  if (stored.path !== null) keep(Object.assign(state, {recorded: true}), log);
  await tellAround(state.around ?? null, stored.record);
  pauseAt(plan.pauseAt, 'brain-recorded');
  const {status, exitCode, signal, reason} = outcome;
  log.info('ended', {status, exitCode, signal, reason, record: stored.path ?? stored.waits});
  return resultOf(stored.record, stored, messages, life);
}

function causeOf({verdict, stop}: Life): Cause {
  return {whose: verdict?.whose ?? (stop?.limit === 'memory' ? 'payload' : null), stopped: stop !== null};
}

function keep(state: BoxState, log: Log): void {
  try {
    writeState(state);
  } catch (error) {
    log.warn('the state of the box is gone', {error: asTareError(error).message});
  }
}

function resultOf(record: UsageRecord, {path, waits}: Pick<Stored, 'path' | 'waits'>, messages: string[], life: Life): RunResult {
  const quit = quitOf(life, record.outcome);
  return {quit, record, path, waits, messages, failure: failureOf(record, quit), signals: life.noted};
}

export interface Stored {
  /** As it was written: flagged when no spool took it. */
  record: UsageRecord;
  /** In the spool; null when no spool took it. */
  path: string | null;
  /** Where it waits for a sweep; null when it is in a spool, or nowhere. */
  waits: string | null;
}

interface Storing {
  places: Pick<Places, 'spools' | 'state' | 'scratch' | 'log'>;
  /** The box, or the call that has none. */
  id: string;
  /** A file that somebody asked for. */
  copy: string | null;
  /** The way to it. */
  files: JobFiles;
  /** A failure becomes a message here. */
  messages: string[];
  log: Log;
}

/**
 * Writes the record to the first spool that takes it; where none does, to the state of the box, in which it waits for a sweep; where that
 * fails too, to the wrapper's log or the node's. And the copy that somebody asked for.
 */
export function store({places, id, copy, files, messages, log}: Storing, record: UsageRecord): Stored {
  let stored: Stored = {record, path: null, waits: null};
  try {
    stored.path = journal(places.spools, record);
  } catch (error) {
    stored = keepElsewhere(asTareError(error).message, {places, id, messages, log}, record);
  }
  try {
    if (copy !== null) writeCopy(copy, stored.record, files.replace);
  } catch (error) {
    messages.push(asTareError(error).message);
  }
  return stored;
}

/** The message says where the record is, and claims no place that did not take it. */
function keepElsewhere(why: string, {places, id, messages, log}: Omit<Storing, 'copy' | 'files'>, given: UsageRecord): Stored {
  const record = {...given, flags: [...new Set([...given.flags, DELAYED])].sort()};
  const waits = keepWaiting(places, id, record);
  const isLogged = log.keep('no spool took the record', {because: why, waits, record});
  if (waits !== null) {
    messages.push(`${why}; the record waits in ${waits}: tare records sweep writes it to the spool when there is room`);
    if (!isLogged) tellNodesLog(`${why}; the record ${record.recordId} waits in ${waits}`);
  } else if (isLogged) {
    messages.push(`${why}; the record is in ${places.log ?? 'the log'} and nowhere else`);
  } else if (tellNodesLog(`record ${JSON.stringify(record)}`)) {
    messages.push(`${why}; the record is in ${NODES_LOG} and nowhere else`);
  } else {
    messages.push(`${why}; no other place took the record: it is lost`);
  }
  return {record, path: null, waits};
}

/** Why the box was not built, with what the engine said. */
export function failureText({failure, engine}: Life): string {
  const engineSays = engine?.stderr ?? '';
  const step = failure === null ? 'init never answered' : `${failure.step}: ${failure.text}`;
  return engineSays === '' || step.includes(engineSays)
    ? step.trim().replaceAll('\n', ' | ')
    : `${step} (${engineSays.replaceAll('\n', ' | ')})`;
}

/** The box was not built (init says of one that was how it ended), nothing of it is left, and it may be tried without. */
export const isBoxesFault = (life: Life): boolean =>
  life.executedUs === null &&
  life.failure !== null &&
  life.init === null &&
  life.verdict === null &&
  life.engine !== null &&
  life.failure.step !== NETWORK_STEP &&
  !isPayloadsFault(life);

/** The file system that was to hold the scratch could not be mounted. */
export const isDisksFault = (life: Life): boolean =>
  isBoxesFault(life) && (life.failure?.step === 'loop' || life.failure?.step === 'tmpfs');

/** The image could not be shown with other owners, or no overlay lie over it then (before Linux 5.19). */
export const isIdsFault = (life: Life): boolean =>
  isBoxesFault(life) && (life.failure?.step === 'shift' || life.failure?.step === 'overlay');

/** The payload's own fault: it is not there, cannot be executed, or has no place for its output. */
const isPayloadsFault = ({failure}: Life): boolean => ['exec', 'chdir', 'output'].includes(failure?.step ?? '');

/** The peak; where memory was watched, at least what the watch found at the kill. */
function usedMemory({memPeakBytes}: RecordUsage, watch: UsageRecord['watch'], limitBytes: number | null): number | null {
  const overshoot = watch?.overshootBytes ?? null;
  const found = overshoot === null || limitBytes === null ? null : limitBytes + overshoot;
  return memPeakBytes === null ? found : Math.max(memPeakBytes, found ?? 0);
}

/** Why what is to be executed is not in the box though the node has it. */
function hintOf(plan: Plan): string {
  const [program = ''] = stepOf(plan, 'payload.execute')?.argv ?? [];
  const why = program.startsWith('/') ? whyNotInBox(plan, program) : null;
  return why === null ? '' : `; ${why}`;
}

function outcomeOf(life: Life, kills: readonly Kill[], memory: MemoryFigures, hint: string): Outcome {
  const {init, failure, stop, spared, verdict, noted, frontLost, executedUs} = life;
  const killed = life.applications?.killedForMemory() ?? [];
  const fault = stop === null && verdict === null ? (life.applications?.servicesFault() ?? null) : null;
  if (fault !== null && kills.length === 0 && noted.length === 0)
    return notRunOutcome('failed', 'SERVICES_FAILED', `the payload was not run: ${fault.name}: ${fault.reason}`, EXIT.failure);
  if (executedUs === null) {
    if (verdict !== null) {
      return {
        ...notRunOutcome('wrapper-failure', 'ENGINE_FAILED', 'the memory limit is too small to execute anything', EXIT.failure),
        status: 'limit',
        limit: 'memory',
        whose: verdict.whose,
        evidence: verdict.evidence,
        code: null,
      };
    }
    if (isPayloadsFault(life)) {
      return notRunOutcome(
        'failed',
        'PAYLOAD_NOT_EXECUTABLE',
        `the payload could not be executed: ${failure?.text ?? ''}${failure?.step === 'exec' ? hint : ''}`,
        EXIT.notExecutable,
      );
    }
    if (failure?.step === NETWORK_STEP && !frontLost) return notRunOutcome('wrapper-failure', 'NETWORK_FAILED', failure.text, EXIT.failure);
    const reason = frontLost ? 'the front was killed before the payload ran' : `the box was not built: ${failureText(life)}`;
    return notRunOutcome('wrapper-failure', frontLost ? 'FRONT_LOST' : 'ENGINE_FAILED', reason, EXIT.failure);
  }
  const unexecuted = life.applications?.payloadFault() ?? null;
  if (unexecuted !== null && verdict === null)
    return notRunOutcome('failed', 'PAYLOAD_NOT_EXECUTABLE', `the payload could not be executed: ${unexecuted}`, EXIT.notExecutable);
  const limited = init === null && life.engine?.limited === true;
  const outcome = endedOutcome({
    rawStatus: init?.rawStatus ?? (limited ? SIGKILL : null),
    stop: stop === null || stop.limit === 'memory' ? named(stop ?? spared, killed) : stop,
    oom: verdict === null ? null : named({whose: verdict.whose, evidence: verdict.evidence}, killed),
    noted,
    kills,
    callerLost: life.callerLost,
    memory,
    trouble: init === null && !limited ? troubleOf(life) : null,
    killedProcesses: init?.killedProcesses ?? null,
  });
  if (limited && outcome.status === 'signalled') return {...outcome, reason: INIT_LIMITED};
  const own = life.applications?.killedForOwnLimit() ?? [];
  if (verdict !== null && own.length > 0) return {...outcome, reason: `over a memory limit of its own: ${own.join(', ')}`};
  const service = life.applications?.serviceFailure() ?? null;
  return service === null || outcome.reason !== null
    ? outcome
    : {...outcome, reason: `the service ${service.name} failed beside it: ${service.reason}`};
}

function troubleOf({frontLost, unkillable}: Life): string {
  const lost = frontLost ? 'the front was killed' : 'init was killed';
  if (!unkillable) return `${lost}, and the payload with it`;
  return `${frontLost ? `${lost}, and the payload` : 'it'} could not be killed: a process of it waits in the kernel`;
}

/** Only who has its uid can have done that; a batch system is not to run such a job again. */
const INIT_LIMITED = 'a process of the payload lowered the limit of CPU time of init, which was killed, and all with it';

/** With the applications that it is about. */
const named = <T extends {evidence: string} | null>(what: T, applications: readonly string[]): T =>
  what === null || applications.length === 0 ? what : {...what, evidence: `${applications.join(', ')}: ${what.evidence}`};

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

function quitOf({init, executedUs}: Life, outcome: Outcome): Quit {
  if (outcome.code === 'SERVICES_FAILED') return ['code', outcome.exitCode ?? EXIT.failure];
  if (init !== null && executedUs !== null) return ['status', init.rawStatus];
  // the payload ran and nobody knows how it ended: it was killed with its init
  if (executedUs !== null) return ['signal', SIGKILL];
  return ['code', outcome.exitCode ?? EXIT.failure];
}
