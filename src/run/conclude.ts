/** From the observation of an ended box to its record and the report to the batch system; and the work of a supervisor that takes over. */

import {openGroups} from '../cgroup/manager.js';
import {readState} from '../box/state-read.js';
import {removeState, stateDirectory, type BoxState} from '../box/state.js';
import {asTareError, errnoOf, TareError} from '../errors.js';
import type {EndedObservation} from '../decide/observation.js';
import type {RunRequest, RunResult} from '../prepare/request.js';
import type {Channel} from '../process/channel.js';
import type {Hello} from '../process/hello.js';
import {openLog, type Log} from '../process/log.js';
import {pauseAt} from '../process/pause.js';
import {comeTo, momentsMs} from '../process/trace.js';
import {wrapperOf} from '../process/presence.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {sweepBoxes} from '../sweep/sweep.js';
import {takeBack, withoutContainer} from './begin.js';
import {orNextSupervisor} from './supervisor-failed.js';
import {finish} from './finish.js';
import {tellLess} from './less.js';
import {filesOf, keep, type Following} from './following.js';
import {live} from './live-box.js';
import {effectsWith, tellBatchSystem} from './tell.js';

/** Finishes what another supervisor began. @throws TareError STATE_DIRECTORY when nothing was begun, SupervisorFailed */
export async function adopt(request: RunRequest, hello: Hello, channel: Channel): Promise<RunResult> {
  // a session has none: the shim ends it as it ended
  if (hello.stateDirectory === '') throw new TareError('STATE_DIRECTORY', {message: 'there is no box to take over'});
  const state = readState(hello.stateDirectory);
  const {id, plan} = state;
  const groups = openGroups(plan.steps, id);
  const log = await openLog({file: plan.directories.log, stderr: request.verbose, level: plan.log.level, format: plan.log.format, job: id});
  log.warn('a supervisor died; this one takes over', {supervisor: hello.supervisor});
  keep(state, {type: 'adopted', wrapper: wrapperOf(hello.shimPid)}, log);
  // it stops nowhere else, or none would come further
  const adopted: BoxState = {...state, plan: {...plan, pauseAt: []}};
  const following = {groups, channel, log, hello, request};
  const observed = await orNextSupervisor(live(adopted, following), log);
  return orNextSupervisor(conclude(adopted, observed, following), log);
}

/**
 * Makes the record of an ended box from its observation, and reports to the batch system; until the shim knows of that another supervisor could
 * do the same.
 */
export async function conclude(state: BoxState, observed: EndedObservation, {log, hello, request}: Following): Promise<RunResult> {
  const {plan, id} = state;
  const files = filesOf(state, hello);
  const {plugins} = request;
  const result = await finish(state, observed, files, log);
  tellLess({plan, id, log, node: state.node ?? null}, result.path === null ? (result.waits ?? '') : null);
  const told = await tellBatchSystem(result, {batch: state.batch, settings: state.settings, plugins, effects: effectsWith(files, log)});
  comeTo('told');
  // the shim waits, since it ends this process when it is told how to end
  await sweepInPassing(plan, log);
  log.debug('where the time went, in ms after the start of the wrapper', momentsMs(hello.startedUs));
  await log.close();
  pauseAt(plan.pauseAt, 'supervisor-told');
  // it leads a sweep to what could not be killed or removed, and to a record that waits for a spool
  const isLeft = observed.unkillable || result.record?.flags.includes('left-behind') === true || result.waits != null;
  return isLeft ? told : {...told, forget: stateDirectory(plan, id)};
}

/** Takes back what a supervisor made that died before it launched anything. */
export async function takeBackPrepared(directory: string): Promise<void> {
  let state: BoxState;
  try {
    state = readState(directory);
  } catch (error) {
    // it died before it made anything but the folder
    if (errnoOf((error as Error).cause) === 'ENOENT') removeState(directory);
    return;
  }
  await takeBack(withoutContainer(state));
}

/** Boxes of the same user that a crash left: a site may have no timer for the sweep. It takes half a second at most. */
async function sweepInPassing({directories}: Plan, log: Log): Promise<void> {
  try {
    const swept = await sweepBoxes(directories, {uid: process.getuid?.() ?? -1, patienceMs: SWEEP_MS});
    for (const {recordId, result, message} of swept) log.warn('a box that a crash left', {recordId, result, message});
  } catch (error) {
    log.warn('boxes that a crash left cannot be swept', {error: asTareError(error).message});
  }
}

const SWEEP_MS = 500;
