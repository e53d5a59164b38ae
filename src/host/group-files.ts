/** Files of a controller that not every kernel has: looked for in a group, or assumed from the kernel's version. */

import type {Controller} from './facts.js';
import {words, type Hierarchy} from './hierarchy.js';
import {atLeast, type KernelVersion} from './kernel.js';
import type {Tree} from './tree.js';

type Since = Readonly<Record<string, KernelVersion>>;

/** The first kernel with each file; distributions backport some, which is why a real group is asked first. */
const V2_CORE: Since = {'cgroup.freeze': [5, 2], 'cgroup.kill': [5, 14], 'cgroup.pressure': [6, 1]};
const V2: Readonly<Partial<Record<Controller, Since>>> = {
  memory: {
    'memory.events.local': [5, 2],
    'memory.high': [4, 5],
    'memory.oom.group': [4, 19],
    'memory.peak': [5, 19],
    'memory.pressure': [4, 20],
    'memory.reclaim': [5, 19],
    'memory.swap.max': [4, 5],
    'memory.swap.peak': [6, 5],
  },
  cpu: {
    'cpu.idle': [5, 15],
    'cpu.max': [4, 15],
    'cpu.max.burst': [5, 14],
    'cpu.pressure': [4, 20],
    'cpu.stat.local': [6, 6],
    'cpu.weight': [4, 15],
  },
  pids: {'pids.events': [4, 8], 'pids.events.local': [6, 10], 'pids.peak': [6, 1]},
  io: {'io.max': [4, 5], 'io.pressure': [4, 20], 'io.weight': [4, 5]},
  cpuset: {'cpuset.cpus': [5, 0], 'cpuset.cpus.effective': [5, 0], 'cpuset.cpus.partition': [5, 0]},
};
const V1: Readonly<Partial<Record<Controller, Since>>> = {
  memory: {
    'memory.kmem.limit_in_bytes': [3, 8],
    'memory.memsw.limit_in_bytes': [2, 6],
    'memory.memsw.max_usage_in_bytes': [2, 6],
    'memory.oom_control': [2, 6],
    'memory.pressure_level': [3, 10],
    'memory.use_hierarchy': [2, 6],
  },
  cpu: {'cpu.cfs_burst_us': [5, 14], 'cpu.cfs_quota_us': [3, 2], 'cpu.idle': [5, 15], 'cpu.shares': [2, 6]},
  cpuacct: {'cpuacct.stat': [2, 6], 'cpuacct.usage': [2, 6], 'cpuacct.usage_sys': [4, 7], 'cpuacct.usage_user': [4, 7]},
  pids: {'pids.events': [4, 8], 'pids.max': [4, 3], 'pids.peak': [6, 1]},
  freezer: {'freezer.state': [2, 6]},
  io: {'blkio.throttle.read_bps_device': [2, 6]},
  cpuset: {'cpuset.cpus': [2, 6], 'cpuset.effective_cpus': [3, 17], 'cpuset.mems': [2, 6]},
};
/** Files of v1 that the root of a hierarchy lacks; all others it has as every group does. */
const NOT_ON_V1_ROOT = /^(pids|freezer)\./;
/** How many groups below the root are looked at. */
const MOST_CHILDREN = 3;

/** Interface files that a group of a controller has or would have. */
export interface GroupFiles {
  files: string[];
  /** No group could be asked: some files are those of the kernel's version. */
  assumed: boolean;
}

/** Finds a controller's interface files by a group that exists, else by the kernel's version. */
export function findGroupFiles(tree: Tree, hierarchy: Hierarchy, controller: Controller, kernel: KernelVersion): GroupFiles {
  const since = hierarchy.version === 1 ? (V1[controller] ?? {}) : {...V2_CORE, ...V2[controller]};
  const names = Object.keys(since).sort();
  const group = findGroup(tree, hierarchy, controller);
  const asked = group ?? (hierarchy.version === 1 ? hierarchy.mount : null);
  const there = (name: string): boolean => asked !== null && tree.exists(`${asked}/${name}`);
  const guessed = (name: string): boolean => group === null && (hierarchy.version === 2 || NOT_ON_V1_ROOT.test(name));
  return {
    files: names.filter((name) => there(name) || (guessed(name) && atLeast(kernel, since[name] ?? kernel))),
    assumed: names.some(guessed),
  };
}

/** A group that has the controller and is not the root, which lacks files that all others have (on v1 only of pids and freezer). */
function findGroup(tree: Tree, {version, path}: Hierarchy, controller: Controller): string | null {
  const has = (directory: string): boolean =>
    version === 1
      ? !tree.exists(`${directory}/release_agent`)
      : tree.exists(`${directory}/cgroup.type`) && words(tree.text(`${directory}/cgroup.controllers`)).includes(controller);
  const above = path.find((directory) => tree.exists(`${directory}/cgroup.procs`) && has(directory));
  if (above !== undefined) return above;
  const top = path.at(-1);
  if (top === undefined || (version === 1 && controller !== 'pids' && controller !== 'freezer')) return null;
  const children = tree.entries(top, ({kind}) => kind === 'directory').slice(0, MOST_CHILDREN);
  return children.map(({name}) => `${top}/${name}`).find(has) ?? null;
}
