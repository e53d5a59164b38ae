/** What a bundle says of Linux (config-linux.md): namespaces, devices and limits. */

import {cpusOf} from './amounts.js';
import {UNKNOWN, type Bundle} from './oci-bundle.js';
import {readUnified} from './oci-unified.js';
import {settingOf} from './options.js';
import {placeDevice} from './places.js';
import type {Given, Resources} from './resources.js';
import {originOf, type Tree} from './tree.js';

const LEFT: Readonly<Record<string, string>> = {
  cgroupsPath: 'groups of control are the wrapper’s',
  sysctl: 'Tare does not set it',
  seccomp: 'the filter on system calls is the policy’s: its `seccomp` may name this file',
  rootfsPropagation: 'no mount of a box reaches the node',
  maskedPaths: 'a box hides what of /proc and /sys no payload needs',
  readonlyPaths: 'a box hides what of /proc and /sys no payload needs',
  mountLabel: 'Tare leaves labels and profiles of security modules to the node',
  intelRdt: 'shares of caches are the slot’s',
  memoryPolicy: 'Tare does not set it',
  personality: 'Tare does not set it',
  timeOffsets: 'a box has the node’s clocks',
  netDevices: 'addresses of boxes are the policy’s: identity.address, identity.pools',
  uidMappings: 'the policy’s identity.machineIds maps accounts',
  gidMappings: 'the policy’s identity.machineIds maps accounts',
};

/** Devices that every box has. */
const USUAL = ['null', 'zero', 'full', 'random', 'urandom', 'tty', 'console', 'ptmx'].map((name) => `/dev/${name}`);

/** Reads `linux`; limits go to the resources. */
export function readLinux(tree: Tree, bundle: Bundle, resources: Resources): void {
  const {draft, reader} = bundle;
  const entries = reader.map(tree, 'linux')?.entries ?? new Map<string, Tree>();
  for (const [key, one] of entries) {
    const reason = Object.hasOwn(LEFT, key) ? LEFT[key] : undefined;
    if (reason !== undefined) draft.leave(originOf(`linux.${key}`, one), reason);
    else if (key === 'namespaces') readNamespaces(one, bundle);
    else if (key === 'devices') readDevices(one, bundle);
    else if (key === 'resources') readResources(one, bundle, resources);
    else draft.leave(originOf(`linux.${key}`, one), UNKNOWN);
  }
  if (!entries.has('namespaces') && tree.kind === 'map')
    draft.field('network', 'host', {at: tree.at, as: 'linux.namespaces, which is not given'});
}

const TYPES = ['pid', 'network', 'mount', 'ipc', 'uts', 'user', 'cgroup', 'time'];

/** Of all namespaces only that of the network is a job's to choose. A new one has the loopback interface alone. */
function readNamespaces(tree: Tree, {draft, reader, hooks}: Bundle): void {
  const given = new Map<string, Tree>();
  for (const one of reader.list(tree, 'linux.namespaces')) {
    const entries = reader.map(one, 'a namespace')?.entries;
    const [typeTree, path] = [entries?.get('type'), entries?.get('path')];
    const type = typeTree === undefined ? '' : (reader.text(typeTree, 'type') ?? '');
    if (!TYPES.includes(type)) reader.wrong(typeTree ?? one, 'not a type of namespace', TYPES.join(', '));
    else if (given.has(type)) reader.wrong(typeTree ?? one, 'the same namespace twice', 'each once');
    else if (path !== undefined) draft.leave(originOf(`namespace ${type}`, path), 'a box never joins a namespace that is there already');
    given.set(type, one);
  }
  const network = given.get('network');
  const hasPath = network?.kind === 'map' && network.entries.has('path');
  if (network === undefined) draft.field('network', 'host', {at: tree.at, as: 'linux.namespaces without network'});
  else if (hooks && !hasPath)
    draft.leave(
      {at: network.at, as: 'namespace network'},
      'a hook may connect it: Tare gives the network that the policy has first, usually the node’s',
    );
  else if (!hasPath) draft.field('network', 'none', {at: network.at, as: 'namespace network'});
  const others = [...given.keys()].filter((type) => type !== 'network');
  if (others.length > 0) draft.leave({at: tree.at, as: `namespaces ${others.join(' ')}`}, 'a box has namespaces of its own');
}

function readDevices(tree: Tree, {draft, reader}: Bundle): void {
  for (const one of reader.list(tree, 'linux.devices')) {
    const pathTree = reader.map(one, 'a device')?.entries.get('path');
    const path = pathTree === undefined ? null : reader.text(pathTree, 'path');
    const origin = {at: one.at, as: settingOf(`linux.devices ${path ?? ''}`, null)};
    if (path === null) reader.wrong(one, 'the path of the device is missing', 'path: /dev/NAME');
    else if (USUAL.includes(path)) draft.leave(origin, 'every box has it');
    else placeDevice(path, path, origin, draft);
  }
}

const LEFT_RESOURCES: Readonly<Record<string, string>> = {
  devices: 'a box has the devices that the policy’s `devices` names',
  blockIO: 'weights and rates of disks are the slot’s',
  hugepageLimits: 'Tare does not limit huge pages on their own: limits.memory counts them where the kernel does',
  network: 'classes of the network are the slot’s',
  rdma: 'Tare does not limit RDMA',
};

const LEFT_VALUES: Readonly<Record<string, string>> = {
  'memory.reservation': 'it reserves memory and limits nothing: the slot has what the batch system granted',
  'memory.kernel': 'the kernel has no such limit any more',
  'memory.kernelTCP': 'the kernel has no such limit any more',
  'memory.swappiness': 'Tare does not set it',
  'memory.disableOOMKiller': 'a payload that reaches its limit on memory is ended, so that the record can tell',
  'memory.useHierarchy': 'groups of control are the wrapper’s',
  'memory.checkBeforeUpdate': 'groups of control are the wrapper’s',
  'cpu.shares': 'weights between groups are the slot’s',
  'cpu.burst': 'Tare does not set it',
  'cpu.realtimeRuntime': 'a payload has no real-time priority',
  'cpu.realtimePeriod': 'a payload has no real-time priority',
  'cpu.mems': 'weights between groups are the slot’s',
  'cpu.idle': 'weights between groups are the slot’s',
};

function readResources(tree: Tree, bundle: Bundle, resources: Resources): void {
  const {draft, reader} = bundle;
  // unified replaces the others, wherever it stands.
  const entries = [...(reader.map(tree, 'linux.resources')?.entries ?? [])].sort(
    ([a], [b]) => Number(a === 'unified') - Number(b === 'unified'),
  );
  for (const [key, one] of entries) {
    const name = settingOf(`linux.resources.${key}`, null);
    if (Object.hasOwn(LEFT_RESOURCES, key)) draft.leave(originOf(name, one), LEFT_RESOURCES[key] ?? '');
    else if (key === 'unified') readUnified(one, bundle, resources);
    else if (key === 'memory' || key === 'cpu' || key === 'pids')
      for (const [limit, value] of reader.map(one, name)?.entries ?? []) readLimit(`${key}.${limit}`, value, bundle, resources);
    else draft.leave(originOf(name, one), UNKNOWN);
  }
}

/** Names of limits, and where they go. */
const LIMITS: Readonly<Record<string, keyof Resources>> = {
  'memory.limit': 'memory',
  'memory.swap': 'memorySwap',
  'cpu.quota': 'quota',
  'cpu.period': 'period',
  'pids.limit': 'processes',
};

function readLimit(name: string, tree: Tree, {draft, reader, problems}: Bundle, resources: Resources): void {
  const origin = originOf(name, tree);
  const limit = Object.hasOwn(LIMITS, name) ? LIMITS[name] : undefined;
  if (limit !== undefined) {
    const number = reader.whole(tree, name);
    // A number that is too large to be exact is none that memory has, and -1 is the specification's own word for no limit.
    if (number !== null) resources[limit] = {value: number < 0 || number >= 2 ** 53 ? -1 : number, origin, at: tree.at};
  } else if (name === 'cpu.cpus') {
    const text = reader.text(tree, name);
    const cpuset =
      text === null || text === '' ? null : problems.attempt((): Given<number> => ({value: cpusOf(text, tree.at), origin, at: tree.at}));
    if (cpuset !== null) resources.cpuset = cpuset;
  } else draft.leave(origin, LEFT_VALUES[name] ?? UNKNOWN);
}
