/** Somebody looks into a live job (condor_ssh_to_job): the command joins the box and its control groups, and is weighed with them. */

import {accessSync, constants} from 'node:fs';
import {join} from 'node:path';
import type {BatchJob} from '@tare/contract';
import {openGroups} from '../cgroup/manager.js';
import {nsenterArgv} from '../engine/nsenter.js';
import {placesOf} from '../policy/places.js';
import type {Policy} from '../policy/policy.js';
import {isOwn} from '../record/durable.js';
import type {Channel} from './channel.js';
import type {Hello} from './hello.js';
import {isRunning} from './process.js';
import type {Quit} from './request.js';
import {boxesIn, type BoxState} from './state.js';

/** nsenter(1) of util-linux, which is on every node. */
const NSENTER = ['/usr/bin/nsenter', '/bin/nsenter'];

/** The live box of the same job for the same user; null when there is none. */
export function findLiveBox(policy: Policy, uid: number, {lrms, slot}: BatchJob): BoxState | null {
  const {state: place} = placesOf(policy, uid);
  // what others wrote there would say which groups to join, and whose process
  if (!isOwn(place, uid) || !isOwn(join(place, 'boxes'), uid) || lrms.globalJobId === null) return null;
  const isIt = ({batch, plan, init}: BoxState): boolean =>
    init != null && batch.lrms.globalJobId === lrms.globalJobId && plan.slot.name === slot.name && isRunning(init);
  return boxesIn(place).find(isIt) ?? null;
}

/**
 * Runs the caller's argv in the box. Resolves when it has ended.
 * @returns how to end, or why the box could not be joined: then nothing was run
 */
export async function joinBox({id, plan, init}: BoxState, hello: Hello, channel: Channel): Promise<Quit | string> {
  const {joins} = openGroups(plan.steps, id);
  const strings = [...joins.engine.map((path) => `J${path}`), ...joins.payload.map((path) => `j${path}`)];
  if (plan.mode.value === 'box') {
    const nsenter = NSENTER.find(isExecutable);
    if (nsenter === undefined) return 'there is no nsenter';
    strings.push(...nsenterArgv(plan, nsenter, init?.pid ?? 0).map((argument) => `E${argument}`));
  }
  strings.push('a@1', `d${hello.cwd}`);
  channel.send('L', ...strings);
  let failure: string | null = null;
  let quit: Quit | null = null;
  for (let frame = await channel.next(); frame !== null; frame = await channel.next()) {
    const [first = '', , text = ''] = frame.strings;
    if (frame.tag === 'R') channel.send('G');
    if (frame.tag === 'F') failure = `${first}: ${text}`.trim();
    if (frame.tag === 'E') quit = ['status', Number(first)];
    if (frame.tag === 'B') break;
  }
  return failure ?? quit ?? ['signal', SIGKILL];
}

const SIGKILL = 9;

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
