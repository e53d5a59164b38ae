import {closeSync, constants, openSync, readSync} from 'node:fs';
import {errnoOf, ifPossible} from '../errors.js';

/** Whose limit a kill was for, as the kernel's log tells it. */
export interface LoggedKill {
  whose: 'payload' | 'slot' | 'node';
  /** The line, without its time. */
  line: string;
}

/**
 * The kills in one box. Since Linux 5.0: `oom-kill:constraint=…,oom_memcg=LIMIT'S GROUP,task_memcg=VICTIM'S GROUP,…`;
 * before: `Task in VICTIM'S GROUP killed as a result of limit of LIMIT'S GROUP`.
 * Names are as the node's root sees them, whatever cgroup namespace we are in; the box's name is in them all the same.
 */
export function parseKernelLog(text: string, id: string): LoggedKill[] {
  const inBox = (path = ''): boolean => path.split('/').includes(`tare-${id}`);
  const kills: LoggedKill[] = [];
  for (const line of text.split('\n')) {
    const [now, constraint, limit, victim] =
      /oom-kill:constraint=(\w+),.*?(?:oom_memcg=([^,]*),|global_oom,)task_memcg=([^,]*),.*/.exec(line) ?? [];
    if (now !== undefined && inBox(victim)) {
      const whose = constraint !== 'CONSTRAINT_MEMCG' ? 'node' : inBox(limit) ? 'payload' : 'slot';
      kills.push({whose, line: now});
    }
    const [old, oldVictim, oldLimit] = /Task in (\S+) killed as a result of limit of (\S+)/.exec(line) ?? [];
    if (old !== undefined && inBox(oldVictim)) kills.push({whose: inBox(oldLimit) ? 'payload' : 'slot', line: old});
  }
  return kills;
}

/** The kernel's log, null when we may not read it (kernel.dmesg_restrict). At most as much as its ring holds. */
export function readKernelLog(): string | null {
  const descriptor = ifPossible(() => openSync('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK));
  if (descriptor === null) return null;
  const records: string[] = [];
  const buffer = Buffer.alloc(8192);
  try {
    // One read is one record; EPIPE says that records were overwritten meanwhile, EAGAIN that there are no more.
    for (let count = 0; count < 1_000_000; count++) {
      try {
        records.push(buffer.toString('utf8', 0, readSync(descriptor, buffer)));
      } catch (error) {
        if (errnoOf(error) !== 'EPIPE') break;
      }
    }
  } finally {
    closeSync(descriptor);
  }
  return records.length === 0 ? null : records.join('');
}
