/** Pools of addresses for boxes: read from the policy, and checked for what no schema can say. */

import {TareError} from '../errors.js';
import {below, type Locate} from '../job/at.js';
import type {Problems} from '../job/problems.js';
import {show} from '../job/show.js';
import type {PoolDocument} from '../schema/generated/policy-1.js';
import {bitsOf, formatAddress, networkOf, parseAddress, type Address, type Family} from './addresses.js';

/** A range of addresses; boxes may have the first and the last one too. */
interface AddressRange {
  first: string;
  last: string;
}

/** What a pool has of one family. */
interface PoolNetwork {
  family: Family;
  prefix: number;
  ranges: AddressRange[];
  gateway: string | null;
}

/** Addresses that boxes may have, and the device that connects them. */
export interface Pool {
  name: string;
  kind: 'bridge' | 'macvlan';
  /** The bridge, or the device below. */
  device: string;
  /** The bridge is Tare's. */
  make: boolean;
  networks: PoolNetwork[];
  nat: boolean;
  reach: 'none' | 'box-to-box';
  /** null: the node's. */
  nameservers: string[] | null;
  /** File and JSON pointer. */
  at: string;
}

interface Span {
  family: Family;
  prefix: number;
  first: bigint;
  last: bigint;
  at: string;
  written: string;
}

/** What is wrong is added to the problems; what is right comes back. */
export function readPools(written: readonly PoolDocument[], locate: Locate, problems: Problems): Pool[] {
  const spans: Span[] = [];
  return written.flatMap((document, index) => {
    const at = (name: string): string => locate(below('/identity/pools', index) + name);
    const pool = problems.attempt(() => readPool(document, at, spans));
    const first = written.slice(0, index).find(({name}) => name === document.name);
    if (first !== undefined) problems.add(invalid('two pools have the same name', at('/name'), document.name, 'a name for each'));
    return pool === null ? [] : [pool];
  });
}

const invalid = (message: string, where: string, found: string | undefined, allowed: string): TareError =>
  new TareError('DOCUMENT_INVALID', {message, where, found, allowed});

function readPool(document: PoolDocument, at: (pointer: string) => string, known: Span[]): Pool {
  const {name, kind, make = false, nat = false, reach = 'none', nameservers = null} = document;
  const device = deviceOf(document, at);
  if (kind === 'macvlan' && nat)
    throw invalid('a macvlan device has the network of its parent, and no address translation', at('/nat'), 'true', 'nat with kind bridge');
  const own = document.ranges.map((text, index) => readRange(text, at(below('/ranges', index))));
  for (const span of own) {
    const other = known.find(({family, first, last}) => family === span.family && first <= span.last && span.first <= last);
    if (other !== undefined)
      throw invalid(
        'two ranges have addresses in common',
        span.at,
        span.written,
        `addresses that ${other.written} (${other.at}) does not have`,
      );
    known.push(span);
  }
  const gateways = readGateways(document, at);
  for (const {family, text, at: where} of gateways)
    if (!own.some((span) => span.family === family))
      throw invalid(`a gateway of IPv${family}, of which the pool has no addresses`, where, text, 'a gateway in the network of a range');
  const networks = ([4, 6] as const).flatMap((family) => {
    const spans = own.filter((span) => span.family === family);
    return spans.length === 0 ? [] : [networkFrom(family, spans, gateways.find((one) => one.family === family) ?? null, make)];
  });
  for (const [index, text] of (nameservers ?? []).entries())
    if (parseAddress(text) === null) throw notAnAddress(text, at(below('/nameservers', index)));
  return {name, kind, device, make, networks, nat, reach, nameservers, at: at('')};
}

function deviceOf({kind, bridge, parent, make}: PoolDocument, at: (pointer: string) => string): string {
  const [wanted, other] = kind === 'bridge' ? [bridge, parent] : [parent, bridge];
  const [name, otherName] = kind === 'bridge' ? ['bridge', 'parent'] : ['parent', 'bridge'];
  if (wanted === undefined) throw invalid(`a pool of kind ${kind} needs the name of its ${name}`, at(''), undefined, `${name}: NAME`);
  if (other !== undefined) throw invalid(`a pool of kind ${kind} has no ${otherName}`, at(`/${otherName}`), other, `${name} alone`);
  if (kind === 'macvlan' && make === true) throw invalid('only a bridge can be made', at('/make'), 'true', 'make with kind bridge');
  return wanted;
}

const notAnAddress = (text: string, where: string): TareError =>
  invalid('no address', where, show(text), 'an address such as 10.77.0.1 or fd00:77::1');

function readRange(written: string, where: string): Span {
  const fail = (message: string, allowed: string): never => {
    throw invalid(message, where, show(written), allowed);
  };
  const [, from = '', to, prefixText] = /^([^-/]+)(?:-([^-/]+))?(?:\/(\d{1,3}))?$/.exec(written) ?? [];
  const start = parseAddress(from);
  if (start === null) return fail('no range of addresses', '10.77.0.0/24, 10.77.0.10-10.77.0.99/24 or the like with IPv6');
  const bits = bitsOf(start.family);
  if (prefixText === undefined)
    return fail('the length of the network’s prefix is missing', `${written}/${start.family === 4 ? '24' : '64'} or the like`);
  const prefix = Number(prefixText);
  if (prefix > bits || prefix === 0) return fail('that is no length of a prefix', `1 to ${bits}`);
  const network = networkOf(start, prefix);
  if (to === undefined) {
    if (start.value !== network.first)
      return fail(
        'bits after the prefix are set',
        `${formatAddress({...start, value: network.first})}/${prefix}, or a range FIRST-LAST/${prefix}`,
      );
    return {family: start.family, prefix, ...network, at: where, written};
  }
  const end = parseAddress(to);
  if (end?.family !== start.family) return fail('the range has no last address of the same family', 'FIRST-LAST/PREFIX');
  if (end.value < start.value) return fail('the last address comes before the first', 'the smaller one first');
  if (end.value > network.last)
    return fail('the range goes beyond its network', `addresses of ${formatAddress({...start, value: network.first})}/${prefix}`);
  return {family: start.family, prefix, first: start.value, last: end.value, at: where, written};
}

interface Gateway extends Address {
  text: string;
  at: string;
}

function readGateways({gateway}: PoolDocument, at: (pointer: string) => string): Gateway[] {
  const list = gateway === undefined ? [] : typeof gateway === 'string' ? [gateway] : gateway;
  const gateways = list.map((text, index): Gateway => {
    const where = at(typeof gateway === 'string' ? '/gateway' : below('/gateway', index));
    const address = parseAddress(text);
    if (address === null) throw notAnAddress(text, where);
    return {...address, text, at: where};
  });
  const [first, second] = gateways;
  if (second !== undefined && first?.family === second.family)
    throw invalid('two gateways of one family', second.at, second.text, 'one of IPv4 and one of IPv6');
  return gateways;
}

/** All ranges of one family are in one network: its first and last address are no box's, nor is the gateway's. */
function networkFrom(family: Family, spans: readonly Span[], given: Gateway | null, make: boolean): PoolNetwork {
  const [one] = spans as [Span];
  const network = networkOf({family, value: one.first}, one.prefix);
  const other = spans.find(({prefix, first}) => prefix !== one.prefix || first < network.first || first > network.last);
  if (other !== undefined)
    throw invalid(
      `the ranges of IPv${family} are in different networks`,
      other.at,
      other.written,
      `addresses of the network of ${one.written}`,
    );
  if (given !== null && (given.value < network.first || given.value > network.last))
    throw invalid('the gateway is outside the network of the ranges', given.at, given.text, `an address of the network of ${one.written}`);
  const isSmall = bitsOf(family) - one.prefix < 2;
  // RFC 4291, 2.6.1: the first address of a network of IPv6 is its routers'; RFC 3021: networks of two have no broadcast
  const [first, last] = isSmall ? [network.first, network.last] : [network.first + 1n, family === 4 ? network.last - 1n : network.last];
  const gateway = given?.value ?? (make ? first : null);
  const ranges = spans.flatMap((span) => without({first: max(span.first, first), last: min(span.last, last)}, gateway));
  if (ranges.length === 0)
    throw invalid('no address is left for a box', one.at, one.written, 'addresses besides those of network, broadcast and gateway');
  const text = (value: bigint): string => formatAddress({family, value});
  return {
    family,
    prefix: one.prefix,
    ranges: ranges.map((range) => ({first: text(range.first), last: text(range.last)})),
    gateway: gateway === null ? null : text(gateway),
  };
}

function without({first, last}: {first: bigint; last: bigint}, hole: bigint | null): {first: bigint; last: bigint}[] {
  const parts =
    hole === null || hole < first || hole > last
      ? [{first, last}]
      : [
          {first, last: hole - 1n},
          {first: hole + 1n, last},
        ];
  return parts.filter((part) => part.first <= part.last);
}

const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);
