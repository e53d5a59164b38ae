/**
 * A task to config.json of a bundle of the OCI runtime specification (config.md, config-linux.md). Control groups stay Tare's; the runtime makes
 * namespaces, mounts, and a filter on system calls.
 */

import type {EngineIds, EngineOp, EngineStepOf, EngineTask} from '@tare/contract';

/** Version of the OCI specification that crun and runc of every distribution know. */
const OCI_VERSION = '1.0.2';
/** Without it kernels before 5.16 switch speculation off for a process with a filter (seccomp(2)). */
const SPEC_ALLOW = 'SECCOMP_FILTER_FLAG_SPEC_ALLOW';

const NAMESPACES = {user: 'user', pid: 'pid', mount: 'mount', ipc: 'ipc', uts: 'uts', network: 'network', cgroup: 'cgroup'} as const;

/** A mount of config.json. */
export interface Mount {
  destination: string;
  type: string;
  source: string;
  options: string[];
}

/** What a step becomes: a mount, or a path that is made read-only when all is mounted. */
export type Part = Mount | {readOnly: string};

const stepOf = <Op extends EngineOp>({steps}: EngineTask, op: Op): EngineStepOf<Op> | undefined =>
  steps.find((step): step is EngineStepOf<Op> => step.op === op);

/** @param cgroupsPath the group that the runtime is told of; null: none */
export function configOf(task: EngineTask, parts: readonly Part[], cgroupsPath: string | null): Record<string, unknown> {
  const mounts = parts.filter((part) => 'destination' in part);
  const root = mounts.find(({destination}) => destination === '/');
  const namespaces = stepOf(task, 'namespace.unshare')?.namespaces ?? [];
  const name = stepOf(task, 'hostname.set');
  const hidden = task.nestsProc ? undefined : stepOf(task, 'paths.protect');
  const readOnly = [...(hidden?.readOnly ?? []), ...parts.flatMap((part) => ('readOnly' in part ? [part.readOnly] : []))];
  const filter = filterOf(task);
  const {uid, gid, groups, capabilities} = task.account;
  return {
    ociVersion: OCI_VERSION,
    ...(name === undefined ? {} : {hostname: name.hostname}),
    root: {path: root?.source ?? '/', readonly: false},
    process: {
      terminal: false,
      user: {uid, gid, ...(groups.length === 0 ? {} : {additionalGids: groups})},
      args: task.init.argv,
      env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
      cwd: '/',
      capabilities: Object.fromEntries(['bounding', 'effective', 'permitted'].map((set) => [set, capabilities])),
      // a small machine's init has capabilities, and what it starts gets its own
      noNewPrivileges: capabilities.length === 0,
    },
    mounts: mounts.filter((mount) => mount !== root),
    linux: {
      namespaces: namespaces.map((kind) => ({type: NAMESPACES[kind]})),
      ...(namespaces.includes('user') ? mappingsOf(task.ids, groups) : {}),
      ...(cgroupsPath === null ? {} : {cgroupsPath}),
      rootfsPropagation: 'slave',
      ...(filter === null ? {} : {seccomp: filter}),
      ...(hidden === undefined ? {} : {maskedPaths: hidden.masked}),
      ...(readOnly.length === 0 ? {} : {readonlyPaths: readOnly}),
    },
  };
}

function mappingsOf({uids, gids}: EngineIds, groups: readonly number[]): {uidMappings: object[]; gidMappings: object[]} {
  const of = (map: EngineIds['uids']): object[] =>
    map.map(({inside, outside, count}) => ({containerID: inside, hostID: outside, size: count}));
  const others = [...new Set(groups)].filter((gid) => !gids.some(({inside, count}) => gid >= inside && gid < inside + count));
  const more = others.map((gid) => ({inside: gid, outside: gid, count: 1}));
  return {uidMappings: of(uids), gidMappings: of([...gids, ...more])};
}

/** None where the runtime would have the kernel slow down whatever has a filter. */
function filterOf({filter, architectures, engine}: EngineTask): Record<string, unknown> | null {
  if (filter === null || !engine.abilities.includes('filterFlags')) return null;
  return {...filter, architectures, flags: [SPEC_ALLOW]};
}
