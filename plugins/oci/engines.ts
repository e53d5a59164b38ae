/** crun and runc: where they are, which versions can be used, and how they are called. The bundle is the same for both (config.ts). */

import type {Engine, EngineProgram, EngineTask} from '@tare/contract';
import {configOf, type Mount} from './config.js';
import {STEPS} from './mounts.js';
import {isOlder} from './version.js';

const FOLDERS = ['/usr/bin', '/usr/sbin', '/usr/local/bin', '/usr/local/sbin'];
const BUNDLE = 'bundle';
const RUNTIME = 'runtime';
/** `--cgroup-manager=disabled` came with 0.14 (crun's NEWS). */
const CRUN_LEAST = '0.14';
/** runc has taken flags of a filter since 1.2.0 (its CHANGELOG) and refused them before; each crun that Tare uses takes them. */
const RUNC_FLAGS = '1.2';

const programOf = (name: string): EngineProgram => ({
  places: FOLDERS.map((folder) => `${folder}/${name}`),
  version: {argument: '--version', pattern: /^(?:crun|runc) version (\d+(?:\.\d+)+)/},
  setuid: () => 'is not made to be setuid root: take the setuid bit away',
  abilities: (version) => (name === 'crun' || (version !== null && !isOlder(version, RUNC_FLAGS)) ? ['filterFlags'] : []),
  apparmor: {profiles: [name], remedy: `install an AppArmor profile for ${name} with the rule "userns,"`},
});

/** The arguments of `run` (crun(1), runc(8)): descriptors from 3 on are init's. */
const runArguments = ({box, id, init}: EngineTask): string[] => [
  ...['run', '--bundle', `${box}/${BUNDLE}`, '--preserve-fds', String(init.descriptors), `tare-${id}`],
];

const COMMON = {
  kind: 'child',
  patterns: {
    'ulimit++': 'is used for small machines only',
    'quotas++': 'is used for small machines only',
    'vm-lite': true,
  },
  folders: [
    {name: BUNDLE, because: 'what the OCI runtime is told'},
    {name: RUNTIME, because: 'what the OCI runtime notes'},
  ],
  skipsMissing: false,
  steps: STEPS,
} as const;

const FILTER = 'a filter for all in the box is in config.json (linux.seccomp); init loads the payload’s (seccomp(2))';

const configFile = (
  task: EngineTask,
  mounts: readonly Mount[],
  cgroupsPath: string | null,
): {folder: string; name: string; text: string} => ({
  folder: BUNDLE,
  name: 'config.json',
  text: JSON.stringify(configOf(task, mounts, cgroupsPath), null, 1),
});

/** crun(1). It leaves control groups alone when it is told to. */
export const crun: Engine<readonly Mount[]> = {
  ...COMMON,
  name: 'crun',
  groups: 'none',
  program: programOf('crun'),
  obstacle: ({engine: {version}}) =>
    version !== null && isOlder(version, CRUN_LEAST) ? `${version} is too old, ${CRUN_LEAST} is the least` : null,
  translate: (task, parts) => ({
    files: [configFile(task, parts.flat(), null)],
    argv: [task.engine.path, '--root', `${task.box}/${RUNTIME}`, '--cgroup-manager=disabled', ...runArguments(task)],
  }),
  words: {
    about: 'runs bundles of the OCI runtime specification',
    manual: 'crun(1), config.md of the OCI runtime specification',
    versions: `${CRUN_LEAST}: before, it could not leave control groups alone`,
    install: 'install crun',
    filter: FILTER,
    lacks: () => null,
  },
};

/** runc(8). It makes groups unless it is told of one: it is told of the one that it is in. Of version 1 it has to be the same path in all hierarchies. */
export const runc: Engine<readonly Mount[]> = {
  ...COMMON,
  name: 'runc',
  groups: 'named',
  program: programOf('runc'),
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
