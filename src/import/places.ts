/** Directories, devices, accounts and networks that a container has of its node: only the site may give them, so they become proposals for its policy. */

import {posix} from 'node:path';
import {hostnameFault} from '../job/hostname.js';
import type {Draft, Origin} from './draft.js';

/** A mount of a container. */
export interface Mount {
  kind: 'bind' | 'volume' | 'tmpfs';
  /** A path of the node, or the name of a volume; null: none, or one without a name. */
  source: string | null;
  target: string;
  readOnly: boolean;
  /** Bytes of a file system in memory; null: no size is given. */
  size: number | null;
  origin: Origin;
}

/** Directories that every box has for itself. */
const OWN = ['/tmp', '/var/tmp', '/dev/shm'];
/** Of the kernel. */
const KERNEL = ['/proc', '/sys', '/dev'];
/** Sockets of engines: who may write to one is root on the node. */
const ENGINES = /\/(docker\.sock|podman\/podman\.sock|podman\.sock|containerd\/containerd\.sock|crio\/crio\.sock)$/;
const REPOSITORY = /^\/cvmfs\/([A-Za-z0-9](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9])?)(?:\/|$)/;
/** A path as jobs and policies name it. */
const PATH = /^\/(?!(.*\/)?\.\.?(\/|$)).+$/;
/** A device as the policy names it. */
const DEVICE = /^\/dev\/(?!(.*\/)?\.\.?(\/|$))[^/*][^*]*$/;
/** Files of NVIDIA's driver. */
const NVIDIA = '/dev/nvidia*';

/** Whether a path is a directory or below it. */
const isIn = (path: string, directories: readonly string[]): boolean =>
  directories.some((directory) => path === directory || path.startsWith(`${directory}/`));

/** Puts a mount into a draft. */
export function placeMount({kind, source, target, readOnly, size, origin}: Mount, draft: Draft): void {
  if (kind === 'tmpfs') {
    placeTmpfs(withoutEnd(posix.normalize(target)), size, origin, draft);
    return;
  }
  if (kind === 'volume' || source === null) {
    draft.leave(
      origin,
      'a volume of the engine is no directory of the node: use the work directory, or one that the policy’s `writable` allows',
    );
    return;
  }
  if (!source.startsWith('/')) {
    draft.leave(origin, 'a relative path: use the work directory, or an absolute path that the policy’s `writable` allows');
    return;
  }
  placeBind(withoutEnd(posix.normalize(source)), withoutEnd(posix.normalize(target)), readOnly, origin, draft);
}

function placeTmpfs(target: string, size: number | null, origin: Origin, draft: Draft): void {
  if (target === '/dev/shm') draft.leave(origin, 'a box has a /dev/shm of its own, whose pages are the payload’s memory');
  else if (isIn(target, ['/run', '/var/run'])) draft.leave(origin, 'a box has a /run of its own');
  else if (target !== '/tmp' && target !== '/var/tmp') draft.leave(origin, 'a box has private directories at /tmp and /var/tmp only');
  else if (size === null || size === 0) draft.leave(origin, `a box has a ${target} of its own`);
  else {
    draft.limit('scratch', size, origin);
    draft.propose(['scratch', 'inMemory'], true, origin, 'it is in memory; a box has it there only where the policy says so');
  }
}

function placeBind(source: string, target: string, readOnly: boolean, origin: Origin, draft: Draft): void {
  const leave = (because: string): void => draft.leave(origin, because);
  const repository = REPOSITORY.exec(source)?.[1];
  if (repository !== undefined && source === target) addRepository(repository, origin, draft);
  else if (isIn(source, ['/cvmfs']))
    leave('a box has the repositories of CVMFS that the node has, at /cvmfs: name those that the job needs in `cvmfs`');
  else if (source === '/')
    leave('a box never has the whole file system of the node to write to; it has the node’s files, read-only, at their own paths');
  else if (!PATH.test(source)) leave('a path with a line break is none that a policy can name');
  else if (ENGINES.test(source)) leave('who may write to the socket of an engine is root on the node; a box never has it');
  else if (isIn(source, OWN)) leave('a box has a /tmp, /var/tmp and /dev/shm of its own, and nothing of the node’s');
  else if (isIn(source, ['/run', '/var/run'])) proposeRun(source, target, origin, draft);
  else if (DEVICE.test(source)) placeDevice(source, target, origin, draft);
  else if (isIn(source, KERNEL)) leave('the box has a /proc, /sys and /dev of its own');
  else {
    if (!readOnly) draft.propose(['writable'], [source], origin, 'it wants to write to this directory of the node');
    if (source !== target)
      leave(`a box has directories of the node at their own paths: let the payload use ${source} in place of ${target}`);
    else if (readOnly) leave('a box has the node’s files at their own paths, read-only; with an image it has those of the image');
  }
}

function addRepository(name: string, origin: Origin, draft: Draft): void {
  const before = draft.fields.get('cvmfs')?.value;
  const names = Array.isArray(before) ? (before as string[]) : [];
  if (names.length >= 64) draft.leave(origin, 'a job names at most 64 repositories');
  else if (!names.includes(name)) draft.fields.set('cvmfs', {value: [...names, name], origin});
}

function proposeRun(source: string, target: string, origin: Origin, draft: Draft): void {
  const path = source.replace(/^\/var\/run/, '/run');
  if (path === '/run') {
    draft.leave(origin, 'a box has a /run of its own, with what the policy’s `run` names of the node’s');
    return;
  }
  draft.propose(['run'], [path], origin, 'it wants this socket, file or directory of the node’s /run');
  if (target.replace(/^\/var\/run/, '/run') !== path) draft.leave(origin, `a box has it at ${path}, not at ${target}`);
}

/** Puts a device of the node, by its path or as `vendor/class=name` (Container Device Interface), into a draft. */
export function placeDevice(path: string, target: string, origin: Origin, draft: Draft): void {
  if (path.startsWith('nvidia.com/gpu=')) placeGpus(origin, draft);
  else if (!DEVICE.test(path)) draft.leave(origin, 'a box has devices by their path below /dev: ask for it in the policy’s `devices`');
  else {
    draft.propose(['devices'], [path], origin, 'it wants this device of the node');
    if (target !== path) draft.leave(origin, `a box has it at ${path}, not at ${target}`);
  }
}

/** GPUs, however many: the policy names the files of the driver. */
export function placeGpus(origin: Origin, draft: Draft): void {
  draft.propose(['devices'], [NVIDIA], origin, 'it wants GPUs');
  draft.leave(origin, 'how many GPUs a job gets, and which, the batch system decides');
}

/** Why nothing is made of the number of an account. */
export const NUMBER = 'an account has to be named: the number is one of the container’s own accounts';

/** Puts the account of a container, `USER[:GROUP]`, into a draft. */
export function placeUser(text: string, origin: Origin, draft: Draft): void {
  const [user = '', group] = text.split(':');
  if (user === 'root' || user === '0') draft.propose(['identity', 'allowRoot'], true, origin, 'it wants to run as root');
  else if (/^[0-9]+$/.test(user)) draft.leave(origin, NUMBER);
  else if (user !== '') draft.propose(['identity', 'user'], user, origin, 'it wants to run as this account');
  if (group !== undefined) draft.leave(origin, 'a payload has the groups of its account');
}

/** Puts the name of a host into a draft. */
export function placeHostname(name: string, origin: Origin, draft: Draft): void {
  const fault = hostnameFault(name);
  if (fault === null) draft.propose(['identity', 'hostname'], name, origin, 'it wants this host name');
  else draft.leave(origin, `the host name ${fault}`);
}

/** Networks of engines that have an address of their own behind the node's. */
const TRANSLATED = ['', 'default', 'bridge', 'pasta', 'slirp4netns', 'private', 'nat'];

/** Puts a network, by its mode or name, into a draft. */
export function placeNetwork(mode: string, origin: Origin, draft: Draft): void {
  const [kind = '', rest] = mode.split(/:(.*)/s);
  if (mode === 'none' || mode === 'host') draft.field('network', mode, origin);
  else if (TRANSLATED.includes(kind)) {
    draft.propose(['identity', 'address'], ['user'], origin, 'it wants an address of its own behind the node’s');
    if (rest !== undefined) draft.leave(origin, 'Tare knows no options of a network');
  } else if (kind === 'container' || kind === 'service' || kind === 'ns' || kind === 'pod')
    draft.leave(origin, 'a box never joins the network of another');
  else draft.leave(origin, 'a network of the engine: the policy’s identity.pools has addresses for boxes');
}

/** Tells what a container has that names no network. */
export function leaveNetworkUnset(origin: Origin, draft: Draft): void {
  draft.leave(
    origin,
    'no network is named: the engine gives an address of its own behind the node’s, and Tare the first that the policy allows, usually the node’s network',
  );
}

/** Puts an option of the kernel's security modules and filters into a draft. */
export function placeSecurity(text: string, origin: Origin, draft: Draft): void {
  const [name = '', value = ''] = text.split(/[=:](.*)/s);
  if (name === 'seccomp' && value === 'unconfined') draft.propose(['seccomp'], 'unconfined', origin, 'it wants no filter on system calls');
  else if (name === 'seccomp' && PATH.test(value) && posix.normalize(value) === value)
    draft.propose(['seccomp'], value, origin, 'it wants the filter on system calls that this file has');
  else if (name === 'seccomp') draft.leave(origin, 'the policy’s `seccomp` names a file by its absolute path');
  else if (name === 'no-new-privileges') draft.leave(origin, 'a payload never gets privileges by executing a program');
  else draft.leave(origin, 'Tare leaves labels and profiles of security modules to the node');
}

/** Capabilities that a container is given. */
export function placeCapabilities(names: readonly string[], origin: Origin, draft: Draft): void {
  const plain = names.map((name) => name.toUpperCase().replace(/^CAP_/, ''));
  if (plain.includes('SYS_ADMIN') || plain.includes('ALL'))
    draft.propose(['seccomp'], 'pilot', origin, 'it wants to mount, or to make containers');
  draft.leave(origin, 'a payload has no capabilities on the node');
}

const withoutEnd = (path: string): string => (path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path);
