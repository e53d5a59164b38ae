/** The groups of a box, and what is written into them. */

import type {Controller, Facts} from '../host/facts.js';
import type {PlannedLimits} from './limits.js';
import type {ModeChoice} from './mode.js';
import type {Step} from './step.js';

/** Period of a CPU quota in µs: the kernel's own default (admin-guide/cgroup-v2, cpu.max). */
const CPU_PERIOD_US = 100_000;
/** The least quota that v1 accepts is 1 ms. */
const CPU_QUOTA_MIN_US = 1_000;
/** More is no limit on any machine, and much more is refused. */
const CPU_QUOTA_MAX_US = 8192 * CPU_PERIOD_US;
/** So a group of one core has the kernel's default (100), and HTCondor's slots are weighed alike. */
const CPU_WEIGHT_PER_CORE = 100;
/** CGROUP_WEIGHT_MAX of the kernel (include/linux/cgroup.h). */
const CPU_WEIGHT_MAX = 10_000;
/** PID_MAX_LIMIT of the kernel (include/linux/threads.h): pids.max takes no more. */
const PIDS_MOST = 4_194_304;
/** With both v1 memory limits equal the kernel counts a hit in neither failcnt (seen on 6.18); one page apart it does. */
const PAGE_BYTES = 4096;

/** The order in which groups are made; not that of the facts' keys. */
const CONTROLLERS: readonly Controller[] = ['memory', 'cpu', 'cpuacct', 'pids', 'freezer', 'io', 'cpuset'];

interface Hierarchy {
  version: 1 | 2;
  parent: string;
  controllers: Controller[];
}

/**
 * Per hierarchy a group of the box, `tare-{id}`, and below it two leaves: `engine` for the engine and init, and `payload`, which alone has
 * limits, so that what kills the payload spares init and its report.
 */
export function planGroups(facts: Facts, limits: PlannedLimits, mode: ModeChoice, cpus: readonly number[] | null): Step[] {
  const hierarchies = findHierarchies(facts, limits);
  const steps: Step[] = [];
  for (const hierarchy of hierarchies) steps.push(...createSteps(hierarchy, facts));
  if (mode.value !== 'observe') for (const hierarchy of hierarchies) steps.push(...writeSteps(hierarchy, facts, limits, cpus));
  return [...steps, ...hierarchies.map(jobStep)];
}

function findHierarchies(facts: Facts, limits: PlannedLimits): Hierarchy[] {
  const found = new Map<string, Hierarchy>();
  for (const name of CONTROLLERS) {
    const fact = facts.cgroup.controllers[name];
    if (fact === undefined || fact.parent === null) continue;
    // cpuset is of use only for pinning; a v1 group of it cannot be joined before it is filled, so it is not made for nothing.
    if (name === 'cpuset' && limits.pinCores.value === null) continue;
    // every v2 group counts its CPU time; the controller is for limits only, and costs each switch between tasks
    if (name === 'cpu' && fact.version === 2 && limits.cores.value === null) continue;
    const hierarchy = found.get(fact.parent) ?? {version: fact.version, parent: fact.parent, controllers: []};
    hierarchy.controllers.push(name);
    found.set(fact.parent, hierarchy);
  }
  return [...found.values()];
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
    const toEnable = controllers.filter((controller) => aside || facts.cgroup.toEnable.includes(controller));
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

/** Made after the limits are written: a v1 cpuset may not become smaller than one below it. */
function jobStep({version, parent, controllers}: Hierarchy): Step {
  return {
    op: 'cgroup.create',
    group: 'job',
    version,
    controllers,
    directory: `${parent}/tare-{id}/payload/job`,
    because: 'where the payload’s processes are: a cgroup namespace of theirs does not show them the limits above',
  };
}

function writeSteps(
  {version, parent, controllers}: Hierarchy,
  facts: Facts,
  limits: PlannedLimits,
  cpus: readonly number[] | null,
): Step[] {
  const box = `${parent}/tare-{id}`;
  const directory = `${box}/payload`;
  const steps: Step[] = [];
  const write = (controller: Controller, file: string, value: string | number, because: string): void => {
    steps.push({op: 'cgroup.write', group: 'payload', controller, directory, file, value: String(value), because});
  };
  const offers = (controller: Controller, file: string): boolean => facts.cgroup.controllers[controller]?.files.includes(file) ?? false;

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
    if (memory.value !== null && offers('memory', 'memory.oom.group')) {
      write('memory', 'memory.oom.group', 1, 'the kernel then kills the whole payload, not one process of it');
    }
  }
  if (controllers.includes('cpu') && limits.cores.value !== null) {
    const quota = Math.min(CPU_QUOTA_MAX_US, Math.max(CPU_QUOTA_MIN_US, Math.round(limits.cores.value * CPU_PERIOD_US)));
    if (version === 1) {
      write('cpu', 'cpu.cfs_period_us', CPU_PERIOD_US, 'the period that the quota is counted in');
      write('cpu', 'cpu.cfs_quota_us', quota, 'the limit on cores');
    } else {
      steps.push({
        op: 'cgroup.write',
        group: 'box',
        controller: 'cpu',
        directory: box,
        file: 'cpu.weight',
        value: String(Math.min(CPU_WEIGHT_MAX, Math.max(1, Math.round(limits.cores.value * CPU_WEIGHT_PER_CORE)))),
        because: 'its share among boxes when there are fewer CPUs than cores were given',
      });
      write('cpu', 'cpu.max', `${String(quota)} ${String(CPU_PERIOD_US)}`, 'the limit on cores');
    }
  }
  if (controllers.includes('pids') && limits.processes.value !== null)
    write('pids', 'pids.max', Math.min(limits.processes.value, PIDS_MOST), 'the limit on processes and threads');
  if (controllers.includes('cpuset') && cpus !== null)
    write('cpuset', 'cpuset.cpus', cpus.join(','), 'pinned: unlike an affinity mask, the payload cannot widen it');
  return steps;
}
