/** The network of one box: leases, devices, rules, and the program of a user-mode network; and what takes all of it down again. */

import type {ChildProcess} from 'node:child_process';
import {chownSync, closeSync, mkdirSync, openSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {TareError} from '../errors.js';
import {takeLock} from '../export/lock.js';
import {childProcess} from '../host/spawn.js';
import {fillHostname} from '../job/hostname.js';
import {
  connectCommands,
  disconnectCommands,
  listPorts,
  removeBridge,
  removeTable,
  type BoxAddress,
  type Command,
} from '../network/commands.js';
import {identityFile} from '../network/files.js';
import {
  brokenIn,
  free,
  halfMadeIn,
  leasePlace,
  leasesIn,
  leasesOf,
  makeLeasePlace,
  readLease,
  takeAddress,
  takeNumber,
  type Lease,
  type LeaseOwner,
} from '../network/leases.js';
import {IDENTITY} from '../plan/network.js';
import {inBox, stepOf, type StepOf} from '../plan/step.js';
import {formatAddress} from '../policy/addresses.js';
import type {UsageRecord} from '../record/record.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {sleep} from '../process/clock.js';
import {wrapperOf} from '../process/presence.js';
import {isRunning, killGroup, processId, statFields, type ProcessId} from '../process/process.js';

/** A command of iproute2 or nftables; a program that stands for a network takes as long until it is ready. */
const COMMAND_MS = 10_000;
/** Others hold the lock for some commands. */
const LOCK_MS = 20_000;
const MOST_BYTES = 64 * 1024;

/** What a box has got. */
export interface Connection {
  hostname: string;
  addresses: BoxAddress[];
}

/** null where the box has the node's identity. */
export type Identity = NonNullable<UsageRecord['identity']> | null;

/**
 * Leases what the plan wants: a number for the host name, an address of each family.
 * @throws TareError ADDRESSES_EXHAUSTED, NETWORK_FAILED; what was leased stays until `disconnect`
 */
export async function lease(plan: Plan, id: string, bootId: string | null, frontPid: number): Promise<Connection | null> {
  const name = stepOf(plan, 'hostname.set');
  if (name === undefined) return null;
  const {state} = plan.directories;
  const place = leasePlace(state);
  const wanted = stepOf(plan, 'network.lease');
  const needsNumber = name.hostname.includes('{n}');
  const connection: Connection = {hostname: fillHostname(name.hostname, {id}), addresses: []};
  if (!needsNumber && wanted === undefined) return connection;
  makeLeasePlace(state);
  const wrapper = wrapperOf(frontPid);
  const owner: LeaseOwner = {
    box: id,
    bootId,
    pidNamespace: wrapper.pidNamespace,
    pid: wrapper.front?.pid ?? null,
    startTicks: wrapper.front?.startTicks ?? null,
  };
  await locked(place, () => {
    if (needsNumber) connection.hostname = fillHostname(connection.hostname, {n: String(takeNumber(place, owner))});
    const bridge = stepOf(plan, 'network.bridge');
    const nft = (stepOf(plan, 'network.nat') ?? stepOf(plan, 'network.apart'))?.program ?? null;
    for (const network of wanted?.networks ?? []) {
      const address = takeAddress(place, network, {
        ...owner,
        pool: wanted?.pool ?? null,
        connection: bridge === undefined ? null : {bridge: bridge.bridge, make: bridge.make, ip: bridge.program, nft},
      });
      connection.addresses.push({address, prefix: network.prefix, gateway: network.gateway});
    }
  });
  return connection;
}

/** For the record. */
export function identityOf(plan: Plan, connection: Connection | null): Identity {
  if (connection === null) return null;
  const user = stepOf(plan, 'network.user');
  const isolated = stepOf(plan, 'namespace.unshare')?.namespaces.includes('network') === true;
  const pool = stepOf(plan, 'network.lease')?.pool ?? null;
  const kind =
    user !== undefined
      ? 'user'
      : pool === null
        ? isolated
          ? 'none'
          : 'host'
        : stepOf(plan, 'network.macvlan') === undefined
          ? 'bridge'
          : 'macvlan';
  return {
    hostname: connection.hostname,
    addresses: user === undefined ? connection.addresses.map(({address}) => address) : user.addresses.map(withoutPrefix),
    kind,
    nat: user !== undefined ? 'user-mode' : stepOf(plan, 'network.nat') === undefined ? 'none' : 'kernel',
    pool,
  };
}

const withoutPrefix = (address: string): string => address.replace(/\/\d+$/, '');

/** Makes the files that say who the box is, in its own folder. */
export function writeIdentity(plan: Plan, id: string, identity: Identity, boxDirectory: string): void {
  const step = stepOf(plan, 'identity.provide');
  if (step === undefined || identity === null) return;
  const place = inBox(IDENTITY, boxDirectory);
  mkdirSync(place, {mode: 0o755});
  const node = {hosts: textOf('/etc/hosts'), resolv: nodesResolver(identity.kind)};
  const {hostname, addresses} = identity;
  for (const name of step.files)
    writeFileSync(join(place, name), identityFile(name, {id, hostname, addresses, nameservers: step.nameservers, node}), {mode: 0o644});
}

/** The addresses are others than was planned: the file of hosts is written anew, in place, since it is mounted. */
export function correctAddresses(plan: Plan, id: string, identity: NonNullable<Identity>, boxDirectory: string): void {
  const step = stepOf(plan, 'identity.provide');
  if (step?.files.includes('hosts') !== true) return;
  const {hostname, addresses} = identity;
  const node = {hosts: textOf('/etc/hosts'), resolv: ''};
  writeFileSync(join(inBox(IDENTITY, boxDirectory), 'hosts'), identityFile('hosts', {id, hostname, addresses, nameservers: null, node}));
}

/** A resolver on the node's own loopback cannot be reached from elsewhere: systemd-resolved says in this file whom it asks itself. */
function nodesResolver(kind: string): string {
  const own = textOf('/etc/resolv.conf');
  if (kind === 'host' || !/^nameserver\s+127\./m.test(own)) return own;
  const behind = textOf('/run/systemd/resolve/resolv.conf');
  return behind === '' ? own : behind;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

export interface Connecting {
  plan: Plan;
  id: string;
  connection: Connection;
  boxDirectory: string;
  /** Process 1 of the box: in its network namespace. */
  initPid: number;
  /** cgroup.procs files of the box's engine group. */
  joins: readonly string[];
}

/**
 * Between a box that is ready and its payload's go. What a brain before this one had begun is begun anew.
 * @returns the program that stands for the network, null where there is none, and with it the addresses that it gave
 * @throws TareError NETWORK_FAILED
 */
export async function connect(connecting: Connecting): Promise<{helper: ProcessId; addresses: string[]} | null> {
  const {plan, id, connection, initPid} = connecting;
  for (const command of connectCommands(plan.steps, id, initPid, connection.addresses)) runCommand(command);
  const user = stepOf(plan, 'network.user');
  return user === undefined ? null : startUserNetwork(user, connecting);
}

function runCommand({program, argv, input, optional}: Command): string {
  const {status, stdout, stderr, error} = childProcess().spawnSync(program, argv, {
    cwd: '/',
    env: {LC_ALL: 'C', PATH: '/usr/sbin:/usr/bin:/sbin:/bin'},
    input: input ?? '',
    encoding: 'utf8',
    timeout: COMMAND_MS,
    killSignal: 'SIGKILL',
    maxBuffer: MOST_BYTES,
  });
  if (status === 0 || optional) return status === 0 ? stdout : '';
  throw failed(`${program} ${argv.join(' ')}`, error?.message ?? stderr, input);
}

function failed(command: string, said: string, input: string | null = null): TareError {
  const words = said.trim().replaceAll('\n', ' | ');
  // ip and nft name the line of their input
  const line = Number(/:(\d+)[:.]?/.exec(words)?.[1] ?? NaN);
  const what = input?.split('\n')[line - 1];
  return new TareError('NETWORK_FAILED', {
    message: 'the box could not be connected to the network',
    where: command,
    found: `${words || 'no answer'}${what === undefined ? '' : ` (${what})`}`,
    remedy: '`tare doctor` tells what the node lacks',
  });
}

/** Joins the groups of the engine before it starts anything; its standard input says when it may. */
const HELPER = 'read -r _; exec </dev/null; exec "$@"';
/** Ends slirp4netns with process 1 of the box, which it would outlive; pasta looks after that itself. */
const LIFELINE = 'read -r _; pid=$1; shift; tail --pid="$pid" -s 0.2 -f /dev/null </dev/null | exec "$@"';

async function startUserNetwork(
  step: StepOf<'network.user'>,
  {plan, initPid, joins, boxDirectory}: Connecting,
): Promise<{helper: ProcessId; addresses: string[]}> {
  const place = inBox(IDENTITY, boxDirectory);
  const system = plan.pattern.value === 'vm-lite';
  // the namespaces of a small machine are the caller's
  const owner = system ? undefined : stepOf(plan, 'identity.take');
  const [pidFile, said] = [join(place, 'pid'), join(place, 'said')];
  for (const path of [pidFile, said]) {
    writeFileSync(path, '', {mode: 0o600});
    if (owner !== undefined) chownSync(path, owner.uid, owner.gid);
  }
  // bubblewrap is in the network's namespace and in the one that owns it; what it nests inside owns nothing, and init hides itself
  const around = system ? initPid : Number(statFields(initPid)?.[1]);
  const namespaces = {user: `/proc/${around}/ns/user`, net: `/proc/${around}/ns/net`};
  const argv =
    step.by === 'pasta'
      ? [
          '-c',
          HELPER,
          'sh',
          step.program,
          ...(owner === undefined && process.getuid?.() === 0 ? AS_ROOT : []),
          ...pastaArgv(step, namespaces, pidFile),
        ]
      : ['-c', LIFELINE, 'sh', String(initPid), step.program, ...slirpArgv(step, namespaces)];
  const output = openSync(said, 'r+');
  try {
    const child = childProcess().spawn('/bin/sh', argv, {
      cwd: '/',
      env: {LC_ALL: 'C', PATH: '/usr/bin:/bin'},
      stdio: ['pipe', output, output, 'pipe'],
      detached: true,
      ...(owner === undefined ? {} : {uid: owner.uid, gid: owner.gid}),
    });
    const ready = readiness(child, step.by);
    for (const path of joins) writeFileSync(path, String(child.pid));
    child.stdin?.end('\n');
    if (!(await ready)) {
      if (child.pid !== undefined) killGroup(child.pid);
      throw failed(step.program, textOf(said));
    }
    child.unref();
    const helper = processId(step.by === 'pasta' ? Number(textOf(pidFile)) : (child.pid ?? 0));
    if (helper === null) throw failed(step.program, `it is gone; ${textOf(said)}`);
    return {helper, addresses: addressesSeenBy(around)};
  } finally {
    closeSync(output);
  }
}

/** What a process's network namespace has, but for the loopback's (proc_pid_net(5): fib_trie, if_inet6): pasta gives others where the node has none. */
function addressesSeenBy(pid: number): string[] {
  const lines = textOf(`/proc/${pid}/net/fib_trie`).split('\n');
  const four = lines.flatMap((line, index) => (line.includes('/32 host LOCAL') ? (/[\d.]+$/.exec(lines[index - 1] ?? '') ?? []) : []));
  const six = textOf(`/proc/${pid}/net/if_inet6`)
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([address = '', , , scope, , device]) =>
      scope === '00' && device !== 'lo' ? [formatAddress({family: 6, value: BigInt(`0x${address}`)})] : [],
    );
  return [...new Set([...four.filter((address) => !address.startsWith('127.')), ...six])];
}

/** pasta goes into the background when it is ready; slirp4netns says so on descriptor 3. */
function readiness(child: ChildProcess, by: 'pasta' | 'slirp4netns'): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      resolve(false);
    }, COMMAND_MS);
    const done = (ready: boolean): void => {
      clearTimeout(timer);
      resolve(ready);
    };
    child.on('error', () => {
      done(false);
    });
    child.on('exit', (code) => {
      done(by === 'pasta' && code === 0);
    });
    child.stdin?.on('error', () => undefined);
    const line = child.stdio[3] as NodeJS.ReadableStream & {destroy?: () => void; unref?: () => void};
    line.on('data', () => {
      done(by === 'slirp4netns');
      line.destroy?.();
    });
    line.unref?.();
  });
}

/** Else pasta becomes nobody before it looks at the namespaces, which are root's. */
const AS_ROOT = ['--runas', '0:0'];

/** passt(1): nothing of the node's loopback is reached, nothing is forwarded into the box. */
function pastaArgv(
  {addresses, gateways, nameserver, device}: StepOf<'network.user'>,
  {user, net}: {user: string; net: string},
  pidFile: string,
): string[] {
  const has = (sign: string): boolean => addresses.some((address) => address.includes(sign));
  const own = addresses.flatMap((address) =>
    address.includes(':') ? ['-a', withoutPrefix(address)] : ['-a', withoutPrefix(address), '-n', address.split('/')[1] ?? '24'],
  );
  return [
    ...['--config-net', '--quiet', '--no-map-gw', '--pid', pidFile, '-I', device, '--dns-forward', nameserver],
    ...['-t', 'none', '-u', 'none', '-T', 'none', '-U', 'none'],
    ...[...own, ...gateways.flatMap((gateway) => ['-g', gateway])],
    ...(has(':') ? [] : ['-4']),
    ...(has('.') ? [] : ['-6']),
    ...['--userns', user, '--netns', net],
  ];
}

/** slirp4netns(1). */
const slirpArgv = ({device}: StepOf<'network.user'>, {user, net}: {user: string; net: string}): string[] => [
  ...['--configure', '--mtu=65520', '--disable-host-loopback', '--exit-fd=0', '--ready-fd=3'],
  ...[`--userns-path=${user}`, '--netns-type=path', net, device],
];

/**
 * Frees what the box has leased, and removes the devices and rules that go with it.
 * @param state the state directory
 * @returns what could not be removed
 */
export const releaseLeases = (state: string, id: string): Promise<string[]> => takeDown(state, leasesOf(leasePlace(state), id));

async function takeDown(state: string, found: readonly Lease[]): Promise<string[]> {
  if (found.length === 0) return [];
  const place = leasePlace(state);
  try {
    await locked(place, () => {
      // one that was freed meanwhile can be another box's by now
      const leases = found.filter(({name, box}) => readLease(place, name)?.box === box);
      for (const {name, box, connection} of leases)
        if (connection !== null) for (const command of disconnectCommands(box, name, connection)) runCommand(command);
      removeShared(place, leases);
      for (const {name} of leases) free(place, name);
    });
    return [];
  } catch {
    return found.map(({name}) => join(place, name));
  }
}

/** A bridge of ours and our table go with the last box that needs them. */
function removeShared(place: string, leases: readonly Lease[]): void {
  const others = leasesIn(place).filter(({name}) => !leases.some((lease) => lease.name === name));
  const connections = leases.flatMap(({connection}) => connection ?? []);
  const bridges = new Map(connections.filter(({make}) => make).map(({bridge, ip}) => [bridge, ip]));
  for (const [bridge, ip] of bridges)
    if (!others.some(({connection}) => connection?.bridge === bridge) && runCommand(listPorts(ip, bridge)).trim() === '')
      runCommand(removeBridge(ip, bridge));
  const nft = connections.find((connection) => connection.nft !== null)?.nft ?? null;
  if (nft !== null && !others.some(({connection}) => connection?.nft != null)) runCommand(removeTable(nft));
}

/**
 * Leases of boxes that are not known any more.
 * @param isKnown whether there is a folder of that box
 */
export async function sweepLeases(state: string, isKnown: (box: string) => boolean): Promise<void> {
  const place = leasePlace(state);
  const orphans = leasesIn(place).filter(({box}) => !isKnown(box));
  await takeDown(state, orphans);
  for (const name of [...brokenIn(place), ...halfMadeIn(place, isKnown)]) free(place, name);
}

async function locked(place: string, action: () => void): Promise<void> {
  const self = processId(process.pid);
  for (let waited = 0; ; waited += 10) {
    const lock = takeLock(place, {pid: process.pid, startTicks: self?.startTicks ?? 0}, isRunning);
    if ('release' in lock) {
      try {
        action();
        return;
      } finally {
        lock.release();
      }
    }
    if (waited > LOCK_MS)
      throw new TareError('NETWORK_FAILED', {
        message: 'addresses cannot be leased',
        where: place,
        found: `the process ${lock.owner.pid} has the lock`,
      });
    await sleep(10);
  }
}
