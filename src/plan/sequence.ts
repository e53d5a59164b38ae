/** All steps of a plan, in the order in which they are done. */

import type {Pattern} from '../job/job.js';
import {planApplications} from './applications.js';
import {planGroups} from './cgroup.js';
import {chooseCpus} from './cpus.js';
import {planCvmfs} from './cvmfs.js';
import {hasUserNamespace} from './engine.js';
import {planEnvironment} from './environment.js';
import {planFeatures} from './features.js';
import {planFirst} from './first.js';
import type {Inputs} from './inputs.js';
import type {PlannedLimits} from './limits.js';
import {rootOf, type IdMaps} from './machine-ids.js';
import type {ModeChoice} from './mode.js';
import {planMounts, type MountPlan} from './mounts.js';
import {planConnection, planIdentity, type IdentityChoice} from './network.js';
import {planScratchWeighing, type Observed} from './observed.js';
import {planScratchWatch} from './scratch.js';
import type {Step, StepOf} from './step.js';
import {PROTECTED} from './system.js';
import {planWatches, planWeighing} from './watches.js';

/** The payload goes before the wrapper when the node runs out of memory. */
const OOM_SCORE_ADJ = 500;

/** What was decided before any step. */
export interface Chosen {
  mode: ModeChoice;
  limits: PlannedLimits;
  network: 'host' | 'none';
  pattern: Pattern;
  own: IdentityChoice | null;
  observed: Observed | null;
  /** Of a small machine's user namespace. */
  maps: IdMaps | null;
}

/** @throws TareError WORK_DIRECTORY, FIRST_PROCESS_UNAVAILABLE */
export function planSteps(inputs: Inputs, chosen: Chosen): Step[] {
  const {mode, limits, network, pattern, own, observed, maps} = chosen;
  const system = pattern === 'vm-lite';
  const applications = planApplications(inputs, limits, mode, pattern);
  const processes = planProcesses(inputs, chosen, applications);
  const cvmfs = planCvmfs(inputs, mode, system);
  const ownNetwork = network === 'none';
  const features = planFeatures(inputs, limits, mode);
  const parts = {ownNetwork, features, system: system ? {ownNetwork, maps} : null, own, cvmfs};
  const mounts = mode.value === 'box' ? planMounts(inputs, limits, parts) : null;
  return [
    ...processes,
    ...cvmfs.looks,
    ...(mounts === null ? features : planIsolation(inputs, chosen, mounts)),
    ...planRlimits(limits, mode),
    ...planEnvironment(inputs, limits, mode, mounts?.whyUnwritable ?? (() => null)),
    ...planWatches(inputs, limits, mode),
    ...planWeighing(inputs),
    ...(observed === null ? (mounts?.watches ?? planScratchWatch(inputs, limits, [])) : planScratchWeighing(inputs, observed)),
    ...planPayload(inputs, mode, pattern),
    ...applications,
  ];
}

/** Groups, and what processes have whether there is a box around them or not. */
function planProcesses(inputs: Inputs, {mode, limits, pattern, maps}: Chosen, applications: StepOf<'application.execute'>[]): Step[] {
  const {job, facts, call} = inputs;
  const cpus =
    limits.pinCores.value === null || mode.value === 'observe'
      ? null
      : chooseCpus(facts, Math.ceil(limits.cores.value ?? facts.cpu.allowed.length));
  const steps: Step[] = planGroups({
    facts,
    limits,
    mode,
    cpus,
    applications,
    sparesOthers: job.applications?.onOom === 'kill-application',
    root: rootOf(maps) ?? null,
    everywhere: pattern === 'vm-lite' && facts.caller.uid === 0 && inputs.engine?.engine.groups === 'none',
  });
  if (cpus !== null)
    steps.push({op: 'affinity.set', cpus, because: `pinned to ${String(cpus.length)} of ${String(facts.cpu.allowed.length)} CPUs`});
  if (mode.value !== 'observe') steps.push(...planPriority(limits));
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
  return steps;
}

/** Gives the payload a lower priority than the wrapper, which has to watch it. */
function planPriority({nice}: PlannedLimits): Step[] {
  const steps: Step[] = [];
  if (nice.value !== null) steps.push({op: 'nice.set', value: nice.value, because: `the payload yields to others (${nice.provenance.at})`});
  steps.push({op: 'oom.adjust', value: OOM_SCORE_ADJ, because: 'the payload goes before the wrapper when the node runs out of memory'});
  return steps;
}

/** The box around the payload. */
function planIsolation(inputs: Inputs, {network, pattern, own, maps}: Chosen, mounts: MountPlan): Step[] {
  const {facts} = inputs;
  const system = pattern === 'vm-lite';
  const namespaces: StepOf<'namespace.unshare'>['namespaces'] = ['pid', 'mount', 'ipc', 'uts'];
  // a user's is made before the engine, with subordinate ids in it
  if (system ? facts.caller.uid === 0 : hasUserNamespace(inputs)) namespaces.unshift('user');
  if (network === 'none') namespaces.push('network');
  if (system) namespaces.push('cgroup');
  return [
    {
      op: 'namespace.unshare',
      namespaces,
      ...(maps === null ? {} : {maps}),
      because: `isolation of ${network === 'none' ? 'processes and network' : 'processes; the network is the node’s'}`,
    },
    ...planIdentity(own),
    ...planConnection(own),
    ...mounts.steps,
    ...(system ? [{op: 'paths.protect' as const, ...PROTECTED, because: 'these paths show the node, or change it'}] : []),
    ...planFilter(inputs),
    {op: 'privileges.drop', noNewPrivs: true, capabilities: 'none', because: 'setuid programs gain nothing in the box'},
  ];
}

function planFilter({policy, facts}: Inputs): Step[] {
  const {value: profile, provenance} = policy.seccomp;
  if (profile === 'unconfined' || !facts.seccomp.available) return [];
  return [{op: 'seccomp.load', profile, because: `system calls that no payload needs are denied (${provenance.at})`}];
}

function planRlimits(limits: PlannedLimits, mode: ModeChoice): Step[] {
  if (mode.value === 'observe') return [];
  const steps: Step[] = [];
  const add = (name: keyof typeof RLIMIT_WORDS, value: number | null): void => {
    if (value !== null) steps.push({op: 'rlimit.set', name, soft: value, hard: value, because: `the limit on ${RLIMIT_WORDS[name]}`});
  };
  add('nofile', limits.openFiles.value);
  add('core', limits.coreSize.value);
  // init is counted too
  if (limits.processes.by === 'RLIMIT_NPROC' && limits.processes.value !== null) add('nproc', limits.processes.value + 1);
  // what it was raised to the payload cannot take back, whatever the caller might (getrlimit(2))
  if (limits.nice.value !== null) add('nice', RLIMIT_NICE_OF_0 - limits.nice.value);
  return steps;
}

const RLIMIT_WORDS = {nofile: 'open files', core: 'core size', nproc: 'processes', nice: 'the nice value'} as const;
/** RLIMIT_NICE says how low a nice value may become, as 20 less that value. */
const RLIMIT_NICE_OF_0 = 20;

/** The step that executes the payload; none where applications are started instead, as in a small machine. */
function planPayload(inputs: Inputs, mode: ModeChoice, pattern: Pattern): Step[] {
  const {job, call} = inputs;
  const isFirst = planFirst(inputs, mode, pattern);
  if (job.applications !== null || pattern === 'vm-lite') return [];
  return [
    {
      op: 'payload.execute',
      argv: job.command,
      workDirectory: job.workDirectory.value,
      ...(call.tasks === undefined ? {} : {tasks: call.tasks}),
      ...(isFirst ? {first: true as const} : {}),
      because: job.workDirectory.provenance.at,
    },
  ];
}
