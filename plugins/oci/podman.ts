/**
 * Podman (podman(1)). It has no daemon, but leaves its box to a monitor, conmon(8), which hands no descriptor on to init. Its command line can say neither
 * in which order mounts are made nor all that they are: so it starts crun with the bundle's configuration, which a hook puts in place of its own
 * (oci-hooks(5), precreate). What it notes lies in the box's own folder: it knows of no other box, and what it left is removed with that.
 */

import type {Engine, EngineFile, PatternNeeds, EngineTask} from '@tare/contract';
import {configOf, type Part} from './config.js';
import {STEPS} from './mounts.js';

const BUNDLE = 'bundle';
const HOOKS = 'hooks';
const STORE = 'podman';
/** In the box: its /dev is a file system of its own, in which anything can be mounted. */
const PLACE = '/dev/.tare';
const LEAST = '5.0';
/** As for crun: mount_setattr(2). */
const KERNEL = [5, 12] as const;
const BOX: PatternNeeds = {version: LEAST, kernel: KERNEL, network: 'closed'};

/** A string of TOML: JSON's are such strings (TOML 1.0, Basic strings). */
const toml = (text: string): string => JSON.stringify(text);

/** containers.conf(5), which stands in place of the node's. @param isUser the box's account has the keyring of its session, as with bubblewrap */
const configuration = (store: string, isUser: boolean): string => `[containers]
keyring = ${String(!isUser)}
[engine]
events_logger = "none"
lock_type = "file"
static_dir = ${toml(`${store}/static`)}
tmp_dir = ${toml(`${store}/tmp`)}
volume_path = ${toml(`${store}/volumes`)}
`;

/** Whether enter has made a user namespace in which the box's account is root, for a wrapper that is not root. */
const isUsers = ({ids}: EngineTask): boolean => ids.uids.some(({inside, outside}) => inside !== outside);

/** Podman is told that the root that it is in a user's namespace is none, as it tells itself when it has made that. */
function rootlessOf(task: EngineTask): Record<string, string> {
  if (!isUsers(task)) return {};
  const {uid, gid} = task.account;
  return {_CONTAINERS_USERNS_CONFIGURED: 'done', _CONTAINERS_ROOTLESS_UID: String(uid), _CONTAINERS_ROOTLESS_GID: String(gid)};
}

function filesOf(task: EngineTask, parts: readonly Part[]): EngineFile[] {
  const {box, init} = task;
  const bridge: Part[] =
    init.folder === null ? [] : [{destination: PLACE, type: 'bind', source: init.folder, options: ['rbind', 'ro', 'nosuid', 'nodev']}];
  const hook = {
    version: '1.0.0',
    hook: {path: '/bin/cat', args: ['cat', `${box}/${BUNDLE}/config.json`]},
    when: {always: true},
    stages: ['precreate'],
  };
  return [
    {folder: BUNDLE, name: 'config.json', text: JSON.stringify(configOf(task, [...parts, ...bridge], null), null, 1)},
    {folder: BUNDLE, name: 'containers.conf', text: configuration(`${box}/${STORE}`, isUsers(task))},
    {folder: BUNDLE, name: 'storage.conf', text: '[storage]\ndriver = "vfs"\n'},
    {folder: BUNDLE, name: 'mounts.conf', text: ''},
    {folder: HOOKS, name: 'tare.json', text: JSON.stringify(hook)},
  ];
}

function argvOf({box, id, engine, init}: EngineTask, root: string): string[] {
  const store = `${box}/${STORE}`;
  return [
    engine.path,
    ...['--root', `${store}/storage`, '--runroot', `${store}/run`, '--tmpdir', `${store}/tmp`, '--storage-driver', 'vfs'],
    ...['--cgroup-manager', 'cgroupfs', '--hooks-dir', `${box}/${HOOKS}`, '--default-mounts-file', `${box}/${BUNDLE}/mounts.conf`],
    ...['--runtime', 'crun', '--runtime-flag', `root=${store}/runtime`],
    ...['run', '--rm', '--name', `tare-${id}`, '--cgroups', 'disabled', '--log-driver', 'none', '--security-opt', 'label=disable'],
    ...['--network', 'host', '--ipc', 'none', '--no-hosts', '--ulimit', 'host', '--read-only', '--rootfs', root],
    ...init.argv,
  ];
}

/** The engine `podman`, whose boxes are those of crun. */
export const podman: Engine<readonly Part[]> = {
  name: 'podman',
  kind: {daemon: PLACE, sees: true},
  userNamespace: true,
  program: {
    places: ['/usr/bin/podman', '/usr/local/bin/podman'],
    version: {argument: '--version', pattern: /^podman version (\d+(?:\.\d+)+)/},
    setuid: null,
    abilities: {filterFlags: {}},
    apparmor: {profiles: ['podman'], remedy: 'install an AppArmor profile for podman with the rule "userns,"'},
  },
  patterns: {'ulimit++': BOX, 'quotas++': BOX, 'vm-lite': 'is used for boxes only'},
  onlyListed: ['ulimit++', 'quotas++'],
  folders: [
    {name: BUNDLE, written: false, because: 'what Podman and crun are told'},
    {name: HOOKS, written: false, because: 'has Podman tell crun of the bundle'},
    {name: STORE, written: true, because: 'what Podman notes of this box alone'},
  ],
  prepared: true,
  covers: 'second',
  listens: false,
  tellsFiles: false,
  groups: 'none',
  skipsMissing: false,
  images: 'saved',
  // crun makes the places of mounts as the box’s account, which can make none in an image: a view has them
  steps: {...STEPS, 'image.root': 'shows no image of its store: it writes one to an archive, and the box has a view of that'},
  translate: (task, parts) => {
    const all = parts.flat();
    const root = all.find((part) => 'destination' in part && part.destination === '/');
    if (root === undefined || !('source' in root)) throw new Error('a box by Podman has a root');
    const bundle = `${task.box}/${BUNDLE}`;
    const home = `${task.box}/${STORE}`;
    return {
      files: filesOf(task, all),
      argv: argvOf(task, root.source),
      environment: {
        ...{CONTAINERS_CONF: `${bundle}/containers.conf`, CONTAINERS_STORAGE_CONF: `${bundle}/storage.conf`},
        ...rootlessOf(task),
        ...{HOME: home, XDG_RUNTIME_DIR: home, TMPDIR: home, PODMAN_IGNORE_CGROUPSV1_WARNING: '1'},
      },
    };
  },
  words: {
    about: 'runs containers without a daemon; its boxes are those of crun, which it starts',
    manual: 'podman-run(1), oci-hooks(5)',
    versions: `${LEAST}, with crun 1.16 and Linux ${KERNEL.join('.')}`,
    install: 'install podman and crun',
    filter: 'init loads it (seccomp(2)) for what it starts',
    lacks: () => null,
  },
};
