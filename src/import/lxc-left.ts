/** Keys of LXC of which nothing is made, and why. */

/** What other readers take, or have left with a reason already. */
const READ =
  /^lxc\.(?:uts\.name|execute\.cmd|init\.(?:cmd|cwd|uid)|rootfs\.(?:path|options)|idmap|environment|environment\.runtime|mount\.(?:entry|fstab)|net\.\d+\..+|apparmor\.allow_nesting|prlimit\.(?:nofile|core)|cgroup2?\.(?:pids\.max|cpuset\.cpus|memory\.(?:max|high)|devices\.(?:allow|deny))|cgroup2\.(?:cpu\.max|memory\.swap\.max)|cgroup\.(?:memory\.limit_in_bytes|memory\.memsw\.limit_in_bytes|cpu\.cfs_(?:quota|period)_us))$/;

const GROUPS = 'Tare makes its control groups where the batch system has put the job';
const FILES = 'a box has no such file of a control group';
const LOGS = 'Tare logs where directories.log of the policy says';
const TERMINAL = 'a payload has the caller’s standard input, output and error, or a terminal of the box’s own';
const LABELS =
  'Tare sets no labels of SELinux or AppArmor: what a payload may do is in the policy (seccomp), and in Landlock where the node has it';
const CAPABILITIES = 'a payload has no capabilities, and gains none';
const START = 'a job is started by its batch system';
const SIGNALS = 'a payload is told to stop by the signal that the caller sends, at a limit by SIGTERM';

/** The first that fits counts; a pattern is of the whole key or its beginning. */
const LEFT: readonly (readonly [RegExp, string])[] = [
  [/^lxc\.arch$/, 'the program’s own file says for which processor it is'],
  [/^lxc\.apparmor\.|^lxc\.selinux\./, LABELS],
  [/^lxc\.seccomp\./, 'it is a list of system calls in LXC’s own form: seccomp in the policy names a profile, or a file of the OCI’s form'],
  [/^lxc\.cap(?:\.|$)/, CAPABILITIES],
  [/^lxc\.no_new_privs$/, 'a payload gains no privileges anyway'],
  [/^lxc\.init\.(?:gid|groups)$/, 'a payload has the groups of its account'],
  [/^lxc\.autodev/, 'a box has a /dev of its own, with the devices that the policy lets in'],
  [/^lxc\.mount\.auto$/, 'a box has file systems of the kernel of its own'],
  [/^lxc\.mount$/, 'a box has file systems of the kernel of its own'],
  [/^lxc\.rootfs\./, 'where a root is mounted before it is the root, Tare decides'],
  [/^lxc\.namespace\./, 'a box has namespaces of its own, and joins none of another container'],
  [/^lxc\.net(?:\.|$)/, 'it is about no network'],
  [/^lxc\.prlimit\.nproc$/, 'it counts the processes of an account, and a job has a limit on those of its box (processes)'],
  [/^lxc\.prlimit\.cpu$/, 'it is of each process, and a job has a limit on the CPU time of all together (cpuTime)'],
  [/^lxc\.prlimit\.nice$/, 'a job has a nice value, and no limit for it'],
  [/^lxc\.prlimit\./, 'a job has no such limit of each process: it is as the caller has it'],
  [/^lxc\.cgroup2?\.(?:dir|relative|use)\b/, GROUPS],
  [/^lxc\.cgroup\.memory\.soft_limit_in_bytes$/, 'it holds only where the node lacks memory; memoryHigh is another limit'],
  [/^lxc\.cgroup2?\.memory\.(?:low|min)$/, 'Tare reserves no memory: the batch system does'],
  [/^lxc\.cgroup2?\.cpu\.(?:weight|shares|idle)/, 'Tare sets no weights among jobs: what a job gets is its cores'],
  [/^lxc\.cgroup2?\.cpuset\.mems$/, 'Tare chooses no memory nodes: the batch system and the kernel do'],
  [/^lxc\.cgroup2?\.(?:blkio|io)\./, 'Tare limits no disk I/O'],
  [/^lxc\.cgroup2?\./, FILES],
  [/^lxc\.hook\./, 'Tare runs no scripts of a description'],
  [/^lxc\.(?:tty|pty|console)\./, TERMINAL],
  [/^lxc\.(?:log|kmsg)(?:\.|$)/, LOGS],
  [/^lxc\.(?:start\.|group$|monitor\.)/, START],
  [/^lxc\.signal\./, SIGNALS],
  [/^lxc\.(?:sysctl|proc)\./, 'a payload changes no settings of the kernel'],
  [/^lxc\.sched\./, 'Tare sets no scheduler'],
  [
    /^lxc\.keyring\.session$/,
    'where root’s wrapper becomes another account, a payload has a session keyring of its own; else it has the caller’s',
  ],
  [/^lxc\.time\./, 'a box has the node’s clock'],
  [/^lxc\.ephemeral$/, 'a box is gone at the end of its job'],
  [/^lxc\.transient_procfs$/, 'a box has file systems of the kernel of its own'],
  [/^lxc\.environment\.hooks$/, 'Tare runs no scripts of a description'],
];

/** Why nothing is made of a setting; null: something is, or it is said elsewhere. */
export function reasonLeft(key: string): string | null {
  if (READ.test(key)) return null;
  return LEFT.find(([pattern]) => pattern.test(key))?.[1] ?? 'unknown to this reader';
}
