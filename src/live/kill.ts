/**
 * Ending a live box from outside, or sending its payload a signal. The caller is noted on disk first, for the process that writes the record: the
 * supervisor, one that follows it, or a sweep. All the rest is done here, so that it works when no supervisor is left.
 */

import {existsSync} from 'node:fs';
import {readKills, writeKills} from '../box/kills.js';
import {errnoOf, TareError} from '../errors.js';
import {resumeBox} from '../supervise/freeze.js';
import {epochUs, sleep} from '../process/clock.js';
import {isRunning, killProcess, type ProcessId} from '../process/process.js';
import type {LiveBox} from './box-view.js';
import {groupsOf} from './live.js';

/** `ended`: the box is gone; `sent`: the payload was sent a signal that asks for no end. */
export type KillResult = 'ended' | 'sent';

/** Deadline from the SIGKILL to the removal of the folder, in which the wrapper waits, weighs and records. */
const GONE_MS = 30_000;
/** How long init may take to report and to end before it is killed itself. */
const INIT_MS = 10_000;
const LOOK_MS = 20;

/**
 * SIGKILL ends all of the box at once. SIGTERM asks the payload to end and kills after the policy's grace; a payload that is asked a second time is
 * killed at once. Any other signal is sent to the payload's first process, and that is all.
 * @param by uid of the caller
 * @throws TareError BOX_STATE, BOX_NOT_REMOVED
 */
export async function killBox(box: LiveBox, signal: NodeJS.Signals, by: number): Promise<KillResult> {
  const {payload, directory} = box;
  if (payload === null || !isRunning(payload)) throw notRunning(box);
  const before = readKills(directory);
  const isSecond = signal === 'SIGTERM' && before.some((kill) => kill.signal === 'SIGTERM');
  if (signal === 'SIGKILL' || isSecond) return killNow(box, by);
  note(box, signal, by);
  if (firstProcesses(box).filter((each) => signalProcess(each, signal)).length === 0) throw notRunning(box);
  if (signal !== 'SIGTERM') return 'sent';
  // one that is paused could not use its grace
  resumeBox(box, groupsOf(box));
  for (let waited = 0; waited < box.graceUs / 1000; waited += LOOK_MS) {
    if (!firstProcesses(box).some(isRunning)) break;
    await sleep(LOOK_MS);
  }
  if (firstProcesses(box).some(isRunning)) return killNow(box, by);
  await waitGone(box);
  return 'ended';
}

async function killNow(box: LiveBox, by: number): Promise<'ended'> {
  note(box, 'SIGKILL', by);
  for (const each of [...firstProcesses(box), ...services(box)]) if (isRunning(each)) killProcess(each.pid);
  // init reaps, kills what is left, and tells the shim
  groupsOf(box).kill('payload');
  await waitGone(box);
  return 'ended';
}

/** The payload's; of several applications, of each that runs. */
const firstProcesses = ({payload, applications}: LiveBox): ProcessId[] =>
  applications.length === 0 ? (payload === null ? [] : [payload]) : applications.flatMap((one) => (one.service ? [] : (one.process ?? [])));

/** The services of a box, which end by themselves after the payload. */
const services = ({applications}: LiveBox): ProcessId[] => applications.flatMap((one) => (one.service ? (one.process ?? []) : []));

/** false when it is gone. */
function signalProcess({pid}: ProcessId, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return false;
    throw error;
  }
}

/** @throws TareError BOX_STATE when it has ended meanwhile: then it was not ended by this */
function note(box: LiveBox, signal: string, by: number): void {
  const {directory, payload} = box;
  const before = readKills(directory);
  try {
    writeKills(directory, [...before, {uid: by, epochUs: epochUs(), signal}]);
    if (payload === null || isRunning(payload)) return;
    writeKills(directory, before);
  } catch {
    // the folder is gone with its box, or cannot be written to: a full disk must not prevent a kill
    if (existsSync(directory)) return;
  }
  throw notRunning(box);
}

const notRunning = ({id, startEpochUs}: LiveBox): TareError =>
  new TareError('BOX_STATE', {
    message: `nothing runs in the box ${id}`,
    found: startEpochUs === null ? 'not started yet' : 'ended',
    remedy: '`tare ps -a` says how it ended',
  });

/** Waits until the box's folder is gone, or no wrapper is left that removes it: then a sweep does. @throws TareError BOX_NOT_REMOVED */
async function waitGone({id, directory, init, shim, supervisor}: LiveBox): Promise<void> {
  for (let waited = 0; existsSync(directory); waited += LOOK_MS) {
    const lives = init !== null && isRunning(init);
    if (!lives && [shim, supervisor].every((part) => part === null || !isRunning(part))) return;
    if (lives && waited >= INIT_MS) killProcess(init.pid);
    if (waited >= GONE_MS) {
      throw new TareError('BOX_NOT_REMOVED', {
        message: `the box ${id} is still there after ${GONE_MS / 1000} s`,
        remedy: 'a process in uninterruptible sleep (state D) dies when the kernel lets it',
      });
    }
    await sleep(LOOK_MS);
  }
}
