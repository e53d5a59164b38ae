/** CPUs that are online, those that the caller may use, and what they are. */

import type {Facts} from './facts.js';
import type {ProcessStatus} from './status.js';
import type {Tree} from './tree.js';

/** Finds the CPUs that are online (sysfs), and of these the caller's (Cpus_allowed_list, proc_pid_status(5)). */
export function readCpu(tree: Tree, status: ProcessStatus, pinned: readonly number[], model: string | null): Facts['cpu'] {
  const allowed = parseCpuList(status.cpusAllowed ?? '');
  const listed = parseCpuList(tree.text('/sys/devices/system/cpu/online') ?? '');
  const online = listed.length > 0 ? listed : allowed;
  return {
    online,
    // The mask may name CPUs that are offline, never only such.
    allowed: allowed.length > 0 ? allowed.filter((cpu) => online.includes(cpu)) : online,
    pinned: [...pinned],
    model,
    how: `${listed.length > 0 ? '/sys/devices/system/cpu/online' : 'no list of online CPUs'}, Cpus_allowed_list of /proc/self/status, model name of /proc/cpuinfo`,
  };
}

/** Null on machines that do not name their model, as most of ARM. Reading all of /proc/cpuinfo can interrupt every CPU. */
export function readCpuModel(tree: Tree): string | null {
  return /^model name\s*:\s*(.+?)\s*$/m.exec(tree.head('/proc/cpuinfo') ?? '')?.[1] ?? null;
}

/** No kernel has as many (CONFIG_NR_CPUS is at most 8192). */
const MOST_CPUS = 65_536;

/** The kernel's list format: `0-3,8,10-11`. What names a CPU that no kernel has is left out. */
export function parseCpuList(text: string): number[] {
  const cpus: number[] = [];
  for (const part of text.trim().split(',')) {
    const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? [];
    if (first === undefined || Number(last ?? first) >= MOST_CPUS) continue;
    for (let cpu = Number(first); cpu <= Number(last ?? first); cpu++) cpus.push(cpu);
  }
  return cpus;
}
