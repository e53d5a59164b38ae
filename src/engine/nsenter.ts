/** A live box to the argv of nsenter(1), which is the engine of a command that joins it. Pure. */

import {stepsOf} from '../plan/step.js';
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

/** Only the namespaces that the box made: the others are the node's, and not the user's to enter. */
export function nsenterArgv(plan: Plan, nsenter: string, initPid: number): string[] {
  const kinds = stepsOf(plan, 'namespace.unshare').flatMap(({namespaces}) => namespaces.map((kind) => OPTIONS[kind]));
  return [nsenter, ...kinds, '--preserve-credentials', '--target', String(initPid), '--', ...INIT_ARGV];
}
