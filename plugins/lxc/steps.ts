/** What LXC is told for each step: lines of its configuration, most of them mounts. */

import type {EngineStepOf, EngineSteps, EngineTask} from '@tare/contract';
import type {Mount, Part} from './config.js';

/** Names of namespaces as lxc.container.conf(5) has them. */
const NAMESPACES = {user: 'user', pid: 'pid', mount: 'mnt', ipc: 'ipc', uts: 'uts', network: 'net', cgroup: 'cgroup'} as const;
/** The folder that is the box's /dev: of the links that LXC makes it would make none on a /dev that is read-only by then. */
export const DEVICES = 'devices';
/** Links of every /dev. */
export const LINKS = {
  fd: '/proc/self/fd',
  stdin: '/proc/self/fd/0',
  stdout: '/proc/self/fd/1',
  stderr: '/proc/self/fd/2',
  core: '/proc/kcore',
  ptmx: 'pts/ptmx',
} as const;
const NODES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'] as const;

/**
 * As bubblewrap has all that it binds: without setuid programs, and without devices but where they are what is bound. LXC leaves it out where a bind
 * mount is writable (mount_entry of its conf.c).
 */
const STRICT = ['nosuid', 'nodev'] as const;

/** With all that is mounted below it. A mount point that lacks is made. */
const bound = (from: string, to: string, options: readonly string[], kind: 'dir' | 'file' = 'dir'): Mount => ({
  ...{from, to, type: 'none'},
  options: ['rbind', ...options, `create=${kind}`],
});

/**
 * LXC makes the mount itself read-only, and not what is mounted below it: what is the node's is taken from where enter has put all of that, read-only
 * with all below it.
 */
function shown({source, options}: EngineStepOf<'mount.bind'>, {steps, box}: EngineTask): string {
  const node = steps.find((step): step is EngineStepOf<'mount.move'> => step.op === 'mount.move' && step.source === '/');
  const isOwn = source === box || source.startsWith(`${box}/`);
  return node === undefined || isOwn || options.includes('rw') || options.includes('dev') ? source : `${node.at}${source}`;
}

function bind(step: EngineStepOf<'mount.bind'>, task: EngineTask): Mount {
  const {source, destination, options} = step;
  const access = options.includes('rw') || options.includes('dev') ? [] : ['ro'];
  const kind = options.includes('dev') || task.isFile(source) ? 'file' : 'dir';
  return bound(shown(step, task), destination, [...access, 'nosuid', ...(options.includes('dev') ? [] : ['nodev'])], kind);
}

const devices = ({destination, terminals, queues}: EngineStepOf<'mount.dev'>, {box}: EngineTask): Mount[] => [
  bound(`${box}/${DEVICES}`, destination, STRICT),
  ...NODES.map((name) => bound(`/dev/${name}`, `${destination}/${name}`, ['nosuid'], 'file')),
  // twice: where LXC is to mount no terminals of its own, it takes a mount away from there (lxc_finish_devpts_child of its conf.c)
  ...(terminals === undefined ? [] : Array<Mount>(2).fill(bound(terminals, `${destination}/pts`, ['nosuid', 'noexec']))),
  ...(queues === undefined ? [] : [{from: 'mqueue', to: queues, type: 'mqueue', options: [...STRICT, 'noexec', 'create=dir']}]),
];

/** `empty` has a loopback device, which is up where the flag says so. */
const network = (own: boolean): Part[] =>
  own
    ? [
        {key: 'lxc.net.0.type', value: 'empty'},
        {key: 'lxc.net.0.flags', value: 'up'},
      ]
    : [{key: 'lxc.net.0.type', value: 'none'}];

/** Each kind of step. */
export const STEPS: EngineSteps<readonly Part[]> = {
  'namespace.unshare': ({namespaces}) => [
    {key: 'lxc.namespace.clone', value: namespaces.map((kind) => NAMESPACES[kind]).join(' ')},
    ...network(namespaces.includes('network')),
  ],
  'hostname.set': ({hostname}) => [{key: 'lxc.uts.name', value: hostname}],
  'privileges.drop': ({noNewPrivs}) => [{key: 'lxc.no_new_privs', value: noNewPrivs ? '1' : '0'}],
  // enter has mounted it below the root that LXC is given, which follows the node
  'mount.move': () => [],
  'mount.bind': (step, task) => (step.optional && !task.exists(step.source) ? [] : [bind(step, task)]),
  'mount.closed': ({at, destination}) => [bound(at, destination, STRICT)],
  'cvmfs.bind': ({source, destination}) => [bound(source, destination, ['ro', ...STRICT, 'rslave'])],
  'mount.proc': ({destination}) => [{from: 'proc', to: destination, type: 'proc', options: [...STRICT, 'noexec']}],
  'mount.dev': devices,
  'mount.tmpfs': ({destination, mode, sizeBytes}) => {
    const size = sizeBytes === null ? [] : [`size=${String(sizeBytes)}`];
    return [{from: 'tmpfs', to: destination, type: 'tmpfs', options: [...STRICT, `mode=${mode}`, ...size, 'create=dir']}];
  },
  // over itself, with all that is mounted below it. `relative` is to the root of the box; a line that begins with # would be none
  'mount.readonly': ({destination}) => [bound(`.${destination}`, destination, ['relative', 'ro', ...STRICT])],
  'mount.sys': 'mounts no sysfs',
  'image.root': 'has no store of images that Tare uses',
  'paths.protect': 'hides no paths of the kernel’s file systems',
  'accounts.provide': 'runs nothing that needs accounts of its own',
};
