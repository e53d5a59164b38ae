import {expect} from 'chai';
import {TareError, TareErrors} from '../../../src/errors.js';
import {formatAddress, networkOf, parseAddress} from '../../../src/policy/addresses.js';
import type {PoolDocument} from '../../../src/schema/generated/policy-1.js';
import {policy} from '../plan/build.js';

describe('addresses', () => {
  const rows: [text: string, same: string | null][] = [
    ['10.77.0.1', '10.77.0.1'],
    ['255.255.255.255', '255.255.255.255'],
    ['0.0.0.0', '0.0.0.0'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['FD00:0077:0:0::1', 'fd00:77::1'],
    ['2001:db8:0:1:0:0:0:1', '2001:db8:0:1::1'],
    ['2001:0:0:1:0:0:1:1', '2001::1:0:0:1:1'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
    ['::ffff:10.0.0.1', '::ffff:a00:1'],
    ['10:0:0:0:0:0:0:10', '10::10'],
    ['10.77.0.01', null],
    ['10.77.0', null],
    ['10.77.0.256', null],
    ['10.77.0.1.1', null],
    ['1:2:3:4:5:6:7', null],
    ['1:2:3:4:5:6:7:8:9', null],
    ['1::2::3', null],
    ['1:2:3:4:5:6:7:8::', null],
    [':::', null],
    ['fe80::1%eth0', null],
    ['g::1', null],
    ['12345::', null],
    ['', null],
    [':', null],
  ];
  for (const [text, same] of rows) {
    it(JSON.stringify(text), () => {
      const parsed = parseAddress(text);
      expect(parsed === null ? null : formatAddress(parsed)).to.equal(same);
    });
  }

  it('a network has its first and last address', () => {
    const {first, last} = networkOf({family: 4, value: 0x0a4d0309n}, 22);
    expect([first, last].map((value) => formatAddress({family: 4, value}))).to.deep.equal(['10.77.0.0', '10.77.3.255']);
  });
});

type Pool = Partial<PoolDocument>;
const pools = (...list: Pool[]): ReturnType<typeof policy>['identity']['pools'] =>
  policy({
    identity: {
      pools: list.map((pool, index): PoolDocument => ({
        name: `p${index}`,
        kind: 'bridge',
        ...(pool.kind === 'macvlan' ? {} : {bridge: `br${index}`}),
        ranges: ['10.0.0.0/24'],
        ...pool,
      })),
    },
  }).identity.pools;

describe('pools: what a box can have', () => {
  const rows: [what: string, pool: Pool, ranges: string[], gateways: (string | null)[]][] = [
    ['a network, without its own and the broadcast address', {}, ['10.0.0.1-10.0.0.254'], [null]],
    ['a bridge of ours: its first address is the gateway', {make: true}, ['10.0.0.2-10.0.0.254'], ['10.0.0.1']],
    ['a gateway in between', {gateway: '10.0.0.9'}, ['10.0.0.1-10.0.0.8', '10.0.0.10-10.0.0.254'], ['10.0.0.9']],
    ['a part of a network', {ranges: ['10.0.0.10-10.0.0.19/24'], gateway: '10.0.0.1'}, ['10.0.0.10-10.0.0.19'], ['10.0.0.1']],
    [
      'two parts of one',
      {ranges: ['10.0.0.10-10.0.0.19/24', '10.0.0.30-10.0.0.30/24']},
      ['10.0.0.10-10.0.0.19', '10.0.0.30-10.0.0.30'],
      [null],
    ],
    ['a part that ends with the broadcast address', {ranges: ['10.0.0.250-10.0.0.255/24']}, ['10.0.0.250-10.0.0.254'], [null]],
    ['two addresses without a broadcast', {ranges: ['10.0.0.0/31']}, ['10.0.0.0-10.0.0.1'], [null]],
    ['IPv6, without the routers’', {ranges: ['fd00::/120'], make: true}, ['fd00::2-fd00::ff'], ['fd00::1']],
    [
      'both families, of any size',
      {ranges: ['10.0.0.0/8', 'fd00::/8'], gateway: ['fd00::1', '10.0.0.1']},
      ['10.0.0.2-10.255.255.254', 'fd00::2-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
      ['10.0.0.1', 'fd00::1'],
    ],
  ];
  for (const [what, pool, ranges, gateways] of rows) {
    it(what, () => {
      const [found] = pools(pool);
      expect(found?.networks.flatMap((network) => network.ranges.map(({first, last}) => `${first}-${last}`))).to.deep.equal(ranges);
      expect(found?.networks.map(({gateway}) => gateway)).to.deep.equal(gateways);
    });
  }
});

describe('pools: what is wrong is said with its place', () => {
  const rows: [pools: Pool[], says: RegExp][] = [
    [
      [{ranges: ['10.0.0.0']}],
      /policy.yaml#\/identity\/pools\/0\/ranges\/0: the length of the network’s prefix is missing; found: "10.0.0.0"; allowed: 10.0.0.0\/24/,
    ],
    [[{ranges: ['10.0.0.0/33']}], /ranges\/0: that is no length of a prefix; .*allowed: 1 to 32/],
    [[{ranges: ['10.0.0.0/0']}], /that is no length of a prefix/],
    [[{ranges: ['10.0.0.7/24']}], /bits after the prefix are set; found: "10.0.0.7\/24"; allowed: 10.0.0.0\/24/],
    [[{ranges: ['10.0.0/24']}], /no range of addresses/],
    [[{ranges: ['all/24']}], /no range of addresses/],
    [[{ranges: ['10.0.0.9-10.0.0.2/24']}], /the last address comes before the first/],
    [[{ranges: ['10.0.0.9-10.0.1.2/24']}], /the range goes beyond its network; .*allowed: addresses of 10.0.0.0\/24/],
    [[{ranges: ['10.0.0.9-fd00::1/24']}], /no last address of the same family/],
    [[{ranges: ['10.0.0.0/24', '10.0.0.128/25']}], /ranges\/1: two ranges have addresses in common; .*10.0.0.0\/24/],
    [[{}, {ranges: ['10.0.0.200-10.0.0.201/24']}], /pools\/1\/ranges\/0: two ranges have addresses in common; .*pools\/0\/ranges\/0/],
    [[{ranges: ['10.0.0.0/24', '10.0.2.0/24']}], /ranges\/1: the ranges of IPv4 are in different networks/],
    [[{gateway: '10.0.1.1'}], /gateway: the gateway is outside the network of the ranges/],
    [[{gateway: 'fd00::1'}], /a gateway of IPv6, of which the pool has no addresses/],
    [[{gateway: ['10.0.0.1', '10.0.0.2']}], /gateway\/1: two gateways of one family/],
    [[{gateway: 'router'}], /gateway: no address; found: "router"/],
    [[{nameservers: ['10.0.0.300']}], /nameservers\/0: no address/],
    [[{ranges: ['10.0.0.0/30', '10.0.0.3-10.0.0.3/30']}], /addresses in common/],
    [[{ranges: ['10.0.0.3-10.0.0.3/30']}], /no address is left for a box/],
    [[{kind: 'macvlan'}], /a pool of kind macvlan needs the name of its parent/],
    [[{kind: 'macvlan', parent: 'eth0', nat: true}], /no address translation/],
    [[{kind: 'macvlan', parent: 'eth0', make: true}], /only a bridge can be made/],
    [[{kind: 'macvlan', parent: 'eth0', bridge: 'br0'}], /a pool of kind macvlan has no bridge/],
    [[{name: 'a'}, {name: 'a', ranges: ['10.1.0.0/24']}], /pools\/1\/name: two pools have the same name/],
    [[{bridge: 'b'}, {bridge: 'b', make: true, ranges: ['10.1.0.0/24']}], /two pools want b in different ways/],
  ];
  for (const [list, says] of rows) {
    it(String(says), () => {
      expect(() => pools(...list))
        .to.throw(Error, says)
        .that.satisfies((error: unknown) => error instanceof TareError || error instanceof TareErrors);
    });
  }

  it('a kind that is allowed has a pool', () => {
    expect(() => policy({identity: {address: ['bridge']}})).to.throw(
      TareError,
      /addresses of kind bridge are allowed, and there is no pool of them/,
    );
  });

  it('a host name can be one, whatever is filled in', () => {
    for (const [hostname, says] of [
      ['tare-{number}', /an unknown placeholder in a host name; found: {number}; allowed: {n}, {id}, {node}/],
      ['-tare', /has an invalid label/],
      ['a..b', /has an invalid label/],
      ['under_score', /has an invalid label/],
      [`${'a'.repeat(60)}{id}`, /is longer than 64 characters/],
    ] as const)
      expect(() => policy({identity: {hostname}})).to.throw(TareError, says);
    expect(policy({identity: {hostname: 'wn-{n}-{id}.{node}'}}).identity.hostname.value).to.equal('wn-{n}-{id}.{node}');
  });
});
