import {stepsOf} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';

/** How every engine starts init: enter puts the socket to the shim at descriptor 3 and the executable at 4 (native/README.md). */
export const INIT_ARGV = ['/proc/self/fd/4', 'tare-init', '3'] as const;

/** So many descriptors an engine hands on from 3 on: those two, and what init only holds. */
export const handedOn = (plan: Plan): number => 2 + stepsOf(plan, 'mount.pin').length;

/** The same for a box in which init holds something. */
export function initArgv(plan: Plan): string[] {
  const [path, role, socket] = INIT_ARGV;
  const held = stepsOf(plan, 'mount.pin').map((_, index) => String(5 + index));
  return [path, role, [socket, ...held].join(',')];
}
