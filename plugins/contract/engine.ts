/**
 * What an engine is written against: the program that makes the namespaces and the mounts of a box and starts init in it. Types only.
 * Everything that an engine does here is pure: which programs there are is found out by the core, which also writes the files and starts the argv.
 */

import type {Plan} from '../../src/schema/generated/plan-1.js';

/** A usage pattern of jobs (docs/explanation/box.md). */
export type EnginePattern = Plan['pattern']['value'];

/** Why an engine cannot do something, as a clause of which the engine is the subject: `mounts no sysfs`. */
export type Reason = string;

/** The kinds of steps of a plan that an engine performs. A new kind of theirs does not compile until each engine has a row for it. */
export type EngineOp =
  | 'namespace.unshare'
  | 'hostname.set'
  | 'privileges.drop'
  | 'paths.protect'
  | 'accounts.provide'
  | 'mount.move'
  | 'mount.closed'
  | 'mount.bind'
  | 'mount.tmpfs'
  | 'mount.proc'
  | 'mount.dev'
  | 'mount.sys'
  | 'mount.readonly'
  | 'image.root'
  | 'cvmfs.bind';

/** A step of a plan that an engine performs. */
export type EngineStep = EngineStepOf<EngineOp>;
/** The step of one kind. */
export type EngineStepOf<Op extends EngineOp> = Extract<Plan['steps'][number], {op: Op}>;

/** What an engine makes of each kind of step: a part of its own configuration, or why it cannot do such a step. */
export type EngineSteps<Part> = {readonly [Op in EngineOp]: ((step: EngineStepOf<Op>, task: EngineTask) => Part) | Reason};

/** An engine of a plugin. `Part` is what it makes of one step: options of a command line, or a part of a configuration. */
export interface Engine<Part = unknown> {
  /** As the policy, the plan and the record call it: small letters, digits and `-`. */
  name: string;
  /**
   * `child`: the program is a child of the shim, and init inherits its descriptors. `daemon`: the program is a client, whose daemon starts init: it
   * binds the folder `EngineTask.init.folder` into the box at this path, read-only, and init is sent its descriptors over a socket there. Such a
   * client has the wrapper's account; the engine gives init the box's. Init is moved into the job's control groups as soon as it is there. `sees`: what
   * starts init has the mounts of its client, since it was started by that; a daemon sees nothing of what enter mounts for a box. Words
   * behind `EngineTask.init.argv` have init take the account itself, after it has done what the daemon cannot (native/README.md, Tools, `tare-connect`).
   * `keeps`: the daemon keeps a container `tare-ID`, which the program removes by `rm --force tare-ID`, as Docker's does. `unreached`: what the program
   * says where it reaches no daemon, and nothing was made.
   */
  kind: 'child' | {daemon: string; sees?: true; keeps?: 'container'; unreached?: RegExp};
  /** Whether its boxes have a user namespace that it makes itself. */
  userNamespace: boolean;
  program: EngineProgram;
  /** Usage patterns that it can run and what each needs, or why it cannot. */
  patterns: Readonly<Record<EnginePattern, PatternNeeds | Reason>>;
  /** Of these, patterns that it runs only where the policy lists engines, or the caller names it: no node changes to it by itself. */
  onlyListed: readonly EnginePattern[];
  /**
   * Folders in the box's own folder that it needs, each behind the one that it lies in. Names have small letters, and `/` before the name of one in another.
   * `written`: the engine writes there, not only the core.
   */
  folders: readonly {name: string; written: boolean; because: string}[];
  /**
   * For a box with the node's files it takes a folder for their root, on which they are mounted before it starts, read-only, and in any box
   * terminals that are mounted before. Otherwise it binds `/` and mounts terminals itself.
   */
  prepared: boolean;
  /**
   * What of the node's control groups is covered before it starts, in the mount namespace that it is started in, and not in the box. `second`: those of
   * version 2 among those of version 1, since it finds one version only; `all`: it would make groups of its own wherever it can write; `none`: it leaves
   * what it sees alone.
   */
  covers: 'none' | 'second' | 'all';
  /** `named`: it makes control groups of its own unless it is told of one, by one path that holds in all hierarchies; `none`: it makes none. */
  groups: 'none' | 'named';
  /**
   * It listens on an abstract socket (unix(7)) on which processes of the box's account can end the box. A payload that shares the node's network is kept
   * from it by Landlock, or the engine is not taken.
   */
  listens: boolean;
  /** It leaves out by itself what is mounted only if it is there; otherwise `exists` tells it, for which a process is started. */
  skipsMissing: boolean;
  /** It makes mount points, and its configuration says which of them are files: `isFile` tells it, for which a process is started. */
  tellsFiles: boolean;
  /**
   * It has a store of images on the node. Root's wrapper asks it by `image inspect --format` as Docker's (docker-image-inspect(1)), and has it fetch
   * nothing: `pull` is for people. `shown`: it has a translator for `image.root`. `saved`: it sees what is mounted for a box, and its program
   * writes an image to standard output by `save --quiet --format docker-archive ID` (podman-save(1)), of which the box has a view. Absent: it has
   * none.
   */
  images?: 'shown' | 'saved';
  steps: EngineSteps<Part>;
  /** Why it cannot do a plan, each step of which it can do; null: it can. Absent: it always can. */
  refuses?(plan: Pick<Plan, 'steps' | 'limits'>): Reason | null;
  /** What its program says where it met a state of the node that another try need not meet: it is tried once more. Absent: it never does. */
  passing?: RegExp;
  /** No process of the node can enter its boxes, for a command beside the payload: why. Absent: one can. */
  sealed?: Reason;
  /** Why it can build no box on this node, beside what the pattern needs and what the kernel lacks for every engine; null: it can. Absent: nothing. */
  obstacle?(node: EngineNode): Reason | null;
  /** @param parts what it made of the task's steps, in their order. @throws Error for what `obstacle` did not foresee */
  translate(task: EngineTask, parts: readonly Part[]): EngineLaunch;
  words: EngineWords;
}

/** What an engine needs for a usage pattern, beside what every engine needs of a node. */
export interface PatternNeeds {
  /** The least version of the program, as three numbers or fewer; absent: any. One that is not known is not refused. */
  version?: string;
  /** The least Linux; absent: any. */
  kernel?: readonly [major: number, minor: number];
  /** `closed`: it makes the box's network itself, and no program of the user's can enter that to stand for it. */
  network?: 'closed';
}

/** The program of an engine: where it is looked for, and what its version means. */
export interface EngineProgram {
  /** Absolute paths in the order in which they are tried; never the PATH, which is the job's. */
  places: readonly string[];
  /** Absolute paths of its daemon's socket, of which one has to be there; absent: it has no daemon. */
  sockets?: readonly string[];
  version: {
    argument: string;
    /** What has to come before it. Absent: nothing. */
    before?: readonly string[];
    /** Its first group is the version, in what the program prints. */
    pattern: RegExp;
  };
  /** Until which version an account other than root can use it as setuid root, without a user namespace; null: none. */
  setuid: {refusedSince: string} | null;
  /** Files of the node that it needs beside the program, or uses where they are. Absent: none. */
  parts?: readonly EnginePart[];
  /**
   * What not all of its versions can do, or not as setuid root, by its name: since which version, of which an unknown one is not; absent: any. `setuid`
   * false: not as setuid root.
   */
  abilities: Readonly<Record<string, {since?: string; setuid?: false}>>;
  /** Profiles of AppArmor that let it make user namespaces where other programs may not. */
  apparmor: {profiles: readonly string[]; remedy: string};
}

/** A file of the node that an engine needs, or uses where it is. */
export interface EnginePart {
  name: string;
  /** Absolute paths in the order in which they are tried. With `*` at its end: the last entry of that folder which begins so, by the numbers in the names. */
  places: readonly string[];
  /** Without it the engine cannot be used. */
  needed: boolean;
  /** It is of use only where it can be written to by the caller. */
  written: boolean;
  /** It is of use only where /proc/cpuinfo begins with something like this. Absent: anywhere. */
  processor?: RegExp;
  /** What follows where it is there, and where it is not; null: nothing worth saying. */
  words: {found: string | null; missing: string | null};
  /** Where it is not there, a job has less than was asked for: a flag of the record (docs/explanation/degraded.md). Absent: it has not. */
  lacking?: string;
}

/** An engine as it was found on a node. */
export interface EngineFacts {
  name: string;
  /** Absolute; null: it is not there, or cannot be used. */
  path: string | null;
  version: string | null;
  /** It is setuid root for an account that is not root: it needs no user namespaces, and cannot be used in one. */
  setuid: boolean;
  abilities: readonly string[];
  /** Paths of its parts that are there, by their names. Absent: it has none. */
  parts?: Readonly<Record<string, string>>;
  /** What a job has less by it here: a flag of the record, and why. Absent: nothing. */
  less?: readonly {code: string; because: string}[];
  /** Where that was read, or why it is not there. */
  how: string;
}

/** A node as an engine sees it. */
export interface EngineNode {
  engine: EngineFacts;
  pattern: EnginePattern;
  /** Of the wrapper's account. */
  uid: number;
  /** Paths of the groups in which a job's groups can be made, below their mount points: one, or several that differ. */
  groups: readonly string[];
}

/** What an engine is to do: build one box. All paths are of the node. */
export interface EngineTask {
  id: string;
  pattern: EnginePattern;
  engine: Pick<EngineFacts, 'version' | 'abilities' | 'parts'> & {path: string};
  /** What the payload may use, where that is limited. */
  limits: {memoryBytes: number | null; cores: number | null; processes: number | null};
  /** Its steps, in their order. */
  steps: readonly EngineStep[];
  /** The box's own folder; the engine's folders are in it. */
  box: string;
  /**
   * What it starts in the box as process 1. Descriptors from 3 on, so many, are handed on as they are; so are 0 to 2: by a child. A daemon hands
   * nothing on, but binds the folder: null for a child.
   */
  init: {argv: readonly string[]; descriptors: number; folder: string | null};
  /**
   * The account of init in the box, and the capabilities it has there, by their names (`CAP_CHOWN`). Where the engine is started with the wrapper's
   * account, it gives init these supplementary groups; otherwise there are none, since it has them itself.
   */
  account: {uid: number; gid: number; groups: readonly number[]; capabilities: readonly string[]};
  /** What the box's user namespace maps, where the engine makes one: ids in it, and those that they are where the engine is started. */
  ids: EngineIds;
  /** Paths of the control group that it is started in, below the mount points of the hierarchies: one, or several that differ. */
  groups: readonly string[];
  /** A program of the user's that stands for the network enters namespaces that this program (unshare(1)) makes around the engine; null: none does. */
  network: {unshare: string} | null;
  /** A process below init gets a PID namespace of its own with a /proc, which the kernel refuses where paths of /proc are hidden. */
  nestsProc: boolean;
  /** The processor's calling conventions, as libseccomp names them, the native one first. */
  architectures: readonly string[];
  /** A filter on system calls for all in the box, init included, in the form of the OCI runtime specification; null: none. init loads the payload's. */
  filter: EngineFilter | null;
  /** Whether something is at a path of the node, for what is mounted only if it is there; false for all where the engine skips it by itself. */
  exists: (path: string) => boolean;
  /** Whether what a `mount.bind` takes from a path of the node is there and no directory; false for all where the engine does not need it. */
  isFile: (path: string) => boolean;
  node: EngineHost;
}

/** What the node has: its size, and for a daemon what the root of a box is built from. */
export interface EngineHost {
  /** Of the whole node; 0: it is not known. */
  memoryBytes: number;
  hostname: string;
  /** Directories at the top of its file system, and links there, with what they point to. */
  top: {directories: readonly string[]; links: Readonly<Record<string, string>>};
  /** Whether a file of its names and addresses is there: /etc/hosts, /etc/hostname or /etc/resolv.conf. */
  hasNames: (path: string) => boolean;
  /** Whether later mounts of the node below a path arrive in a slave mount of it (mount_namespaces(7)). */
  follows: (path: string) => boolean;
}

/** Lines of uid_map and gid_map (user_namespaces(7)). */
export interface EngineIds {
  uids: readonly {inside: number; outside: number; count: number}[];
  gids: EngineIds['uids'];
}

/** A `seccomp` object of the OCI runtime specification (config-linux.md). */
export interface EngineFilter {
  defaultAction: string;
  syscalls?: readonly object[];
}

/** What the core writes and starts. */
export interface EngineLaunch {
  files: readonly EngineFile[];
  /** Absent: none. */
  links?: readonly EngineLink[];
  /** The program is an absolute path. */
  argv: readonly string[];
  /** Variables that a daemon's client needs beside PATH and LANG; nothing of the job's is in its environment. A child has none. */
  environment?: Readonly<Record<string, string>>;
}

/** A file of an engine; only the account that the engine runs as can read it, or all, where that is not the caller's. */
export interface EngineFile {
  /** One of the engine's folders. */
  folder: string;
  name: string;
  text: string;
}

/** A symbolic link of an engine. */
export interface EngineLink {
  /** One of the engine's folders. */
  folder: string;
  name: string;
  /** Where it leads, in the box. */
  to: string;
}

/** What people are told of an engine: by `tare doctor`, and in docs/reference/engines.md. */
export interface EngineWords {
  /** What it is, one line. */
  about: string;
  /** Where its options are documented. */
  manual: string;
  /** The least version, and for what. */
  versions: string;
  /** How to get it, as in `tare doctor`. */
  install: string;
  /** How the filter on system calls gets in. */
  filter: string;
  /** What a version that was found lacks, and what that costs; null: nothing. */
  lacks(facts: EngineFacts): {lacking: string; costs: string; remedy: string} | null;
  /** What its boxes do not have of what every box promises: by names of checks of the conformance suite (test/engines), why. Absent: nothing. */
  unclaimed?: Readonly<Record<string, Reason>>;
  /** How it makes a directory at a path in a box whose root is a directory, by itself: for the attacks of `tare doctor`. Absent: not known. */
  alone?(root: string, path: string): readonly string[];
}
