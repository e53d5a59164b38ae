/**
 * Where groups can be made: from the caller's own group upwards, and why not in each directory that was refused.
 * The rules are those of the kernel's admin-guide/cgroup-v2 (delegation containment, no internal processes, threads)
 * and cgroup-v1, and one of ours: never above a group that limits the caller, since a box there would escape the slot.
 */

import type {Controller, RefusedDirectory} from './facts.js';
import {coresLimit, finite, memoryLimit} from './group-limits.js';
import {words} from './hierarchy.js';
import type {Hierarchy} from './hierarchy.js';
import type {Tree} from './tree.js';

export interface Parent {
  parent: string | null;
  refused: RefusedDirectory[];
}

export interface V2Parents {
  controllers: Map<Controller, Parent>;
  toEnable: Controller[];
}

/** Groups that a box makes: itself, the engine's and the payload's, one level below it. */
const BOX_GROUPS = 3;
const BOX_DEPTH = 2;

/** v1: whoever may make a directory owns the files in it, and may move processes of the same user there. */
export function findV1Parent(tree: Tree, hierarchy: Hierarchy): Parent {
  const refused: RefusedDirectory[] = [];
  for (const [index, directory] of hierarchy.path.entries()) {
    const because = refusal(tree, hierarchy, directory, index);
    if (because === null) return {parent: directory, refused};
    refused.push({directory, because});
  }
  return {parent: null, refused: hierarchy.path.length === 0 ? [unseen(hierarchy)] : refused};
}

/** v2: one group serves all controllers, so the nearest place for memory decides; without memory, the nearest for any. */
export function findV2Parent(tree: Tree, hierarchy: Hierarchy): V2Parents {
  if (hierarchy.controllers.length === 0) return {controllers: new Map(), toEnable: []};
  const looked = lookUp(tree, hierarchy);
  const chosen =
    looked.find(({offers}) => offers.get('memory') === null) ?? looked.find(({offers}) => [...offers.values()].includes(null)) ?? null;
  const controllers = new Map<Controller, Parent>();
  for (const controller of hierarchy.controllers) {
    controllers.set(
      controller,
      hierarchy.path.length === 0 ? {parent: null, refused: [unseen(hierarchy)]} : placeOf(controller, looked, chosen),
    );
  }
  const toEnable =
    chosen === null ? [] : hierarchy.controllers.filter((name) => chosen.offers.get(name) === null && !chosen.enabled.includes(name));
  return {controllers, toEnable};
}

interface Looked {
  directory: string;
  /** Controllers that its children have already. */
  enabled: string[];
  /** Per controller of the hierarchy: null when a group with it can be made here, else why not. */
  offers: Map<Controller, string | null>;
}

function lookUp(tree: Tree, hierarchy: Hierarchy): Looked[] {
  const looked: Looked[] = [];
  for (const [index, directory] of hierarchy.path.entries()) {
    const enabled = words(tree.text(`${directory}/cgroup.subtree_control`));
    const general = refusal(tree, hierarchy, directory, index) ?? threads(tree, directory);
    const offers = new Map<Controller, string | null>();
    for (const controller of hierarchy.controllers) offers.set(controller, general ?? lacking(tree, directory, controller, enabled));
    looked.push({directory, enabled, offers});
    // Nothing further up can be better: this place has memory.
    if (offers.get('memory') === null) break;
  }
  return looked;
}

function placeOf(controller: Controller, looked: readonly Looked[], chosen: Looked | null): Parent {
  const refused: RefusedDirectory[] = [];
  for (const place of looked) {
    const because = place.offers.get(controller) ?? null;
    if (place === chosen) {
      if (because === null) return {parent: place.directory, refused};
      refused.push({directory: place.directory, because});
      return {parent: null, refused};
    }
    refused.push({directory: place.directory, because: because ?? 'memory cannot be had here, and one group must serve all controllers'});
  }
  return {parent: null, refused};
}

/** What forbids groups in a directory whatever the controller. */
function refusal(tree: Tree, hierarchy: Hierarchy, directory: string, index: number): string | null {
  if (hierarchy.readOnly) return 'the hierarchy is mounted read-only';
  if (!tree.exists(`${directory}/cgroup.procs`)) return 'the directory is not there, or is no group';
  if (!tree.writable(directory)) return 'no permission to make a directory here';
  // The common ancestor of where a process is and where it goes must be writable.
  if (hierarchy.version === 2 && !tree.writable(`${directory}/cgroup.procs`)) return 'no permission to write cgroup.procs';
  const limited = hierarchy.path.slice(0, index).find((below) => limits(tree, below, hierarchy.version));
  if (limited !== undefined) return `a group here would escape the limits of ${limited}`;
  if (hierarchy.version === 1) return null;
  return full(tree, directory);
}

function limits(tree: Tree, directory: string, version: 1 | 2): boolean {
  if (memoryLimit(tree, directory, version) !== null || coresLimit(tree, directory, version) !== null) return true;
  return version === 2 && pins(tree, directory);
}

/** v2 has cpuset in the same hierarchy, so a box leaves that too; the files are empty where nothing is set. */
function pins(tree: Tree, directory: string): boolean {
  return ['cpuset.cpus', 'cpuset.mems'].some((file) => words(tree.text(`${directory}/${file}`)).length > 0);
}

function full(tree: Tree, directory: string): string | null {
  const depth = finite(tree.text(`${directory}/cgroup.max.depth`));
  if (depth !== null && depth < BOX_DEPTH) return `cgroup.max.depth is ${String(depth)}`;
  const most = finite(tree.text(`${directory}/cgroup.max.descendants`));
  if (most === null) return null;
  const present = Number(/^nr_descendants (\d+)$/m.exec(tree.text(`${directory}/cgroup.stat`) ?? '')?.[1] ?? 0);
  return present + BOX_GROUPS > most ? `cgroup.max.descendants is ${String(most)}, and there are ${String(present)}` : null;
}

function threads(tree: Tree, directory: string): string | null {
  const type = tree.text(`${directory}/cgroup.type`)?.trim() ?? 'domain';
  return type === 'domain' ? null : `the group is of type "${type}"`;
}

function lacking(tree: Tree, directory: string, controller: Controller, enabled: readonly string[]): string | null {
  if (enabled.includes(controller)) return null;
  const offered = words(tree.text(`${directory}/cgroup.controllers`));
  if (!offered.includes(controller)) return `the controller is not available here (cgroup.controllers: ${offered.join(' ') || 'none'})`;
  if (!tree.writable(`${directory}/cgroup.subtree_control`)) return 'no permission to write cgroup.subtree_control';
  // Only the root of the whole hierarchy has no cgroup.type, and it alone may hold processes and hand controllers on.
  if (!tree.exists(`${directory}/cgroup.type`)) return null;
  return words(tree.text(`${directory}/cgroup.procs`)).length === 0
    ? null
    : 'processes are in it, and a group with processes cannot hand a controller to its children';
}

function unseen({mount}: Hierarchy): RefusedDirectory {
  return {directory: mount, because: 'the caller’s own group is not to be seen below this mount'};
}
