/** Supervises a box that was launched, from its launch or by a supervisor that takes over. */

import {listen} from '../box/listen.js';
import type {BoxState} from '../box/box-state.js';
import {verdictAround, verdictInside, type Groups, type MemoryEvents} from '../cgroup/manager.js';
import {BoxDecider} from '../decide/box.js';
import type {EndedObservation, Weighing} from '../decide/observation.js';
import {errnoOf} from '../errors.js';
import {StepTasks, type Cause} from '../supervise/step-tasks.js';
import {weighPayload} from '../supervise/weigh.js';
import type {Channel, Frame} from '../process/channel.js';
import {monotonicUs, sleep} from '../process/clock.js';
import type {Log} from '../process/log.js';
import {pauseAt} from '../process/pause.js';
import {comeTo} from '../process/trace.js';
import {isRunning, killProcess} from '../process/process.js';
import type {OomVerdict} from '../record/outcome.js';
import {launchStallOf} from '../repositories/later-looks.js';
import {notedIn} from '../step/folder.js';
import {filesOf, keep, type Following} from './following.js';
import {Performer} from './perform.js';
import {effectsWith, progressTeller} from './tell.js';

/** Deadline from the kill to the empty group. A process in state D can take longer. */
const EMPTY_DEADLINE_MS = 10_000;
/** How long an init may take to end when its shim is gone. */
const INIT_DEADLINE_MS = 1_000;

/** Follows the box until nothing of it is left but its groups and its folders. */
export async function live(state: BoxState, following: Following): Promise<EndedObservation> {
  const {log, hello, request, channel} = following;
  const {plan, batch} = state;
  const listener = listen(state, (parts) => {
    keep(state, {type: 'heard', parts}, log);
  });
  const progress = await progressTeller(state, request.plugins, effectsWith(filesOf(state, hello), log));
  const {stepDirectory} = request;
  const tasks = stepDirectory === undefined ? null : new StepTasks(notedIn(stepDirectory), batch.together?.count ?? 1);
  const {stop, stopUs, startEpochUs} = state;
  const decider = new BoxDecider(plan, {stop, stopUs, startEpochUs, supervisorsLost: hello.supervisor - 1});
  const performer = await untilOver(decider, channel, (whenOver) => {
    const begun = new Performer(state, decider, {following, tasks, progress}, whenOver);
    for (const command of decider.begin()) begun.perform(command);
    watchLaunch(begun, state, log);
    return begun;
  });
  performer.end();
  comeTo('gone');
  pauseAt(plan.pauseAt, 'supervisor-gone');
  await empty(decider, performer, following);
  pauseAt(plan.pauseAt, 'supervisor-empty');
  await tasks?.settle();
  const observed = ended(state, {decider, performer, tasks}, following.groups);
  listener.end();
  return observed;
}

/** Passes frames on until nothing more will come. */
async function untilOver(decider: BoxDecider, channel: Channel, begin: (whenOver: () => void) => Performer): Promise<Performer> {
  let tellOver: (over: 'over') => void = () => undefined;
  const isOver = new Promise<'over'>((resolve) => {
    tellOver = resolve;
  });
  const performer = begin(() => {
    tellOver('over');
  });
  while (!decider.over) {
    const frame: Frame | 'over' | null = await Promise.race([channel.next(), isOver]);
    if (frame === 'over') break;
    performer.takeFrame(frame);
    await performer.waiting;
    if (channel.isDrained) performer.take({name: 'drained'});
  }
  return performer;
}

/** A file system that no longer answers is not waited for as long as a busy node. */
function watchLaunch(performer: Performer, {plan, looked = []}: BoxState, log: Log): void {
  const launchStall = launchStallOf(plan, looked, log);
  if (launchStall === null) return;
  setTimeout(() => {
    if (performer.init !== null) return;
    void launchStall.look().then((because) => {
      if (because !== null) performer.take({name: 'launchStalled', because});
    });
  }, launchStall.afterMs).unref();
}

/** Kills what is left in the groups, and waits until they are empty: only then are the counters final. */
async function empty({observed}: BoxDecider, {init}: Performer, {groups}: Following): Promise<void> {
  if (groups.populated('box')) groups.kill('box');
  if (!(await groups.waitEmpty(observed.unkillable ? 0 : EMPTY_DEADLINE_MS, 'box'))) observed.unkillable = true;
  if (observed.shimKilled && !(await initEnds(init))) observed.unkillable = true;
}

/** Waits for the end of init, which without groups is the only sign of the end. init ends when the shim does; else it is killed. */
async function initEnds(init: Performer['init']): Promise<boolean> {
  if (init === null) return true;
  const {pid, id} = init;
  for (let waited = 0; id === null ? isAlive(pid) : isRunning(id); waited += 20) {
    if (waited === INIT_DEADLINE_MS) killProcess(pid);
    if (waited > EMPTY_DEADLINE_MS) return false;
    await sleep(20);
  }
  return true;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === 'EPERM';
  }
}

interface Followed {
  decider: BoxDecider;
  performer: Performer;
  tasks: StepTasks | null;
}

/** What is read of the box before its groups go. */
function ended(state: BoxState, {decider, performer, tasks}: Followed, groups: Groups): EndedObservation {
  const {observed, applications} = decider;
  if (tasks !== null && observed.init !== null) observed.init = tasks.merged(observed.init);
  const verdict = verdictOf(state, decider, groups);
  if (verdict === null) decider.assumeExecuted();
  const readings = performer.watching?.instruments.end() ?? {suspended: null, watch: null};
  const weighing = state.weighed ?? weigh(state, {decider, performer, tasks}, groups);
  const whose = verdict?.whose ?? null;
  const records =
    decider.report({usages: weighing.applications, whose, logOf: performer.sight.logOf}) ??
    tasks?.report(causeOf(observed.stop, verdict), observed.noted) ??
    null;
  return {
    ...observed,
    endedUs: observed.init?.endedUs ?? monotonicUs(),
    verdict,
    weighing,
    ...readings,
    processes: performer.watching?.processes ?? [],
    applications: applications?.end() ?? null,
    records,
  };
}

/** A payload that ended well, or by a watch, was not ended by whatever else was killed in the slot. */
function verdictOf({memoryBefore}: BoxState, {observed: {engine, init, stop}}: BoxDecider, groups: Groups): OomVerdict | null {
  const before = memoryBefore as MemoryEvents;
  const own = groups.verdict(before, groups.memoryEvents()) ?? verdictInside(engine?.memoryKills ?? 0);
  return own ?? (stop === null && init?.rawStatus !== 0 ? verdictAround(before) : null);
}

function weigh({plan}: BoxState, {decider, performer: {watching}}: Followed, groups: Groups): Weighing {
  const totals = decider.applications?.totals() ?? [];
  const {init} = decider.observed;
  if (watching === null) return weighPayload(plan, groups, {sampler: null, levels: null, init, applications: totals});
  const weighing = watching.instruments.weigh(init, totals);
  return {...weighing, usage: {...weighing.usage, ...watching.instruments.scratchPeak()}};
}

const causeOf = (stop: EndedObservation['stop'], verdict: OomVerdict | null): Cause => ({
  whose: verdict?.whose ?? (stop?.limit === 'memory' ? 'payload' : null),
  stopped: stop !== null,
});
