/** The processes of a box, whatever started them, as far as /proc shows them. */

import {allPids, isRunning, namespaceOf, type ProcessId} from '../process/process.js';
import {readTree, type ProcessSample} from '../process/tree.js';

/** The processes below init, and those that joined the box's PID namespace since (pid_namespaces(7)), with all below them. */
export function processesIn(init: ProcessId | null): ProcessSample[] {
  if (init === null || !isRunning(init)) return [];
  const found = new Map(readTree(init.pid).map((sample) => [sample.pid, sample]));
  const [first] = found.keys();
  const namespace = first === undefined ? null : namespaceOf(first, 'pid');
  if (namespace === null || namespace === namespaceOf('self', 'pid')) return [...found.values()];
  for (const pid of allPids()) {
    if (pid === init.pid || found.has(pid) || namespaceOf(pid, 'pid') !== namespace) continue;
    for (const sample of readTree(pid, true)) found.set(sample.pid, sample);
  }
  return [...found.values()];
}
