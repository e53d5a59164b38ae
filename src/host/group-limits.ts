/** Limits that are set on a group, in either version's files; null where there is none. */

import type {Tree} from './tree.js';

/** v1 says "no limit" as the largest number of whole pages, 9223372036854771712 with pages of 4 KiB. */
const V1_UNLIMITED = 2 ** 60;

/** v2: memory.high throttles a group almost to a standstill; the plan treats it as a hard limit, like memory.max. */
export function memoryLimit(tree: Tree, directory: string, version: 1 | 2): number | null {
  if (version === 1) return v1Memory(tree.text(`${directory}/memory.limit_in_bytes`));
  const limits = ['memory.max', 'memory.high'].map((file) => finite(tree.text(`${directory}/${file}`)));
  return limits.reduce((least, limit) => (least === null || (limit !== null && limit < least) ? limit : least));
}

/** A v2 group whose swap or block devices are limited; of cpuset.* the files are empty, and of io.max too, where nothing is set. */
export function hasOtherV2Limit(tree: Tree, directory: string): boolean {
  if (finite(tree.text(`${directory}/memory.swap.max`)) !== null) return true;
  return ['cpuset.cpus', 'cpuset.mems', 'io.max'].some((file) => (tree.text(`${directory}/${file}`) ?? '').trim() !== '');
}

/** v1 also tells the smallest limit of all groups above, those that no mount shows here included. */
export function v1HierarchicalLimit(tree: Tree, directory: string): number | null {
  return v1Memory(/^hierarchical_memory_limit (\d+)$/m.exec(tree.text(`${directory}/memory.stat`) ?? '')?.[1] ?? null);
}

/** The CPU quota of a group as a number of cores (cpu.max; v1: cpu.cfs_quota_us); null: none. */
export function coresLimit(tree: Tree, directory: string, version: 1 | 2): number | null {
  const [quota, period] =
    version === 2
      ? (tree.text(`${directory}/cpu.max`) ?? '').trim().split(' ')
      : [tree.text(`${directory}/cpu.cfs_quota_us`) ?? '', tree.text(`${directory}/cpu.cfs_period_us`) ?? ''];
  const cores = Number(quota === '' || quota === undefined ? Number.NaN : quota) / Number(period ?? Number.NaN);
  return Number.isFinite(cores) && cores > 0 ? cores : null;
}

/** pids.max of a group, in tasks; null: none. */
export const processesLimit = (tree: Tree, directory: string): number | null => finite(tree.text(`${directory}/pids.max`));

/** A number of 64 bits in a file, null when there is none: no file, or `max`. */
export function finite(text: string | null): number | null {
  const trimmed = text?.trim() ?? '';
  return /^\d{1,20}$/.test(trimmed) ? Number(trimmed) : null;
}

function v1Memory(text: string | null): number | null {
  const value = finite(text);
  return value === null || value >= V1_UNLIMITED ? null : value;
}
