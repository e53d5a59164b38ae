/**
 * The cgroup hierarchies that are mounted, and where the caller's own group is in each: /proc/self/cgroup says the group,
 * mountinfo says which part of the hierarchy is to be seen where (cgroups(7), "/proc files" and "cgroup namespaces").
 */

import type {Controller} from './facts.js';
import type {Mount} from './mountinfo.js';
import type {Tree} from './tree.js';

/** Controllers of Tare by the kernel's name in v1; v2 has no cpuacct and no freezer, every group of it counts and freezes. */
const V1_NAMES: Readonly<Record<string, Controller>> = {
  memory: 'memory',
  cpu: 'cpu',
  cpuacct: 'cpuacct',
  pids: 'pids',
  freezer: 'freezer',
  blkio: 'io',
  cpuset: 'cpuset',
};
const V2_NAMES: readonly Controller[] = ['memory', 'cpu', 'pids', 'io', 'cpuset'];

/** One mounted cgroup hierarchy, as the caller sees it. */
export interface Hierarchy {
  version: 1 | 2;
  controllers: Controller[];
  mount: string;
  readOnly: boolean;
  /** Directories from the caller's own group up to the mount point; empty when the own group is not to be seen here. */
  path: string[];
}

/** Finds the hierarchies by mountinfo and /proc/self/cgroup (cgroups(7)); of several mounts of one, the writable one that shows most. */
export function findHierarchies(tree: Tree, mounts: readonly Mount[]): Hierarchy[] {
  const groups = parseOwnGroups(tree.text('/proc/self/cgroup') ?? '');
  const found: Hierarchy[] = [];
  const taken = new Set<Controller>();
  for (const set of mountsByHierarchy(mounts, v1Names).values()) {
    const hierarchy = best(set.map((mount) => locate(tree, mount, groups)));
    // A controller is in one hierarchy at a time; a second mount of it is the same hierarchy.
    hierarchy.controllers = hierarchy.controllers.filter((controller) => !taken.has(controller));
    for (const controller of hierarchy.controllers) taken.add(controller);
    if (hierarchy.version === 2 || hierarchy.controllers.length > 0) found.push(hierarchy);
  }
  return found;
}

/** Hierarchies of version 1 without a controller that Tare uses, by their names: `devices`, `name=systemd`. */
export function findOtherHierarchies(tree: Tree, mounts: readonly Mount[]): Map<string, Hierarchy> {
  const groups = parseOwnGroups(tree.text('/proc/self/cgroup') ?? '');
  const isOther = ({type, superOptions}: Mount): boolean => type === 'cgroup' && !superOptions.some((option) => option in V1_NAMES);
  const names = ({superOptions}: Mount): string[] => superOptions.filter((option) => groups.has(option)).sort();
  const sets = mountsByHierarchy(mounts.filter(isOther), names);
  return new Map([...sets].map(([key, set]) => [key, best(set.map((mount) => locate(tree, mount, groups, names(mount))))]));
}

/** `hierarchy:controllers:path` per line; the path of v2 is under the empty name. */
function parseOwnGroups(text: string): Map<string, string> {
  const groups = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, names, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (names === undefined || path === undefined) continue;
    for (const name of names.split(',')) groups.set(name, path.replace(/ \(deleted\)$/, ''));
  }
  return groups;
}

/** Mounts of one hierarchy together; of several at one mount point only the last, which hides the others. */
function mountsByHierarchy(mounts: readonly Mount[], v1: (mount: Mount) => string[]): Map<string, Mount[]> {
  const visible = new Map<string, Mount>();
  for (const mount of mounts) visible.set(mount.point, mount);
  const sets = new Map<string, Mount[]>();
  for (const mount of visible.values()) {
    if (mount.type !== 'cgroup' && mount.type !== 'cgroup2') continue;
    const key = mount.type === 'cgroup2' ? '' : v1(mount).join(',');
    if (mount.type === 'cgroup' && key === '') continue;
    sets.set(key, [...(sets.get(key) ?? []), mount]);
  }
  return sets;
}

const v1Names = (mount: Mount): string[] => mount.superOptions.filter((option) => option in V1_NAMES).sort();

function locate(tree: Tree, mount: Mount, groups: ReadonlyMap<string, string>, named: string[] = v1Names(mount)): Hierarchy {
  const version = mount.type === 'cgroup2' ? 2 : 1;
  const names = version === 2 ? [''] : named;
  const own = names.map((name) => groups.get(name)).find((path) => path !== undefined);
  const path = own === undefined ? [] : directoriesUp(mount, own);
  return {
    version,
    controllers: version === 1 ? v1Controllers(names) : v2Controllers(tree, mount.point),
    mount: mount.point,
    readOnly: mount.options.includes('ro') || mount.superOptions.includes('ro'),
    path: path.length > 0 && tree.exists(`${mount.point}/cgroup.procs`) ? path : [],
  };
}

const v1Controllers = (names: readonly string[]): Controller[] => names.map((name) => V1_NAMES[name]).filter((name) => name !== undefined);

function v2Controllers(tree: Tree, mount: string): Controller[] {
  const offered = words(tree.text(`${mount}/cgroup.controllers`));
  return V2_NAMES.filter((name) => offered.includes(name));
}

/**
 * The directories from the own group upwards. Both paths are relative to the cgroup namespace's root: `/../x` is outside it. The own group is
 * below the mount when the mount's root is a prefix of it and what is left leads only downwards.
 */
function directoriesUp(mount: Mount, own: string): string[] {
  const root = segments(mount.root);
  const group = segments(own);
  const rest = group.slice(root.length);
  if (root.some((segment, index) => segment !== group[index]) || rest.includes('..')) return [];
  const directories: string[] = [mount.point];
  for (const segment of rest) directories.unshift(`${directories[0] ?? ''}/${segment}`);
  return directories;
}

/** The best of several mounts of a hierarchy: it shows the own group, can be written, and shows the most above it. */
function best(hierarchies: readonly Hierarchy[]): Hierarchy {
  const rank = ({path, readOnly}: Hierarchy): number => (path.length === 0 ? 0 : (readOnly ? 1 : 1000) + path.length);
  return hierarchies.reduce((least, each) => (rank(each) > rank(least) ? each : least));
}

const segments = (path: string): string[] => path.split('/').filter((segment) => segment !== '');

/** The words of a file such as cgroup.controllers. */
export const words = (text: string | null): string[] => (text ?? '').split(/\s+/).filter((word) => word !== '');
