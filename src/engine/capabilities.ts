/** Capabilities by their numbers (capabilities(7)), and those that init, services and payload have in a small machine. */

/** Up to Linux 5.7: of the later ones an older kernel knows nothing. */
const NAMES = [
  ...['CHOWN', 'DAC_OVERRIDE', 'DAC_READ_SEARCH', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID', 'SETPCAP', 'LINUX_IMMUTABLE'],
  ...['NET_BIND_SERVICE', 'NET_BROADCAST', 'NET_ADMIN', 'NET_RAW', 'IPC_LOCK', 'IPC_OWNER', 'SYS_MODULE', 'SYS_RAWIO', 'SYS_CHROOT'],
  ...['SYS_PTRACE', 'SYS_PACCT', 'SYS_ADMIN', 'SYS_BOOT', 'SYS_NICE', 'SYS_RESOURCE', 'SYS_TIME', 'SYS_TTY_CONFIG', 'MKNOD', 'LEASE'],
  ...['AUDIT_WRITE', 'AUDIT_CONTROL', 'SETFCAP', 'MAC_OVERRIDE', 'MAC_ADMIN', 'SYSLOG', 'WAKE_ALARM', 'BLOCK_SUSPEND', 'AUDIT_READ'],
] as const;

/** Capabilities of services: those that OCI runtimes give by default, without NET_RAW, with which a service could take its neighbours' addresses by ARP or NDP. */
const SERVICES: readonly (typeof NAMES)[number][] = [
  ...(['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID', 'SETPCAP', 'NET_BIND_SERVICE'] as const),
  ...(['SYS_CHROOT', 'MKNOD', 'AUDIT_WRITE', 'SETFCAP'] as const),
];

/** All capabilities, in the box's own user namespace; they give no rights on the node. */
export const ALL_CAPABILITIES: readonly string[] = NAMES.map((name) => `CAP_${name}`);

const setOf = (names: readonly (typeof NAMES)[number][]): string =>
  NAMES.reduce((set, name, bit) => (names.includes(name) ? set | (1n << BigInt(bit)) : set), 0n).toString(16);

/** A service's, as a set of bits in hex: what a program executed by the box's root can have at the most. */
export const SERVICE_CAPABILITIES = setOf(SERVICES);

/**
 * Capabilities of an image's init and what it starts: it may end its PID namespace (reboot(2)). Never SYS_ADMIN: as root the box's root is uid 0 of the
 * node too, and only mounts that no process of the box can remove keep it from the node's /proc/sys.
 */
export const INIT_CAPABILITIES = setOf([...SERVICES, 'SYS_BOOT']);
