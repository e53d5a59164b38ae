/** What a plan asks for, in the terms that container tools share: computed once from the plan's steps, and read by every tool. */

import type {IdentityFacts} from '../host/facts.js';
import {LIMIT_NAMES, type LimitName} from '../job/job.js';
import {stepOf, stepsOf, type StepOf} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {outlineMounts, outlineRoot, type Looks, type Mounts, type Root} from './mounts.js';
import {inStartOrder, outlinePrograms, outlineServices, type Program, type Variable} from './programs.js';

/** What a tool's text depends on beside the plan. */
export interface Surroundings {
  caller: Pick<IdentityFacts, 'uid' | 'gid' | 'groups'>;
  /** The caller's environment. */
  environment: Readonly<Record<string, string>>;
  looks: Looks;
  /** Of this processor, as libseccomp calls them. */
  architectures: readonly string[];
  /** What the engines of this node can do that not every version of theirs can, by the engine's name. */
  abilities: Readonly<Record<string, readonly string[]>>;
}

/** A resource limit of setrlimit(2), named in small letters, as `nofile`. */
interface Rlimit {
  name: string;
  soft: number;
  hard: number;
}

/** A plan in the terms that container tools share. */
export interface Outline {
  /** Of letters, digits and `-`: every tool takes it for a container's. */
  name: string;
  mode: Plan['mode']['value'];
  /** The first is the one that the job ends with. */
  programs: readonly [Program, ...Program[]];
  /** The same, in an order in which they may be started. */
  startOrder: readonly Program[];
  /** So many tasks of the batch system share the box; null: the payload is the only one. */
  tasks: number | null;
  /** The payload is process 1 of a PID namespace. */
  isFirst: boolean;
  /** Of a small machine: no tool's text starts them. */
  services: readonly Program[];
  /** What the job's environment has more or less than the caller's. */
  changes: readonly Variable[];
  /** Of the caller's environment what no payload does without, for tools that pass nothing on. */
  kept: readonly Variable[];
  /** In the units of LIMIT_UNITS; null: no limit, or one that is only observed. */
  limits: Readonly<Record<LimitName, number | null>>;
  rlimits: readonly Rlimit[];
  graceUs: number;
  /** CPUs to be pinned to, as `0,2`; null: any. */
  cpus: string | null;
  /** Version of the control groups in which the plan limits memory. */
  groups: 1 | 2;
  /** Version of a controller's; those of memory where the plan does not use it. */
  versionOf: (controller: 'cpu' | 'cpuset' | 'memory' | 'pids') => 1 | 2;
  /** Weight of its CPU time among boxes (cpu.weight); null: the kernel's. */
  cpuWeight: number | null;
  /** The kernel counts swap for each group. */
  countsSwap: boolean;
  /** The kernel kills all at the memory limit, not one process (memory.oom.group). */
  killsAll: boolean;
  oomScore: number | null;
  root: Root;
  mounts: Mounts;
  namespaces: readonly string[];
  hostname: string | null;
  network: 'host' | 'none' | 'own';
  account: {uid: number; gid: number; groups: readonly number[]};
  /** The account is another one than the caller's, which is root's. */
  changesAccount: boolean;
  isRoot: boolean;
  /** `default`, `pilot` or a file; null: none. */
  filter: string | null;
  /** Files below /proc and /sys that are hidden, or read-only; null: none. */
  protect: {masked: readonly string[]; readOnly: readonly string[]} | null;
  /** A small machine: its filter denies keys as well. */
  system: boolean;
  surroundings: Surroundings;
}

/** Variables that every tool is given, with the caller's values where it would pass on none: they hold no secrets. */
const KEPT_VARIABLES: readonly string[] = ['HOME', 'LANG', 'LC_ALL', 'LOGNAME', 'PATH', 'TZ', 'USER'];

/** Computes the terms that all tools share. */
export function outlineOf(plan: Plan, surroundings: Surroundings): Outline {
  const isObserved = plan.mode.value === 'observe';
  const limits = Object.fromEntries(LIMIT_NAMES.map((name) => [name, isObserved ? null : plan.limits[name].value])) as Outline['limits'];
  const identity = stepOf(plan, 'identity.take');
  const {caller, environment} = surroundings;
  const writes = stepsOf(plan, 'cgroup.write').filter(({application}) => application === undefined);
  const written = (file: string): string | undefined => writes.find((step) => step.file === file)?.value;
  const weight = written('cpu.weight');
  const programs = outlinePrograms(plan);
  return {
    name: nameOf(plan),
    mode: plan.mode.value,
    programs,
    startOrder: inStartOrder(programs),
    services: outlineServices(plan),
    tasks: stepOf(plan, 'payload.execute')?.tasks ?? null,
    isFirst: stepOf(plan, 'payload.execute')?.first === true,
    changes: [
      ...stepsOf(plan, 'environment.set').map(({name, value}) => ({name, value})),
      ...stepsOf(plan, 'environment.unset').map(({name}) => ({name, value: null})),
    ],
    kept: KEPT_VARIABLES.flatMap((name) => (environment[name] === undefined ? [] : [{name, value: environment[name]}])),
    limits,
    rlimits: rlimitsOf(plan, limits),
    graceUs: plan.grace.us,
    cpus: stepOf(plan, 'affinity.set')?.cpus.join(',') ?? null,
    groups: versionIn(plan)('memory'),
    versionOf: versionIn(plan),
    cpuWeight: weight === undefined ? null : Number(weight),
    countsSwap: plan.limits.swap.by?.startsWith('cgroup') ?? false,
    killsAll: written('memory.oom.group') === '1',
    oomScore: stepOf(plan, 'oom.adjust')?.value ?? null,
    root: outlineRoot(plan),
    mounts: outlineMounts(plan, surroundings.looks),
    namespaces: stepOf(plan, 'namespace.unshare')?.namespaces ?? [],
    hostname: hostnameOf(stepOf(plan, 'hostname.set')),
    network: networkOf(plan),
    account: identity ?? caller,
    changesAccount: identity !== undefined && identity.uid !== caller.uid,
    isRoot: caller.uid === 0,
    filter: stepOf(plan, 'seccomp.load')?.profile ?? null,
    protect: stepOf(plan, 'paths.protect') ?? null,
    system: isSystem(plan),
    surroundings,
  };
}

const versionIn = (plan: Plan): Outline['versionOf'] => {
  const groups = stepsOf(plan, 'cgroup.create');
  const of = (controller: string): 1 | 2 | undefined => groups.find(({controllers}) => controllers.includes(controller))?.version;
  return (controller) => of(controller) ?? of('memory') ?? groups[0]?.version ?? 2;
};

const isSystem = (plan: Plan): boolean => stepsOf(plan, 'application.execute').some(({system}) => system !== null);

/** The job's name, as far as every tool takes it, or one of ours. */
function nameOf({job}: Plan): string {
  const name = (job.name ?? '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 40)
    .replace(/-+$/, '');
  return /^[a-z]/.test(name) ? name : `tare-job${name === '' ? '' : `-${name}`}`;
}

/** {n} and {id} are only known when the box is made. */
const hostnameOf = (step: StepOf<'hostname.set'> | undefined): string | null =>
  step === undefined ? null : step.hostname.replaceAll('{n}', '0').replaceAll('{id}', '0');

function networkOf(plan: Plan): Outline['network'] {
  if (plan.steps.some(({op}) => op === 'network.user' || op === 'network.veth' || op === 'network.macvlan')) return 'own';
  return stepOf(plan, 'namespace.unshare')?.namespaces.includes('network') === true ? 'none' : 'host';
}

/**
 * The plan's, and CPU time, which is the nearest that the kernel has to a limit on all processes together. Not those on processes, which a tool
 * counts by itself, and on the nice value, which nobody but root may raise.
 */
function rlimitsOf(plan: Plan, {cpuTime}: Outline['limits']): Rlimit[] {
  const planned = stepsOf(plan, 'rlimit.set').filter(({name}) => name !== 'nproc' && name !== 'nice');
  const cpu = cpuTime === null ? [] : [{name: 'cpu', soft: secondsUp(cpuTime), hard: secondsUp(cpuTime + plan.grace.us)}];
  return [...planned.map(({name, soft, hard}) => ({name, soft, hard})), ...cpu];
}

/** Whole seconds, not less. */
const secondsUp = (us: number): number => Math.ceil(us / 1e6);
/** Seconds as timeout(1) takes them. */
export const seconds = (us: number): string => String(us / 1e6);
