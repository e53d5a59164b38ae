/** All that `tare doctor` looks at. */

import {accessSync, constants} from 'node:fs';
import type {BatchFinding, Engine, Plugin} from '@tare/contract';
import {errnoOf} from '../errors.js';
import {examineBatch} from '../batch/detect.js';
import {effects} from '../batch/effects.js';
import type {Facts} from '../host/facts.js';
import {readFacts} from '../host/index.js';
import {spawnBriefly} from '../host/spawn.js';
import {logObstacle} from '../box/log-place.js';
import {belowReserve, shortageText} from '../box/reserve.js';
import {waitingIn} from '../box/waiting.js';
import {readHealth} from '../node-state/health.js';
import type {Report} from '../node-state/report.js';
import {readReports} from '../node-state/reports.js';
import {nodePlaces, placesOf} from '../policy/places.js';
import type {Policy} from '../policy/policy.js';
import {readPolicy} from '../files/documents.js';
import {soughtEngines} from '../prepare/gather.js';
import {accountIn, callerIdentity, nameCaller} from '../prepare/identity.js';
import {jobFiles} from '../files/job-files.js';
import {NATIVE} from '../process/native.js';
import {readClock, type ClockFound} from '../process/synchronised.js';
import {askLandlock, tryView} from '../prepare/trial.js';
import {switchOn} from './kill-switch.js';

/** The machine as an inventory would name it. */
interface Machine {
  cpu: {manufacturer: string; brand: string; physicalCores: number; cores: number};
  os: {distro: string; release: string; arch: string};
  memoryTotalBytes: number;
}

/** In the report's form; null: not looked at, or there is nothing to look at. */
interface NodeState {
  clock: ClockFound;
  /** Disks below the policy's reserve, in words. */
  shortages: string[] | null;
  log: {file: string; obstacle: string | null} | null;
  waiting: number;
  degraded: Readonly<Record<string, number>> | null;
}

/** What `tare doctor` diagnoses from. */
export interface Examined {
  facts: Facts;
  policy: Policy;
  /** Those that Tare has, in their order. */
  engines: readonly Engine[];
  machine: Machine;
  tools: {native: {path: string | null; because: string | null}};
  /** What the batch system of this job says; null outside of one. */
  batch: BatchFinding | null;
  /** Of the node's own state, as far as this account sees it. */
  node: NodeState;
  killSwitch: {file: string; on: boolean};
}

/** @throws TareError when the policy cannot be read */
export async function examineNode(
  policyFile: string | null,
  plugins: readonly Plugin[],
  environment: Readonly<Record<string, string>>,
): Promise<Examined> {
  const ids = callerIdentity();
  const policy = await readPolicy(policyFile, ids.uid);
  const {caller} = await nameCaller(ids, policy);
  const {scratch} = placesOf(policy, caller.uid);
  const engines = plugins.flatMap((plugin) => plugin.engines ?? []);
  const facts = readFacts({
    engines: soughtEngines(policy, engines, {system: true}),
    caller,
    scratchDirectory: scratch,
    pinned: [],
    spawn: spawnBriefly,
    landlock: askLandlock,
    trial: tryView,
    system: true,
    network: true,
  });
  const on = switchOn(policy);
  const killSwitch = {file: on ?? policy.killSwitch.value, on: on !== null};
  const call = {role: 'command' as const, argv: [], environment, cwd: process.cwd(), uid: caller.uid};
  const batch = await examineBatch(
    plugins,
    call,
    effects(jobFiles(accountIn(call.cwd), call.cwd), () => undefined),
  );
  return {
    facts,
    policy,
    engines,
    machine: await readMachine(),
    tools: {native: checkNative()},
    batch,
    node: findNode(policy, caller.uid),
    killSwitch,
  };
}

function findNode(policy: Policy, uid: number): NodeState {
  const places = placesOf(policy, uid);
  const {bytes, inodes} = policy.reserveDisk;
  const at = nodePlaces(policy, uid);
  return {
    clock: readClock(),
    shortages: bytes === null && inodes === null ? null : belowReserve(policy, uid).map(shortageText),
    log: places.log === null ? null : {file: places.log, obstacle: logObstacle(places.log)},
    waiting: waitingIn(places).length,
    degraded: readHealth(at)?.degraded ?? countDegraded(readReports(at, Date.now())),
  };
}

function countDegraded(reports: readonly Report[] | null): Record<string, number> | null {
  if (reports === null) return null;
  const counts: Record<string, number> = {};
  for (const {kind, code} of reports) if (kind === 'degraded') counts[code] = (counts[code] ?? 0) + 1;
  return counts;
}

async function readMachine(): Promise<Machine> {
  const {default: si} = await import('systeminformation');
  const [cpu, os, memory] = await Promise.all([si.cpu(), si.osInfo(), si.mem()]);
  return {
    cpu: {manufacturer: cpu.manufacturer, brand: cpu.brand, physicalCores: cpu.physicalCores, cores: cpu.cores},
    os: {distro: os.distro, release: os.release, arch: os.arch},
    memoryTotalBytes: memory.total,
  };
}

function checkNative(): Examined['tools']['native'] {
  try {
    accessSync(NATIVE, constants.X_OK);
    return {path: NATIVE, because: null};
  } catch (error) {
    return {path: null, because: `${NATIVE}: ${errnoOf(error) ?? String(error)}`};
  }
}
