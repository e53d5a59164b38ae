/** Limits of a container as Docker counts them, to limits of a job: docker run, podman and compose have the same ones in other words. */

import {TareError} from '../errors.js';
import type {Problems} from '../job/problems.js';
import type {Draft, Origin} from './draft.js';

/** A value with its origin, and the place of the value itself. */
export interface Given<T> {
  value: T;
  origin: Origin;
  at: string;
}

/** What was given. Sizes in bytes, quota and period in µs; 0 stands for no limit, of swap, quota and processes -1 too. */
export interface Resources {
  memory?: Given<number>;
  /** Memory and swap together. */
  memorySwap?: Given<number>;
  cores?: Given<number>;
  quota?: Given<number>;
  period?: Given<number>;
  /** Number of CPUs of the set. */
  cpuset?: Given<number>;
  processes?: Given<number>;
  /** RLIMIT_NPROC. */
  accountProcesses?: Given<number>;
}

/** What the kernel takes for the period where none is set (CFS bandwidth control), in µs. */
const PERIOD = 100_000;

/** What becomes of swap where nothing is said of it: as Docker has it, and as a runtime has it that is told nothing. */
export const UNSET_SWAP = {
  docker: 'without a limit on swap Docker gives as much swap as memory; a job has none: set limits.swap if it needs some',
  runtime: 'without a limit on swap the kernel gives all that there is; a job has none: set limits.swap if it needs some',
} as const;

/** Puts limits into a draft, and what they leave open; contradictions go to `problems`. @param swap of UNSET_SWAP */
export function placeResources(resources: Resources, draft: Draft, problems: Problems, swap: string): void {
  placeMemory(resources, draft, problems, swap);
  placeCores(resources, draft, problems);
  const {processes, accountProcesses} = resources;
  if (processes !== undefined && processes.value > 0) draft.limit('processes', processes.value, processes.origin);
  else if (processes !== undefined) draft.leave(processes.origin, 'it sets no limit, and a job without one has none of its own');
  if (accountProcesses === undefined) return;
  const {value, origin} = accountProcesses;
  if (draft.limits.has('processes') || value <= 0) draft.leave(origin, 'it counts all processes of an account; a job has limits.processes');
  else {
    draft.limit('processes', value, origin);
    draft.leave(origin, 'RLIMIT_NPROC counts all processes of an account; limits.processes has its value, and counts those of the job');
  }
}

function placeMemory({memory, memorySwap}: Resources, draft: Draft, problems: Problems, unset: string): void {
  if (memory !== undefined && memory.value > 0) draft.limit('memory', memory.value, memory.origin);
  else if (memory !== undefined) draft.leave(memory.origin, 'it sets no limit, and a job without one has what the slot has');
  const limit = memory?.value ?? 0;
  if (memorySwap === undefined || memorySwap.value === 0) {
    if (memory !== undefined && limit > 0 && !draft.limits.has('swap')) draft.leave(memory.origin, unset);
    return;
  }
  const {value, origin, at} = memorySwap;
  if (value === -1) draft.leave(origin, 'swap without a limit is nothing that a job can ask for: set limits.swap');
  else if (limit <= 0) problems.invalid({message: 'a limit on memory and swap together needs one on memory', where: at, found: origin.as});
  else if (value < limit)
    problems.add(
      new TareError('QUANTITY_INVALID', {
        message: 'memory and swap together are less than memory',
        where: at,
        found: origin.as,
        allowed: `${limit} bytes or more, the value at ${memory?.at ?? ''}`,
      }),
    );
  else draft.limit('swap', value - limit, origin);
}

function placeCores({cores, quota, period, cpuset}: Resources, draft: Draft, problems: Problems): void {
  const hasQuota = quota !== undefined && quota.value > 0;
  if (cores !== undefined && cores.value > 0 && (hasQuota || (period !== undefined && period.value > 0)))
    problems.invalid({
      message: 'a number of cores and a quota or period of CPU time exclude each other',
      where: cores.at,
      found: `${cores.origin.as}, and ${(quota ?? period)?.origin.as ?? ''} at ${(quota ?? period)?.at ?? ''}`,
      allowed: 'one of them',
    });
  if (cores !== undefined) placeNumber(cores, draft, problems);
  else if (hasQuota) {
    const share = quota.value / (period !== undefined && period.value > 0 ? period.value : PERIOD);
    placeNumber({...quota, value: share < 0.01 ? share : Math.round(share * 1e4) / 1e4}, draft, problems);
  }
  for (const [one, set] of [
    [quota, hasQuota],
    [period, hasQuota],
  ] as const)
    if (one !== undefined && !set) draft.leave(one.origin, 'without a quota it sets no limit on CPU time');
  if (cpuset === undefined) return;
  const limit = draft.limits.get('cores');
  draft.limit('pinCores', true, cpuset.origin);
  if (limit !== undefined && Number(limit.value) <= cpuset.value) {
    draft.leave(cpuset.origin, `\`${limit.origin.as}\` gives no more cores, and the job is bound to as many; which ones, Tare chooses`);
    return;
  }
  if (limit !== undefined) draft.leave(limit.origin, `\`${cpuset.origin.as}\` gives fewer cores`);
  draft.limits.set('cores', {value: cpuset.value, origin: cpuset.origin});
  draft.leave(cpuset.origin, 'the job is bound to as many CPUs; which ones, Tare chooses');
}

/** Less than 0.01 of a core is nothing that the kernel's quota can say. */
function placeNumber({value, origin, at}: Given<number>, draft: Draft, problems: Problems): void {
  if (value >= 0.01 && value <= 65_536) draft.limit('cores', value, origin);
  else if (value === 0) draft.leave(origin, 'it sets no limit, and a job without one has the cores of the slot');
  else
    problems.add(
      new TareError('QUANTITY_INVALID', {
        message: 'not a number of cores',
        where: at,
        found: origin.as,
        allowed: 'from 0.01 to 65536 cores',
      }),
    );
}

/** A resource limit (ulimit) of Docker: soft and hard value, -1 for none. */
interface Ulimit {
  name: string;
  soft: number;
  hard: number;
  origin: Origin;
  at: string;
}

/** What becomes of other resource limits than those that are limits of a job. */
const ULIMITS: Readonly<Record<string, string>> = {
  cpu: 'it counts the CPU time of each process; set limits.cpuTime, which counts that of the whole job',
  as: 'Tare limits the memory of the whole job, not the address space of a process: set limits.memory',
  data: 'Tare limits the memory of the whole job, not the data of a process: set limits.memory',
  rss: 'Linux does not enforce it: set limits.memory',
  fsize: 'Tare does not limit the size of a single file: set limits.scratch',
  nice: 'a job has limits.nice, and never a value below 0',
  rtprio: 'a payload has no real-time priority',
  rttime: 'a payload has no real-time priority',
  stack: 'Tare does not set it: the payload has the caller’s',
  memlock: 'Tare does not set it: the payload has the caller’s',
  locks: 'Linux does not enforce it',
  msgqueue: 'Tare does not set it: the payload has the caller’s',
  sigpending: 'Tare does not set it: the payload has the caller’s',
};

/** Names of resource limits that are known. */
export const ULIMIT_NAMES = ['core', 'nofile', 'nproc', ...Object.keys(ULIMITS)];

/** Puts a resource limit into a draft, or into the resources where others have a say. */
export function placeUlimit({name, soft, hard, origin, at}: Ulimit, resources: Resources, draft: Draft): void {
  const reason = Object.hasOwn(ULIMITS, name) ? ULIMITS[name] : undefined;
  if (reason !== undefined) {
    draft.leave(origin, reason);
    return;
  }
  if (name === 'nproc') {
    resources.accountProcesses = {value: hard, origin, at};
    return;
  }
  // A payload without open files cannot run, and cores of size 0 are sensible.
  if (hard < 0 || (name === 'nofile' && hard === 0)) draft.leave(origin, 'it sets no limit, and a job without one has the caller’s');
  else draft.limit(name === 'core' ? 'coreSize' : 'openFiles', hard, origin);
  if (soft !== hard && hard >= 0) draft.leave(origin, `Tare sets one value for both limits, the hard one; the soft one is ${soft}`);
}
