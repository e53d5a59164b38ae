/** Addresses and devices of an OpenVZ container, as a pool for the site's policy (vzctl(8), networking). */

import {show} from '../job/show.js';
import type {PoolDocument} from '../schema/generated/policy-1.js';
import type {Container, Setting} from './openvz-settings.js';

interface Ip {
  address: string;
  family: 4 | 6;
  value: bigint;
  /** Length of the network's prefix; null: not written. */
  prefix: number | null;
}

/** vzctl takes these for none. */
const NOT_SET = ['0.0.0.0', '::', '::0'];
/** `device` of src/schema/policy-1.json. */
const DEVICE = /^(?!\.{1,2}$)[A-Za-z0-9_.-]{1,15}$/;
/** A bridge that Tare makes where the file names none. */
const OWN_BRIDGE = 'tare-openvz';

/** Reads IP_ADDRESS together with NETIF and NAMESERVER. */
export function readAddresses(setting: Setting, {draft, problems, settings}: Container): void {
  const {value, at, origin} = setting;
  const addresses: Ip[] = [];
  for (const text of value.split(/[\s,]+/).filter((one) => one !== '' && !NOT_SET.includes(one))) {
    const ip = parseIp(text);
    if (ip === null) problems.invalid({message: 'no address', where: at, found: show(text), allowed: 'ADDRESS or ADDRESS/PREFIX'});
    else addresses.push(ip);
  }
  const bridge = bridgeOf(settings.get('NETIF')?.value ?? '');
  const usable = ([4, 6] as const).flatMap((family) => addresses.find((ip) => ip.family === family && isForBox(ip, bridge === null)) ?? []);
  if (addresses.length > usable.length)
    draft.leave(
      origin,
      usable.length > 0
        ? `a box gets one address of each family: ${usable.map(({address}) => address).join(' and ')}`
        : 'a pool of the policy needs the length of the network’s prefix, and in it an address that is neither the network’s own nor its gateway’s: see identity.pools',
    );
  else if (addresses.length === 0) draft.leave(origin, 'it is no address');
  if (usable.length === 0) return;
  const servers = nameserversOf(settings.get('NAMESERVER')?.value ?? '');
  const pool: PoolDocument = {
    name: 'openvz',
    kind: 'bridge',
    bridge: bridge ?? OWN_BRIDGE,
    ...(bridge === null ? {make: true} : {}),
    ranges: usable.map(({address, prefix}) => `${address}-${address}/${String(prefix)}`),
    ...(servers.length > 0 ? {nameservers: servers} : {}),
  };
  draft.propose(['identity', 'pools'], [pool], origin, 'it has this address');
  draft.propose(
    ['identity', 'address'],
    ['bridge'],
    origin,
    'it has a network of its own; a job asks for it by identity, in an image (pattern vm-lite)',
  );
}

/** Reads NETIF: devices with `key=value` pairs, each of which has a name. */
export function readDevices({value, at, origin}: Setting, {draft, problems, settings}: Container): void {
  for (const device of value.split(';').filter((one) => one !== '')) {
    const pairs = device.split(',').map((pair) => pair.split('='));
    const known = pairs.every(
      ([key = '', ...rest]) => /^(ifname|mac|host_ifname|host_mac|bridge|mac_filter)$/.test(key) && rest.length === 1,
    );
    if (!known || !pairs.some(([key, name]) => key === 'ifname' && name !== ''))
      problems.invalid({
        message: 'no network device of a container',
        where: at,
        found: show(device),
        allowed: 'ifname=NAME with mac=, host_ifname=, host_mac=, bridge= and mac_filter=, commas between them',
      });
  }
  draft.leave(
    origin,
    bridgeOf(value) !== null && settings.has('IP_ADDRESS')
      ? 'its bridge is that of the pool which IP_ADDRESS became; Tare makes the devices'
      : 'Tare makes the devices of a box; a pool of the policy names the bridge and the addresses (identity.pools)',
  );
}

/** Reads NAMESERVER, which is part of what IP_ADDRESS becomes. */
export function readNameservers({value, at, origin}: Setting, {draft, problems, settings}: Container): void {
  for (const text of value.split(/\s+/).filter((one) => one !== '' && one !== 'inherit'))
    if (parseIp(text)?.prefix !== null)
      problems.invalid({message: 'no address of a name server', where: at, found: show(text), allowed: 'an address, or inherit'});
  draft.leave(
    origin,
    nameserversOf(value).length === 0
      ? 'a box has the node’s name servers'
      : settings.has('IP_ADDRESS')
        ? 'name servers are part of the pool which IP_ADDRESS became, where it became one'
        : 'only a pool of the policy names name servers (identity.pools); a box has the node’s',
  );
}

const nameserversOf = (value: string): string[] => value.split(/\s+/).filter((text) => parseIp(text)?.prefix === null);

function bridgeOf(netif: string): string | null {
  const [, bridge = ''] = /(?:^|[,;])bridge=([^,;]*)/.exec(netif) ?? [];
  return DEVICE.test(bridge) ? bridge : null;
}

const BITS = {4: 32, 6: 128} as const;

/** Whether a pool can give the address to a box: it is not the network's first, nor its last, nor the gateway of a bridge that Tare makes. */
function isForBox({family, value, prefix}: Ip, isMade: boolean): boolean {
  if (prefix === null) return false;
  const size = 1n << BigInt(BITS[family] - prefix);
  const host = value % size;
  if (size <= 2n) return !isMade || host > 0n;
  return host > (isMade ? 1n : 0n) && host < size - 1n;
}

/** `10.1.2.3`, `10.1.2.3/25`, `10.1.2.3/255.255.255.128` or the like with IPv6. */
function parseIp(text: string): Ip | null {
  const [address = '', length, ...rest] = text.split('/');
  const family = address.includes(':') ? 6 : 4;
  const value = family === 4 ? parse4(address) : parse6(address);
  if (value === null || rest.length > 0) return null;
  if (length === undefined) return {address, family, value, prefix: null};
  const prefix = /^\d{1,3}$/.test(length) ? Number(length) : family === 4 ? prefixOf(length) : 0;
  return prefix >= 1 && prefix <= BITS[family] ? {address, family, value, prefix} : null;
}

function parse4(text: string): bigint | null {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) return null;
  return parts.reduce((sum, part) => sum * 256n + BigInt(part), 0n);
}

function parse6(text: string): bigint | null {
  const [head = [], tail, ...more] = text.split('::').map((half) => (half === '' ? [] : half.split(':')));
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (more.length > 0 || (tail === undefined ? missing !== 0 : missing < 1)) return null;
  const groups = [...head, ...Array.from({length: missing}, () => '0'), ...(tail ?? [])];
  if (!groups.every((group) => /^[0-9A-Fa-f]{1,4}$/.test(group))) return null;
  return groups.reduce((sum, group) => sum * 65_536n + BigInt(`0x${group}`), 0n);
}

/** The length of a prefix that is written as a mask; 0 for a mask with holes. */
function prefixOf(mask: string): number {
  const bits = parse4(mask)?.toString(2).padStart(32, '0') ?? '';
  return /^(1*)0*$/.exec(bits)?.[1]?.length ?? 0;
}
