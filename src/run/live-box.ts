/** The life of a box that was launched, followed from its launch or by a brain that takes over. */

import {connect} from '../box/connect.js';
import {readKills} from '../box/kills.js';
import {listen} from '../box/listen.js';
import {correctAddresses} from '../box/network-files.js';
import type {Happening} from '../box/events.js';
import {emit, readSeen, scratchDirectory, stateDirectory, writeSeen, type BoxState} from '../box/state.js';
import type {Groups, MemoryEvents} from '../cgroup/manager.js';
import {asTareError} from '../errors.js';
import {jobFiles, type JobFiles} from '../files/job-files.js';
import type {Applications} from '../follow/applications.js';
import {Gathering} from '../follow/gathering.js';
import {follow, type Life} from '../follow/life.js';
import {stepOf} from '../plan/step.js';
import type {RunningBox, RunRequest} from '../prepare/request.js';
import type {Channel} from '../process/channel.js';
import type {Hello} from '../process/hello.js';
import type {Log} from '../process/log.js';
import {pauseAt} from '../process/pause.js';
import {processId, type ProcessId} from '../process/process.js';
import type {Undo} from '../steps/def.js';
import {findFinal} from '../record/journal.js';
import {openRecordOf} from '../record/of-box.js';
import {asksForEnd} from '../record/outcome.js';
import {holdUpOf} from '../repositories/later-looks.js';
import {killClients} from '../repositories/own.js';
import {notedIn, writeNote} from '../step/folder.js';
import {recordStart} from './begin.js';
import {effectsWith, progressTeller} from './tell.js';

/** What follows a box besides its state. */
export interface Following {
  groups: Groups;
  channel: Channel;
  log: Log;
  hello: Hello;
  request: RunRequest;
}

/** Of a box that another brain may have begun. */
export const filesOf = ({plan}: BoxState, {cwd}: Hello): JobFiles => jobFiles(stepOf(plan, 'identity.take') ?? null, cwd);

export async function live(state: BoxState, {groups, channel, log, hello, request}: Following): Promise<Life> {
  const {plan, started} = state;
  let lookedOn: (() => void) | undefined;
  const listener = listen(state, (parts) => {
    keep(state, {type: 'heard', parts}, log);
  });
  const teller = await progressTeller(state, request.plugins, effectsWith(filesOf(state, hello), log));
  const {stepDirectory} = request;
  const {together} = state.batch;
  const gathering = stepDirectory === undefined ? null : new Gathering(notedIn(stepDirectory), together?.count ?? 1);
  const endClients = (because: string): void => {
    keep(state, {type: 'clients-ended', looked: killClients(state.looked ?? [], because)}, log);
  };
  const life = await follow({
    channel,
    gathering,
    plan,
    groups,
    log,
    boxDirectory: scratchDirectory(plan, state.id),
    frontPid: hello.frontPid,
    cpus: state.cpus,
    memoryBefore: state.memoryBefore as MemoryEvents,
    holdUp: holdUpOf(plan, state.looked ?? [], log),
    endClients: state.looked?.some(({own}) => own !== undefined) === true ? endClients : null,
    brainsLost: hello.brain - 1,
    callers: (state.batch.callers ?? []).map(processId).filter((caller) => caller !== null),
    stop: state.stop,
    onApplications: (applications) => noteApplications(state, applications, log),
    isKilled: () => readKills(stateDirectory(plan, state.id)).some(asksForEnd),
    stopUs: state.stopUs,
    marks: hello.brain > 1 ? (readSeen(stateDirectory(plan, state.id))?.weighing.marks ?? null) : null,
    onStop: (stop, us) => {
      keep(state, {type: 'limit', stop, atUs: us}, log);
    },
    connect: state.connection === null || state.connected ? null : (initPid) => connectBox(state, groups, initPid, log),
    beforeExec: () => {
      // the brain before may have died before it wrote it, or after it wrote the final one
      if (hello.brain > 1 && findFinal(plan.directories.spools, started.recordId) === null) recordStart(plan, openRecordOf(state), log);
    },
    afterExec: (startEpochUs, initPid, payloadPid) => {
      if (!request.usesStdout) channel.send({name: 'close', descriptor: 1}); // a reader sees when the payload closes its own
      const [init, payload] = [initPid, payloadPid].map((pid) => (pid === null ? null : processId(pid))) as [Id, Id];
      keep(state, {type: 'executed', startEpochUs, init, payload}, log);
      if (stepDirectory !== undefined) writeNote(stepDirectory, 'box', {directory: stateDirectory(plan, state.id), cwd: hello.cwd});
      lookedOn = request.onlooker?.running(onlookOf(state, groups));
    },
    onSeen: (seen) => {
      writeSeen(state, seen);
      teller(seen);
    },
  });
  listener.end();
  lookedOn?.();
  return life;
}

/** For whoever looks into the box, and for a brain that follows. */
function noteApplications(state: BoxState, applications: Applications, log: Log): void {
  const standing = applications.look().map(({name, state: how, service, keeperPid}) => ({
    name,
    state: how,
    service,
    keeper: keeperPid === null ? null : processId(keeperPid),
  }));
  keep(state, {type: 'applications', applications: standing, noted: applications.report([], null)}, log);
}

type Id = ProcessId | null;

const onlookOf = (state: BoxState, groups: Groups): RunningBox => ({
  groups,
  init: state.init,
  memoryLimitBytes: state.plan.limits.memory.value,
  applications: () => state.applications,
});

/** @throws TareError NETWORK_FAILED */
async function connectBox(state: BoxState, groups: Groups, initPid: number, log: Log): Promise<void> {
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

/** Something has happened. That it cannot be written costs the job nothing: only a brain that follows would miss it. */
export function keep(state: BoxState, happening: Happening, log: Log): void {
  try {
    emit(state, happening);
  } catch (error) {
    log.warn('the state of the box cannot be written; a brain that follows would not know', {error: asTareError(error).message});
  }
  pauseAt(state.plan.pauseAt, `brain-${happening.type}`);
}
