/** Steps of a plan to commands of iproute2 and nftables. Pure: the caller runs them in their order. */

import type {Step, StepOf} from '../plan/step.js';
import {parseAddress} from '../policy/addresses.js';

/** One call of ip(8), nft(8) or another program. */
export interface Command {
  program: string;
  argv: string[];
  /** On its standard input; null: nothing. */
  input: string | null;
  /** Its failure is none: what it does may have been done. */
  optional: boolean;
}

const optional = (program: string, ...argv: string[]): Command => ({program, argv, input: null, optional: true});
const removeDevice = (ip: string, device: string): Command => optional(ip, 'link', 'delete', 'dev', device);

/** An address of a box's own, with its prefix length. */
export interface BoxAddress {
  address: string;
  prefix: number;
  gateway: string | null;
}

/** Tare's own table of nftables. */
const TABLE = 'inet tare';

/** The end of a veth pair on the node: at most 15 characters, which a box's id has 16 of. */
export const hostDevice = (id: string): string => `tare${id.slice(0, 11)}`;

/**
 * The MAC of an address, the same at each lease, so that caches of neighbours stay right. 02: locally administered. Of IPv6 the last 32 bits.
 */
export function macOf(address: string): string {
  const parsed = parseAddress(address);
  const value = (parsed?.value ?? 0n) & 0xffffffffn;
  const bytes = [24n, 16n, 8n, 0n].map((shift) => ((value >> shift) & 0xffn).toString(16).padStart(2, '0'));
  return ['02', parsed?.family === 6 ? '76' : '74', ...bytes].join(':');
}

const isSix = (address: string): boolean => address.includes(':');
/** No detection of duplicate addresses (nodad): a lease is unique, and the box need not wait for the kernel's check. */
const noDad = (address: string): string => (isSix(address) ? ' nodad' : '');

/** Commands that connect a box, from the bridge to the rules; they undo an earlier try. `pid`: a process in the box's network namespace. */
export function connectCommands(steps: readonly Step[], id: string, pid: number, addresses: readonly BoxAddress[]): Command[] {
  const address = steps.find((step) => step.op === 'network.address');
  return steps.flatMap((step): Command[] => {
    switch (step.op) {
      case 'network.bridge':
        return bridgeCommands(step);
      case 'network.veth':
        return vethCommands(step, id, pid, addresses);
      case 'network.macvlan':
        return macvlanCommands(step, id, pid, addresses, address);
      case 'network.address':
        return [noAdvertisements(step, pid), pingForAll(step, pid), inBox(step, pid, addressLines(step, addresses))];
      case 'network.nat':
      case 'network.apart':
        return [rules(step, addresses)];
      default:
        return [];
    }
  });
}

function bridgeCommands({bridge, make, addresses, program}: StepOf<'network.bridge'>): Command[] {
  if (!make) return [];
  const [own = ''] = addresses;
  // a fixed address: without, a bridge takes that of one of its ports, and changes it when that goes
  const add = ['link', 'add', 'name', bridge, 'address', macOf(own.split('/')[0] ?? ''), 'type', 'bridge'];
  const lines = [...addresses.map((address) => `address replace ${address} dev ${bridge}${noDad(address)}`), `link set dev ${bridge} up`];
  return [optional(program, ...add), batch(program, lines)];
}

function vethCommands(
  {bridge, device, isolated, program}: StepOf<'network.veth'>,
  id: string,
  pid: number,
  addresses: readonly BoxAddress[],
): Command[] {
  const own = hostDevice(id);
  const mac = macOf(addresses[0]?.address ?? '');
  return [
    removeDevice(program, own),
    batch(program, [
      `link add name ${own} type veth peer name ${device} address ${mac} netns ${pid}`,
      `link set dev ${own} master ${bridge}`,
      `link set dev ${own} type bridge_slave isolated ${isolated ? 'on' : 'off'}`,
      `link set dev ${own} up`,
    ]),
  ];
}

function macvlanCommands(
  {parent, device, mode, program}: StepOf<'network.macvlan'>,
  id: string,
  pid: number,
  addresses: readonly BoxAddress[],
  address: StepOf<'network.address'> | undefined,
): Command[] {
  const own = hostDevice(id);
  const mac = macOf(addresses[0]?.address ?? '');
  const again = address === undefined ? [] : [{...inBox(address, pid, [`link delete dev ${device}`]), optional: true}];
  return [
    ...again,
    removeDevice(program, own),
    // made under our own name: `device` may be the parent's
    batch(program, [
      `link add link ${parent} name ${own} address ${mac} type macvlan mode ${mode}`,
      `link set dev ${own} netns ${pid} name ${device}`,
    ]),
  ];
}

function addressLines({device}: StepOf<'network.address'>, addresses: readonly BoxAddress[]): string[] {
  // ::/0 says the family, which `default` does not
  const routes = addresses.flatMap(({gateway}) =>
    gateway === null ? [] : [`route replace ${isSix(gateway) ? '::/0' : '0.0.0.0/0'} via ${gateway} dev ${device}`],
  );
  return [
    'link set dev lo up',
    ...addresses.map(({address, prefix}) => `address replace ${address}/${prefix} dev ${device}${noDad(address)}`),
    `link set dev ${device} up`,
    ...routes,
  ];
}

/** What routers advertise is no lease: no further address, no other way out. The device is still down. Without IPv6 there is nothing to switch off. */
const noAdvertisements = (step: StepOf<'network.address'>, pid: number): Command =>
  setting(step, pid, `echo 0 >/proc/sys/net/ipv6/conf/${step.device}/accept_ra`);

/** ping without CAP_NET_RAW, for every group, as the kernel has it for none (icmp(7)). */
const pingForAll = (step: StepOf<'network.address'>, pid: number): Command =>
  setting(step, pid, 'echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range');

const setting = ({nsenter}: StepOf<'network.address'>, pid: number, script: string): Command =>
  optional(nsenter, `--net=/proc/${pid}/ns/net`, '--', '/bin/sh', '-c', script);

const batch = (program: string, lines: readonly string[]): Command => ({
  program,
  argv: ['-batch', '-'],
  input: `${lines.join('\n')}\n`,
  optional: false,
});

const inBox = ({program, nsenter}: StepOf<'network.address'>, pid: number, lines: readonly string[]): Command => ({
  ...batch(program, lines),
  program: nsenter,
  argv: [`--net=/proc/${pid}/ns/net`, '--', program, '-batch', '-'],
});

/** The table as it always is, in one transaction: the first box makes it, and later ones change nothing. */
const WHOLE_TABLE = [
  `add table ${TABLE}`,
  ...(['4', '6'] as const).flatMap((family) => [
    `add set ${TABLE} nat${family} { type ipv${family}_addr; }`,
    `add set ${TABLE} apart${family} { type ifname . ipv${family}_addr; }`,
  ]),
  `add chain ${TABLE} postrouting { type nat hook postrouting priority 100; policy accept; }`,
  `add chain ${TABLE} forward { type filter hook forward priority 0; policy accept; }`,
  `flush chain ${TABLE} postrouting`,
  `flush chain ${TABLE} forward`,
  `add rule ${TABLE} postrouting ip saddr @nat4 masquerade`,
  `add rule ${TABLE} postrouting ip6 saddr @nat6 masquerade`,
  `add rule ${TABLE} forward iifname . ip daddr @apart4 drop`,
  `add rule ${TABLE} forward iifname . ip6 daddr @apart6 drop`,
];

function rules(step: StepOf<'network.nat'> | StepOf<'network.apart'>, addresses: readonly BoxAddress[]): Command {
  const elements = addresses.map(({address}) => `add element ${element(step.op === 'network.nat' ? null : step.bridge, address)}`);
  return {program: step.program, argv: ['-f', '-'], input: `${[...WHOLE_TABLE, ...elements].join('\n')}\n`, optional: false};
}

/** An element of the set of translated addresses, or with a bridge of the set to which nothing from that bridge is forwarded. */
function element(bridge: string | null, address: string): string {
  const family = isSix(address) ? '6' : '4';
  return bridge === null ? `${TABLE} nat${family} { ${address} }` : `${TABLE} apart${family} { "${bridge}" . ${address} }`;
}

/** What is left of a box on the node. Some of it went with the box. */
export function disconnectCommands(
  id: string,
  address: string,
  {bridge, ip, nft}: {bridge: string; ip: string; nft: string | null},
): Command[] {
  const elements = [element(null, address), element(bridge, address)];
  const one = (text: string): Command => ({program: nft ?? '', argv: ['-f', '-'], input: `delete element ${text}\n`, optional: true});
  return [removeDevice(ip, hostDevice(id)), ...(nft === null ? [] : elements.map(one))];
}

/** Removes Tare's table of nftables, which translates addresses. */
export const removeTable = (nft: string): Command => optional(nft, 'delete', 'table', ...TABLE.split(' '));

/** Removes a bridge of Tare's. */
export const removeBridge = (ip: string, bridge: string): Command => optional(ip, 'link', 'delete', 'dev', bridge, 'type', 'bridge');

/** Lists the devices on a bridge, one a line. */
export const listPorts = (ip: string, bridge: string): Command => optional(ip, '-oneline', 'link', 'show', 'master', bridge);
