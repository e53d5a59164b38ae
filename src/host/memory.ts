/** Memory and swap of the node. */

import type {Facts} from './facts.js';
import type {Tree} from './tree.js';

/** Total memory and swap of the node, bytes (/proc/meminfo, proc_meminfo(5)); 0 where it does not tell. */
export function readMemory(tree: Tree): Facts['memory'] {
  const path = '/proc/meminfo';
  const text = tree.text(path) ?? '';
  const bytes = (name: string): number => Number(new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024;
  return {totalBytes: bytes('MemTotal'), swapBytes: bytes('SwapTotal'), how: path};
}
