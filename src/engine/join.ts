/** A live box to the argv of `tare-join` (native/README.md), which is the engine of a command that joins it. Pure. */

import {stepsOf} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {INIT_ARGV} from './init.js';

/** As in /proc/PID/ns. */
const NAMES = {user: 'user', pid: 'pid', mount: 'mnt', ipc: 'ipc', uts: 'uts', network: 'net', cgroup: 'cgroup'} as const;

/** Only the namespaces that the box made: the others are the node's, and not the user's to enter. */
export function joinArgv(plan: Plan, initPid: number): string[] {
  const kinds = stepsOf(plan, 'namespace.unshare').flatMap(({namespaces}) => namespaces.map((kind) => NAMES[kind]));
  return ['{init}', 'tare-join', String(initPid), kinds.join(','), ...INIT_ARGV];
}
