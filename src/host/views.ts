/**
 * Copy-on-write views of the node's file system: whether they can be made here, which is tried out, and what of the node they would have to
 * show. Only from the mount table and from disks: no network mount is touched, and no automount woken.
 */

import type {Ability, Facts, ViewFacts, VisibleMount} from './facts.js';
import type {NamespaceInputs} from './namespaces.js';
import {atLeast, type KernelVersion} from './kernel.js';
import {mountOf, type Mount} from './mountinfo.js';
import {isNetwork, nearestExisting} from './scratch.js';
import type {Tree} from './tree.js';

/** How overlays are mounted: `root` in a mount namespace, `user` in a user namespace, `fuse` by a program there. */
export type TrialKind = 'root' | 'user' | 'fuse';
/** Mounts one and uses it, in a directory of its own below one that exists; `ok`, or what failed. null: it could not be started. */
export type Trial = (kind: TrialKind, directory: string, options: string) => string | null;

/** What the facts of views are found with. */
export interface ViewInputs extends Omit<NamespaceInputs, 'setuid' | 'apparmor'> {
  /** The caller's home directory. */
  home: string | null;
  scratchDirectory: string;
  namespaces: Facts['namespaces'];
  trial: Trial;
}

const FUSE_OVERLAYFS = '/usr/bin/fuse-overlayfs';
/** Ordinary disk file systems: what a lower layer of its own is worth. */
const DISK_TYPES = /^(ext[234]|xfs|btrfs|zfs|f2fs|jfs|reiserfs|nilfs2|bcachefs)$/;
/** Always the box's own, or read-only. */
const NOT_LOOKED_INTO = ['/proc', '/sys', '/dev', '/run', '/tmp', '/var/tmp', '/boot', '/lost+found'];
/** Most entries of a directory that are examined. Of a longer one (thousands of accounts in /home) only the caller's home is. */
const MOST_ENTRIES = 256;

/** Tries overlays on the scratch directory, else fuse-overlayfs for a user, and lists the mounts of the node that a view has to show. */
export function readViews(inputs: ViewInputs): ViewFacts {
  const {tree, caller, status, kernel, trial, scratchDirectory} = inputs;
  const mounts = visibleMounts(inputs.mounts).map((mount) => describe(tree, mount));
  const user = caller.uid !== 0 || !status.sysAdmin;
  const options = optionsFor(user, kernel);
  const place = nearestExisting(tree, scratchDirectory);
  const network = mountOf(inputs.mounts, place)?.type ?? '';
  const overlay = isNetwork(network)
    ? no(`the scratch directory ${place} is on ${network}, which cannot hold an upper layer`, 'put directories.scratch on a local disk')
    : (obstacle(inputs, user) ??
      classify(trial(user ? 'user' : 'root', place, options.join(',')), `${place}, options ${options.join(',')}`, user));
  const fuse = overlay.available || !user ? no('not looked at: for users whose kernel has no overlay', null) : tryFuse(inputs, place);
  return {user, overlay, options, fuse, mounts, writable: user ? writablePlaces(inputs, mounts) : []};
}

/** redirect_dir and metacopy off: what was changed can then be told from the upper layer alone. volatile: Linux 5.10. */
function optionsFor(user: boolean, kernel: KernelVersion): string[] {
  const quick = atLeast(kernel, [5, 10]) ? ['volatile'] : [];
  return user ? ['userxattr', ...quick] : ['redirect_dir=off', 'metacopy=off', 'index=off', ...quick];
}

function obstacle({tree, namespaces}: ViewInputs, user: boolean): Ability | null {
  if (user && !namespaces.user.available) return no(`no user namespace (${namespaces.user.how})`, namespaces.user.remedy);
  if (!namespaces.mount.available) return no(`no mount namespace (${namespaces.mount.how})`, namespaces.mount.remedy);
  const listed = tree.text('/proc/filesystems');
  // a module is loaded at the first mount, but not for a user
  if (user && listed !== null && !/\boverlay$/m.test(listed))
    return no('/proc/filesystems has no overlay', 'load the module: `modprobe overlay`, and name it in /etc/modules-load.d');
  return null;
}

function classify(said: string | null, what: string, user: boolean): Ability {
  if (said === 'ok') return {available: true, how: `mounted one below ${what}`, remedy: null};
  const needs = user ? 'Linux 5.11 with overlayfs, and a scratch directory with user extended attributes' : 'Linux 5.12 with overlayfs';
  return no(`a trial below ${what} failed: ${said ?? 'it could not be started'}`, `use ${needs}`);
}

function tryFuse({tree, trial}: ViewInputs, place: string): Ability {
  if (tree.program(FUSE_OVERLAYFS) === null) return no(`${FUSE_OVERLAYFS} is not there`, 'install fuse-overlayfs');
  if (!tree.writable('/dev/fuse')) return no('/dev/fuse cannot be opened', 'make /dev/fuse readable and writable for all (mode 0666)');
  const said = trial('fuse', place, '');
  if (said === 'ok') return {available: true, how: `${FUSE_OVERLAYFS} mounted one below ${place}`, remedy: null};
  return no(`a trial with ${FUSE_OVERLAYFS} failed: ${said ?? 'it could not be started'}`, null);
}

/** Mounts that can be reached, the outermost first, without those that another mount covers. */
function visibleMounts(mounts: readonly Mount[]): Mount[] {
  const root = mounts.findLast(({point}) => point === '/');
  if (root === undefined) return [];
  const found: Mount[] = [];
  const look = (mount: Mount): void => {
    const below = mounts.filter(({parent, id}) => parent === mount.id && id !== mount.id);
    const over = below.findLast(({point}) => point === mount.point);
    if (over !== undefined) {
      look(over);
      return;
    }
    found.push(mount);
    const covered = (inner: Mount): boolean => below.some(({point}) => inner.point.startsWith(`${point}/`));
    for (const inner of below) if (!covered(inner)) look(inner);
  };
  look(root);
  return found.sort((a, b) => (a.point < b.point ? -1 : a.point > b.point ? 1 : 0));
}

function describe(tree: Tree, {point, type, options}: Mount): VisibleMount {
  // a single file can be a mount point
  const isDisk = DISK_TYPES.test(type) && tree.isDirectory(point);
  return {point, type, kind: isNetwork(type) ? 'network' : isDisk ? 'disk' : 'other', readOnly: options.includes('ro')};
}

/**
 * The outermost directories that the caller may write to, by a look at the first two levels of each disk: in a user namespace the kernel
 * copies up only what belongs to the user (ovl_copy_up in fs/overlayfs: EOVERFLOW), and lets no directory with locked mounts below it be a
 * lower layer, so that an overlay over all of `/` is of no use there.
 */
function writablePlaces({tree, home}: ViewInputs, mounts: readonly VisibleMount[]): string[] {
  const points = new Set(mounts.map(({point}) => point));
  const isFree = (path: string): boolean =>
    !NOT_LOOKED_INTO.some((hidden) => path === hidden || path.startsWith(`${hidden}/`)) &&
    ![...points].some((point) => point.startsWith(`${path}/`));
  const places: string[] = [];
  const add = (path: string): void => {
    if (isFree(path) && tree.writable(path) && !places.some((place) => isWithin(path, place))) places.push(path);
  };
  const namesIn = (path: string): string[] => {
    const names = tree.entries(path, ({kind}) => kind === 'directory').map(({name}) => (path === '/' ? `/${name}` : `${path}/${name}`));
    return names.length > MOST_ENTRIES ? [] : names.filter((name) => !points.has(name) && !NOT_LOOKED_INTO.includes(name));
  };
  for (const {point, kind, readOnly} of mounts) {
    if (point !== '/' && (kind !== 'disk' || readOnly || NOT_LOOKED_INTO.some((hidden) => isWithin(point, hidden)))) continue;
    if (point !== '/') add(point);
    for (const first of namesIn(point)) {
      add(first);
      if (!places.some((place) => isWithin(first, place))) for (const second of namesIn(first)) add(second);
    }
  }
  if (home?.startsWith('/') === true && home !== '/' && isOnDisk(home, mounts) && tree.isDirectory(home)) add(home);
  return places.filter((place) => !places.some((other) => other !== place && isWithin(place, other))).sort();
}

const isWithin = (path: string, outer: string): boolean => path === outer || path.startsWith(`${outer}/`);

function isOnDisk(path: string, mounts: readonly VisibleMount[]): boolean {
  const at = mounts.filter(({point}) => point === '/' || isWithin(path, point)).at(-1);
  return at !== undefined && (at.point === '/' || (at.kind === 'disk' && !at.readOnly));
}

const no = (how: string, remedy: string | null): Ability => ({available: false, how, remedy});
