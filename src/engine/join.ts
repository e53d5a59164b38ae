/** A live box to the argv of `tare-join` (native/README.md), which is the engine of a command that joins it. Pure. */

import {stepsOf} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {INIT_ARGV} from './init.js';

/** Names of the namespaces in /proc/PID/ns. */
const NAMES = {user: 'user', pid: 'pid', mount: 'mnt', ipc: 'ipc', uts: 'uts', network: 'net', cgroup: 'cgroup'} as const;
const [SELF] = INIT_ARGV;

/**
 * Arguments that enter the namespaces that the box made; the others are the node's, which the user cannot enter.
 * @param pid a process of the box whose namespaces they are
 */
export function joinArgv(plan: Plan, pid: number): string[] {
  const made = stepsOf(plan, 'namespace.unshare').flatMap(({namespaces}) => namespaces);
  // a user's small machine: enter makes the user namespace
  const kinds = plan.pattern.value === 'vm-lite' && !made.includes('user') ? (['user', ...made] as const) : made;
  return [SELF, 'tare-join', String(pid), kinds.map((kind) => NAMES[kind]).join(','), ...INIT_ARGV];
}
