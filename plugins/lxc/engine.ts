/** LXC as a child of the shim: lxc-start(1) in the foreground is the monitor of a container whose process 1 is Tare's init. */

import type {Engine, EngineLaunch, PatternNeeds, EngineTask} from '@tare/contract';
import {configOf, isOfUser, OWN_ID, type Part} from './config.js';
import {DEVICES, LINKS, STEPS} from './steps.js';

const CONTAINER = 'container';
const RUNTIME = 'runtime';
/** What was tried. */
const LEAST = '6.0';
/** mount_setattr(2), by which enter makes the node's files read-only. */
const KERNEL = [5, 12] as const;
const BOX: PatternNeeds = {version: LEAST, kernel: KERNEL, network: 'closed'};

/**
 * A user's LXC is started in a namespace of its own. Its variables: where its locks are, else these are in a folder of the user's (get_rundir of its
 * utils.c); no bus, since it would ask a user's systemd for a scope; and no PATH, on which it would find newuidmap(1), which has no rights there.
 */
function argvOf(task: EngineTask): string[] {
  const {id, box, engine, init} = task;
  const apart = ['/usr/bin/unshare', '--user', `--map-user=${String(OWN_ID)}`, `--map-group=${String(OWN_ID)}`, '--'];
  return [
    ...(isOfUser(task) ? apart : []),
    ...['/usr/bin/env', '-i', `XDG_RUNTIME_DIR=${box}/${RUNTIME}`, 'DBUS_SESSION_BUS_ADDRESS=disabled:'],
    ...[engine.path, '-F', '-n', `tare-${id}`, '-P', `${box}/${CONTAINER}`, '-f', `${box}/${CONTAINER}/config`],
    ...['--', ...init.argv],
  ];
}

/** @throws Error for an account whose locks LXC leaves on the node, and for paths that its configuration cannot have */
function translate(task: EngineTask, parts: readonly (readonly Part[])[]): EngineLaunch {
  const {uid, gid} = task.account;
  if (uid === 0 || gid === 0)
    throw new Error(`lxc leaves a lock in the node’s /run for an account with uid or gid 0; found: ${String(uid)}:${String(gid)}`);
  return {
    files: [{folder: CONTAINER, name: 'config', text: configOf(task, parts.flat())}],
    links: Object.entries(LINKS).map(([name, to]) => ({folder: DEVICES, name, to})),
    argv: argvOf(task),
  };
}

/** LXC, for boxes. A filter on system calls for all in a machine has a form of LXC's own. */
export const engine: Engine<readonly Part[]> = {
  name: 'lxc',
  kind: 'child',
  userNamespace: true,
  program: {
    places: ['/usr/bin/lxc-start', '/usr/local/bin/lxc-start'],
    version: {argument: '--version', pattern: /^(\d+(?:\.\d+)+)/},
    setuid: null,
    abilities: {},
    apparmor: {
      profiles: ['usr.bin.lxc-start', 'lxc-start'],
      remedy: 'install an AppArmor profile for /usr/bin/lxc-start with the rule "userns,", as that of the package lxc',
    },
  },
  patterns: {
    'ulimit++': BOX,
    'quotas++': BOX,
    'vm-lite': 'takes a filter on system calls for all in a small machine in a form that Tare does not write',
  },
  onlyListed: ['ulimit++', 'quotas++'],
  folders: [
    {name: CONTAINER, written: false, because: 'what LXC is told'},
    {name: RUNTIME, written: true, because: 'where LXC has its locks'},
    {name: DEVICES, written: true, because: 'the box’s /dev, with its links'},
    {name: `${DEVICES}/shm`, written: true, because: 'where the box’s shared memory is mounted'},
  ],
  prepared: true,
  covers: 'all',
  groups: 'none',
  listens: true,
  skipsMissing: false,
  tellsFiles: true,
  steps: STEPS,
  translate,
  words: {
    about: 'runs containers from a configuration of its own',
    manual: 'lxc-start(1), lxc.container.conf(5)',
    versions: `${LEAST}, built with AppArmor, with Linux ${KERNEL.join('.')}; with the node’s network Linux 6.12 and Landlock`,
    install: 'install the package lxc',
    filter: 'init loads it (seccomp(2)) for what it starts',
    lacks: () => null,
  },
};
