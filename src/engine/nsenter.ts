/** A live box to the argv of nsenter(1), which is the engine of a command that joins it. Pure. */

import {stepOf, stepsOf} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {INIT_ARGV} from './init.js';

const OPTIONS = {
  user: '--user',
  pid: '--pid',
  mount: '--mount',
  ipc: '--ipc',
  uts: '--uts',
  network: '--net',
  cgroup: '--cgroup',
} as const;

/** Files of /proc/PID/ns, namespaces(7). */
const FILES = {user: 'user', pid: 'pid', mount: 'mnt', ipc: 'ipc', uts: 'uts', network: 'net', cgroup: 'cgroup'} as const;

/**
 * Only the namespaces that the box made: the others are the node's, and not the user's to enter.
 * @param inside a process of the payload: in a small machine it is where init is not, among the processes of the image's init
 */
export function nsenterArgv(plan: Plan, nsenter: string, {init, inside}: {init: number; inside: number}): string[] {
  const made = stepsOf(plan, 'namespace.unshare').flatMap(({namespaces}) => namespaces);
  const keep = '--preserve-credentials';
  if (plan.pattern.value !== 'vm-lite')
    return [nsenter, ...made.map((kind) => OPTIONS[kind]), keep, '--target', String(init), '--', ...INIT_ARGV];
  // the payload's own user namespace, if it has one, is made anew by whoever joins
  const kinds = stepOf(plan, 'view.unshare')?.user === true ? (['user', ...made] as const) : made;
  const file = (kind: keyof typeof FILES): string => `/proc/${String(kind === 'user' ? init : inside)}/ns/${FILES[kind]}`;
  return [nsenter, ...kinds.map((kind) => `${OPTIONS[kind]}=${file(kind)}`), keep, '--', ...INIT_ARGV];
}
