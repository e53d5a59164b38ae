/** Addresses that a description gives a container, as proposals for the policy: which a box may have is the site's to say. */

import {TareError, TareErrors} from '../errors.js';
import {Problems} from '../job/problems.js';
import {show} from '../job/show.js';
import {bitsOf, networkOf, parseAddress, type Address} from '../policy/addresses.js';
import {readPools} from '../policy/pools.js';
import type {PoolDocument} from '../schema/generated/policy-1.js';
import type {Draft, Origin} from './draft.js';

/** An address of a container. */
export interface Given {
  address: string;
  /** Length of the network's prefix; absent: by the class of the address. */
  prefix?: string | undefined;
  origin: Origin;
}

/** How a container is connected. */
export interface Connection {
  kind: 'bridge' | 'macvlan' | 'user';
  /** The bridge, or the device below a macvlan. */
  device?: string | undefined;
  addresses: readonly Given[];
  gateways: readonly Given[];
  origin: Origin;
}

/** A name that the kernel takes for a network device, as the policy's schema has it. */
const DEVICE = /^(?!\.{1,2}$)[A-Za-z0-9_.-]{1,15}$/;
const ASKED = 'it has a network of its own; a job asks for it by identity, in an image (pattern vm-lite)';
const WHOSE = 'it has these addresses; a pool has a range of them, for all boxes that may be there at one time';

/**
 * Proposes the kind of address. Where the description names device and addresses these are a pool; without a pool a box has no address of
 * that kind, so nothing is proposed then but said.
 * @returns whether anything was proposed
 * @throws TareError DOCUMENT_INVALID for what is no address
 */
export function proposeAddress({kind, device, addresses, gateways, origin}: Connection, draft: Draft): boolean {
  if (kind === 'user') {
    draft.propose(['identity', 'address'], [kind], origin, ASKED);
    return true;
  }
  const name = device?.replaceAll('.', '-').replace(/^[^A-Za-z0-9]+/, '') ?? '';
  if (device === undefined || name === '' || !DEVICE.test(device)) {
    draft.leave(origin, `it names no device of the node: a pool of the policy (kind ${kind}) says which one connects boxes`);
    return false;
  }
  if (addresses.length === 0) {
    draft.leave(origin, `it names no address: a pool of the policy (kind ${kind}, ${device}) has those that boxes get`);
    return false;
  }
  const {ranges, gateway} = ofOneNetwork(addresses.map(parsed), gateways.map(parsed), draft);
  const pool: PoolDocument = {
    name,
    kind,
    ...(kind === 'bridge' ? {bridge: device} : {parent: device}),
    ranges,
    ...(gateway.length === 0 ? {} : {gateway}),
  };
  const fault = faultOf(pool, draft);
  if (fault !== null) {
    draft.leave(origin, `its addresses are no pool of a policy: ${fault}`);
    return false;
  }
  draft.propose(['identity', 'pools'], [pool], origin, WHOSE);
  draft.propose(['identity', 'address'], [kind], origin, ASKED);
  return true;
}

interface Parsed extends Given {
  value: Address;
  length: number;
}

function parsed(given: Given): Parsed {
  const value = parseAddress(given.address);
  const {at, as} = given.origin;
  const fail = (message: string, found: string | undefined, allowed: string): TareError =>
    new TareError('DOCUMENT_INVALID', {message, where: `${at} ${as}`, found: show(found), allowed});
  if (value === null) throw fail('not an address', given.address, 'an address of IPv4 or IPv6');
  const length = given.prefix === undefined ? classOf(given.address, value) : /^\d{1,3}$/.test(given.prefix) ? Number(given.prefix) : 0;
  const most = bitsOf(value.family);
  if (length < 1 || length > most) throw fail('not the length of a prefix', given.prefix, `1 to ${most}`);
  return {...given, value, length};
}

/** By its class (RFC 791, 3.2), as LXC and libvirt have it; of IPv6 64. */
function classOf(address: string, {family}: Address): number {
  const first = Number.parseInt(address, 10);
  if (family === 6) return 64;
  return first < 128 ? 8 : first < 192 ? 16 : 24;
}

/** A pool has addresses and a gateway of one network of each family: that of the first. */
function ofOneNetwork(addresses: readonly Parsed[], gateways: readonly Parsed[], draft: Draft): {ranges: string[]; gateway: string[]} {
  const leaders = new Map<number, Parsed>();
  for (const each of addresses) if (!leaders.has(each.value.family)) leaders.set(each.value.family, each);
  const isIn = ({value}: Parsed): boolean => {
    const leader = leaders.get(value.family);
    if (leader === undefined) return false;
    const {first, last} = networkOf(leader.value, leader.length);
    return first <= value.value && value.value <= last;
  };
  const leave = ({address, origin}: Parsed, what: string): void =>
    draft.leave(origin, `a pool of a policy has ${what} of one network: ${address} is of another, or a second one`);
  const ranges = new Set<string>();
  for (const each of addresses) {
    const {address, value, length} = each;
    if (isIn(each)) ranges.add(`${address}-${address}/${leaders.get(value.family)?.length ?? length}`);
    else leave(each, 'addresses');
  }
  const gateway = new Map<number, string>();
  for (const each of gateways) {
    if (isIn(each) && !gateway.has(each.value.family)) gateway.set(each.value.family, each.address);
    else leave(each, 'a gateway');
  }
  return {ranges: [...ranges], gateway: [...gateway.values()]};
}

/** What keeps it from being a pool beside those that are proposed already; null: nothing. */
function faultOf(pool: PoolDocument, {proposals}: Draft): string | null {
  const earlier = proposals.flatMap(({key, value}) => (key.join('.') === 'identity.pools' ? (value as PoolDocument[]) : []));
  const problems = new Problems();
  readPools([...earlier, pool], () => '', problems);
  try {
    problems.throwIfAny();
    return null;
  } catch (error) {
    const [first] = error instanceof TareErrors ? error.errors : [error as TareError];
    return first?.details.message ?? null;
  }
}
