/**
 * A task of a step that shares one box with the others on its node (MPI by shared memory). The first to come starts the box, with a wrapper of
 * its own that waits for all of them (`tare hold`); then it joins, as the others do. So no task's end, and no task's death, is another's.
 */

import type {Together} from '@tare/contract';
import {taskStrings} from '../engine/launch.js';
import {EXIT, ifPossible} from '../errors.js';
import {start} from '../host/spawn.js';
import {stepOf} from '../plan/step.js';
import {migrateRecord} from '../migrate/record.js';
import {placesOf} from '../policy/places.js';
import type {Policy} from '../policy/policy.js';
import type {UsageRecord} from '../record/record.js';
import {SIGKILL} from '../record/wait-status.js';
import type {Channel, Frame} from '../process/channel.js';
import {epochUs, sleep} from '../process/clock.js';
import type {Hello} from '../process/hello.js';
import {NATIVE} from '../process/native.js';
import type {Prepared} from '../prepare/planned.js';
import {isRunning, processId, type ProcessId} from '../process/process.js';
import type {RunResult} from '../prepare/request.js';
import {joinBox} from '../box/session.js';
import {readState} from '../box/state-read.js';
import {scratchDirectory, type BoxState} from '../box/state.js';
import {comeAs, noteEnd, noteTask, openStep, readEnd, readNote, readTask, tasksIn, writeNote} from './folder.js';
import type {BoxNote, TaskEnd} from '../supervise/step-note.js';

const LOOK_MS = 20;
/** The box's own deadline is 60 s. */
const BOX_MS = 90_000;
/** Longest time from the folder to the shim of its maker, and from that to the holder. */
const MAKER_MS = 10_000;
/** A task that was killed asks so long whether that was the end of the box. */
const SIGN_MS = 3_000;
/** Longest time from the end of the last task to the record. */
const OVER_MS = 60_000;

/** How a task has ended; `over`: the record of its box, where that ended with it. Or why it does not share the box. */
export type Shared = {result: RunResult; over: UsageRecord | null} | {apart: string};

/** @throws TareError STATE_DIRECTORY */
export async function joinTasks(together: Together, policy: Policy, hello: Hello, channel: Channel): Promise<Shared> {
  const uid = process.getuid?.() ?? -1;
  const {state: place} = placesOf(policy, uid);
  const shim = processId(hello.shimPid);
  if (shim === null) return {apart: 'its own shim cannot be seen'};
  const {index, name} = together;
  const {directory, isMaker} = openStep(place, uid, together.step);
  if (!comeAs(directory, index, {name, shim, init: null})) return {apart: 'this task was in the box of its step before'};
  if (isMaker) {
    writeNote(directory, 'maker', {shim});
    startHolder(directory, hello);
  }
  const box = await untilBox(directory);
  if ('refused' in box) {
    leave(directory, index, 'refused');
    const {messages, quit} = box.refused;
    return {result: {...NOTHING, quit, messages}, over: null};
  }
  const why = 'apart' in box ? box.apart : box.cwd === hello.cwd ? null : `its work directory is not that of the box, ${box.cwd}`;
  const live = 'apart' in box || why !== null ? null : stateIn(box.directory);
  if (live?.init == null || !isRunning(live.init)) {
    leave(directory, index, why ?? 'the box is gone');
    return {apart: why ?? 'the box of the step is gone already'};
  }
  return join(directory, together, live, shim, hello, channel);
}

const NOTHING: Omit<RunResult, 'quit'> = {record: null, path: null, messages: [], failure: null, signals: []};

const NOT_EXECUTED: TaskEnd = {
  rawStatus: null,
  startEpochUs: null,
  wallUs: null,
  cpuUserUs: 0,
  cpuSystemUs: 0,
  largestProcessBytes: 0,
  reason: null,
};

function leave(directory: string, index: number, reason: string): void {
  noteEnd(directory, index, {...NOT_EXECUTED, reason});
}

/** Starts the holder in a session of its own, so that neither signals to the task's group nor the task's end reach it. */
function startHolder(directory: string, {argv, cwd, environment}: Hello): void {
  const holder = start(NATIVE, ['hold', directory, '--', ...argv.slice(1)], {
    argv0: 'tare',
    cwd,
    env: environment,
    stdio: 'ignore',
    detached: true,
  });
  holder.on('error', (error) => writeNote(directory, 'box', {apart: `the box could not be started: ${error.message}`}));
  holder.unref();
}

/** Waits until the box is built, or will not be; when the process that makes it is gone, the wait ends. */
async function untilBox(directory: string): Promise<BoxNote> {
  let idleMs = 0;
  for (let waited = 0; waited < BOX_MS; waited += LOOK_MS) {
    const note = readNote(directory, 'box');
    if (note !== null) return note;
    const holder = readNote(directory, 'holder');
    if (holder !== null && !isRunning(holder.shim)) return readNote(directory, 'box') ?? {apart: 'the box’s wrapper was killed'};
    idleMs = holder === null ? idleMs + LOOK_MS : 0;
    if (idleMs >= MAKER_MS) return {apart: 'no task makes the box of the step'};
    await sleep(LOOK_MS);
  }
  return {apart: 'the box of the step was not built in time'};
}

async function join(
  directory: string,
  {index, name}: Together,
  live: BoxState,
  shim: ProcessId,
  hello: Hello,
  channel: Channel,
): Promise<Shared> {
  const {plan} = live;
  let end = NOT_EXECUTED;
  let executedUs: number | null = null;
  const noted: number[] = [];
  const seen = (frame: Frame): void => {
    if (frame.name === 'ready') noteTask(directory, index, {name, shim, init: frame.initPid});
    if (frame.name === 'noted') noted.push(frame.signal);
    if (frame.name === 'executed') {
      executedUs = frame.atUs;
      end = {...end, startEpochUs: epochUs()};
    }
    if (frame.name === 'ended') {
      const {rawStatus, childrenUserUs, childrenSystemUs, largestProcessBytes, endedUs} = frame.report;
      const wallUs = executedUs === null ? null : Math.max(0, (endedUs ?? 0) - executedUs);
      const used = {cpuUserUs: childrenUserUs ?? 0, cpuSystemUs: childrenSystemUs ?? 0, largestProcessBytes: largestProcessBytes ?? 0};
      end = {...end, ...used, rawStatus, wallUs};
    }
  };
  const workDirectory = stepOf(plan, 'payload.execute')?.workDirectory ?? hello.cwd;
  const command = taskStrings(plan, live.started.user.uid, scratchDirectory(plan, live.id), workDirectory);
  const joined = await joinBox({...live, inside: live.init}, command, 'payload', channel, seen);
  if ('failure' in joined) {
    const {step, text} = joined.failure;
    const isPayloads = step === 'exec' || step === 'chdir';
    const reason = isPayloads ? `the payload could not be executed: ${text}` : `the box of the step cannot be joined: ${step}: ${text}`;
    noteEnd(directory, index, {...end, reason: reason.trim()});
    await untilOver(directory, index, live);
    return {result: {...NOTHING, quit: ['code', isPayloads ? EXIT.notExecutable : EXIT.failure], messages: [reason.trim()]}, over: null};
  }
  noteEnd(directory, index, end);
  const wasKilled = end.rawStatus === null || end.rawStatus === SIGKILL;
  const isOver = await untilOver(directory, index, live, wasKilled);
  const over = isOver && wasKilled ? (migrateRecord(readNote(directory, 'over')?.record ?? null) as UsageRecord | null) : null;
  return {result: {...NOTHING, quit: joined.quit, signals: noted}, over};
}

/**
 * The last task waits for the record: with its end the batch system may end all that is left of the step. So does one that was killed with
 * the box, to be told why; and nobody else.
 */
async function untilOver(directory: string, index: number, {init}: BoxState, wasKilled = false): Promise<boolean> {
  const isGone = (): boolean => init === null || !isRunning(init);
  for (let waited = 0; waited < SIGN_MS; waited += LOOK_MS) {
    if (isGone() || isLast(directory, index)) return untilRecorded(directory);
    if (!wasKilled) return false;
    await sleep(LOOK_MS);
  }
  return false;
}

async function untilRecorded(directory: string): Promise<boolean> {
  for (let waited = 0; waited < OVER_MS; waited += LOOK_MS) {
    if (readNote(directory, 'over') !== null) return true;
    const holder = readNote(directory, 'holder');
    // its supervisor is still at work for a while
    if ((holder === null || !isRunning(holder.shim)) && waited >= SIGN_MS) return false;
    await sleep(LOOK_MS);
  }
  return false;
}

/** No other task is in the box. */
function isLast(directory: string, index: number): boolean {
  const {come, ended} = tasksIn(directory);
  return !come.some((other) => {
    if (other === index || ended.has(other)) return false;
    const note = readTask(directory, other);
    return note !== null && isRunning(note.shim) && readEnd(directory, other) === null;
  });
}

const stateIn = (directory: string): BoxState | null => ifPossible(() => readState(directory));

/** Why tasks cannot share what was planned; null when they can. */
export function cannotShareReason({plan, facts, callerArgvIndex}: Pick<Prepared, 'plan' | 'facts' | 'callerArgvIndex'>): string | null {
  if (facts.within !== null) return `it is in a box already: ${facts.within.how}`;
  if (plan.mode.value !== 'box') return `there is no box to share: ${plan.mode.because}`;
  if (plan.applications !== null || stepOf(plan, 'payload.execute') === undefined) return 'the job has several applications';
  if (callerArgvIndex === null) return 'the descriptor names what is executed';
  return null;
}
