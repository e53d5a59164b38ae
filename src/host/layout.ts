/** Finds out by its name which system made the caller's group: the remedy for missing controllers depends on it. */

import {LEAF} from './occupants.js';
import type {Layout} from './facts.js';
import type {Hierarchy} from './hierarchy.js';
import type {Tree} from './tree.js';

/** Patterns of group names; those of batch systems are from their sources: HTCondor `condor_DIRECTORY_SLOT@HOST`, Slurm `slurmstepd.scope`. */
const NAMES: readonly (readonly [layout: Layout, pattern: RegExp])[] = [
  ['htcondor-scope', /\/(condor_[^/]+)\.slice\/\1\.scope$/],
  ['htcondor', /\/condor_[^/]+@[^/]+$/],
  ['slurm', /\/[^/]*slurmstepd\.scope(?:\/|$)/],
  ['user-service', /\/user@\d+\.service(?:\/|$)/],
  ['session', /\/session-[^/]+\.scope$/],
  ['service', /\/[^/]+\.service(?:\/|$)/],
  ['scope', /\/[^/]+\.scope(?:\/|$)/],
];

/** Names the system that made the caller's group (systemd, a batch system, a container), by its path in the memory hierarchy. */
export function layoutOf(tree: Tree, hierarchies: readonly Hierarchy[]): Layout {
  const hierarchy = hierarchies.find(({controllers}) => controllers.includes('memory')) ?? hierarchies[0];
  const own = hierarchy?.path[0];
  if (hierarchy === undefined || own === undefined) return 'none';
  const group = own.slice(hierarchy.mount.length).replace(new RegExp(`/${LEAF}$`), '');
  if (group !== '') return NAMES.find(([, pattern]) => pattern.test(group))?.[0] ?? 'other';
  return hierarchy.version === 2 && isGroup(tree, hierarchy.mount) ? 'namespace' : 'root';
}

/** Whether a directory is a group below the root of the hierarchy. Only that root has no cgroup.type; it alone may hold processes and enable controllers. */
export const isGroup = (tree: Tree, directory: string): boolean => tree.exists(`${directory}/cgroup.type`);
