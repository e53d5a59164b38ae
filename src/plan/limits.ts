/** Every limit: its value, the reason, and how it is enforced. */

import {TareError} from '../errors.js';
import type {Controller, Facts} from '../host/facts.js';
import {LIMIT_NAMES, LIMIT_UNITS, type LimitName, type Valued} from '../job/job.js';
import {formatBytes} from '../job/quantity.js';
import {resolveLimit, type ResolvedLimit} from '../policy/clamp.js';
import {ENFORCED_NAMES, type Enforcement, type Policy} from '../policy/policy.js';
import type {Plan, PlannedLimit} from '../schema/generated/plan-1.js';
import {repositoryOf} from './cvmfs.js';
import {hasUserNamespace} from './engine.js';
import type {Inputs} from './inputs.js';
import type {ModeChoice} from './mode.js';
import {scratchEnforcer} from './scratch.js';

export type PlannedLimits = Plan['limits'];

/** Linux 5.14 counts RLIMIT_NPROC per user namespace (kernel commit 21d1c5e386bc), so that it binds one box and not all of the user's. */
const NPROC_PER_NAMESPACE: readonly [number, number] = [5, 14];

/**
 * Resolves all limits (wish, default, slot, maximum) and names what enforces each.
 * @throws TareError ENFORCEMENT_UNAVAILABLE, SLOT_TOO_SMALL
 */
export function planLimits(inputs: Inputs, mode: ModeChoice): PlannedLimits {
  const {job, policy, facts, call} = inputs;
  const slots: Partial<Record<LimitName, Valued<number> | null>> = {
    cores: call.slot.cores ?? factual(facts.slot.cores, facts.slot.how),
    memory: memoryOfSlot(inputs, call.slot.memoryBytes, mode),
    processes: factual(facts.slot.processes, facts.slot.how),
    wallTime: call.slot.wallTimeUs,
    cpuTime: call.slot.cpuTimeUs,
    scratch: policy.scratch.value.fromSlot ? call.slot.scratchBytes : null,
  };
  const limits = {} as PlannedLimits;
  for (const name of LIMIT_NAMES) {
    const resolved = resolveLimit(name, {
      asked: job.limits[name] ?? null,
      policyDefault: policy.defaults[name] ?? null,
      maximum: policy.maxima[name] ?? null,
      slot: slots[name] ?? null,
    });
    limits[name] = describe(name, resolved, mode, inputs);
  }
  if (limits.memory.value === null && limits.swap.by === 'cgroup1:memory.memsw.limit_in_bytes') {
    // v1 limits swap and memory together only
    limits.swap = {
      ...limits.swap,
      enforcement: 'none',
      by: null,
      because: `${limits.swap.because}, together with memory, which has no limit`,
    };
  }
  if (mode.value !== 'observe') for (const name of ENFORCED_NAMES) require(name, limits[name], policy);
  return limits;
}

/** Limits for which 0 means that the payload is not changed. */
const ZERO_IS_NONE: ReadonlySet<LimitName> = new Set(['pinCores', 'nice']);

function describe(name: LimitName, resolved: ResolvedLimit, mode: ModeChoice, inputs: Inputs): PlannedLimit {
  const common = {
    value: resolved.value,
    unit: LIMIT_UNITS[name],
    asked: resolved.asked,
    clamped: resolved.clamped,
    provenance: resolved.provenance,
  };
  if (resolved.value === null || (resolved.value === 0 && ZERO_IS_NONE.has(name))) {
    return {...common, value: null, enforcement: 'none', by: null, because: resolved.because};
  }
  if (mode.value === 'observe') return {...common, enforcement: 'none', by: null, because: `${resolved.because}; only observed`};
  const {enforcement, by, because} = ENFORCERS[name](inputs, resolved, mode);
  return {...common, enforcement, by, because: `${resolved.because}; ${because}`};
}

interface Enforcer {
  enforcement: Enforcement;
  by: string | null;
  because: string;
}

/** What enforces each limit on this node. */
const ENFORCERS: Readonly<Record<LimitName, (inputs: Inputs, resolved: ResolvedLimit, mode: ModeChoice) => Enforcer>> = {
  cores: ({facts}) => groupEnforcer('cores', facts) ?? none('no cpu controller can be used, and shares of a CPU cannot be watched'),
  pinCores: ({facts}) =>
    groupFile(facts, 'cpuset', 'cpuset.cpus', 'cpuset.cpus') ?? kernel('sched_setaffinity', 'the affinity mask of everything in the box'),
  nice: () => kernel('setpriority', 'before the exec, and never lowered: a caller that is nicer stays so'),
  memory: ({facts}) =>
    groupEnforcer('memory', facts) ??
    watched('watch.memory', 'no memory controller can be used: resident memory is sampled, and the payload killed when it is over'),
  memoryHigh: ({facts}) =>
    onlyV2(facts, 'memory', 'memory.high') ?? none('only the memory controller of cgroup v2 has such a limit, and it cannot be used'),
  swap: ({facts}) => swapEnforcer(facts),
  processes: (inputs, resolved, mode) =>
    groupFile(inputs.facts, 'pids', 'pids.max', 'pids.max') ??
    processesOfSlot(resolved, inputs.facts) ??
    processesWithoutGroup(mode, inputs),
  wallTime: () => watched('watch.wallTime', 'no kernel limit on wall time exists'),
  cpuTime: () => watched('watch.cpuTime', 'no kernel limit on the CPU time of a process tree exists'),
  openFiles: () => kernel('RLIMIT_NOFILE', 'per process'),
  coreSize: () => kernel('RLIMIT_CORE', 'per process'),
  scratch: (inputs, _, mode) => scratchEnforcer(inputs, mode),
};

/** The controller that enforces a limit, for the whole payload or for one application; null where none can. */
export function groupEnforcer(name: 'cores' | 'memory', facts: Facts): Enforcer | null {
  return name === 'cores'
    ? groupFile(facts, 'cpu', 'cpu.cfs_quota_us', 'cpu.max')
    : groupFile(facts, 'memory', 'memory.limit_in_bytes', 'memory.max');
}

function groupFile(facts: Facts, controller: Controller, v1: string, v2: string): Enforcer | null {
  const fact = facts.cgroup.controllers[controller];
  if (fact === undefined || fact.parent === null) return null;
  return kernel(
    `cgroup${String(fact.version)}:${fact.version === 1 ? v1 : v2}`,
    `the ${controller} controller of cgroup v${String(fact.version)}`,
  );
}

function onlyV2(facts: Facts, controller: Controller, file: string): Enforcer | null {
  const fact = facts.cgroup.controllers[controller];
  return fact?.version === 2 && fact.files.includes(file) ? groupFile(facts, controller, file, file) : null;
}

function swapEnforcer(facts: Facts): Enforcer {
  const memory = facts.cgroup.controllers.memory;
  if (memory !== undefined && memory.parent !== null) {
    const file = memory.version === 1 ? 'memory.memsw.limit_in_bytes' : 'memory.swap.max';
    if (memory.files.includes(file)) return kernel(`cgroup${String(memory.version)}:${file}`, 'the memory controller counts swap');
  }
  if (facts.memory.swapBytes === 0) return kernel('no swap', 'this node has no swap');
  return none('the kernel does not count swap per group here');
}

/**
 * The limit on processes of the slot. Without a group of its own for pids a box stays in the caller's, whose limit holds already (systemd gives
 * every unit a pids.max), and the payload's resource limits stay as they are.
 */
function processesOfSlot({value, provenance}: ResolvedLimit, {slot}: Facts): Enforcer | null {
  return provenance.source === 'slot' && value !== null && value === slot.processes
    ? kernel('pids.max of the slot', 'the box stays in the slot’s group')
    : null;
}

/** RLIMIT_NPROC does not bind root (setrlimit(2)). */
function processesWithoutGroup(mode: ModeChoice, inputs: Inputs): Enforcer {
  const {version} = inputs.facts.kernel;
  const perNamespace =
    version[0] > NPROC_PER_NAMESPACE[0] || (version[0] === NPROC_PER_NAMESPACE[0] && version[1] >= NPROC_PER_NAMESPACE[1]);
  if (mode.value === 'box' && perNamespace && hasUserNamespace(inputs) && inputs.call.identity.value.uid !== 0) {
    return kernel('RLIMIT_NPROC', 'no pids controller can be used; counted per user namespace since Linux 5.14');
  }
  return watched('watch.processes', 'no pids controller can be used: processes are counted, and the payload killed when there are more');
}

const kernel = (by: string, because: string): Enforcer => ({enforcement: 'kernel', by, because});
const watched = (by: string, because: string): Enforcer => ({enforcement: 'watched', by, because});
const none = (because: string): Enforcer => ({enforcement: 'none', by: null, because});

const factual = (value: number | null, how: string): Valued<number> | null =>
  value === null ? null : {value, provenance: {source: 'slot', at: how}};

/** The slot's memory less the reserve: the payload's limit must be hit before the slot's, which would kill the wrapper too. */
function memoryOfSlot({job, policy, facts}: Inputs, granted: Valued<number> | null, mode: ModeChoice): Valued<number> | null {
  const known = [granted, factual(facts.slot.memoryLimitBytes, facts.slot.how)].filter((value) => value !== null);
  const slot = known.sort((a, b) => a.value - b.value)[0];
  if (slot === undefined) return null;
  // nothing is enforced, or the box around keeps a reserve already
  if (mode.value === 'observe' || facts.within !== null) return slot;
  const reserve = reserveOf(policy, slot.value, clientsOf(job, policy));
  if (slot.value <= reserve) {
    throw new TareError('SLOT_TOO_SMALL', {
      message: 'the slot has no memory left after the reserve',
      where: policy.reserveBytes.provenance.at,
      found: `${formatBytes(slot.value)} in the slot (${slot.provenance.at}), ${formatBytes(reserve)} in reserve`,
      remedy: 'lower reserve.memory or make the slot larger',
    });
  }
  return {value: slot.value - reserve, provenance: {source: 'slot', at: `${slot.provenance.at} less reserve ${formatBytes(reserve)}`}};
}

/** Clients of repositories that Tare may have to start for the job, in the slot and not under the job's limit. */
function clientsOf({cvmfs, image}: Inputs['job'], {cvmfs: {value: rule}}: Policy): number {
  const lower = image === null ? null : repositoryOf(image.value, rule.root);
  const names = new Set([...cvmfs.map(({value}) => value), ...rule.required, ...(lower === null ? [] : [lower])]);
  // and one for the configuration repository
  return rule.mount === null ? 0 : names.size + (names.size > 0 && rule.mount.configDirectory !== null ? 1 : 0);
}

/**
 * The reserve of memory: the policy's, and more for each client of a repository. The built-in reserve is less in a small slot: HTCondor's starter (since 23.1, cgroup v2) takes a kill for memory
 * below nine tenths of the slot for the node's trouble, and starts the job again, for ever.
 */
function reserveOf({reserveBytes: {value, provenance}}: Policy, slotBytes: number, clients: number): number {
  const wanted = value + clients * CLIENT_RESERVE;
  return provenance.source === 'builtin'
    ? Math.min(wanted, Math.max(LEAST_RESERVE, Math.floor((slotBytes * RESERVE_SHARE) / MIB) * MIB))
    : wanted;
}

const MIB = 2 ** 20;
/** What a client of a repository holds: cvmfs2 2.12 has some 37 MiB resident. */
const CLIENT_RESERVE = 40 * MIB;
const RESERVE_SHARE = 0.08;
/** What the wrapper itself takes. */
const LEAST_RESERVE = 16 * MIB;

const STRENGTH: Readonly<Record<Enforcement, number>> = {none: 0, watched: 1, kernel: 2};

function require(name: (typeof ENFORCED_NAMES)[number], limit: PlannedLimit, policy: Policy): void {
  const required = policy.enforcement[name];
  if (limit.value === null || STRENGTH[limit.enforcement] >= STRENGTH[required.value]) return;
  throw new TareError('ENFORCEMENT_UNAVAILABLE', {
    message: `the limit on ${name} cannot be enforced as the policy requires`,
    where: required.provenance.at,
    found: `${limit.enforcement} (${limit.because})`,
    allowed: required.value,
    remedy: '`tare doctor` tells how to mend it',
  });
}

/** Twice the memory limit: a payload that is over it shall be killed for memory, and not get ENOSPC before; null: no limit. */
export const sizeInMemory = ({memory}: PlannedLimits): number | null => (memory.value === null ? null : 2 * memory.value);
