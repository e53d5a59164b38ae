/**
 * What of the kernel is not for payloads: the one source of the filters on system calls. As a `seccomp` object of the OCI runtime specification, so
 * that runtimes of that specification take it too; for the payload's own process it is compiled (bpf.ts). Everything is allowed but what no payload needs and what
 * has harmed kernels. Never denied: what MPI, OpenMP and debuggers use (sched_set*, ptrace, process_vm_*, personality, mbind, AF_NETLINK), and
 * perf_event_open, for which the kernel has a setting of its own.
 */

/** A profile of the OCI runtime specification (config-linux, Seccomp). Other members of a site's file are not read. */
export interface SeccompProfile {
  defaultAction: string;
  defaultErrnoRet?: number;
  architectures?: string[];
  syscalls?: SeccompRule[];
}

/** A rule in the form of the OCI runtime specification (config-linux.md, seccomp). */
export interface SeccompRule {
  names: string[];
  action: string;
  errnoRet?: number;
  /** All of them have to hold. */
  args?: SeccompArgument[];
}

/** A comparison of one argument of a system call, in the same form; `op` as SCMP_CMP_EQ. */
export interface SeccompArgument {
  index: number;
  value: number;
  valueTwo?: number;
  op: string;
}

/** Parses a site's file; the compiler checks its names and numbers. @throws Error when it has another form */
export function parseProfile(text: string): SeccompProfile {
  const profile: unknown = JSON.parse(text);
  if (!isObject(profile) || typeof profile['defaultAction'] !== 'string') throw new Error('no object with a defaultAction');
  for (const rule of listOf(profile['syscalls'], 'syscalls')) {
    if (!isObject(rule) || typeof rule['action'] !== 'string') throw new Error('a rule without an action');
    if (!listOf(rule['names'] ?? null, 'names').every((name) => typeof name === 'string')) throw new Error('a name that is no text');
    if (!listOf(rule['args'], 'args').every(isObject)) throw new Error('an argument that is no object');
  }
  return profile as unknown as SeccompProfile;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** What is absent is empty. */
function listOf(value: unknown, name: string): unknown[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new Error(`${name} is no list`);
  return value;
}

const EPERM = 1;
const ENOSYS = 38;

/** `sched.h` */
export const NEW_NAMESPACE = {
  time: 0x80,
  mount: 0x2_0000,
  cgroup: 0x200_0000,
  uts: 0x400_0000,
  ipc: 0x800_0000,
  user: 0x1000_0000,
  pid: 0x2000_0000,
  network: 0x4000_0000,
} as const;
/** `asm-generic/ioctls.h`; x86 and ARM have them under these numbers. */
export const [TIOCSTI, TIOCLINUX] = [0x5412, 0x541c];
/** `net.h`: of the multiplexer of 32-bit x86. */
const SYS_SOCKET = 1;
const WORD = 0xffff_ffff;

const deny = (errnoRet: number, names: string[], ...args: SeccompArgument[]): SeccompRule => ({
  names,
  action: 'SCMP_ACT_ERRNO',
  errnoRet,
  ...(args.length === 0 ? {} : {args}),
});
/** The kernel takes an int there and ignores what is above it, so a comparison of 64 bits could be passed by. */
const masked = (index: number, value: number, mask = WORD): SeccompArgument => ({
  index,
  value: mask,
  valueTwo: value,
  op: 'SCMP_CMP_MASKED_EQ',
});
const other = (index: number, value: number): SeccompArgument => ({index, value, op: 'SCMP_CMP_NE'});
const anyFlag = (names: string[], flags: number[]): SeccompRule[] => flags.map((flag) => deny(EPERM, names, masked(0, flag, flag)));

/**
 * Families of sockets (socket.h) other than AF_UNSPEC, AF_UNIX, AF_INET, AF_INET6, AF_NETLINK and AF_PACKET: 3 to 9, 11 to 15, 18 to 63, as blocks
 * of what is equal under a mask. AF_VSOCK (40) leads out of every network namespace.
 */
const RARE_FAMILIES: readonly [first: number, mask: number][] = [
  [3, WORD],
  [4, 0xffff_fffc],
  [8, 0xffff_fffe],
  [11, WORD],
  [12, 0xffff_fffc],
  [18, 0xffff_fffe],
  [20, 0xffff_fffc],
  [24, 0xffff_fff8],
  [32, 0xffff_ffe0],
];

const ALWAYS: readonly SeccompRule[] = [
  // the kernel itself, its clock, its disks, its ports: not the box's
  deny(EPERM, [
    ...['acct', 'bpf', 'clock_settime', 'clock_settime64', 'delete_module', 'finit_module', 'init_module', 'ioperm', 'iopl'],
    ...['kexec_file_load', 'kexec_load', 'open_by_handle_at', 'pciconfig_iobase', 'pciconfig_read', 'pciconfig_write', 'quotactl'],
    ...['quotactl_fd', 'settimeofday', 'stime', 'swapoff', 'swapon', 'syslog', 'userfaultfd', 'vhangup'],
  ]),
  // what kernels no longer have, or should not: programs know what to do without
  deny(ENOSYS, [
    ...['_sysctl', 'afs_syscall', 'bdflush', 'break', 'create_module', 'epoll_ctl_old', 'epoll_wait_old', 'ftime', 'get_kernel_syms'],
    ...['getpmsg', 'gtty', 'idle', 'io_uring_enter', 'io_uring_register', 'io_uring_setup', 'lock', 'lookup_dcookie', 'mpx', 'nfsservctl'],
    ...['prof', 'profil', 'putpmsg', 'query_module', 'security', 'stty', 'sysfs', 'tuxcall', 'ulimit', 'uselib', 'ustat', 'vm86'],
    ...['vm86old', 'vserver'],
  ]),
  // characters into a terminal, as if its user had typed them
  deny(EPERM, ['ioctl'], masked(1, TIOCSTI)),
  deny(EPERM, ['ioctl'], masked(1, TIOCLINUX)),
  // limits of another process: a payload must not lower init's. Its own have process 0
  deny(EPERM, ['prlimit64'], other(0, 0), other(2, 0)),
  ...RARE_FAMILIES.map(([first, mask]) => deny(EPERM, ['socket', 'socketpair'], masked(0, first, mask))),
  // its family lies in memory, where no filter looks
  deny(EPERM, ['socketcall'], {index: 0, value: SYS_SOCKET, op: 'SCMP_CMP_EQ'}),
];

/** Namespaces and mounts, through which most ways to the kernel's rarer parts lead. */
const NESTED: readonly SeccompRule[] = [
  deny(EPERM, [
    ...['fsconfig', 'fsmount', 'fsopen', 'fspick', 'mount', 'mount_setattr', 'move_mount', 'open_tree', 'open_tree_attr', 'pivot_root'],
    ...['setns', 'umount', 'umount2'],
  ]),
  // of clone(2) the lowest byte is a signal, and a time namespace cannot be asked for
  ...anyFlag(
    ['clone'],
    [...Object.values(NEW_NAMESPACE)].filter((flag) => flag !== NEW_NAMESPACE.time),
  ),
  ...anyFlag(['unshare'], Object.values(NEW_NAMESPACE)),
  // its flags lie in memory, where no filter looks; C libraries then use clone
  deny(ENOSYS, ['clone3']),
];

/** Keys belong to uids, and root of a small machine can be the node's uid 0. */
const KEYS: readonly SeccompRule[] = [deny(EPERM, ['add_key', 'keyctl', 'request_key'])];

/** Name of the filter for payloads in a policy. */
export const DEFAULT = 'default';
/** Name of the filter for payloads that make containers themselves. */
export const PILOT = 'pilot';

/**
 * @param name `default`; or `pilot`, which lets a payload make boxes of its own
 * @param system of a small machine
 */
export const builtinProfile = (name: typeof DEFAULT | typeof PILOT, system: boolean): SeccompProfile => ({
  defaultAction: 'SCMP_ACT_ALLOW',
  syscalls: [...ALWAYS, ...(name === DEFAULT ? NESTED : []), ...(system ? KEYS : [])],
});

/** What an engine applies to all in the box of a small machine, process 1 included, which makes the namespaces of services. */
export const wholeBoxProfile = (): SeccompProfile => builtinProfile(PILOT, true);
