/** Doctor’s rows about control groups: controllers, the freezer, and what the batch system gives. */

import type {BatchFinding} from '@tare/contract';
import type {Controller, ControllerFact, Facts} from '../host/facts.js';
import type {Check, State} from './check.js';
import {layoutName, remedyFor} from './delegation.js';

/** Groups with that controller can be made here. */
export const usable = ({cgroup}: Facts, controller: Controller): boolean => (cgroup.controllers[controller]?.parent ?? null) !== null;

/** One row for each controller, after one for them all. */
export const checkCgroups = (facts: Facts): Check[] => [
  checkCgroupMode(facts),
  ...CONTROLLER_COSTS.map((row) => checkController(facts, row)),
  checkFreezer(facts),
];

/** What holds around the box, and whether the job's user may make groups in it. */
export function checkBatch({found, remedy, costs}: BatchFinding, {cgroup, caller}: Facts): Check {
  const isUsable = Object.values(cgroup.controllers).some(({parent}) => parent !== null);
  const delegated = caller.uid === 0 ? 'root needs no delegation' : isUsable ? 'delegated to this user' : 'not delegated to this user';
  return {
    name: 'batch system',
    state: remedy === null ? 'ok' : 'limited',
    found: `${found}; ${delegated}`,
    costs: costs ?? 'what Tare only watches, the batch system does not limit either',
    remedy,
  };
}

function checkCgroupMode({cgroup}: Facts): Check {
  const usableNames = Object.entries(cgroup.controllers)
    .filter(([, {parent}]) => parent !== null)
    .map(([name]) => name);
  const state: State = cgroup.mode === 'none' || usableNames.length === 0 ? 'missing' : 'ok';
  const found =
    cgroup.mode === 'none'
      ? 'no controller is mounted'
      : `${cgroup.mode}; this is ${layoutName(cgroup)}; groups can be made for ${usableNames.join(', ') || 'no controller'}`;
  const [lacking] = Object.entries(cgroup.controllers) as [Controller, ControllerFact][];
  return {
    name: 'cgroups',
    state,
    found,
    costs: 'limits are watched or absent, usage is sampled and the record marked partial',
    remedy:
      cgroup.mode === 'none'
        ? 'boot with cgroup v2 (systemd.unified_cgroup_hierarchy=1) and mount it at /sys/fs/cgroup'
        : state === 'ok' || lacking === undefined
          ? null
          : remedyFor(cgroup, ...lacking),
  };
}

const CONTROLLER_COSTS: readonly (readonly [controller: Controller, costs: string])[] = [
  ['memory', 'memory is watched, not enforced: a payload can overrun between two looks'],
  ['cpu', 'cores are not enforced, but by pinning'],
  ['pids', 'processes are limited per box by RLIMIT_NPROC or watched'],
  ['cpuset', 'pinning is an affinity mask, which a payload can widen'],
  ['io', 'bytes read and written are not known'],
];

function checkController(facts: Facts, [controller, costs]: readonly [Controller, string]): Check {
  const name = `${controller} controller`;
  const fact = facts.cgroup.controllers[controller];
  if (fact === undefined)
    return {name, state: 'missing', found: 'not mounted', costs, remedy: `enable ${controller} in the kernel and mount it`};
  if (fact.parent === null)
    return {name, state: 'missing', found: firstRefusal(fact), costs, remedy: remedyFor(facts.cgroup, controller, fact)};
  const lost = LOST_FILES.find(([of, version, file]) => of === controller && version === fact.version && !fact.files.includes(file));
  const found = `v${String(fact.version)}, groups in ${fact.parent}${fact.version === 2 ? preparation(facts.cgroup, controller) : ''}`;
  if (lost !== undefined) return {name, state: 'limited', found: `${found}; no ${lost[2]}`, costs: lost[3], remedy: lost[4]};
  return {name, state: 'ok', found, costs, remedy: null};
}

function preparation({toEnable, toEmpty}: Facts['cgroup'], controller: Controller): string {
  if (!toEnable.includes(controller)) return '';
  return toEmpty === null ? ' (to be switched on there)' : ' (to be switched on there, when its processes have moved to a leaf)';
}

/** Files whose absence costs something, though the controller is there. */
const LOST_FILES: readonly (readonly [controller: Controller, version: 1 | 2, file: string, costs: string, remedy: string])[] = [
  ['memory', 1, 'memory.memsw.limit_in_bytes', 'swap is not limited', 'boot with swapaccount=1'],
  ['memory', 2, 'memory.oom.group', 'an OOM kills one process of the payload, not all', 'use Linux 4.19 or later'],
  ['memory', 2, 'memory.swap.max', 'swap is not limited', 'boot with swapaccount=1'],
  ['memory', 2, 'memory.high', 'memoryHigh is not enforced', 'use Linux 4.5 or later'],
  ['pids', 2, 'pids.peak', 'the largest number of processes is sampled, not counted', 'use Linux 6.1 or later'],
  ['memory', 2, 'memory.peak', 'the largest use of memory is sampled, not counted', 'use Linux 5.19 or later'],
];

function firstRefusal({refused, own}: ControllerFact): string {
  const first = refused[0];
  return first === undefined
    ? `no group can be made at or above ${own}`
    : `${first.directory}: ${first.because}${refused.length > 1 ? ` (and ${String(refused.length - 1)} above)` : ''}`;
}

/** v2 has no freezer controller: every group can be frozen and killed at once. */
function checkFreezer(facts: Facts): Check {
  const name = 'freezer';
  const costs = 'processes are killed one by one, and a fork bomb may outrun that';
  const v2 = Object.values(facts.cgroup.controllers).find(({version, parent}) => version === 2 && parent !== null);
  if (v2?.files.includes('cgroup.kill') === true) return {name, state: 'ok', found: 'cgroup.kill', costs, remedy: null};
  if (v2?.files.includes('cgroup.freeze') === true)
    return {name, state: 'ok', found: 'cgroup.freeze; no cgroup.kill (Linux 5.14)', costs, remedy: null};
  if (usable(facts, 'freezer'))
    return {name, state: 'ok', found: `v1, groups in ${facts.cgroup.controllers.freezer?.parent ?? ''}`, costs, remedy: null};
  const fact = facts.cgroup.controllers.freezer;
  return {
    name,
    state: 'missing',
    found: fact === undefined ? 'neither a v1 freezer nor a usable v2 group' : firstRefusal(fact),
    costs,
    remedy: freezerRemedy(facts.cgroup),
  };
}

function freezerRemedy(cgroup: Facts['cgroup']): string {
  const {freezer, memory} = cgroup.controllers;
  if (freezer !== undefined) return remedyFor(cgroup, 'freezer', freezer);
  return memory === undefined ? 'mount cgroup v2, or the freezer of v1' : remedyFor(cgroup, 'memory', memory);
}
