/** The groups of a box, and what is written into them. */

import type {Controller, Facts} from '../host/facts.js';
import type {PlannedLimits} from './limits.js';
import type {ModeChoice} from './mode.js';
import type {Step, StepOf} from './step.js';

/** Period of a CPU quota in µs: the kernel's own default (admin-guide/cgroup-v2, cpu.max). */
const CPU_PERIOD_US = 100_000;
/** The least quota that v1 accepts is 1 ms. */
const CPU_QUOTA_MIN_US = 1_000;
/** More is no limit on any machine, and much more is refused. */
const CPU_QUOTA_MAX_US = 8192 * CPU_PERIOD_US;
/** CPU weight of one core: the kernel's default, which HTCondor's slots use too. */
const CPU_WEIGHT_PER_CORE = 100;
/** CGROUP_WEIGHT_MAX of the kernel (include/linux/cgroup.h). */
const CPU_WEIGHT_MAX = 10_000;
/** PID_MAX_LIMIT of the kernel (include/linux/threads.h): pids.max takes no more. */
const PIDS_MOST = 4_194_304;
/** Difference of the two v1 memory limits: with equal ones the kernel counts a hit in neither failcnt (seen on 6.18). */
const PAGE_BYTES = 4096;

/** The order in which groups are made; not that of the facts' keys. */
const CONTROLLERS: readonly Controller[] = ['memory', 'cpu', 'cpuacct', 'pids', 'freezer', 'io', 'cpuset'];

interface Hierarchy {
  version: 1 | 2;
  parent: string;
  /** Controllers, or the name of a hierarchy that has none of Tare's. */
  controllers: string[];
}

/** What the groups of a box follow from. */
export interface GroupInputs {
  facts: Facts;
  limits: PlannedLimits;
  mode: ModeChoice;
  /** CPUs to be pinned to. */
  cpus: readonly number[] | null;
  /** Several in one box; empty for one payload. */
  applications: readonly StepOf<'application.execute'>[];
  /** Whether an application is killed for memory alone, and the others spared. */
  sparesOthers: boolean;
  /** Of a small machine, where it is not the caller. */
  root: {uid: number; gid: number} | null;
  /** In each hierarchy of version 1, whether or not its controllers are of use: root of a small machine may mount any. */
  everywhere: boolean;
}

/**
 * Per hierarchy a group of the box, `tare-{id}`, and below it two leaves: `engine` for the engine and init, and `payload`, which alone has
 * limits, so that what kills the payload spares init and its report. Below `payload` where the processes are: `job`, or one group for each
 * application, with limits of its own and a `job` below.
 */
export function planGroups(inputs: GroupInputs): Step[] {
  const hierarchies = findHierarchies(inputs);
  const steps: Step[] = [];
  for (const hierarchy of hierarchies) steps.push(...createSteps(hierarchy, inputs.facts));
  if (inputs.mode.value !== 'observe') for (const hierarchy of hierarchies) steps.push(...writeSteps(hierarchy, inputs));
  for (const hierarchy of hierarchies)
    steps.push(...(inputs.applications.length === 0 ? [jobStep(hierarchy)] : applicationSteps(hierarchy, inputs)));
  return steps;
}

function findHierarchies({facts, limits, applications, everywhere}: GroupInputs): Hierarchy[] {
  const found = new Map<string, Hierarchy>();
  const someCores = limits.cores.value !== null || applications.some((one) => one.limits.cores !== null);
  for (const name of CONTROLLERS) {
    const fact = facts.cgroup.controllers[name];
    if (fact === undefined || fact.parent === null) continue;
    // cpuset is of use only for pinning; a v1 group of it cannot be joined before it is filled, so it is not made for nothing.
    if (name === 'cpuset' && limits.pinCores.value === null && !(everywhere && fact.version === 1)) continue;
    // every v2 group counts its CPU time; the controller is for limits only, and costs each switch between tasks
    if (name === 'cpu' && fact.version === 2 && !someCores) continue;
    const hierarchy = found.get(fact.parent) ?? {version: fact.version, parent: fact.parent, controllers: []};
    hierarchy.controllers.push(name);
    found.set(fact.parent, hierarchy);
  }
  const others = everywhere ? facts.cgroup.others : [];
  return [...found.values(), ...others.map(({name, parent}): Hierarchy => ({version: 1, parent, controllers: [name]}))];
}

function createSteps({version, parent, controllers}: Hierarchy, facts: Facts): Step[] {
  const box = `${parent}/tare-{id}`;
  const steps: Step[] = [];
  const names = controllers.join(', ');
  if (version === 2) {
    const {toEmpty} = facts.cgroup;
    const aside = toEmpty?.directory === parent;
    if (aside) steps.push({op: 'cgroup.evacuate', directory: parent, into: toEmpty.into, because: toEmpty.because});
    // what another box has switched on in such a group is switched off when that one ends
    const toEnable = controllers.filter((controller) => aside || facts.cgroup.toEnable.some((name) => name === controller));
    if (toEnable.length > 0) {
      steps.push({
        op: 'cgroup.enable',
        directory: parent,
        controllers: toEnable,
        because: 'the parent does not hand these controllers to its children yet',
      });
    }
  }
  steps.push({
    op: 'cgroup.create',
    group: 'box',
    version,
    controllers,
    directory: box,
    because: `${names}: nearest place where groups can be made`,
  });
  if (version === 2) {
    steps.push({op: 'cgroup.enable', directory: box, controllers, because: 'v2 hands controllers down level by level'});
  }
  steps.push(
    {
      op: 'cgroup.create',
      group: 'engine',
      version,
      controllers,
      directory: `${box}/engine`,
      because: 'the engine and init: no limits, weighed as the wrapper’s',
    },
    {op: 'cgroup.create', group: 'payload', version, controllers, directory: `${box}/payload`, because: 'the payload: limited and weighed'},
  );
  return steps;
}

/** One group for each application. Made after the limits are written: a v1 cpuset may not become smaller than one below it. */
function applicationSteps(hierarchy: Hierarchy, {facts, mode, applications, sparesOthers, root}: GroupInputs): Step[] {
  const {version, parent, controllers} = hierarchy;
  const payload = `${parent}/tare-{id}/payload`;
  const steps: Step[] = [];
  if (version === 2)
    steps.push({op: 'cgroup.enable', directory: payload, controllers, because: 'applications are weighed each on its own'});
  for (const {name: application, limits, system} of applications) {
    const directory = `${payload}/app-${application}`;
    const because = `the application ${application}: weighed on its own`;
    steps.push({op: 'cgroup.create', group: 'application', application, version, controllers, directory, because});
    const write: Write = (controller, file, value, why) =>
      steps.push({op: 'cgroup.write', group: 'application', application, controller, directory, file, value: String(value), because: why});
    if (mode.value !== 'observe') {
      if (controllers.includes('memory')) writeOwnMemory(version, limits.memory?.value ?? null, sparesOthers, offersOf(facts), write);
      if (controllers.includes('cpu') && limits.cores !== null)
        writeQuota(version, limits.cores.value, `the limit on cores of ${application}`, write);
    }
    const owner = root !== null && version === 2 && system?.ownGroups === true ? {owner: root} : {};
    steps.push({...jobStep(hierarchy), directory: `${directory}/job`, application, ...owner});
  }
  return steps;
}

/** @param alone the kernel kills this application alone, at the shared limit too */
function writeOwnMemory(version: 1 | 2, bytes: number | null, alone: boolean, offers: ReturnType<typeof offersOf>, write: Write): void {
  if (version === 1) {
    if (bytes === null) return;
    write('memory', 'memory.limit_in_bytes', bytes, 'its own memory limit');
    if (offers('memory', 'memory.memsw.limit_in_bytes'))
      write('memory', 'memory.memsw.limit_in_bytes', bytes + PAGE_BYTES, 'memory and swap together (v1 counts them so)');
    return;
  }
  if (bytes !== null) write('memory', 'memory.max', bytes, 'its own memory limit');
  if (offers('memory', 'memory.oom.group'))
    write('memory', 'memory.oom.group', 1, `the kernel then kills the whole application${alone ? '' : ', at its own limit'}`);
}

type Write = (controller: Controller, file: string, value: string | number, because: string) => void;

/** A quota on cores. */
function writeQuota(version: 1 | 2, cores: number, because: string, write: Write): void {
  const quota = Math.min(CPU_QUOTA_MAX_US, Math.max(CPU_QUOTA_MIN_US, Math.round(cores * CPU_PERIOD_US)));
  if (version === 1) {
    write('cpu', 'cpu.cfs_period_us', CPU_PERIOD_US, 'the period that the quota is counted in');
    write('cpu', 'cpu.cfs_quota_us', quota, because);
  } else write('cpu', 'cpu.max', `${String(quota)} ${String(CPU_PERIOD_US)}`, because);
}

const offersOf =
  (facts: Facts) =>
  (controller: Controller, file: string): boolean =>
    facts.cgroup.controllers[controller]?.files.includes(file) ?? false;

/** Made after the limits are written: a v1 cpuset may not become smaller than one below it. */
function jobStep({version, parent, controllers}: Hierarchy): StepOf<'cgroup.create'> {
  return {
    op: 'cgroup.create',
    group: 'job',
    version,
    controllers,
    directory: `${parent}/tare-{id}/payload/job`,
    because: 'where the payload’s processes are: a cgroup namespace of theirs does not show them the limits above',
  };
}

function writeSteps({version, parent, controllers}: Hierarchy, {facts, limits, cpus, sparesOthers}: GroupInputs): Step[] {
  const box = `${parent}/tare-{id}`;
  const directory = `${box}/payload`;
  const steps: Step[] = [];
  const write: Write = (controller, file, value, because) =>
    steps.push({op: 'cgroup.write', group: 'payload', controller, directory, file, value: String(value), because});
  const offers = offersOf(facts);

  const {memory, memoryHigh, swap} = limits;
  if (controllers.includes('memory') && version === 1 && memory.value !== null) {
    write('memory', 'memory.limit_in_bytes', memory.value, 'the memory limit');
    if (offers('memory', 'memory.memsw.limit_in_bytes')) {
      const both = memory.value + Math.max(swap.value ?? 0, PAGE_BYTES);
      write('memory', 'memory.memsw.limit_in_bytes', both, 'memory and swap together (v1 counts them so)');
    }
  }
  if (controllers.includes('memory') && version === 2) {
    if (memory.value !== null) write('memory', 'memory.max', memory.value, 'the memory limit');
    if (memoryHigh.value !== null && offers('memory', 'memory.high'))
      write('memory', 'memory.high', memoryHigh.value, 'above this the kernel reclaims and slows the payload down');
    if (swap.value !== null && offers('memory', 'memory.swap.max')) write('memory', 'memory.swap.max', swap.value, 'swap beyond memory');
    // one application is to be killed where the policy of the job says so, and then it is whole by its own group
    if (memory.value !== null && !sparesOthers && offers('memory', 'memory.oom.group')) {
      write('memory', 'memory.oom.group', 1, 'the kernel then kills the whole payload, not one process of it');
    }
  }
  if (controllers.includes('cpu') && limits.cores.value !== null) {
    if (version === 2) {
      steps.push({
        op: 'cgroup.write',
        group: 'box',
        controller: 'cpu',
        directory: box,
        file: 'cpu.weight',
        value: String(Math.min(CPU_WEIGHT_MAX, Math.max(1, Math.round(limits.cores.value * CPU_WEIGHT_PER_CORE)))),
        because: 'its share among boxes when there are fewer CPUs than cores were given',
      });
    }
    writeQuota(version, limits.cores.value, 'the limit on cores', write);
  }
  if (controllers.includes('pids') && limits.processes.value !== null)
    write('pids', 'pids.max', Math.min(limits.processes.value, PIDS_MOST), 'the limit on processes and threads');
  if (controllers.includes('cpuset') && cpus !== null)
    write('cpuset', 'cpuset.cpus', cpus.join(','), 'pinned: unlike an affinity mask, the payload cannot widen it');
  return steps;
}
