/** Namespaces that the caller can make: with CAP_SYS_ADMIN, through a user namespace, or through a setuid engine. */

import type {Engine} from '@tare/contract';
import type {EngineInputs} from './engine.js';
import type {Ability, Facts} from './facts.js';
import {atLeast, type KernelVersion} from './kernel.js';
import {mountOf, type Mount} from './mountinfo.js';
import type {ProcessStatus} from './status.js';
import type {Tree} from './tree.js';

type Kind = keyof Facts['namespaces'];

/** The kernel's name of each kind, in /proc/self/ns and in /proc/sys/user/max_*_namespaces. */
const KERNEL_NAMES: Readonly<Record<Kind, string>> = {
  user: 'user',
  pid: 'pid',
  mount: 'mnt',
  ipc: 'ipc',
  uts: 'uts',
  network: 'net',
  cgroup: 'cgroup',
};

/** What the facts of namespaces are found with. */
export interface NamespaceInputs extends Omit<EngineInputs, 'version'> {
  kernel: KernelVersion;
  /** Path of an engine that is setuid root for the caller; null: there is none. */
  setuid: string | null;
  /** Engines that a profile of AppArmor can let make user namespaces. */
  apparmor: readonly ({name: string} & Engine['program']['apparmor'])[];
}

/** Finds which namespaces the caller can make: by privilege, through a user namespace, or not, with the obstacle. */
export function readNamespaces(inputs: NamespaceInputs): Facts['namespaces'] {
  const user = obstacle(inputs, 'user') ?? userObstacle(inputs) ?? userAbility(inputs);
  const other = (kind: Kind): Ability => obstacle(inputs, kind) ?? through(inputs, user);
  return {
    user,
    pid: other('pid'),
    mount: other('mount'),
    ipc: other('ipc'),
    uts: other('uts'),
    network: other('network'),
    cgroup: other('cgroup'),
  };
}

/** What forbids a kind of namespace to everybody, root too. */
function obstacle({tree}: NamespaceInputs, kind: Kind): Ability | null {
  const name = KERNEL_NAMES[kind];
  if (tree.link(`/proc/self/ns/${name}`) === null) {
    return no(`/proc/self/ns/${name} is not there`, `run a kernel with ${kind} namespaces${kind === 'user' ? ' (CONFIG_USER_NS)' : ''}`);
  }
  const most = `/proc/sys/user/max_${name}_namespaces`;
  if (tree.text(most)?.trim() === '0') return no(`${most} is 0`, `set user.max_${name}_namespaces to some thousands in /etc/sysctl.d`);
  return null;
}

/** How the other kinds are made, once the kernel has them. */
function through({status, setuid}: NamespaceInputs, user: Ability): Ability {
  if (status.sysAdmin) return yes('CapEff of /proc/self/status has CAP_SYS_ADMIN');
  if (user.available) return yes(`through a user namespace: ${user.how}`);
  if (setuid !== null) return yes(`through setuid ${setuid}`);
  return no(`needs a user namespace: ${user.how}`, user.remedy);
}

/** What forbids user namespaces to this caller. */
function userObstacle({tree, mounts, status, caller, kernel, apparmor: engines}: NamespaceInputs): Ability | null {
  if (mounts.length > 0 && !mounts.some(({point}) => point === '/')) {
    return no(
      'mountinfo has no mount at /: the caller is in a chroot',
      'start Tare outside of the chroot, or make its directory a mount and pivot_root into it',
    );
  }
  for (const [what, id] of [
    ['uid', caller.uid],
    ['gid', caller.gid],
  ] as const) {
    const map = tree.text(`/proc/self/${what}_map`);
    if (map !== null && map.trim() !== '' && !isMapped(map, id))
      return no(`/proc/self/${what}_map does not map ${what} ${String(id)}`, `map ${what} ${String(id)} in the user namespace around Tare`);
  }
  // root builds the box as the job's account: what is refused to that one counts for root as well
  return switchedOff(tree) ?? apparmor(tree, engines) ?? filter(tree, status) ?? el7(tree, kernel);
}

function switchedOff(tree: Tree): Ability | null {
  if (tree.text('/proc/sys/kernel/unprivileged_userns_clone')?.trim() === '0') {
    return no('kernel.unprivileged_userns_clone is 0', 'set kernel.unprivileged_userns_clone=1 in /etc/sysctl.d');
  }
  if (tree.text('/proc/sys/kernel/userns_restrict')?.trim() === '1') {
    return no('kernel.userns_restrict is 1', 'set kernel.userns_restrict=0 in /etc/sysctl.d');
  }
  return null;
}

const RESTRICTED = '/proc/sys/kernel/apparmor_restrict_unprivileged_userns';

/** Ubuntu since 23.10: user namespaces only for programs whose AppArmor profile says `userns`. */
function apparmor(tree: Tree, engines: NamespaceInputs['apparmor']): Ability | null {
  if (tree.text(RESTRICTED)?.trim() !== '1') return null;
  if (profilesOf(tree, engines).length > 0) return null;
  const [first] = engines;
  const remedy = 'set kernel.apparmor_restrict_unprivileged_userns=0 in /etc/sysctl.d';
  return no(
    `kernel.apparmor_restrict_unprivileged_userns is 1, and no AppArmor profile lets ${first?.name ?? 'an engine'} make user namespaces`,
    first === undefined ? remedy : `${first.remedy}, or ${remedy}`,
  );
}

/** Tare's own program, which makes a user namespace before an engine that cannot prepare a box. */
const TARE = {name: 'tare', profiles: ['tare']};

interface Profile {
  profile: string;
  /** Name of the engine, or `tare`. */
  program: string;
}

/** Profiles that let programs make user namespaces, the first of each program. */
function profilesOf(tree: Tree, programs: readonly {name: string; profiles: readonly string[]}[]): Profile[] {
  const allows = (name: string): boolean =>
    !tree.exists(`/etc/apparmor.d/disable/${name}`) && /^\s*(allow\s+)?userns\b/m.test(tree.text(`/etc/apparmor.d/${name}`) ?? '');
  return programs.flatMap(({name, profiles}) =>
    profiles
      .filter(allows)
      .slice(0, 1)
      .map((profile) => ({profile, program: name})),
  );
}

/** Docker's own filter lets only CAP_SYS_ADMIN call unshare and clone with namespaces; what other filters do cannot be read. */
function filter(tree: Tree, status: ProcessStatus): Ability | null {
  if (status.filtered !== true || !tree.exists('/.dockerenv')) return null;
  return no(
    'a Docker container (/.dockerenv) with a seccomp filter',
    'start the container with --security-opt seccomp=unconfined, or a profile that allows unshare, clone, mount and pivot_root',
  );
}

/** EL7 before 7.6 has the sysctl, and the kernel refuses mount namespaces to user namespaces all the same. */
function el7(tree: Tree, kernel: KernelVersion): Ability | null {
  const path = '/sys/module/namespace/parameters/unpriv_enable';
  if (atLeast(kernel, [3, 11]) || tree.text(path)?.trim() !== 'N') return null;
  return no(`${path} is N`, 'boot with namespace.unpriv_enable=1');
}

function userAbility({tree, status, apparmor}: NamespaceInputs): Ability {
  if (tree.text(RESTRICTED)?.trim() === '1') {
    const found = profilesOf(tree, [...apparmor, TARE]);
    const [first] = found;
    // without one there is an obstacle
    if (first !== undefined) return {...yes(`AppArmor ${inWords(found)}`), only: found.map(({program}) => program)};
  }
  return yes(`/proc/sys/user/max_user_namespaces${status.filtered === true ? '; a seccomp filter is active and may refuse' : ''}`);
}

function inWords(found: readonly Profile[]): string {
  const each = found.map(({profile, program}) => `/etc/apparmor.d/${profile}, for ${program}`);
  return each.length === 1 ? `profile ${each.join()} alone` : `profiles ${each.join('; ')}; for these alone`;
}

/** Lines of `inside outside count`. */
function isMapped(map: string, id: number): boolean {
  return map.split('\n').some((line) => {
    const [inside, , count] = line.trim().split(/\s+/).map(Number);
    return inside !== undefined && count !== undefined && id >= inside && id < inside + count;
  });
}

/** Directories of /proc that exist only to be mounted upon: a mount there hides nothing. */
const EMPTY_DIRECTORIES = new Set(['/sys/fs/binfmt_misc', '/fs/nfsd', '/xen', '/openprom']);

/**
 * A user namespace may mount a new /proc only where it sees a whole one already, not read-only (mnt_already_visible in
 * the kernel's fs/namespace.c). Containers hide parts of it under other mounts.
 */
export function readNewProc(mounts: readonly Mount[], namespaces: Facts['namespaces'], setuid: string | null): Ability {
  for (const kind of ['pid', 'mount'] as const) {
    if (!namespaces[kind].available) return namespaces[kind];
  }
  const procs = mounts.filter(({type, root}) => type === 'proc' && root === '/');
  const whole = procs.find((proc) => !isReadOnly(proc) && hidden(mounts, proc).length === 0);
  if (whole !== undefined) return yes(`mountinfo: ${whole.point} is wholly visible`);
  if (setuid !== null) return yes(`setuid ${setuid} mounts it as root, whatever is hidden`);
  const remedy =
    'run Tare outside of the container, or start that with --security-opt systempaths=unconfined (Docker), unmask=ALL (Podman) or procMount: Unmasked (Kubernetes)';
  const first = mountOf(mounts, '/proc');
  const proc = first?.type === 'proc' ? first : procs[0];
  if (proc === undefined) return no('mountinfo has no /proc of the caller’s own', 'mount proc at /proc');
  if (isReadOnly(proc)) return no(`mountinfo: ${proc.point} is read-only`, remedy);
  return no(`mountinfo: mounts hide parts of ${proc.point}: ${some(hidden(mounts, proc))}`, remedy);
}

/** Whether the mount is read-only, and not the file system: a new mount would circumvent that. */
const isReadOnly = ({options}: Mount): boolean => options.includes('ro');

function hidden(mounts: readonly Mount[], proc: Mount): string[] {
  return mounts
    .filter(({parent, point}) => parent === proc.id && !EMPTY_DIRECTORIES.has(point.slice(proc.point.length)))
    .map(({point}) => point);
}

function some(names: readonly string[]): string {
  return names.length <= 3 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${String(names.length - 3)} more`;
}

const yes = (how: string): Ability => ({available: true, how, remedy: null});

const no = (how: string, remedy: string | null): Ability => ({available: false, how, remedy});
