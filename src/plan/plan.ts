/** Job, policy, facts and call to a plan: decides everything and touches nothing. */

import {TareError, TareErrors} from '../errors.js';
import type {Pattern} from '../job/job.js';
import {applyRules} from '../policy/match.js';
import {formatDuration} from '../job/quantity.js';
import {liesIn} from '../policy/glob.js';
import {ownPlaces, placesOf} from '../policy/places.js';
import {refusals} from '../policy/refusals.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {planApplications, planFate} from './applications.js';
import {digest} from './canonical.js';
import {planGroups} from './cgroup.js';
import {chooseCpus} from './cpus.js';
import {planCvmfs} from './cvmfs.js';
import {degradations, planDegraded, type Degradation} from './degraded.js';
import {planEnvironment} from './environment.js';
import {planFeatures} from './features.js';
import type {Inputs} from './inputs.js';
import {planLandlock, QUEUES} from './landlock.js';
import {planLimits, type PlannedLimits} from './limits.js';
import {machineIds, rootOf, type IdMaps, type MachineIds} from './machine-ids.js';
import {chooseMode, observeReason, type ModeChoice} from './mode.js';
import {isNeverWritable, isOwnDirectory, planMounts} from './mounts.js';
import {chooseIdentity, planConnection, planIdentity, type IdentityChoice} from './network.js';
import {planObserved, planScratchWeighing, type Observed} from './observed.js';
import {checkAvailable, selectPattern} from './pattern.js';
import {planScratchWatch} from './scratch.js';
import type {Step, StepOf} from './step.js';
import {checkInit, planServices, PROTECTED} from './system.js';
import {checkView, chooseView} from './view.js';

/** How often a watch looks, in ms. */
const WATCH_PERIOD_MS = 250;
/** The payload goes before the wrapper when the node runs out of memory. */
const OOM_SCORE_ADJ = 500;

/**
 * @throws TareError | TareErrors when the policy refuses (exit 126) or the job cannot be run here (exit 125); nothing was touched then.
 */
export function makePlan(original: Inputs): Plan {
  const {job, facts, call} = original;
  const pattern = selectPattern(job);
  const ruled = applyRules(original.policy, {vo: job.vo, user: call.identity.value.name, queue: job.queue, pattern: pattern.value});
  const refused = refusals(job, pattern.value, ruled, call.image?.digest ?? null);
  const [only, ...others] = refused;
  // one that is only observed runs as it would without Tare, and its record says that it would not have; a small machine is never observed
  const isObserved = observeReason(ruled.policy, call) !== null && pattern.value !== 'vm-lite';
  if (only !== undefined && !isObserved) throw others.length === 0 ? only : new TareErrors(refused);
  const inputs: Inputs = {...original, policy: ruled.policy};
  const {policy} = inputs;
  checkAvailable(pattern, job);
  checkIdentity(inputs);
  checkOwnPlaces(inputs);
  const identity = chooseIdentity(inputs);
  const isolated = identity === null ? null : identity.kind === 'host' ? 'host' : 'none';
  const network = isolated ?? job.network?.value ?? policy.network.value[0] ?? 'host';
  const view = chooseView(inputs);
  const mode = chooseMode(policy, facts, call, {network, view, pattern, identity: identity !== null});
  if (pattern.value === 'vm-lite') checkInit(inputs);
  if (mode.value === 'box') checkView(view, inputs);
  const ids: MachineIds = pattern.value === 'vm-lite' ? machineIds(inputs, view.image !== null) : {maps: null, lacking: null};
  const limits = planLimits(inputs, mode);
  const observed = mode.value === 'observe' ? planObserved(original, policy, limits, makePlan) : null;
  const less = degradations(mode, limits, facts, call, ids);
  const degraded = planDegraded(policy, mode, less);
  const engine = planEngine(inputs, mode, pattern.value);
  const steps = planSteps(inputs, {mode, limits, network, pattern: pattern.value, own: identity, observed, maps: ids.maps});
  const landlock = planLandlock({engine, steps}, facts.landlock);
  return {
    schema: 'tare/plan/v1',
    inputs: {job: digest({job, call}), policy: digest(original.policy), facts: digest(facts)},
    job: {name: job.name, vo: job.vo, queue: job.queue, user: call.identity.value.name},
    site: policy.site,
    pattern,
    mode,
    engine,
    ...(landlock === undefined ? {} : {landlock}),
    rule: ruled.rule,
    limits,
    ...(observed === null ? {} : {observed}),
    grace: {us: policy.graceUs.value, provenance: policy.graceUs.provenance},
    ...(degraded === undefined ? {} : {degraded}),
    applications: planFate(job.applications, pattern.value, pattern.value === 'vm-lite' ? planServices(inputs).length : 0),
    slot: {
      name: call.slot.name,
      memoryLimitBytes: call.slot.memoryBytes?.value ?? facts.slot.memoryLimitBytes,
      cores: call.slot.cores?.value ?? facts.slot.cores,
      scratchBytes: call.slot.scratchBytes?.value ?? null,
      gpus: call.slot.gpus?.value ?? null,
      memoryDirectory: facts.slot.memoryDirectory,
    },
    steps: landlock?.writable.includes(QUEUES) === true ? withQueues(steps) : steps,
    directories: placesOf(policy, facts.caller.uid),
    log: policy.log,
    pauseAt: policy.pauseAt,
    flags: planFlags(mode, limits, inputs, less),
  };
}

const withQueues = (steps: readonly Step[]): Step[] => steps.map((step) => (step.op === 'mount.dev' ? {...step, queues: QUEUES} : step));

interface Chosen {
  mode: ModeChoice;
  limits: PlannedLimits;
  network: 'host' | 'none';
  pattern: Pattern;
  own: IdentityChoice | null;
  observed: Observed | null;
  /** Of a small machine's user namespace. */
  maps: IdMaps | null;
}

function planSteps(inputs: Inputs, {mode, limits, network, pattern, own, observed, maps}: Chosen): Step[] {
  const {job, facts, call} = inputs;
  const system = pattern === 'vm-lite';
  const boxed = mode.value === 'box';
  const cpus =
    limits.pinCores.value === null || mode.value === 'observe'
      ? null
      : chooseCpus(facts, Math.ceil(limits.cores.value ?? facts.cpu.allowed.length));
  const applications = planApplications(inputs, limits, mode, pattern);
  const steps: Step[] = planGroups({
    facts,
    limits,
    mode,
    cpus,
    applications,
    sparesOthers: job.applications?.onOom === 'kill-application',
    root: rootOf(maps) ?? null,
    // runc makes groups in every hierarchy itself, at one path in all
    everywhere: system && facts.caller.uid === 0 && facts.system?.oci.name !== 'runc',
  });
  if (cpus !== null)
    steps.push({op: 'affinity.set', cpus, because: `pinned to ${String(cpus.length)} of ${String(facts.cpu.allowed.length)} CPUs`});
  if (mode.value !== 'observe')
    steps.push({op: 'oom.adjust', value: OOM_SCORE_ADJ, because: 'the payload goes before the wrapper when the node runs out of memory'});
  const {value: identity, provenance} = call.identity;
  if (facts.caller.uid === 0 && identity.uid !== 0) {
    steps.push({
      op: 'identity.take',
      uid: identity.uid,
      gid: identity.gid,
      groups: identity.groups,
      because: `${identity.name ?? String(identity.uid)} (${provenance.at})`,
    });
  }
  const cvmfs = planCvmfs(inputs, mode, system);
  steps.push(...cvmfs.looks);
  const ownNetwork = network === 'none';
  const parts = {ownNetwork, features: planFeatures(inputs, limits, mode), system: system ? {ownNetwork, maps} : null, own, cvmfs};
  const mounts = boxed ? planMounts(inputs, limits, parts) : null;
  if (!boxed) steps.push(...planFeatures(inputs, limits, mode));
  if (boxed) {
    const namespaces: StepOf<'namespace.unshare'>['namespaces'] = ['pid', 'mount', 'ipc', 'uts'];
    // a user's is made before the engine, with subordinate ids in it
    if (system ? facts.caller.uid === 0 : !facts.bubblewrap.setuid) namespaces.unshift('user');
    if (ownNetwork) namespaces.push('network');
    if (system) namespaces.push('cgroup');
    steps.push({
      op: 'namespace.unshare',
      namespaces,
      ...(maps === null ? {} : {maps}),
      because: `isolation of ${network === 'none' ? 'processes and network' : 'processes; the network is the node’s'}`,
    });
    steps.push(...planIdentity(own), ...planConnection(own), ...(mounts?.steps ?? []));
    if (system) steps.push({op: 'paths.protect', ...PROTECTED, because: 'what tells of the node, or changes it'});
    steps.push(...planFilter(inputs));
    steps.push({op: 'privileges.drop', noNewPrivs: true, capabilities: 'none', because: 'setuid programs gain nothing in the box'});
  }
  steps.push(...planRlimits(limits, mode));
  steps.push(...planEnvironment(inputs, limits, mode, mounts?.whyUnwritable ?? (() => null)));
  steps.push(...planWatches(inputs, limits, mode), ...planWeighing(inputs));
  if (observed !== null) steps.push(...planScratchWeighing(inputs, observed));
  else steps.push(...(mounts?.watches ?? planScratchWatch(inputs, limits, [])));
  if (job.applications === null && !system)
    steps.push({
      op: 'payload.execute',
      argv: job.command,
      workDirectory: job.workDirectory.value,
      ...(call.tasks === undefined ? {} : {tasks: call.tasks}),
      because: job.workDirectory.provenance.at,
    });
  steps.push(...applications);
  return steps;
}

function planFilter({policy, facts}: Inputs): Step[] {
  const {value: profile, provenance} = policy.seccomp;
  if (profile === 'unconfined' || !facts.seccomp.available) return [];
  return [{op: 'seccomp.load', profile, because: `system calls that no payload needs are denied (${provenance.at})`}];
}

function planRlimits(limits: PlannedLimits, mode: ModeChoice): Step[] {
  if (mode.value === 'observe') return [];
  const steps: Step[] = [];
  const add = (name: 'nofile' | 'core' | 'nproc', value: number | null): void => {
    if (value !== null) steps.push({op: 'rlimit.set', name, soft: value, hard: value, because: `the limit on ${RLIMIT_WORDS[name]}`});
  };
  add('nofile', limits.openFiles.value);
  add('core', limits.coreSize.value);
  // init is counted too
  if (limits.processes.by === 'RLIMIT_NPROC' && limits.processes.value !== null) add('nproc', limits.processes.value + 1);
  return steps;
}

const RLIMIT_WORDS = {nofile: 'open files', core: 'core size', nproc: 'processes'} as const;

function planWatches({facts, policy}: Inputs, limits: PlannedLimits, mode: ModeChoice): Step[] {
  if (mode.value === 'observe') return [];
  const steps: Step[] = [];
  const graceUs = policy.graceUs.value;
  const {memory, wallTime, cpuTime, processes} = limits;
  if (memory.value !== null && memory.by === 'watch.memory') {
    steps.push({op: 'watch.memory', limitBytes: memory.value, periodMs: WATCH_PERIOD_MS, because: memory.because});
  } else if (memory.value !== null && !(facts.cgroup.controllers.memory?.files.includes('memory.oom.group') ?? false)) {
    const fact = facts.cgroup.controllers.memory;
    steps.push({
      op: 'watch.oom',
      directory: `${fact?.parent ?? ''}/tare-{id}/payload`,
      version: fact?.version ?? 1,
      periodMs: WATCH_PERIOD_MS,
      because: 'the kernel kills one process only here; the rest is killed as soon as it is seen',
    });
  }
  const stall = policy.memoryStallUs;
  if (memory.by === 'cgroup2:memory.max' && stall.value !== null) {
    const because = `no progress at the memory limit without a kill (${stall.provenance.at})`;
    steps.push({op: 'watch.memoryStall', afterUs: stall.value, graceUs, because});
  }
  if (wallTime.value !== null) {
    const {value: suspended, provenance} = policy.suspendedTime;
    const because = `${wallTime.because}; suspended time ${suspended} (${provenance.at})`;
    steps.push({op: 'watch.wallTime', limitUs: wallTime.value, graceUs, suspended, because});
  }
  if (cpuTime.value !== null) steps.push({op: 'watch.cpuTime', limitUs: cpuTime.value, graceUs, because: cpuTime.because});
  if (processes.value !== null && processes.by === 'watch.processes') {
    steps.push({op: 'watch.processes', limit: processes.value, periodMs: WATCH_PERIOD_MS, because: processes.because});
  }
  return steps;
}

function planWeighing({policy: {processMemoryUs}}: Inputs): Step[] {
  const {value, provenance} = processMemoryUs;
  if (value === null) return [];
  const because = `read every ${formatDuration(value)} at most, for the record (${provenance.at})`;
  return [{op: 'weigh.processes', periodMs: Math.max(1, Math.round(value / 1000)), because}];
}

function planEngine({facts: {bubblewrap, system}}: Inputs, mode: ModeChoice, pattern: Pattern): Plan['engine'] {
  if (mode.value !== 'box') return {name: 'none', path: null, version: null, because: mode.because};
  if (pattern === 'vm-lite' && system !== null)
    return {name: system.oci.name ?? 'none', path: system.oci.path, version: system.oci.version, because: system.oci.how};
  return {name: 'bubblewrap', path: bubblewrap.path, version: bubblewrap.version, because: bubblewrap.how};
}

/** A payload that could write to the spool could write its own record. Links are the runner's business. */
function checkOwnPlaces(inputs: Inputs): void {
  const {job, policy, facts} = inputs;
  for (const {value, provenance} of [...(isOwnDirectory(inputs) ? [job.workDirectory] : []), ...job.writable]) {
    const own = ownPlaces(policy, facts.caller.uid).find((place) => liesIn(place, value));
    if (own === undefined || isNeverWritable(value)) continue;
    throw new TareError('OWN_DIRECTORY', {
      message: 'the payload may not write where the wrapper keeps its own',
      where: provenance.at,
      found: `${value}, which holds ${own}`,
      remedy: 'start the job elsewhere, or set directories in the policy',
    });
  }
}

function checkIdentity({policy, call, facts}: Inputs): void {
  const {value, provenance} = call.identity;
  if (facts.caller.uid !== 0 && value.uid !== facts.caller.uid) {
    throw new TareError('USER_FORBIDDEN', {
      message: 'only root may run the payload as another account',
      where: provenance.at,
      found: value.name ?? String(value.uid),
      allowed: facts.caller.name ?? String(facts.caller.uid),
    });
  }
  if (value.uid === 0 && facts.caller.uid === 0 && !policy.identity.allowRoot.value) {
    throw new TareError('USER_FORBIDDEN', {
      message: 'the policy does not let a payload run as root',
      where: provenance.at,
      found: 'root',
      remedy: 'name another account, or set identity.allowRoot in the policy',
    });
  }
}

function planFlags(mode: ModeChoice, limits: PlannedLimits, {facts, policy}: Inputs, less: readonly Degradation[]): string[] {
  const flags: string[] = [];
  if (facts.within !== null) flags.push('nested');
  else if (mode.value === 'limits-only') flags.push('unboxed');
  if (mode.value === 'observe') flags.push('observe');
  if (limits.memory.enforcement === 'watched') flags.push('sampled-memory');
  if (mode.value === 'box' && policy.seccomp.value !== 'unconfined' && !facts.seccomp.available) flags.push('unfiltered');
  for (const {code} of less) if (!flags.includes(code)) flags.push(code);
  return flags;
}
