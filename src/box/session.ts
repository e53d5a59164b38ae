/** A session in a live job (condor_ssh_to_job): its command joins the box and its control groups, and is weighed with the job. */

import {join} from 'node:path';
import type {BatchJob} from '@tare/contract';
import {openGroups, type Part} from '../cgroup/manager.js';
import {joinArgv} from '../engine/join.js';
import {placesOf} from '../policy/places.js';
import type {Policy} from '../policy/policy.js';
import {stepOf} from '../plan/step.js';
import {filterOf} from '../supervise/filter.js';
import {isOwn} from '../record/durable.js';
import {SIGKILL} from '../record/wait-status.js';
import type {Channel, Frame} from '../process/channel.js';
import {isRunning, type ProcessId} from '../process/process.js';
import {launchKey, type Ending as Quit} from '../schema/generated/protocol.js';
import {boxesIn} from './state-read.js';
import type {BoxState} from './state.js';

/** The live box of the same job for the same user; null when there is none. */
export function findLiveBox(policy: Policy, uid: number, {lrms, slot}: BatchJob): BoxState | null {
  const {state: place} = placesOf(policy, uid);
  // what others wrote there would say which groups to join, and whose process
  if (!isOwn(place, uid) || !isOwn(join(place, 'boxes'), uid) || lrms.globalJobId === null) return null;
  const isIt = ({batch, plan, init}: BoxState): boolean =>
    init != null && batch.lrms.globalJobId === lrms.globalJobId && plan.slot.name === slot.name && isRunning(init);
  return boxesIn(place).find(isIt) ?? null;
}

/** How a command that joined a box ended; or why it was not run. */
export type Joined = {quit: Quit} | {failure: {step: string; text: string}};

/**
 * Runs a command in the namespaces and groups of a live box, and ends it with the box. Resolves when it has ended.
 * @param inside a process of the payload
 * @param command keys of the launch frame, all but what joins (docs/reference/protocol.md)
 * @param part whose group: where there are several applications no process is in the payload's own
 * @param seen is told of all that the shim reports
 */
export async function joinBox(
  {id, plan, init, inside}: Pick<BoxState, 'id' | 'plan' | 'init'> & {inside: ProcessId | null},
  command: readonly string[],
  part: Part,
  channel: Channel,
  seen: (frame: Frame) => void = () => undefined,
): Promise<Joined> {
  if (plan.engine.sealed !== undefined) return {failure: {step: '', text: plan.engine.sealed}};
  const groups = openGroups(plan.steps, id);
  const keys = [...groups.entries('engine').map(launchKey.engineGroup), ...groups.entries(part).map(launchKey.group)];
  // there the payload is where init is not, among the processes of a process 1 of its own
  const isApart = plan.pattern.value === 'vm-lite' || stepOf(plan, 'payload.execute')?.first === true;
  const pid = (isApart ? inside : init)?.pid ?? 0;
  if (plan.mode.value === 'box') keys.push(...joinArgv(plan, pid).map(launchKey.engineArgument));
  const filter = filterOf(plan);
  if (filter !== null) keys.push(launchKey.filter(filter));
  channel.send({name: 'launch', keys: [...keys, ...command]});
  // without a PID namespace or a group nothing else ends it with the box
  const watch = setInterval(() => {
    if (init === null || !isRunning(init)) channel.send({name: 'kill'});
  }, WATCH_MS);
  try {
    return await runLaunched(channel, seen);
  } finally {
    clearInterval(watch);
  }
}

const WATCH_MS = 500;

/** Follows what was launched to its end. */
export async function runLaunched(channel: Channel, seen: (frame: Frame) => void = () => undefined): Promise<Joined> {
  let joined: Joined = {quit: ['signal', SIGKILL]};
  for (let frame = await channel.next(); frame !== null; frame = await channel.next()) {
    seen(frame);
    if (frame.name === 'ready') channel.send({name: 'go'});
    if (frame.name === 'executed') channel.send({name: 'close', descriptor: 1}); // a reader sees when the command closes its own
    if (frame.name === 'failed') joined = {failure: {step: frame.step, text: frame.text}};
    if (frame.name === 'ended') joined = {quit: ['status', frame.report.rawStatus]};
    if (frame.name === 'gone') break;
  }
  return joined;
}
