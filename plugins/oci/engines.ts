/** crun and runc: where they are, which versions can be used, and how they are called. The bundle is the same for both (config.ts). */

import type {Engine, EngineProgram, EngineTask, PatternNeeds} from '@tare/contract';
import {configOf, type Part} from './config.js';
import {STEPS} from './mounts.js';

const FOLDERS = ['/usr/bin', '/usr/sbin', '/usr/local/bin', '/usr/local/sbin'];
const BUNDLE = 'bundle';
const RUNTIME = 'runtime';
/** `--cgroup-manager=disabled` came with 0.14 (crun's NEWS). */
const CRUN_LEAST = '0.14';
/** For boxes: one id in a user namespace since 1.8, mounts of files and sockets that are read-only with all below them since 1.16 (crun's NEWS). */
const CRUN_FOR_BOXES = '1.16';
/** mount_setattr(2) */
const KERNEL_FOR_BOXES = [5, 12] as const;
/** runc has taken flags of a filter since 1.2.0 (its CHANGELOG) and refused them before; each crun that Tare uses takes them. */
const RUNC_FLAGS = '1.2';

/** crun makes this directory before it says its version, by default `/run/crun`, which an account without a session cannot (seen with 1.21). */
const ASKED_IN = ['--root', '/'];

const programOf = (name: string): EngineProgram => ({
  places: FOLDERS.map((folder) => `${folder}/${name}`),
  version: {argument: '--version', before: ASKED_IN, pattern: /^(?:crun|runc) version (\d+(?:\.\d+)+)/},
  setuid: null,
  abilities: {filterFlags: name === 'crun' ? {} : {since: RUNC_FLAGS}},
  apparmor: {profiles: [name], remedy: `install an AppArmor profile for ${name} with the rule "userns,"`},
});

/** The arguments of `run` (crun(1), runc(8)): descriptors from 3 on are init's. @param options more of them */
const runArguments = ({box, id, init}: EngineTask, options: readonly string[] = []): string[] => [
  ...['run', '--bundle', `${box}/${BUNDLE}`, '--preserve-fds', String(init.descriptors), ...options, `tare-${id}`],
];

/** A box keeps the session keyring of its user, in which AFS and Kerberos have tokens; init gives the payload of root's one of its own. */
const keyringOf = ({pattern}: EngineTask): readonly string[] => (pattern === 'vm-lite' ? [] : ['--no-new-keyring']);

const COMMON = {
  kind: 'child',
  userNamespace: true,
  folders: [
    {name: BUNDLE, written: false, because: 'what the OCI runtime is told'},
    {name: RUNTIME, written: true, because: 'what the OCI runtime notes'},
  ],
  prepared: true,
  covers: 'second',
  listens: false,
  skipsMissing: false,
  tellsFiles: false,
  steps: STEPS,
} as const;

const FILTER = 'a filter for all in the box is in config.json (linux.seccomp); init loads the payload’s (seccomp(2))';

const BOX: PatternNeeds = {version: CRUN_FOR_BOXES, kernel: KERNEL_FOR_BOXES, network: 'closed'};

const configFile = (
  task: EngineTask,
  parts: readonly Part[],
  cgroupsPath: string | null,
): {folder: string; name: string; text: string} => ({
  folder: BUNDLE,
  name: 'config.json',
  text: JSON.stringify(configOf(task, parts, cgroupsPath), null, 1),
});

/** crun(1). It leaves control groups alone when it is told to. */
export const crun: Engine<readonly Part[]> = {
  ...COMMON,
  name: 'crun',
  groups: 'none',
  program: programOf('crun'),
  patterns: {'ulimit++': BOX, 'quotas++': BOX, 'vm-lite': {version: CRUN_LEAST}},
  onlyListed: ['ulimit++', 'quotas++'],
  translate: (task, parts) => ({
    files: [configFile(task, parts.flat(), null)],
    argv: [task.engine.path, '--root', `${task.box}/${RUNTIME}`, '--cgroup-manager=disabled', ...runArguments(task, keyringOf(task))],
  }),
  words: {
    about: 'runs bundles of the OCI runtime specification',
    manual: 'crun(1), config.md of the OCI runtime specification',
    versions: `${CRUN_LEAST} for small machines, ${CRUN_FOR_BOXES} for boxes, with Linux ${KERNEL_FOR_BOXES.join('.')}`,
    install: 'install crun',
    filter: FILTER,
    lacks: () => null,
  },
};

/** HostRootUID of runc's libcontainer (configs/config_linux.go) refuses a map without 0: `User namespaces enabled, but no user mapping found`. */
const NEEDS_ROOT = 'makes no user namespace without a root, and a box’s has the payload’s account alone';

/** runc(8). It makes groups unless it is told of one: it is told of the one that it is in. Of version 1 it has to be the same path in all hierarchies. */
export const runc: Engine<readonly Part[]> = {
  ...COMMON,
  name: 'runc',
  groups: 'named',
  program: programOf('runc'),
  patterns: {'ulimit++': NEEDS_ROOT, 'quotas++': NEEDS_ROOT, 'vm-lite': {}},
  onlyListed: [],
  obstacle: ({groups}) =>
    groups.length > 1
      ? `needs the job's control groups at one path in all hierarchies, and they are at ${groups.map((path) => path || '/').join(', ')}: crun does not`
      : null,
  translate: (task, parts) => {
    const [path = null, ...others] = task.groups;
    if (others.length > 0)
      throw new Error(`runc needs the same path in all hierarchies of control groups, found ${task.groups.join(', ')}`);
    return {
      files: [configFile(task, parts.flat(), path)],
      argv: [task.engine.path, '--root', `${task.box}/${RUNTIME}`, ...runArguments(task)],
    };
  },
  words: {
    about: 'runs bundles of the OCI runtime specification',
    manual: 'runc(8), config.md of the OCI runtime specification',
    versions: `any; the filter for all in the box since ${RUNC_FLAGS}`,
    install: 'install crun',
    filter: FILTER,
    lacks: () => null,
  },
};
