/** Files of cgroup v2 that a bundle sets by their names (config-linux.md, Unified). */

import {sizeOf, wholeOf} from './amounts.js';
import type {Bundle} from './oci-bundle.js';
import type {Given, Resources} from './resources.js';
import {originOf, type Tree} from './tree.js';

/** Reads `unified`. Its values replace those that the bundle gives otherwise, as runtimes have it. */
export function readUnified(tree: Tree, {draft, reader, problems}: Bundle, resources: Resources): void {
  for (const [name, one] of reader.map(tree, 'linux.resources.unified')?.entries ?? []) {
    const origin = originOf(name, one);
    const text = reader.text(one, name.slice(0, 60));
    const number = (written: string): Given<number> | null =>
      problems.attempt(() => ({value: written === 'max' ? -1 : wholeOf(written, one.at), origin, at: one.at}));
    // memparse() of the kernel: K, M, G, T, P, E are powers of 1024
    const size = (written: string): Given<number> | null =>
      problems.attempt(() => ({
        value: written === 'max' ? -1 : /[kmgtp]$/i.test(written) ? sizeOf(written, one.at) : wholeOf(written, one.at),
        origin,
        at: one.at,
      }));
    if (text === null) continue;
    const words = text.trim().split(/\s+/);
    if (name === 'memory.max') set(resources, 'memory', size(text));
    else if (name === 'pids.max') set(resources, 'processes', number(text));
    else if (name === 'cpu.max') {
      set(resources, 'quota', number(words[0] ?? ''));
      set(resources, 'period', words[1] === undefined ? null : number(words[1]));
    } else if (name === 'memory.high' || name === 'memory.swap.max') {
      const value = size(text)?.value ?? -1;
      if (value >= 0 && !(value === 0 && name === 'memory.high'))
        draft.limit(name === 'memory.high' ? 'memoryHigh' : 'swap', value, origin);
      else draft.leave(origin, 'it sets no limit');
    } else draft.leave(origin, 'it is a file of cgroup v2 that Tare does not set');
  }
}

function set(resources: Resources, name: keyof Resources, given: Given<number> | null): void {
  if (given !== null) resources[name] = given;
}
