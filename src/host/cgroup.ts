/** Control groups: which controllers are mounted, where groups can be made, and which files these have. */

import type {Mover} from './occupants.js';
import type {CgroupFacts, Controller, ControllerFact} from './facts.js';
import {findGroupFiles} from './group-files.js';
import type {Hierarchy} from './hierarchy.js';
import type {KernelVersion} from './kernel.js';
import {layoutOf} from './layout.js';
import {findV1Parent, findV2Parent, type Parent, type Parents} from './parent.js';
import type {Tree} from './tree.js';

/** The order in which people are shown them. */
const CONTROLLERS: readonly Controller[] = ['memory', 'cpu', 'cpuacct', 'pids', 'freezer', 'cpuset', 'io'];

/**
 * Finds the controllers, where groups can be made for each, and what has to be changed before; `others` are v1 hierarchies without a
 * controller of Tare's.
 */
export function readCgroup(
  tree: Tree,
  hierarchies: readonly Hierarchy[],
  kernel: KernelVersion,
  mover: Mover,
  others: ReadonlyMap<string, Hierarchy> = new Map(),
): CgroupFacts {
  const found = new Map<Controller, ControllerFact>();
  const assumed: Controller[] = [];
  let toEnable: Controller[] = [];
  let toEmpty: CgroupFacts['toEmpty'] = null;
  for (const hierarchy of hierarchies) {
    const parents = hierarchy.version === 2 ? findV2Parent(tree, hierarchy, mover) : v1Parents(tree, hierarchy);
    toEnable = [...toEnable, ...parents.toEnable];
    toEmpty ??= parents.toEmpty;
    for (const controller of hierarchy.controllers) {
      const files = findGroupFiles(tree, hierarchy, controller, kernel);
      if (files.assumed) assumed.push(controller);
      const place = parents.controllers.get(controller) ?? {parent: null, refused: []};
      found.set(controller, describe(hierarchy, place, files.files));
    }
  }
  const controllers: CgroupFacts['controllers'] = {};
  for (const name of CONTROLLERS) {
    const fact = found.get(name);
    if (fact !== undefined) controllers[name] = fact;
  }
  return {
    mode: modeOf(controllers),
    controllers,
    toEnable: CONTROLLERS.filter((name) => toEnable.includes(name)),
    toEmpty,
    others: [...others].flatMap(([name, hierarchy]) => {
      const {parent} = findV1Parent(tree, hierarchy);
      return parent === null ? [] : [{name, parent}];
    }),
    layout: layoutOf(tree, hierarchies),
    how: explain(hierarchies, assumed, kernel),
  };
}

function v1Parents(tree: Tree, hierarchy: Hierarchy): Parents {
  const parent = findV1Parent(tree, hierarchy);
  return {controllers: new Map(hierarchy.controllers.map((controller) => [controller, parent])), toEnable: [], toEmpty: null};
}

function describe({version, mount, path}: Hierarchy, {parent, refused}: Parent, files: string[]): ControllerFact {
  return {version, mount, own: path[0] ?? mount, parent, refused, files};
}

function modeOf(controllers: CgroupFacts['controllers']): CgroupFacts['mode'] {
  const versions = new Set(Object.values(controllers).map(({version}) => version));
  if (versions.size === 2) return 'hybrid';
  if (versions.size === 0) return 'none';
  return versions.has(1) ? 'v1' : 'v2';
}

function explain(hierarchies: readonly Hierarchy[], assumed: readonly Controller[], kernel: KernelVersion): string {
  const parts = ['/proc/self/cgroup, /proc/self/mountinfo, access(2) of each directory upwards'];
  const empty = hierarchies.find(({version, controllers}) => version === 2 && controllers.length === 0);
  if (empty !== undefined) parts.push(`the unified hierarchy at ${empty.mount} has no controller that is used`);
  if (assumed.length > 0) {
    const names = CONTROLLERS.filter((name) => assumed.includes(name)).join(', ');
    parts.push(`files of ${names} assumed from kernel ${kernel.join('.')}: no group below the root to look at`);
  }
  return parts.join('; ');
}
