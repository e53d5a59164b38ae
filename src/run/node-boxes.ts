/** A real box, tried by a process of its own that outlives the call: begun, awaited, and taken up by the next call. */

import {rmSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {policyWords} from '../files/documents.js';
import {start as startProgram} from '../host/spawn.js';
import type {HealthProbe} from '../node-state/health.js';
import {epochUs, sleep} from '../process/clock.js';
import {NATIVE} from '../process/native.js';
import {isRunning, processId, type ProcessId} from '../process/process.js';
import {readJson, replace} from './node-folder.js';
import {probeAs} from './probe-account.js';

/** A box that has not ended by then was not answered: a node under load takes many times as long as an idle one. */
const BOX_DEADLINE_MS = 120_000;
/** A process that ends what it began after its deadline. */
export const LOST_US = (BOX_DEADLINE_MS + 30_000) * 1000;
const LOOK_MS = 50;

const UNDER_WAY = 'probing.json';
const FOUND = 'probed.json';

interface UnderWay {
  uid: number;
  at: number;
  /** Jobs of a node on which nothing was found have asked for it. */
  asked: boolean;
  process: ProcessId | null;
}

/** The box is tried by a process that outlives this one. */
export function startTrial(
  folder: string,
  {uid, asked}: Pick<UnderWay, 'uid' | 'asked'>,
  policyFile: string | null,
  probes: readonly HealthProbe[],
): void {
  rmSync(join(folder, FOUND), {force: true});
  const timeouts = probes.find((probe) => probe.uid === uid)?.timeouts ?? 0;
  const argv = ['node', 'probe', '--as', `${String(uid)}:${String(timeouts)}`, '--into', join(folder, FOUND)];
  const child = startProgram(NATIVE, [...argv, ...policyWords(policyFile)], {
    argv0: 'tare',
    cwd: '/',
    env: {PATH: '/usr/bin:/bin'},
    stdio: 'ignore',
    detached: true,
  });
  child.on('error', () => undefined); // it is lost, which the next call sees
  child.unref();
  const underWay: UnderWay = {uid, asked, at: epochUs(), process: child.pid === undefined ? null : processId(child.pid)};
  replace(join(folder, UNDER_WAY), JSON.stringify(underWay), 0o600);
}

/** What that process does. */
export async function probeInto(as: string, into: string, policyFile: string | null): Promise<void> {
  const [uid = NaN, timeouts = 0] = as.split(':').map(Number);
  const {less: _, ...probe} = await probeAs(uid, policyFile, BOX_DEADLINE_MS, timeouts);
  replace(into, JSON.stringify(probe), 0o600);
}

/** A box is being tried, or its result was not taken up yet. */
export function isUnderWay(folder: string): boolean {
  return readUnderWay(folder) !== null;
}

/** Waits until the box has ended or its process is lost, at most for `patienceMs`. */
export async function awaitEnd(folder: string, patienceMs: number): Promise<void> {
  const end = performance.now() + patienceMs;
  while (performance.now() < end) {
    const underWay = readUnderWay(folder);
    if (underWay === null || statSync(join(folder, FOUND), {throwIfNoEntry: false}) !== undefined || isLost(underWay)) return;
    await sleep(LOOK_MS);
  }
}

const isLost = ({at, process: of}: UnderWay): boolean => of === null || !isRunning(of) || epochUs() - at > LOST_US;

/** The probes with the one that has ended meanwhile, or was lost. */
export function takeUp(folder: string, probes: readonly HealthProbe[]): HealthProbe[] {
  const underWay = readUnderWay(folder);
  if (underWay === null) return [...probes];
  const found = readFound(folder);
  if (found === null && !isLost(underWay)) return [...probes];
  // it may have ended between the two looks
  const last = found ?? readFound(folder) ?? lost(underWay, probes);
  for (const name of [FOUND, UNDER_WAY]) rmSync(join(folder, name), {force: true});
  const vainAt = underWay.asked && last.healthy === true ? last.at : probes.find(({uid}) => uid === last.uid)?.vainAt;
  const probe = vainAt === undefined ? last : {...last, vainAt};
  return [...probes.filter(({uid}) => uid !== last.uid), probe].sort((a, b) => a.uid - b.uid);
}

function lost({uid, at}: UnderWay, probes: readonly HealthProbe[]): HealthProbe {
  const timeouts = (probes.find((probe) => probe.uid === uid)?.timeouts ?? 0) + 1;
  const because = 'the process that tried it has said nothing';
  return {uid, user: null, at, healthy: null, timeouts, tookUs: Math.max(0, epochUs() - at), got: null, wanted: null, because};
}

const readUnderWay = (folder: string): UnderWay | null => readJson(join(folder, UNDER_WAY)) as UnderWay | null;
const readFound = (folder: string): HealthProbe | null => readJson(join(folder, FOUND)) as HealthProbe | null;
