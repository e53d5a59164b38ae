/** A host name and an address of the box's own: which, and the steps that give them; or why this node cannot. */

import {TareError} from '../errors.js';
import type {IdentityFile, NetworkFacts, NetworkProgram} from '../host/facts.js';
import {fillHostname, hostnameFault, PLACEHOLDERS} from '../job/hostname.js';
import type {AddressKind} from '../job/job.js';
import {wantedKind} from '../policy/identity.js';
import type {Pool} from '../policy/pools.js';
import type {Inputs} from './inputs.js';
import {bind, type Step, type StepOf} from './step.js';

/** The identity on the network that a box gets, and where from. */
export interface IdentityChoice {
  /** {n} and {id} are still in it. */
  hostname: string;
  hostnameBecause: string;
  kind: AddressKind;
  because: string;
  /** Of kind bridge and macvlan. */
  pool: Pool | null;
  network: NetworkFacts;
  nameservers: string[] | null;
}

/** The directory of the files of a box's identity. */
export const IDENTITY = '{box}/identity';
/** The device in the box. */
const DEVICE = 'eth0';

/** What pasta and slirp4netns give: slirp4netns's own defaults, and of IPv6 a unique local prefix. */
const USER_MODE = {
  address4: '10.0.2.100/24',
  gateway4: '10.0.2.2',
  nameserver: '10.0.2.3',
  address6: 'fd00:7461:7265::100/64',
  gateway6: 'fe80::1',
} as const;

/** null: the box has the node's. @throws TareError NETWORK_UNAVAILABLE, DOCUMENT_INVALID; nothing was touched then */
export function chooseIdentity({job, policy, facts, call}: Inputs): IdentityChoice | null {
  const wanted = job.identity;
  if (wanted === null) return null;
  const {network} = facts;
  if (network === null) throw new TypeError('facts of the network were not asked for');
  const kind = wantedKind(wanted, policy.identity);
  if (job.network?.value === 'none' && kind !== 'none') {
    throw new TareError('DOCUMENT_INVALID', {
      message: 'no network is asked for, and an address too',
      where: job.network.provenance.at,
      found: `none and ${kind}`,
      allowed: 'one of them',
    });
  }
  const pool = policy.identity.pools.find((one) => one.kind === kind && (wanted.pool === null || one.name === wanted.pool.value)) ?? null;
  const template = wanted.hostname ?? policy.identity.hostname;
  // uname(2) says `(none)` of a node that was given no name
  const isNamed = hostnameFault(facts.node.hostname) === null;
  const hostname = fillHostname(template.value, {node: isNamed ? facts.node.hostname : 'localhost'});
  const fault = hostnameFault(fillHostname(hostname, {n: String(PLACEHOLDERS.n), id: PLACEHOLDERS.id}));
  if (fault !== null) {
    throw new TareError('NETWORK_UNAVAILABLE', {
      message: `the box’s host name ${fault}`,
      where: template.provenance.at,
      found: hostname,
      remedy: 'use a shorter template: identity.hostname in the policy',
    });
  }
  const because = wanted.address?.provenance.at ?? wanted.pool?.provenance.at ?? `the default of ${policy.identity.address.provenance.at}`;
  const lacking = networkObstacle(kind, pool, network, {isRoot: call.identity.value.uid === 0});
  if (lacking !== null) {
    throw new TareError('NETWORK_UNAVAILABLE', {
      message: `this node cannot give the box an address of kind ${kind}: ${lacking.how}`,
      where: because,
      remedy: lacking.remedy ?? undefined,
    });
  }
  const unnamed = isNamed || !template.value.includes('{node}') ? '' : `; the node’s own, ${facts.node.hostname}, is no host name`;
  return {
    hostname,
    hostnameBecause: template.provenance.at + unnamed,
    kind,
    because,
    pool,
    network,
    nameservers: pool?.nameservers ?? null,
  };
}

interface Obstacle {
  how: string;
  remedy: string | null;
}

/** Why addresses of a kind cannot be had on a node, or null. */
export function networkObstacle(kind: AddressKind, pool: Pool | null, network: NetworkFacts, {isRoot}: {isRoot: boolean}): Obstacle | null {
  if (kind === 'none' || kind === 'host') return null;
  if (kind === 'user') {
    if (!network.user.available) return network.user;
    if (isRoot) return {how: 'a payload that runs as root has no user-mode network', remedy: 'let it run as another account'};
    return null;
  }
  const ability = network[kind];
  if (!ability.available) return ability;
  if (pool === null) return {how: `the policy has no pool of kind ${kind}`, remedy: 'add one to identity.pools'};
  if (pool.networks.some(({family}) => family === 6) && !network.ipv6.kernel)
    return {how: `the pool ${pool.name} has IPv6, which is switched off here`, remedy: 'set net.ipv6.conf.all.disable_ipv6 to 0'};
  if (kind === 'macvlan') return null;
  const off = pool.networks.filter(({family}) => !network.forwarding[family]).map(({family}) => SYSCTL[family]);
  if (pool.nat && off.length > 0)
    return {how: `the pool ${pool.name} has nat, and ${off.join(' and ')} is 0`, remedy: `set ${off.join(' and ')} to 1 in /etc/sysctl.d`};
  if (pool.nat && !network.nft.available) return network.nft;
  // what the bridge does not pass on the node would, when it is asked to
  const isPassedOn = pool.reach === 'none' && off.length < pool.networks.length;
  if (isPassedOn && !network.nft.available)
    return {
      how: `boxes of the pool ${pool.name} could reach each other through the node, which passes packets on: ${network.nft.how}`,
      remedy: network.nft.remedy,
    };
  return null;
}

const SYSCTL = {4: 'net.ipv4.ip_forward', 6: 'net.ipv6.conf.all.forwarding'} as const;

/** Name and files; nothing for a box with the node's identity. The mounts come with the box's other mounts. */
export function planIdentity(choice: IdentityChoice | null): Step[] {
  if (choice === null) return [];
  const {hostname, hostnameBecause, nameservers, kind} = choice;
  return [
    {op: 'hostname.set', hostname, because: `a name of its own (${hostnameBecause})`},
    {
      op: 'identity.provide',
      files: filesOf(choice).map(({name}) => name),
      nameservers: kind === 'user' ? [USER_MODE.nameserver] : nameservers,
      because: 'the name and addresses of the box, not the node’s',
    },
  ];
}

/** How the box is connected, in the order in which it is done. */
export function planConnection(choice: IdentityChoice | null): Step[] {
  if (choice === null) return [];
  const {kind, because, pool, network} = choice;
  if (kind === 'user') return [userSteps(network, because)];
  return pool === null ? [] : connectionSteps(pool, network, because);
}

/** Steps that connect a box to a pool. */
export function connectionSteps(pool: Pool, network: NetworkFacts, because: string): Step[] {
  const {name, kind, device, make, networks, nat, reach} = pool;
  const program = need(network, 'ip');
  const lease: Step = {op: 'network.lease', pool: name, networks, because: `an address of the pool ${name} (${because})`};
  const address: Step = {
    op: 'network.address',
    device: DEVICE,
    program,
    nsenter: need(network, 'nsenter'),
    because: 'the addresses that were leased, and the way out',
  };
  if (kind === 'macvlan') {
    const mode = reach === 'none' ? 'private' : 'bridge';
    return [
      lease,
      {op: 'network.macvlan', parent: device, device: DEVICE, mode, program, because: `${REACH[reach]} (${pool.at})`},
      address,
    ];
  }
  const addresses = make ? networks.flatMap(({gateway, prefix}) => (gateway === null ? [] : [`${gateway}/${prefix}`])) : [];
  const steps: Step[] = [
    lease,
    {
      op: 'network.bridge',
      bridge: device,
      make,
      addresses,
      program,
      because: make ? 'made when it is not there, and removed after the last box' : 'the site’s own',
    },
    {op: 'network.veth', bridge: device, device: DEVICE, isolated: reach === 'none', program, because: `${REACH[reach]} (${pool.at})`},
    address,
  ];
  const nft = network.programs.nft;
  if (reach === 'none' && nft !== null && network.nft.available)
    steps.push({op: 'network.apart', bridge: device, program: nft, because: 'the node forwards nothing that the bridge does not forward'});
  if (nat && nft !== null) steps.push({op: 'network.nat', program: nft, because: `nat of the pool ${name}`});
  return steps;
}

const REACH = {none: 'boxes do not reach each other', 'box-to-box': 'boxes reach each other'} as const;

/** Steps of user-mode networking, by a program that runs as the payload's user. */
export function userSteps(network: NetworkFacts, because: string): StepOf<'network.user'> {
  const {pasta} = network.programs;
  const by = pasta === null ? 'slirp4netns' : 'pasta';
  const has6 = by === 'pasta' && network.ipv6.kernel && network.ipv6.global;
  // a node with IPv6 alone
  const has4 = !has6 || network.ipv4.global;
  return {
    op: 'network.user',
    by,
    program: need(network, by),
    unshare: need(network, 'unshare'),
    device: DEVICE,
    addresses: [...(has4 ? [USER_MODE.address4] : []), ...(has6 ? [USER_MODE.address6] : [])],
    gateways: [...(has4 ? [USER_MODE.gateway4] : []), ...(has6 ? [USER_MODE.gateway6] : [])],
    nameserver: USER_MODE.nameserver,
    because: `${because}; ${by === 'pasta' ? 'pasta is here' : 'slirp4netns, since pasta is not here'}`,
  };
}

/** The obstacles were looked for before. */
function need({programs}: NetworkFacts, name: NetworkProgram): string {
  const path = programs[name];
  if (path === null) throw new TypeError(`${name} is not there`);
  return path;
}

/** Files of the node that the box has its own of, and where each lies in it: a link of the node's leads to the same place in the box. */
function filesOf({network, kind}: IdentityChoice): {name: IdentityFile; path: string}[] {
  const wanted = FILES.filter((name) => name !== 'resolv.conf' || kind !== 'host');
  return wanted.flatMap((name) => {
    const path = network.files[name];
    return path === null ? [] : [{name, path}];
  });
}

const FILES: readonly IdentityFile[] = ['hosts', 'hostname', 'resolv.conf', 'machine-id'];

/** Steps that bind the files of a box's identity over those of its view. */
export const identityMounts = (choice: IdentityChoice | null, isImage: boolean): StepOf<'mount.bind'>[] =>
  (choice === null ? [] : filesOf(choice)).map(({name, path}) =>
    bind(`${IDENTITY}/${name}`, isImage ? `/etc/${name}` : path, ['ro'], 'the box’s own'),
  );
