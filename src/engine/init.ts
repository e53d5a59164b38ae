import {stepsOf} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';

/** How every engine starts init: enter puts the socket to the shim at descriptor 3 and the executable at 4 (native/README.md). */
export const INIT_ARGV = ['/proc/self/fd/4', 'tare-init', '3'] as const;

/** Number of descriptors, from 3 on, that an engine hands on: two for init, and those that init only keeps open. */
export const handedOn = (plan: Plan): number => 2 + stepsOf(plan, 'mount.pin').length;

/** The arguments of init: its socket, and the descriptors that it keeps open. */
export function initArgv(plan: Plan): string[] {
  const [path, role, socket] = INIT_ARGV;
  const held = stepsOf(plan, 'mount.pin').map((_, index) => String(5 + index));
  return [path, role, [socket, ...held].join(',')];
}
