/**
 * Plan to a bundle of the OCI runtime specification (config.json), and to the argv of crun(1) or runc(8). Pure: nothing is started, so a
 * test can compare it on any machine. Control groups stay with us; the runtime makes namespaces, mounts and the filter on system calls.
 */

import {TareError} from '../errors.js';
import {BUNDLE, RUNTIME} from '../plan/system-mounts.js';
import type {IdMaps} from '../plan/machine-ids.js';
import {inBox, stepOf, stepsOf, type StepOf} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {ALL_CAPABILITIES} from './capabilities.js';
import {handedOn, initArgv} from './init.js';
import {runtimeProfile, type SeccompProfile} from './seccomp.js';
import {translate, type Translators} from './translate.js';

/** Version of the OCI specification that crun and runc of every distribution know. */
const OCI_VERSION = '1.0.2';
/** So many ids has a user namespace that maps all of them (user_namespaces(7)). */
const SYS = '/sys';
const ALL_IDS = 4_294_967_295;

const NAMESPACES = {user: 'user', pid: 'pid', mount: 'mount', ipc: 'ipc', uts: 'uts', network: 'network', cgroup: 'cgroup'} as const;

interface Mount {
  destination: string;
  type: string;
  source: string;
  options: string[];
}

/** What the bundle's config.json needs beside the plan. */
export interface OciContext {
  /** The box's own folder on disk. */
  boxDirectory: string;
  id: string;
  /** Of this processor, as libseccomp calls them. */
  architectures: string[];
  /** Whether something is at a path of the node: for what is bound if it is there. */
  exists: (path: string) => boolean;
}

/** crun(1), runc(8): descriptors from 3 on are init's. */
export function ociArgv(plan: Plan, boxDirectory: string, id: string): string[] {
  const {engine} = plan;
  const [bundle, runtime] = [inBox(BUNDLE, boxDirectory), inBox(RUNTIME, boxDirectory)];
  const groups = engine.name === 'crun' ? ['--cgroup-manager=disabled'] : [];
  return [
    ...[engine.path ?? engine.name, '--root', runtime, ...groups],
    ...['run', '--bundle', bundle, '--preserve-fds', String(handedOn(plan)), `tare-${id}`],
  ];
}

/** The bundle's config.json. @throws TareError ENGINE_FAILED for a step that OCI runtimes cannot do */
export function ociConfig(plan: Plan, context: OciContext): Record<string, unknown> {
  const mounts = translate('an OCI runtime', TRANSLATORS, plan, context).flat();
  const root = mounts.find(({destination}) => destination === '/');
  const namespaces = stepOf(plan, 'namespace.unshare')?.namespaces ?? [];
  const mapped = namespaces.includes('user');
  const name = stepOf(plan, 'hostname.set');
  const protect = stepOf(plan, 'paths.protect');
  const filter = filterOf(plan, context.architectures);
  // what an init is to be process 1 of gets a /proc of its own, which the kernel gives only to a process that sees all of another
  const covers = !stepsOf(plan, 'application.execute').some(({system}) => system?.first === true);
  return {
    ociVersion: OCI_VERSION,
    ...(name === undefined ? {} : {hostname: name.hostname}),
    root: {path: root?.source ?? '/', readonly: false},
    process: {
      terminal: false,
      user: {uid: 0, gid: 0},
      args: initArgv(plan),
      env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
      cwd: '/',
      capabilities: Object.fromEntries(['bounding', 'effective', 'permitted'].map((set) => [set, ALL_CAPABILITIES])),
      noNewPrivileges: false,
    },
    mounts: mounts.filter((mount) => mount !== root),
    linux: {
      namespaces: namespaces.map((kind) => ({type: NAMESPACES[kind]})),
      ...(mapped ? mappingsOf(stepOf(plan, 'namespace.unshare')?.maps) : {}),
      ...(plan.engine.name === 'runc' ? groupsOf(plan, context.id) : {}),
      rootfsPropagation: 'slave',
      ...(filter === null ? {} : {seccomp: filter}),
      ...(protect !== undefined && covers ? {maskedPaths: protect.masked, readonlyPaths: protect.readOnly} : {}),
    },
  };
}

function mappingsOf(maps: StepOf<'namespace.unshare'>['maps']): {uidMappings: object[]; gidMappings: object[]} {
  const all = [{inside: 0, outside: 0, count: ALL_IDS}];
  const of = (map: IdMaps['uids']): object[] =>
    map.map(({inside, outside, count}) => ({containerID: inside, hostID: outside, size: count}));
  return {uidMappings: of(maps?.uids ?? all), gidMappings: of(maps?.gids ?? all)};
}

/**
 * A second one below the payload's own, which init loads: it is of process 1 too, and not of what joins the box. None where the site has a filter of
 * its own, which may allow more, nor where the runtime would have the kernel slow down whatever has a filter.
 */
function filterOf(plan: Plan, architectures: string[]): SeccompProfile | null {
  const profile = stepOf(plan, 'seccomp.load')?.profile;
  return profile === undefined || profile.startsWith('/') || !knowsSpecAllow(plan.engine) ? null : runtimeProfile(architectures);
}

/** runc has taken flags of a filter since 1.2.0 and refused them before; each crun that Tare uses takes them. */
function knowsSpecAllow({name, version}: Plan['engine']): boolean {
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number);
  return name === 'crun' || major > 1 || (major === 1 && minor >= 2);
}

/** runc makes groups unless it is told of one: it is told of the one that it is in. Of version 1 it has to be the same path in all hierarchies. */
function groupsOf(plan: Plan, id: string): {cgroupsPath?: string} {
  const paths = stepsOf(plan, 'cgroup.create')
    .filter(({group}) => group === 'engine')
    .map(({directory, version, controllers}) => {
      const below = directory.replace('{id}', id).replace(/^\/sys\/fs\/cgroup/, '');
      return version === 2 ? below : below.slice(!below.includes('/', 1) ? 0 : below.indexOf('/', 1)) || controllers.join();
    });
  const [first, ...others] = [...new Set(paths)];
  if (first === undefined) return {};
  if (others.length === 0) return {cgroupsPath: first};
  throw new TareError('ENGINE_FAILED', {
    message: 'runc needs the same path in all hierarchies of control groups',
    found: [first, ...others].join(', '),
    remedy: 'install crun',
  });
}

/**
 * A mount of a path of the node, into which later mounts of the node propagate, such as an automounter's. The root that the runtime binds
 * is private in all its mounts, so what the view has there already is bound once more.
 */
const followed = (path: string): Mount => ({
  destination: path,
  type: 'bind',
  source: path,
  options: ['rbind', 'ro', 'nosuid', 'nodev', 'rslave'],
});

/** What an OCI runtime mounts for a step; a step that is an engine's and has no row is refused. */
const TRANSLATORS: Translators<OciContext, Mount[]> = {
  // for all that is shown of the node but its sysfs, which enter has put there
  'mount.move': ({source}) => (source === SYS ? [] : [followed(source)]),
  'mount.bind': ({source: path, destination, options, optional}, {boxDirectory, exists}) => {
    const source = inBox(path, boxDirectory);
    if (optional && !exists(source)) return [];
    const access = options.includes('ro') || options.includes('late') ? 'ro' : 'rw';
    return [{destination, type: 'bind', source, options: ['rbind', access, ...(options.includes('dev') ? [] : ['nodev'])]}];
  },
  'cvmfs.bind': ({source, destination}) => [{...followed(source), destination}],
  'mount.proc': ({destination, closed}) => [
    {
      destination,
      type: 'proc',
      source: 'proc',
      options: ['nosuid', 'noexec', 'nodev', ...(closed === true ? ['hidepid=1'] : [])],
    },
  ],
  'mount.sys': ({destination}) => [{destination, type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro']}],
  'mount.dev': ({destination}) => [
    {destination, type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k']},
    {
      destination: `${destination}/pts`,
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620'],
    },
    {destination: `${destination}/mqueue`, type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev']},
  ],
  'mount.tmpfs': ({destination, mode, sizeBytes}) => {
    const size = sizeBytes === null ? [] : [`size=${String(sizeBytes)}`];
    return [{destination, type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', `mode=${mode}`, ...size]}];
  },
  // read for the configuration as a whole, and by init for each application
  'hostname.set': () => [],
  'namespace.unshare': () => [],
  'privileges.drop': () => [],
  'paths.protect': () => [],
  // the supervisor writes the accounts into the layers of the box
  'accounts.provide': () => [],
};
