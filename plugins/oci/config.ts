/**
 * A task to config.json of a bundle of the OCI runtime specification (config.md, config-linux.md). Control groups stay Tare's; the runtime makes
 * namespaces, mounts, and a filter on system calls.
 */

import type {EngineOp, EngineStepOf, EngineTask} from '@tare/contract';

/** Version of the OCI specification that crun and runc of every distribution know. */
const OCI_VERSION = '1.0.2';
/** So many ids has a user namespace that maps all of them (user_namespaces(7)). */
const ALL_IDS = 4_294_967_295;
/** Without it kernels before 5.16 switch speculation off for a process with a filter (seccomp(2)). */
const SPEC_ALLOW = 'SECCOMP_FILTER_FLAG_SPEC_ALLOW';

const NAMESPACES = {user: 'user', pid: 'pid', mount: 'mount', ipc: 'ipc', uts: 'uts', network: 'network', cgroup: 'cgroup'} as const;

type Maps = NonNullable<EngineStepOf<'namespace.unshare'>['maps']>;

/** A mount of config.json. */
export interface Mount {
  destination: string;
  type: string;
  source: string;
  options: string[];
}

const stepOf = <Op extends EngineOp>({steps}: EngineTask, op: Op): EngineStepOf<Op> | undefined =>
  steps.find((step): step is EngineStepOf<Op> => step.op === op);

/** @param cgroupsPath the group that the runtime is told of; null: none */
export function configOf(task: EngineTask, mounts: readonly Mount[], cgroupsPath: string | null): Record<string, unknown> {
  const root = mounts.find(({destination}) => destination === '/');
  const unshare = stepOf(task, 'namespace.unshare');
  const namespaces = unshare?.namespaces ?? [];
  const name = stepOf(task, 'hostname.set');
  const protect = stepOf(task, 'paths.protect');
  const filter = filterOf(task);
  const {uid, gid, capabilities} = task.account;
  return {
    ociVersion: OCI_VERSION,
    ...(name === undefined ? {} : {hostname: name.hostname}),
    root: {path: root?.source ?? '/', readonly: false},
    process: {
      terminal: false,
      user: {uid, gid},
      args: task.init.argv,
      env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
      cwd: '/',
      capabilities: Object.fromEntries(['bounding', 'effective', 'permitted'].map((set) => [set, capabilities])),
      noNewPrivileges: false,
    },
    mounts: mounts.filter((mount) => mount !== root),
    linux: {
      namespaces: namespaces.map((kind) => ({type: NAMESPACES[kind]})),
      ...(namespaces.includes('user') ? mappingsOf(unshare?.maps) : {}),
      ...(cgroupsPath === null ? {} : {cgroupsPath}),
      rootfsPropagation: 'slave',
      ...(filter === null ? {} : {seccomp: filter}),
      ...(protect !== undefined && !task.nestsProc ? {maskedPaths: protect.masked, readonlyPaths: protect.readOnly} : {}),
    },
  };
}

function mappingsOf(maps: Maps | undefined): {uidMappings: object[]; gidMappings: object[]} {
  const all = [{inside: 0, outside: 0, count: ALL_IDS}];
  const of = (map: Maps['uids']): object[] => map.map(({inside, outside, count}) => ({containerID: inside, hostID: outside, size: count}));
  return {uidMappings: of(maps?.uids ?? all), gidMappings: of(maps?.gids ?? all)};
}

/** None where the runtime would have the kernel slow down whatever has a filter. */
function filterOf({filter, architectures, engine}: EngineTask): Record<string, unknown> | null {
  if (filter === null || !engine.abilities.includes('filterFlags')) return null;
  return {...filter, architectures, flags: [SPEC_ALLOW]};
}
