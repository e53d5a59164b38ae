/** Whether a payload can have a filter on system calls here. */

import type {Ability} from './facts.js';
import type {ProcessStatus} from './status.js';

/** Processors, by Node.js's names, for which src/engine/bpf.ts has the numbers of system calls. */
export const PROCESSORS: readonly string[] = ['x64', 'arm64'];

/** Whether filters on system calls can be used: the kernel has them, and Tare makes them for the processor. */
export function readSeccomp({filtered}: ProcessStatus, processor = 'x64'): Ability {
  if (filtered === null)
    return {available: false, how: '/proc/self/status has no line Seccomp', remedy: 'run a kernel with CONFIG_SECCOMP_FILTER'};
  if (!PROCESSORS.includes(processor)) return {available: false, how: `no filter is made for the processor ${processor}`, remedy: null};
  return {available: true, how: '/proc/self/status', remedy: null};
}
