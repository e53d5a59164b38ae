/**
 * Finds the group in which groups can be made, from the caller's own upwards, with the reason against each directory that was refused.
 * The rules are those of the kernel's admin-guide/cgroup-v2 (delegation containment, no internal processes, threads)
 * and cgroup-v1, and one of ours: never above a group that limits the caller, since a box there would escape the slot.
 */

import {LEAF, occupants, type Mover, type Occupants} from './occupants.js';
import type {CgroupFacts, Controller, RefusedDirectory} from './facts.js';
import {coresLimit, finite, hasOtherV2Limit, memoryLimit} from './group-limits.js';
import {words, type Hierarchy} from './hierarchy.js';
import {isGroup} from './layout.js';
import type {Tree} from './tree.js';

/** The group in which groups of one controller can be made; null: there is none. */
export interface Parent {
  parent: string | null;
  refused: RefusedDirectory[];
}

/** The same for all controllers of a hierarchy, and the processes that have to be moved before. */
export interface Parents {
  controllers: Map<Controller, Parent>;
  toEnable: Controller[];
  toEmpty: CgroupFacts['toEmpty'];
}

/** Groups that a box makes: itself, the engine's, the payload's, and the one of its processes, which is the third level. */
const BOX_GROUPS = 4;
const BOX_DEPTH = 3;

/** v1: an account that may make a directory owns the files in it, and may move processes of its own there. */
export function findV1Parent(tree: Tree, hierarchy: Hierarchy): Parent {
  const refused: RefusedDirectory[] = [];
  for (const [index, directory] of hierarchy.path.entries()) {
    const because = refusal(tree, hierarchy, directory, index);
    if (because === null) return {parent: directory, refused};
    refused.push({directory, because});
  }
  return {parent: null, refused: hierarchy.path.length === 0 ? [unseen(hierarchy)] : refused};
}

/**
 * v2: one group serves all controllers, so the nearest place for memory decides; without memory, the nearest for any.
 * A group that must be evacuated first is as good as a free one where only the wrapper and what leads to it are in it; else it is
 * the last resort; for root it always is, since root finds a free place further up.
 */
export function findV2Parent(tree: Tree, hierarchy: Hierarchy, mover: Mover): Parents {
  if (hierarchy.controllers.length === 0) return {controllers: new Map(), toEnable: [], toEmpty: null};
  const places = hierarchy.path.map((directory, index) => lookAt(tree, hierarchy, directory, index, mover));
  const nearest = (serves: (offers: Offers) => boolean): SettledPlace | undefined =>
    places.map((place) => settle(place, mover.uid !== 0 && place.occupants?.onlyFamily === true)).find(({offers}) => serves(offers)) ??
    places.map((place) => settle(place, true)).find(({offers}) => serves(offers));
  const chosen = nearest((offers) => offers.get('memory') === null) ?? nearest((offers) => [...offers.values()].includes(null)) ?? null;
  const looked = places.map((place) => (place.directory === chosen?.directory ? chosen : settle(place, false)));
  const controllers = new Map<Controller, Parent>();
  for (const controller of hierarchy.controllers) {
    controllers.set(
      controller,
      hierarchy.path.length === 0 ? {parent: null, refused: [unseen(hierarchy)]} : placeOf(controller, looked, chosen),
    );
  }
  const toEnable =
    chosen === null ? [] : hierarchy.controllers.filter((name) => chosen.offers.get(name) === null && !chosen.enabled.includes(name));
  return {controllers, toEnable, toEmpty: chosen === null ? null : emptying(tree, hierarchy, chosen)};
}

/** Per controller of the hierarchy: null when a group with it can be made here, else why not. */
type Offers = ReadonlyMap<Controller, string | null>;

interface Place {
  directory: string;
  /** Controllers that its children have already. */
  enabled: string[];
  /** What it would be without processes in it. */
  offers: Offers;
  /** The processes that would have to move; null: none. */
  occupants: Occupants | null;
}

type SettledPlace = Omit<Place, 'occupants'>;

function lookAt(tree: Tree, hierarchy: Hierarchy, directory: string, index: number, mover: Mover): Place {
  const enabled = words(tree.text(`${directory}/cgroup.subtree_control`));
  const general = refusal(tree, hierarchy, directory, index) ?? threads(tree, directory);
  const offers = new Map<Controller, string | null>();
  for (const controller of hierarchy.controllers) offers.set(controller, general ?? lacking(tree, directory, controller, enabled));
  const isTop = index === 0 && directory === hierarchy.mount;
  const matters =
    general === null && isGroup(tree, directory) && [...offers].some(([name, because]) => because === null && !enabled.includes(name));
  return {directory, enabled, offers, occupants: matters ? occupants(tree, directory, mover, isTop) : null};
}

/** A place with its occupants taken into account: what is not switched on yet is available only after they have moved. */
function settle({directory, enabled, offers, occupants: there}: Place, evacuate: boolean): SettledPlace {
  if (there === null || (evacuate && there.obstacle === null)) return {directory, enabled, offers};
  const because = `processes are in it, and a group with processes cannot hand a controller to its children${there.obstacle === null ? '' : `; ${there.obstacle}`}`;
  return {
    directory,
    enabled,
    offers: new Map([...offers].map(([name, lack]) => [name, lack ?? (enabled.includes(name) ? null : because)])),
  };
}

/** Also when it has no processes now: those that moved for another wrapper move back when that one ends. */
function emptying(tree: Tree, {path}: Hierarchy, {directory}: SettledPlace): Parents['toEmpty'] {
  if (!isGroup(tree, directory)) return null;
  const into = `${directory}/${LEAF}`;
  if (path[0] === into) return {directory, into, because: 'the caller was moved to the leaf already, and may be moved back meanwhile'};
  if (path[0] !== directory && words(tree.text(`${directory}/cgroup.procs`)).length === 0) return null;
  return {directory, into, because: 'the caller is in it, and a group with processes cannot hand controllers to its children'};
}

function placeOf(controller: Controller, looked: readonly SettledPlace[], chosen: SettledPlace | null): Parent {
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
  // one group serves all controllers, so a box leaves these too; pids.max, which systemd sets on everything, the plan takes over
  return version === 2 && hasOtherV2Limit(tree, directory);
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
  return null;
}

function unseen({mount}: Hierarchy): RefusedDirectory {
  return {directory: mount, because: 'the caller’s own group is not to be seen below this mount'};
}
