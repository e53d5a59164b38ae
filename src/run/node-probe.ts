/**
 * What root's timer does every few seconds: cheap checks, and from time to time a real box as an account that has jobs here. A box that
 * takes long is left to a process of its own: the next call takes up what it found.
 */

import {lstatSync, readFileSync} from 'node:fs';
import {asTareError, TareError, type TareErrors} from '../errors.js';
import {readPolicy} from '../files/documents.js';
import {isAsking, nextProbe} from '../node-state/due.js';
import {readHealth, writeHealth, type HealthResult} from '../node-state/health.js';
import {nodePlaces} from '../policy/places.js';
import type {Policy} from '../policy/policy.js';
import {epochUs} from '../process/clock.js';
import {awaitEnd, isUnderWay, LOST_US, startTrial, takeUp} from './node-boxes.js';
import {guard, openPlace} from './node-folder.js';
import {forgetGlance, writeGlance} from './node-glance.js';
import {explainedAtOf, look, type ProbeOptions} from './node-look.js';
import {marksOf, readMarks, writeMarks} from './node-marks.js';

/** How long a call waits for a box before it leaves it to the next. */
const WAIT_MS = 8_000;

/** @throws TareError NODE_STATE when nothing can be written */
export async function probeNode(options: ProbeOptions): Promise<HealthResult> {
  const self = process.getuid?.() ?? -1;
  const policy = await loadPolicy(options.policyFile, self);
  const places = nodePlaces(policy instanceof Error ? null : policy, self);
  const folder = openPlace(places);
  const kept = readHealth(places);
  const bootId = readBootId();
  // what was found before the node was started anew says nothing of it now
  const before = kept !== null && kept.bootId === bootId ? kept : null;
  const marks = marksOf(policy, options);
  const beganMs = Date.now() - CLOCK_STEP_MS;
  forgetGlance(options, self);
  const context = {places, folder, policy, options, before, resetAt: kept?.resetAt ?? null, bootId, self};
  let probes = before?.probes ?? [];
  probes = takeUp(folder, probes);
  let result = look(context, probes);
  const {reports, accounts} = result;
  const known = {...result, explainedAt: explainedAtOf(result)};
  const changed = options.full || marks !== readMarks(folder);
  const uid = nextProbe({...known, nowUs: epochUs(), changed}) ?? (options.full ? self : null);
  if (uid !== null && !(policy instanceof Error) && !isUnderWay(folder)) {
    const asked = result.health.healthy && isAsking(known, uid);
    startTrial(folder, {uid, asked}, options.policyFile, probes);
    writeMarks(folder, marks);
  }
  if (isUnderWay(folder)) {
    await awaitEnd(folder, options.full ? LOST_US / 1000 : WAIT_MS);
    probes = takeUp(folder, probes).filter((probe) => accounts.includes(probe.uid));
    // judged by what the last call found, not by what this one has written meanwhile
    result = look(context, probes, reports);
  }
  if (!(policy instanceof Error) && !isUnderWay(folder)) writeGlance({options, policy, places, folder, result, beganMs});
  return result.health;
}

/** A file's time is that of the kernel's last tick. */
const CLOCK_STEP_MS = 20;

/** Forgets the failures that jobs have reported so far, and looks again. @throws TareError NODE_STATE */
export async function resetNode(options: ProbeOptions): Promise<HealthResult> {
  const self = process.getuid?.() ?? -1;
  const policy = await loadPolicy(options.policyFile, self);
  const places = nodePlaces(policy instanceof Error ? null : policy, self);
  const before = readHealth(places);
  if (self !== 0 && lstatSync(places.shared, {throwIfNoEntry: false})?.uid === 0)
    throw new TareError('NODE_STATE', {
      message: 'only root resets a node',
      where: places.shared,
      found: `uid ${String(self)}`,
    });
  if (before !== null)
    guard(places, () => {
      writeHealth(places, {...before, resetAt: epochUs()});
    });
  return probeNode(options);
}

async function loadPolicy(file: string | null, uid: number): Promise<Policy | TareError> {
  try {
    return await readPolicy(file, uid);
  } catch (error) {
    const trouble: TareError | TareErrors = asTareError(error);
    return trouble instanceof TareError ? trouble : (trouble.errors[0] ?? new TareError('INTERNAL', {message: trouble.message}));
  }
}

function readBootId(): string | null {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return null;
  }
}
