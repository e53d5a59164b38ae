/** What every part of the following of a live box uses: its state on disk, its network, and the onlooker. */

import {connect} from '../box/connect.js';
import type {Happening} from '../box/events.js';
import {correctAddresses} from '../box/network-files.js';
import {emit, scratchDirectory, type BoxState} from '../box/state.js';
import type {Groups} from '../cgroup/manager.js';
import {asTareError} from '../errors.js';
import {jobFiles, type JobFiles} from '../files/job-files.js';
import {stepOf} from '../plan/step.js';
import type {RunningBox, RunRequest} from '../prepare/request.js';
import type {Channel} from '../process/channel.js';
import type {Hello} from '../process/hello.js';
import type {Log} from '../process/log.js';
import {pauseAt} from '../process/pause.js';
import type {Undo} from '../steps/def.js';

/** What follows a box besides its state. */
export interface Following {
  groups: Groups;
  channel: Channel;
  log: Log;
  hello: Hello;
  request: RunRequest;
}

/** The job's files for a box that another supervisor may have begun. */
export const filesOf = ({plan}: BoxState, {cwd}: Hello): JobFiles => jobFiles(stepOf(plan, 'identity.take') ?? null, cwd);

/** What the onlooker is told of the box. */
export const onlookOf = (state: BoxState, groups: Groups): RunningBox => ({
  groups,
  init: state.init,
  memoryLimitBytes: state.plan.limits.memory.value,
  applications: () => state.applications,
});

/** @throws TareError NETWORK_FAILED */
export async function connectBox(state: BoxState, groups: Groups, initPid: number, log: Log): Promise<void> {
  const {plan, id, connection} = state;
  if (connection === null) return;
  const boxDirectory = scratchDirectory(plan, id);
  const user = await connect({plan, id, connection, boxDirectory, initPid, joins: groups.joins('engine')});
  const {identity} = state.started;
  const isOther = user !== null && identity != null && user.addresses.join() !== identity.addresses.join();
  if (isOther) correctAddresses(plan, id, {...identity, addresses: user.addresses}, boxDirectory);
  const undo: Undo[] = user === null ? [] : [{op: 'process.kill', ...user.helper}];
  keep(state, {type: 'connected', undo, addresses: isOther ? user.addresses : null}, log);
}

/** Something has happened. That it cannot be written costs the job nothing: only a supervisor that follows would miss it. */
export function keep(state: BoxState, happening: Happening, log: Log): void {
  try {
    emit(state, happening);
  } catch (error) {
    log.warn('the state of the box cannot be written; a supervisor that follows would not know', {error: asTareError(error).message});
  }
  pauseAt(state.plan.pauseAt, `supervisor-${happening.type}`);
}
