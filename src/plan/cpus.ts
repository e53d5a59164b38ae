/** Which CPUs a pinned box gets. */

import type {Facts} from '../host/facts.js';

/** `count` CPUs of those allowed, the ones that the fewest live boxes are pinned to first, in ascending order. */
export function chooseCpus({cpu}: Facts, count: number): number[] {
  const load = (candidate: number): number => cpu.pinned.filter((taken) => taken === candidate).length;
  return [...cpu.allowed]
    .sort((a, b) => load(a) - load(b) || a - b)
    .slice(0, count)
    .sort((a, b) => a - b);
}
