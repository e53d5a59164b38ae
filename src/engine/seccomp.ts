/**
 * The filter on system calls of a small machine. Everything is allowed but what no service has a use for and what reaches past namespaces:
 * most of what the default profiles of moby and containers/common deny, without what an init, a nested container or a debugger needs.
 * The same list lies in configs/seccomp.json, for sites that want another one.
 */

/** As the `seccomp` object of the OCI runtime specification (config-linux, Seccomp). */
export interface SeccompProfile {
  defaultAction: string;
  architectures?: string[];
  syscalls?: {names: string[]; action: string; errnoRet?: number}[];
}

const EPERM = 1;
const ENOSYS = 38;

export const BUILTIN_SECCOMP: SeccompProfile = {
  defaultAction: 'SCMP_ACT_ALLOW',
  syscalls: [
    {
      // the kernel itself, its clock, its disks, its keys, its performance counters: not the box's
      names: [
        ...['acct', 'add_key', 'adjtimex', 'bpf', 'clock_adjtime', 'clock_settime', 'delete_module', 'finit_module', 'init_module'],
        ...['ioperm', 'iopl', 'kexec_file_load', 'kexec_load', 'keyctl', 'lookup_dcookie', 'open_by_handle_at', 'perf_event_open'],
        ...['pciconfig_iobase', 'pciconfig_read', 'pciconfig_write', 'quotactl', 'quotactl_fd', 'request_key', 'settimeofday', 'stime'],
        ...['swapoff', 'swapon', 'syslog', 'userfaultfd', 'vhangup'],
      ],
      action: 'SCMP_ACT_ERRNO',
      errnoRet: EPERM,
    },
    {
      // what kernels no longer have, or should not
      names: [
        ...['_sysctl', 'afs_syscall', 'bdflush', 'break', 'create_module', 'ftime', 'get_kernel_syms', 'getpmsg', 'gtty', 'lock', 'mpx'],
        ...['nfsservctl', 'prof', 'profil', 'putpmsg', 'query_module', 'security', 'stty', 'sysfs', 'tuxcall', 'ulimit', 'uselib', 'ustat'],
        ...['vm86', 'vm86old', 'vserver', 'io_uring_enter', 'io_uring_register', 'io_uring_setup'],
      ],
      action: 'SCMP_ACT_ERRNO',
      errnoRet: ENOSYS,
    },
  ],
};
