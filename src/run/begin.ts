/** From a plan to a launched box: folders, groups, the launch frame, and the record that says that it started. */

import {notifyOuter} from '../box/outer-box.js';
import {lease} from '../box/network-leases.js';
import {noteOutput} from '../box/slow-output.js';
import {isRecordTaken} from '../box/record-taken.js';
import {makeScratch, makeState, removeState, scratchDirectory, stateDirectory, writeState, type BoxState} from '../box/state.js';
import {teardown} from '../box/teardown.js';
import {createGroups, eventsAround, noGroups, type Groups, type MemoryEvents} from '../cgroup/manager.js';
import type {LaunchContext} from '../engine/launch.js';
import {asTareError} from '../errors.js';
import {isDirectory} from '../files/real-place.js';
import type {Facts} from '../host/facts.js';
import {identityOf} from '../network/identity.js';
import {resolve} from '../plan/resolve.js';
import {stepOf} from '../plan/step.js';
import {nodePlaces} from '../policy/places.js';
import type {LogsRule} from '../policy/policy.js';
import {attemptOf} from '../prepare/attempt.js';
import {findEarlier} from '../prepare/earlier.js';
import type {TakeProgress} from '../prepare/image.js';
import type {AttemptContext} from '../prepare/attempt-context.js';
import type {Prepared} from '../prepare/planned.js';
import type {RunRequest} from '../prepare/request.js';
import {PATIENCE_MS, type Channel} from '../process/channel.js';
import type {Hello} from '../process/hello.js';
import type {Log} from '../process/log.js';
import {pauseAt} from '../process/pause.js';
import {comeTo} from '../process/trace.js';
import {wrapperOf} from '../process/presence.js';
import {journal} from '../record/journal.js';
import {openRecordOf} from '../record/of-box.js';
import {startedRecord, type UsageRecord} from '../record/record.js';
import {foundOf} from '../repositories/usable.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {undoOf} from '../steps/undo.js';
import {writeEngine} from './engine.js';
import {launch} from './launch.js';
import {refuseLess, UNSPOOLED} from './less.js';

/** A box that was launched. */
export interface Begun {
  state: BoxState;
  groups: Groups;
}

/**
 * The shim is told where the state lies before anything is made, so that the next supervisor can take it back when this one dies here.
 * @throws TareError; what was made is taken back
 */
export async function begin(
  prepared: Prepared,
  attempt: AttemptContext,
  request: RunRequest,
  hello: Hello,
  channel: Channel,
  log: Log,
): Promise<Begun> {
  const {plan, facts, identity, caller, callerArgvIndex} = prepared;
  const {id} = attempt;
  let named = plan;
  const newRecord = (): UsageRecord => ({
    ...startedRecord(attemptOf(attempt, identity, request.version), plan),
    wrapper: wrapperOf(hello.shimPid),
  });
  let started = newRecord();
  const state = firstState(prepared, attempt, request, hello, started, await outputOf(prepared, attempt, request, hello));
  let groups: Groups = noGroups;
  let launched = false;
  try {
    channel.send({name: 'state', directory: stateDirectory(plan, id)});
    makeState(state, caller);
    comeTo('stated');
    await findEarlier(attempt, plan.directories.spools, started.recordId, () => isRecordTaken(state));
    state.phases = attempt.phases;
    if (attempt.again === true) state.started = started = newRecord();
    // a sweep would take the other's record for this one's, or leave out the phases before
    if (attempt.again === true || attempt.phases?.earlier != null) writeState(state);
    if (stepOf(plan, 'image.take') !== undefined) await waitForImage(plan, attempt, request, channel, log);
    channel.doing(`making the box’s directories in ${plan.directories.scratch}`, PATIENCE_MS);
    state.connection = await lease(plan, id, facts.node.bootId, hello.shimPid);
    pauseAt(plan.pauseAt, 'supervisor-leased');
    named = resolve(plan, {repositories: foundOf(attempt.looked), hostname: state.connection?.hostname ?? null, exists: isDirectory});
    state.plan = named;
    started.identity = identityOf(named, state.connection);
    started.choices = named.resolved ?? null;
    makeScratch(named, id, started.recordId, started.identity);
    groups = createGroups(plan.steps, id);
    state.memoryBefore = memoryEventsNow(groups, facts);
    writeState(state);
    comeTo('made');
    pauseAt(plan.pauseAt, 'supervisor-made');
    const boxDirectory = scratchDirectory(plan, id);
    const engineArgv = await writeEngine(named, prepared, request.engines, {id, boxDirectory, joins: groups.joins('engine')});
    launch({channel, plan: named, groups}, {id, boxDirectory, mounted: mountedIn(attempt.looked), engineArgv}, callerArgvIndex);
    launched = true;
    comeTo('launched');
    channel.doing(`writing to the spool ${plan.directories.spools.join(', ')}`);
    // written while the engine builds the box; the payload waits for it
    refuseLess(plan, UNSPOOLED, recordStart(plan, openRecordOf(state), log));
    comeTo('started');
    await notifyOuter(attempt.outer, started);
    pauseAt(plan.pauseAt, 'supervisor-started');
    return {state, groups};
  } catch (error) {
    if (launched) await untilGone(channel);
    attempt.left.push(...(await takeBack(launched ? state : withoutContainer(state))));
    throw error;
  }
}

/** The state before anything of the box is made. */
function firstState(
  {plan, facts}: Prepared,
  attempt: AttemptContext,
  request: RunRequest,
  hello: Hello,
  started: UsageRecord,
  output: BoxState['output'],
): BoxState {
  const {id} = attempt;
  return {
    schema: 'tare/box/v1',
    seq: 0,
    id,
    plan,
    started,
    batch: attempt.batch,
    settings: attempt.settings,
    looked: attempt.looked,
    init: null,
    payload: null,
    applications: [],
    noted: [],
    connection: null,
    connected: false,
    undo: undoOf(plan, id, scratchDirectory(plan, id)),
    output,
    logs: logsFor(attempt, request),
    memoryBefore: noGroups.memoryEvents(),
    shimStartedUs: hello.startedUs,
    cpus: facts.cpu.online.length,
    recordCopy: request.recordCopy,
    startEpochUs: null,
    stop: null,
    stopUs: null,
    observed: null,
    weighed: null,
    recorded: false,
    oom: null,
    outer: attempt.outer,
    node: attempt.role === 'wrapper' ? nodePlaces(attempt.policy, attempt.caller.uid) : null,
    parts: null,
    phases: null,
  };
}

/** Files of the caller's that are looked at later; null: none is. */
async function outputOf({plan}: Prepared, attempt: AttemptContext, request: RunRequest, {shimPid}: Hello): Promise<BoxState['output']> {
  if (plan.applications === null && logsFor(attempt, request) === null) return null;
  const [stdout, stderr] = await Promise.all([noteOutput(shimPid, 1), noteOutput(shimPid, 2)]);
  return {stdout, stderr};
}

/** What is kept of the output at the end; null: nothing. Tasks that share a box have each their own, of which the process that holds the box has none. */
const logsFor = ({policy, probe}: AttemptContext, {stepDirectory}: RunRequest): LogsRule | null =>
  policy === null || policy.logs.keep === 'none' || probe || stepDirectory !== undefined ? null : policy.logs;

/** Memory events of the box's groups, else of those in which the payload is with the wrapper. */
function memoryEventsNow(groups: Groups, {cgroup}: Facts): MemoryEvents {
  const own = groups.memoryEvents();
  return own.version === null ? eventsAround(cgroup.controllers.memory) : own;
}

/** Unpacks the image. That can take minutes: the onlooker is told the progress, and a signal that asks for the end aborts it. */
async function waitForImage(
  plan: Plan,
  {id, caller, policy}: AttemptContext,
  {onlooker}: RunRequest,
  channel: Channel,
  log: Log,
): Promise<void> {
  channel.doing('unpacking the image', null);
  const {takeImage} = await import('../prepare/image.js');
  let latest: TakeProgress | null = null;
  const onProgress = (progress: TakeProgress): void => {
    if (latest?.by !== progress.by)
      log.info(progress.by === 'us' ? 'the image is unpacked' : 'another job unpacks the image', {image: progress.path});
    latest = progress;
  };
  const over = onlooker?.waiting(() => latest);
  try {
    await takeImage(plan, id, caller.uid, policy?.imageStore.maxBytes ?? null, {aborted: channel.kept.aborted, onProgress});
  } finally {
    over?.();
  }
}

/** The places at which enter finds the repositories that were mounted for the job. */
function mountedIn(looked: AttemptContext['looked']): LaunchContext['mounted'] {
  return Object.fromEntries(
    looked.flatMap(({entry, own}) => (own === undefined ? [] : [[entry.repository, {pid: own.mounter.pid, place: own.place}]])),
  );
}

/** A record that cannot be written costs no job: at its end there is another try, and then it waits for a sweep. @returns why it could not be written; null: it was */
export function recordStart({directories}: Plan, started: UsageRecord, log: Log): string | null {
  try {
    journal(directories.spools, started);
    return null;
  } catch (error) {
    const {message} = asTareError(error);
    log.error('nothing on disk says that this job runs', {error: message});
    return message;
  }
}

/** A box that was launched and may not run: init is told to end, and nothing is removed under its feet. */
async function untilGone(channel: Channel): Promise<void> {
  channel.send({name: 'kill'});
  for (let frame = await channel.next(); frame !== null && frame.name !== 'gone'; frame = await channel.next());
}

/**
 * Takes away a box in which nothing runs and nothing ran. Its state stays when something else does: it leads a sweep there.
 * @returns what could not be removed, each with the reason
 */
export async function takeBack({plan, id, undo}: BoxState): Promise<string[]> {
  const left = await teardown(undo, id);
  return left.length > 0 ? left : removeState(stateDirectory(plan, id));
}

/** A box of which no daemon was asked to make a container. */
export const withoutContainer = (state: BoxState): BoxState => ({...state, undo: state.undo.filter(({op}) => op !== 'container.remove')});
