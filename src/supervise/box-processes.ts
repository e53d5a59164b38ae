/** The processes of a box, whatever started them, as far as /proc shows them. */

import {readdirSync, readlinkSync} from 'node:fs';
import {ifPossible} from '../errors.js';
import {isRunning, type ProcessId} from '../process/process.js';
import {readTree, type ProcessSample} from '../process/tree.js';

/** The processes below init, and those that joined the box's PID namespace since (pid_namespaces(7)), with all below them. */
export function processesIn(init: ProcessId | null): ProcessSample[] {
  if (init === null || !isRunning(init)) return [];
  const found = new Map(readTree(init.pid).map((sample) => [sample.pid, sample]));
  const [first] = found.keys();
  const namespace = first === undefined ? null : namespaceOf(first);
  if (namespace === null || namespace === namespaceOf('self')) return [...found.values()];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isSafeInteger(pid) || pid === init.pid || found.has(pid) || namespaceOf(pid) !== namespace) continue;
    for (const sample of readTree(pid, true)) found.set(sample.pid, sample);
  }
  return [...found.values()];
}

/** null when it is gone, or another user's; init is never dumpable, and so left out for all but root. */
const namespaceOf = (pid: number | 'self'): string | null => ifPossible(() => readlinkSync(`/proc/${pid}/ns/pid`));
