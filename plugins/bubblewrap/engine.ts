/**
 * A task to bubblewrap's argv (bwrap(1)). Only options that bubblewrap 0.4.1 (EL9) has, but where the node's version is known to have more.
 */

import type {Engine, EngineFacts, EngineSteps, EngineTask, PatternNeeds} from '@tare/contract';

const NAMESPACE_OPTIONS = {
  user: '--unshare-user',
  pid: '--unshare-pid',
  mount: null,
  ipc: '--unshare-ipc',
  uts: '--unshare-uts',
  network: '--unshare-net',
  cgroup: '--unshare-cgroup',
} as const;

const STEPS: EngineSteps<readonly string[]> = {
  // the user's program can enter no namespace below those that bubblewrap nests: the network's is made around it
  'namespace.unshare': ({namespaces}, {network}) =>
    namespaces.filter((kind) => network === null || kind !== 'network').flatMap((kind) => NAMESPACE_OPTIONS[kind] ?? []),
  'hostname.set': ({hostname}) => ['--hostname', hostname],
  'mount.move': () => [], // enter has done it
  'mount.closed': ({at, destination}) => ['--bind', at, destination],
  'mount.bind': ({source, destination, options, optional}) => {
    const option = options.includes('dev') ? '--dev-bind' : options.includes('rw') ? '--bind' : '--ro-bind';
    return [optional ? `${option}-try` : option, source, destination];
  },
  'cvmfs.bind': ({source, destination}) => ['--ro-bind', source, destination],
  'mount.proc': ({destination}) => ['--proc', destination],
  'mount.dev': ({destination, queues}) => ['--dev', destination, ...(queues === undefined ? [] : ['--mqueue', queues])],
  'mount.readonly': ({destination}) => ['--remount-ro', destination],
  'mount.tmpfs': ({destination, mode, sizeBytes}, {engine: {abilities}}) => {
    const perms = abilities.includes('perms') ? ['--perms', mode] : [];
    const size = abilities.includes('tmpfsSize') && sizeBytes !== null ? ['--size', String(sizeBytes)] : [];
    return [...perms, ...size, '--tmpfs', destination];
  },
  // no_new_privs is always set by bubblewrap
  'privileges.drop': ({capabilities}) => (capabilities === 'none' ? ['--cap-drop', 'ALL'] : []),
  'mount.sys': 'mounts no sysfs',
  'image.root': 'has no store of images',
  'paths.protect': 'hides no paths of the kernel’s file systems',
  'accounts.provide': 'runs nothing that needs accounts of its own',
};

/** bubblewrap's options, and init behind them, which is process 1: it reaps, forwards signals and reports, which bubblewrap's own does not. */
function argvOf({engine, network, init}: EngineTask, parts: readonly (readonly string[])[]): string[] {
  const around = network === null ? [] : [network.unshare, '--user', '--map-current-user', '--net', '--'];
  return [...around, engine.path, ...parts.flat(), '--as-pid-1', '--', ...init.argv];
}

/** `tare doctor` says which options the version lacks. */
function lacks({abilities, setuid}: EngineFacts): ReturnType<Engine['words']['lacks']> {
  const options = {'--perms': 'perms', '--size': 'tmpfsSize'};
  const lacking = Object.entries(options).flatMap(([option, ability]) => (abilities.includes(ability) ? [] : [option]));
  if (lacking.length === 0) return null;
  return {
    lacking: lacking.join(', '),
    costs: 'the sizes and modes of a box’s own file systems are the built-in ones',
    remedy: setuid ? 'take its setuid bit away, where user namespaces are available' : 'use bubblewrap 0.7.0 or later',
  };
}

/** `--as-pid-1` came with 0.2.0, `--ro-bind-try` and its like with 0.3.1. */
const LEAST = '0.3.1';
const BOX: PatternNeeds = {version: LEAST};
const SMALL_MACHINES = 'gives init no capabilities, with which a small machine’s starts services';

/** bubblewrap, as a child of the shim. */
export const engine: Engine<readonly string[]> = {
  name: 'bubblewrap',
  kind: 'child',
  userNamespace: true,
  program: {
    places: ['/usr/bin/bwrap', '/usr/local/bin/bwrap', '/bin/bwrap'],
    version: {argument: '--version', pattern: /^bubblewrap (\d+(?:\.\d+)+)/},
    // 0.11.2 can be built with support for the setuid bit and without, by default without; 0.12.0 only without
    setuid: {refusedSince: '0.11.2'},
    // by its release notes; a setuid one dies of --size, --disable-userns and --overlay
    abilities: {
      tmpfsSize: {since: '0.7.0', setuid: false},
      perms: {since: '0.5.0'},
      overlay: {since: '0.11.0', setuid: false},
      disableUserns: {since: '0.8.0', setuid: false},
    },
    apparmor: {
      profiles: ['bwrap', 'bwrap-userns-restrict', 'usr.bin.bwrap'],
      remedy:
        'install an AppArmor profile for /usr/bin/bwrap with the rule "userns," (bwrap-userns-restrict of the package apparmor-profiles)',
    },
  },
  patterns: {'ulimit++': BOX, 'quotas++': BOX, 'vm-lite': SMALL_MACHINES},
  onlyListed: [],
  folders: [],
  prepared: false,
  covers: 'none',
  groups: 'none',
  listens: false,
  skipsMissing: true,
  tellsFiles: false,
  // it mounts what mountinfo lists once more, of which an automounter may have taken something away meanwhile (bind-mount.c)
  passing: /Unable to apply mount flags: remount .*: (?:No such file or directory|Invalid argument)/,
  steps: STEPS,
  translate: (task, parts) => ({files: [], argv: argvOf(task, parts)}),
  words: {
    about: 'builds boxes for accounts without privileges',
    manual: 'bwrap(1)',
    versions: `${LEAST}; sizes and modes of a box’s own file systems since 0.7.0`,
    install: 'install the package bubblewrap',
    filter: 'init loads it (seccomp(2)) for what it starts',
    lacks,
    alone: (root, path) => ['--unshare-user', '--unshare-pid', '--bind', root, '/', '--dir', path, '--', '/nothing'],
  },
};
