/** /proc/self/status: what the kernel says of the caller's own process. */

import type {Tree} from './tree.js';

const CAP_NET_ADMIN = 12n;
const CAP_SYS_ADMIN = 21n;

/** What /proc/self/status tells of the caller's privileges (proc_pid_status(5)). */
export interface ProcessStatus {
  sysAdmin: boolean;
  netAdmin: boolean;
  noNewPrivileges: boolean;
  /** A seccomp filter is active; null: this kernel knows of none. */
  filtered: boolean | null;
  cpusAllowed: string | null;
}

/** Reads /proc/self/status; a line that is missing counts as no privilege. */
export function readStatus(tree: Tree): ProcessStatus {
  const text = tree.text('/proc/self/status') ?? '';
  const value = (name: string): string | null => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(text)?.[1] ?? null;
  const written = value('CapEff');
  const capabilities = written !== null && /^[0-9a-f]{1,16}$/.test(written) ? written : null;
  return {
    netAdmin: capabilities !== null && ((BigInt(`0x${capabilities}`) >> CAP_NET_ADMIN) & 1n) === 1n,
    sysAdmin: capabilities !== null && ((BigInt(`0x${capabilities}`) >> CAP_SYS_ADMIN) & 1n) === 1n,
    noNewPrivileges: value('NoNewPrivs') === '1',
    filtered: value('Seccomp') === null ? null : value('Seccomp') === '2',
    cpusAllowed: value('Cpus_allowed_list'),
  };
}
