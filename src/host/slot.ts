/** What the groups around the caller allow already: the slot, as far as the kernel knows it. */

import type {Controller, Facts} from './facts.js';
import {coresLimit, memoryLimit, processesLimit, v1HierarchicalLimit} from './group-limits.js';
import type {Hierarchy} from './hierarchy.js';
import type {Tree} from './tree.js';

interface Limit {
  value: number;
  where: string;
}

/** The smallest limit on memory (bytes), cores and tasks among the caller's group and those above it. */
export function readSlot(tree: Tree, hierarchies: readonly Hierarchy[]): Facts['slot'] {
  const memory = smallest(hierarchies, 'memory', (directory, {version, path}) => {
    const own = memoryLimit(tree, directory, version);
    return own ?? (version === 1 && directory === path.at(-1) && path[0] !== undefined ? v1HierarchicalLimit(tree, path[0]) : null);
  });
  const cores = smallest(hierarchies, 'cpu', (directory, {version}) => coresLimit(tree, directory, version));
  const processes = smallest(hierarchies, 'pids', (directory) => processesLimit(tree, directory));
  return {
    memoryLimitBytes: memory?.value ?? null,
    memoryDirectory: memory?.where ?? null,
    cores: cores?.value ?? null,
    processes: processes?.value ?? null,
    how: explain({memory, cores, processes}),
  };
}

function smallest(
  hierarchies: readonly Hierarchy[],
  controller: Controller,
  read: (directory: string, hierarchy: Hierarchy) => number | null,
): Limit | null {
  let least: Limit | null = null;
  for (const hierarchy of hierarchies) {
    if (!hierarchy.controllers.includes(controller)) continue;
    for (const where of hierarchy.path) {
      const value = read(where, hierarchy);
      if (value !== null && (least === null || value < least.value)) least = {value, where};
    }
  }
  return least;
}

function explain(limits: Record<string, Limit | null>): string {
  const set = Object.entries(limits).flatMap(([name, limit]) => (limit === null ? [] : [`${name} by ${limit.where}`]));
  return set.length === 0
    ? 'no limit on the caller’s cgroups or above'
    : `smallest limit of the caller’s cgroups and those above: ${set.join(', ')}`;
}
