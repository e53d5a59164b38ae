/**
 * What this node can do, as plain data: the third argument of the plan.
 * Every group of facts says in `how` where it was read, so that `tare doctor` and `tare plan` can explain themselves.
 * Nothing here is decided; a plan made from the same facts is the same on every machine.
 */

import type {EngineFacts} from '@tare/contract';

/** Controllers that Tare uses, by the kernel's names (v1 `blkio` is `io`, `cpuacct` is its own controller on v1 only). */
export type Controller = 'memory' | 'cpu' | 'cpuacct' | 'pids' | 'freezer' | 'io' | 'cpuset';

/** A directory that was looked at and cannot hold a box's groups, and why. */
export interface RefusedDirectory {
  directory: string;
  because: string;
}

/** The place in which groups of one controller can be made. */
export interface ControllerFact {
  /** cgroup version of the hierarchy that holds the controller. */
  version: 1 | 2;
  /** Mount point of the hierarchy, for instance /sys/fs/cgroup/memory. */
  mount: string;
  /** Directory of the caller's own group. */
  own: string;
  /** Nearest directory at or above `own` in which a group with this controller can be made; null when there is none. */
  parent: string | null;
  /** Directories between `own` and `parent` (or the root of the hierarchy) that were refused. */
  refused: RefusedDirectory[];
  /** Files that the controller offers here and that not every kernel has, for instance `memory.peak`, `memory.oom.group`, `cgroup.kill`, `memory.memsw.limit_in_bytes`. */
  files: string[];
}

/**
 * The system that made the caller's group. `htcondor-scope`: HTCondor since 24.8, a scope in a slice; `htcondor`: before, one group;
 * `namespace`: the top of a cgroup namespace, as in a container; `root`: the root of the whole hierarchy; `none`: no hierarchy shows it.
 */
export type Layout =
  'htcondor-scope' | 'htcondor' | 'slurm' | 'user-service' | 'session' | 'service' | 'scope' | 'namespace' | 'root' | 'other' | 'none';

/** Control groups of the node, as the caller can use them. */
export interface CgroupFacts {
  /** `v2`: only the unified hierarchy has controllers; `v1`: only old hierarchies; `hybrid`: both; `none`: no controller is mounted. */
  mode: 'v1' | 'v2' | 'hybrid' | 'none';
  /** Only the controllers that are mounted. */
  controllers: Partial<Record<Controller, ControllerFact>>;
  /** Controllers that must be switched on in cgroup.subtree_control of the v2 parent before a group made there has them. */
  toEnable: Controller[];
  /** The v2 parent, when processes are in it that must move to a leaf before it can hand controllers on; null when none are. */
  toEmpty: {directory: string; into: string; because: string} | null;
  /** Hierarchies of version 1 without a controller of the above, by the name in /proc/self/cgroup, and where groups can be made in them; those without a place are left out. */
  others: {name: string; parent: string}[];
  /** The system that made the caller's group, as far as its name tells. */
  layout: Layout;
  how: string;
}

/** A thing that works or not, and how that was found out. */
export interface Ability {
  available: boolean;
  how: string;
  /** When not available: what to do about it, one sentence for an admin. */
  remedy: string | null;
  /** Names of the only programs that have it: of engines, and `tare` for Tare itself; absent: any. */
  only?: readonly string[];
}

/** An account in numbers and, where the name service knows it, by name. */
export interface IdentityFacts {
  uid: number;
  gid: number;
  groups: number[];
  /** Account name, null when the uid has none. */
  name: string | null;
  home: string | null;
}

/** A mount that can be reached. */
export interface VisibleMount {
  point: string;
  type: string;
  /** `network`: what can hang, FUSE and automounts too; `disk`: an ordinary disk's directory. */
  kind: 'network' | 'disk' | 'other';
  readOnly: boolean;
}

/** Copy-on-write views of the node's files. */
export interface ViewFacts {
  /** They are mounted in a user namespace. */
  user: boolean;
  /** The kernel's overlays, and the options that they were tried with. */
  overlay: Ability;
  options: string[];
  /** fuse-overlayfs. */
  fuse: Ability;
  /** In the order of their paths. */
  mounts: VisibleMount[];
  /** In a user namespace: the outermost directories on disk that the caller may write to. */
  writable: string[];
}

/** A range of subuid(5). A count of 0: none. */
export interface IdRange {
  start: number;
  count: number;
}

/** Ids that an account may map in a user namespace (subuid(5), subgid(5)). */
export interface SubordinateFacts {
  uids: IdRange;
  gids: IdRange;
  how: string;
  remedy: string | null;
}

/** What small machines (vm-lite) need of a node beside boxes. */
export interface SystemFacts {
  /** Of a user; of no use to root. */
  subordinate: SubordinateFacts;
  /** The init of the image, among those that were looked for; null: not looked yet. */
  init: string | null;
}

/** Programs that connect a box. */
export type NetworkProgram = 'ip' | 'nft' | 'nsenter' | 'unshare' | 'pasta' | 'slirp4netns';

/** Files of the node about its name and accounts. */
export type IdentityFile = 'hosts' | 'hostname' | 'resolv.conf' | 'machine-id';

/** What can give a box an address of its own. */
export interface NetworkFacts {
  /** Absolute; null where there is none. */
  programs: Record<NetworkProgram, string | null>;
  /** Making and moving network devices of the node. */
  admin: Ability;
  bridge: Ability;
  macvlan: Ability;
  /** Address translation, and rules on what is passed on. */
  nft: Ability;
  /** A program of the caller's that stands for a network. */
  user: Ability;
  /** The node passes packets on. */
  forwarding: {4: boolean; 6: boolean};
  /** A route of IPv4 that leads somewhere. */
  ipv4: {global: boolean};
  /** The kernel has IPv6, and an address of it that leads somewhere. */
  ipv6: {kernel: boolean; global: boolean};
  /** Where each file really is: below /etc it can be a link; null: it is not there. */
  files: Record<IdentityFile, string | null>;
  how: string;
}

/** Everything about a node that a plan depends on. `how` says where a fact comes from; sizes are bytes. */
export interface Facts {
  /** The box that the caller is in already, and how that is proved; null when in none. `offline`: there is no network in it. */
  within: {recordId: string | null; how: string; offline?: true} | null;
  kernel: {release: string; version: [major: number, minor: number]; how: string};
  node: {hostname: string; bootId: string | null; how: string};
  /** The account that runs the wrapper. */
  caller: IdentityFacts;
  cgroup: CgroupFacts;
  /** Where a hierarchy of version 2 lies among those of version 1; null: no such place. */
  unifiedAt: string | null;
  /** Namespaces that the caller can make, itself or through a user namespace. */
  namespaces: Record<'user' | 'pid' | 'mount' | 'ipc' | 'uts' | 'network' | 'cgroup', Ability>;
  /** Mounting a new /proc in a new PID namespace: impossible where /proc is partly hidden, as in most containers. */
  newProc: Ability;
  /** Engines that may be used for the job, in the order of the policy. */
  engines: readonly EngineFacts[];
  /** Filters on system calls: whether the kernel takes them, and Tare makes them for this processor. */
  seccomp: Ability;
  /** `abi`: version of the kernel's interface of Landlock, null: none. `queues`: it has POSIX message queues, whose file system can be mounted. */
  landlock: {abi: number | null; queues: boolean; how: string; remedy: string | null};
  cpu: {
    /** CPUs that are online. */
    online: number[];
    /** CPUs in the caller's affinity mask. */
    allowed: number[];
    /** CPUs that live boxes on this node are pinned to, one entry per box and CPU. */
    pinned: number[];
    model: string | null;
    how: string;
  };
  memory: {totalBytes: number; swapBytes: number; how: string};
  /** What the groups around the caller allow already: the slot, as far as the kernel knows it. */
  slot: {
    /** Smallest memory limit at or above the caller's group (v2: memory.max or memory.high), null when none is set. */
    memoryLimitBytes: number | null;
    /** The group that has it. */
    memoryDirectory: string | null;
    /** Smallest CPU quota at or above the caller's group, in cores, null when none is set. */
    cores: number | null;
    /** The same for processes. */
    processes: number | null;
    how: string;
  };
  /** Disk for private /tmp and the state of live boxes. */
  scratch: {
    directory: string;
    fileSystem: string | null;
    freeBytes: number | null;
    writable: boolean;
    how: string;
    /** File systems that can hold it, and keep it to a size. `program` makes the one in a file. */
    containers: {
      /** Mounted in a user namespace. */
      user: boolean;
      loop: Ability;
      program: string | null;
      tmpfs: Ability;
    };
  };
  /** null where nobody asks: it has to be tried out. */
  views: ViewFacts | null;
  /** null where nobody asks. */
  system: SystemFacts | null;
  /** null where nobody asks: it has to be tried out. */
  network: NetworkFacts | null;
  /** Device files that exist, of those that the policy or the job may name (/dev/fuse, /dev/nvidia*, /dev/dri/*, /dev/kfd). */
  devices: string[];
  /** Directories at the root of the node's file system, and what top-level symbolic links point to (merged /usr: /bin -> usr/bin). */
  root: {directories: string[]; links: Record<string, string>};
}
