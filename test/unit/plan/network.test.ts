import {expect} from 'chai';
import type {Facts, NetworkFacts} from '../../../src/host/facts.js';
import type {Step} from '../../../src/plan/step.js';
import {stepOf} from '../../../src/plan/step.js';
import type {Plan} from '../../../src/schema/generated/plan-1.js';
import {diagnose} from '../../../src/report/doctor.js';
import {checkSavedPlan} from '../../../src/prepare/saved-plan.js';
import {ENGINES} from '../../../src/plugins.js';
import {asUser, BUBBLEWRAP, facts, no, plan, policy, ROOT, thrown, USER, yes, type Parts} from './build.js';

const NETWORK: NetworkFacts = {
  programs: {
    ip: '/usr/sbin/ip',
    nft: '/usr/sbin/nft',
    nsenter: '/usr/bin/nsenter',
    unshare: '/usr/bin/unshare',
    pasta: '/usr/bin/pasta',
    slirp4netns: '/usr/bin/slirp4netns',
  },
  ...{admin: yes, bridge: yes, macvlan: yes, nft: yes, user: yes},
  forwarding: {4: true, 6: true},
  ipv4: {global: true},
  ipv6: {kernel: true, global: true},
  files: {hosts: '/etc/hosts', hostname: '/etc/hostname', 'resolv.conf': '/run/systemd/resolve/stub-resolv.conf', 'machine-id': null},
  how: 'a test',
};
const POOL = {name: 'p', kind: 'bridge' as const, bridge: 'br0', make: true, ranges: ['10.0.0.0/24']};

function build(
  job: Parts['job'],
  {
    pool = {},
    network = {},
    change = {},
    policy = {},
  }: {pool?: object; network?: Partial<NetworkFacts>; change?: Partial<Facts>; policy?: Parts['policy']} = {},
): Parts {
  return {
    job: {pattern: 'ulimit++', ...job},
    policy: {
      identity: {
        address: ['user', 'bridge', 'macvlan', 'none', 'host'],
        pools: [
          {...POOL, ...pool},
          {name: 'm', kind: 'macvlan', parent: 'eth1', ranges: ['10.1.0.0/24'], reach: 'box-to-box'},
        ],
      },
      ...policy,
    },
    facts: {caller: ROOT, network: {...NETWORK, ...network}, ...change},
    call: asUser(USER),
  };
}
const ops = (parts: Parts): string[] =>
  plan(parts)
    .steps.map(({op}) => op)
    .filter((op) => /^(hostname|identity\.provide|network)/.test(op));
const step = <Op extends Step['op']>(parts: Parts, op: Op): Extract<Step, {op: Op}> => stepOf(plan(parts), op) as Extract<Step, {op: Op}>;

describe('identity: the plan', () => {
  it('asked for, it is vm-lite', () => {
    expect(thrown(() => plan({...build({identity: {}}), job: {identity: {}}})).message).to.contain('vm-lite');
  });

  it('a bridge: lease, bridge, devices, address and rules, in that order', () => {
    const parts = build({identity: {address: 'bridge'}}, {pool: {nat: true}});
    expect(ops(parts)).to.deep.equal([
      'hostname.set',
      'identity.provide',
      'network.lease',
      'network.bridge',
      'network.veth',
      'network.address',
      'network.apart',
      'network.nat',
    ]);
    expect(step(parts, 'network.lease').networks).to.deep.equal([
      {family: 4, prefix: 24, ranges: [{first: '10.0.0.2', last: '10.0.0.254'}], gateway: '10.0.0.1'},
    ]);
    expect(step(parts, 'network.bridge').addresses).to.deep.equal(['10.0.0.1/24']);
    expect(step(parts, 'network.veth').isolated).to.equal(true);
    expect(step(parts, 'namespace.unshare').namespaces).to.include('network');
    expect(step(parts, 'hostname.set').hostname).to.equal('tare-{n}.wn001');
    expect(plan(parts).steps.every(({because}) => because !== '')).to.equal(true);
  });

  it('a bridge of the site’s gets no address, and boxes that may reach each other no rule', () => {
    const parts = build(
      {identity: {address: 'bridge'}},
      {pool: {make: false, reach: 'box-to-box', gateway: '10.0.0.254'}, network: {nft: no, programs: {...NETWORK.programs, nft: null}}},
    );
    expect(ops(parts)).to.deep.equal([
      'hostname.set',
      'identity.provide',
      'network.lease',
      'network.bridge',
      'network.veth',
      'network.address',
    ]);
    expect(step(parts, 'network.bridge').addresses).to.deep.equal([]);
    expect(step(parts, 'network.veth').isolated).to.equal(false);
  });

  it('a name, on a node that has none of its own', () => {
    const parts = build({identity: {address: 'none'}});
    parts.facts = {...facts(parts.facts), node: {hostname: '(none)', bootId: '5f3c', how: 'a test'}};
    const {hostname, because} = step(parts, 'hostname.set');
    expect(hostname).to.equal('tare-{n}.localhost');
    expect(because).to.contain('the node’s own, (none), is no host name');
  });

  it('macvlan, by the name of its pool', () => {
    const parts = build({identity: {pool: 'm', hostname: 'x-{id}'}});
    expect(ops(parts)).to.deep.equal(['hostname.set', 'identity.provide', 'network.lease', 'network.macvlan', 'network.address']);
    expect(step(parts, 'network.macvlan')).to.deep.include({parent: 'eth1', mode: 'bridge'});
    expect(step(parts, 'hostname.set').hostname).to.equal('x-{id}');
  });

  it('user mode by pasta, else by slirp4netns, which has IPv4 only', () => {
    expect(step(build({identity: {}}), 'network.user')).to.deep.include({
      by: 'pasta',
      addresses: ['10.0.2.100/24', 'fd00:7461:7265::100/64'],
    });
    const without6 = build({identity: {}}, {network: {ipv6: {kernel: true, global: false}}});
    expect(step(without6, 'network.user').addresses).to.deep.equal(['10.0.2.100/24']);
    const only6 = build({identity: {}}, {network: {ipv4: {global: false}}});
    expect(step(only6, 'network.user')).to.deep.include({addresses: ['fd00:7461:7265::100/64'], gateways: ['fe80::1']});
    const slirp = build({identity: {}}, {network: {programs: {...NETWORK.programs, pasta: null}}});
    expect(step(slirp, 'network.user')).to.deep.include({by: 'slirp4netns', addresses: ['10.0.2.100/24']});
    expect(step(slirp, 'identity.provide').nameservers).to.deep.equal(['10.0.2.3']);
  });

  it('none and host: a name, and no device', () => {
    const none = build({identity: {address: 'none'}});
    expect(ops(none)).to.deep.equal(['hostname.set', 'identity.provide']);
    expect(step(none, 'namespace.unshare').namespaces).to.include('network');
    expect(ops(build({identity: {}, network: 'none'}))).to.deep.equal(['hostname.set', 'identity.provide']);
    const host = build({identity: {address: 'host'}});
    expect(step(host, 'namespace.unshare').namespaces).to.not.include('network');
    expect(step(host, 'identity.provide').files).to.deep.equal(['hosts', 'hostname']);
  });

  it('files lie where the node really has them; what it does not have cannot be mounted upon', () => {
    const binds = plan(build({identity: {}})).steps.flatMap((one) =>
      one.op === 'mount.bind' && one.source.startsWith('{box}/identity') ? [[one.source, one.destination]] : [],
    );
    expect(binds).to.deep.equal([
      ['{box}/identity/hosts', '/etc/hosts'],
      ['{box}/identity/hostname', '/etc/hostname'],
      ['{box}/identity/resolv.conf', '/run/systemd/resolve/stub-resolv.conf'],
    ]);
  });

  it('the node’s identity needs none of it', () => {
    expect(ops({...build({}), facts: {network: null}, call: {}})).to.deep.equal([]);
  });

  it('observed, nothing of it is made', () => {
    expect(ops(build({identity: {}}, {policy: {mode: 'observe'}}))).to.deep.equal([]);
  });

  const refused: [what: string, parts: () => Parts, code: string, says: RegExp][] = [
    [
      'no program',
      () => build({identity: {}}, {network: {user: no}}),
      'NETWORK_UNAVAILABLE',
      /job.yaml|default.*kind user: a test says no; mend it/,
    ],
    [
      'not root',
      () => build({identity: {address: 'bridge'}}, {network: {bridge: no}}),
      'NETWORK_UNAVAILABLE',
      /job.yaml#\/identity\/address: .*kind bridge: a test says no/,
    ],
    [
      'nat, and nothing is passed on',
      () => build({identity: {address: 'bridge'}}, {pool: {nat: true}, network: {forwarding: {4: false, 6: true}}}),
      'NETWORK_UNAVAILABLE',
      /net.ipv4.ip_forward is 0/,
    ],
    [
      'nat, and no nft',
      () => build({identity: {address: 'bridge'}}, {pool: {nat: true}, network: {nft: no}}),
      'NETWORK_UNAVAILABLE',
      /a test says no/,
    ],
    [
      'apart, passed on, and no nft',
      () => build({identity: {address: 'bridge'}}, {network: {nft: no}}),
      'NETWORK_UNAVAILABLE',
      /could reach each other through the node/,
    ],
    [
      'IPv6 is off',
      () => build({identity: {address: 'bridge'}}, {pool: {ranges: ['fd00::/64']}, network: {ipv6: {kernel: false, global: false}}}),
      'NETWORK_UNAVAILABLE',
      /IPv6, which is switched off/,
    ],
    [
      'a node with a long name',
      () => build({identity: {}}, {change: {node: {hostname: 'n'.repeat(63), bootId: null, how: ''}}}),
      'NETWORK_UNAVAILABLE',
      /longer than 64/,
    ],
    [
      'no box',
      () => build({identity: {}}, {change: {engines: [{...BUBBLEWRAP, path: null}]}}),
      'BOX_UNAVAILABLE',
      /an identity of its own, which only a box can keep/,
    ],
    [
      'in a box already',
      () => build({identity: {}}, {change: {within: {recordId: null, how: 'a test'}}}),
      'BOX_UNAVAILABLE',
      /in a box already/,
    ],
    [
      'not that kind',
      () => build({identity: {address: 'bridge'}}, {policy: {identity: {address: ['none']}}}),
      'NETWORK_FORBIDDEN',
      /job.yaml#\/identity\/address: the policy does not allow that kind of address; found: bridge; allowed: none/,
    ],
    [
      'no network at all',
      () => build({identity: {address: 'host'}}, {policy: {network: ['none']}}),
      'NETWORK_FORBIDDEN',
      /the node’s network; found: host/,
    ],
    [
      'no such pool',
      () => build({identity: {address: 'bridge', pool: 'x'}}),
      'NETWORK_FORBIDDEN',
      /no such pool of kind bridge; found: "x"; allowed: p/,
    ],
    ['both', () => build({identity: {address: 'bridge'}, network: 'host'}), 'DOCUMENT_INVALID', /network and address both say/],
    [
      'a pool for nothing',
      () => build({identity: {address: 'none', pool: 'p'}}),
      'DOCUMENT_INVALID',
      /only addresses of kind bridge and macvlan/,
    ],
    ['no host name', () => build({identity: {hostname: 'a_b'}}), 'DOCUMENT_INVALID', /label/],
  ];
  for (const [what, parts, code, says] of refused) {
    it(`refused: ${what}`, () => {
      const error = thrown(() => plan(parts()));
      expect(error.code).to.equal(code);
      expect(error.message).to.match(says);
    });
  }
});

describe('identity: a saved plan, and the doctor', () => {
  const parts = build({identity: {address: 'bridge'}}, {pool: {nat: true}});
  const where = {policy: policy(parts.policy), facts: facts(parts.facts), engines: ENGINES, only: null};
  const check = (saved: Plan): unknown => checkSavedPlan(saved, 'plan.json', where);
  const changed = (op: string, change: object): Plan => {
    const saved = plan(parts);
    return {...saved, steps: saved.steps.map((one) => (one.op === op ? {...one, ...change} : one))};
  };

  it('is obeyed as it was made', () => {
    expect(check(plan(parts))).to.deep.include({uid: USER.uid});
    const user = build({identity: {}});
    expect(checkSavedPlan(plan(user), 'plan.json', {...where, facts: facts(user.facts), policy: policy(user.policy)})).to.deep.include({
      uid: USER.uid,
    });
  });

  for (const [op, change, says] of [
    ['network.bridge', {program: '/tmp/ip'}, /its network is not the policy’s/],
    ['network.veth', {bridge: 'other'}, /its network is not the policy’s/],
    ['network.lease', {networks: []}, /its network is not the policy’s/],
    ['network.lease', {pool: 'x'}, /the policy has no such addresses/],
    ['network.address', {nsenter: '/tmp/nsenter'}, /its network is not the policy’s/],
    ['hostname.set', {hostname: 'a b'}, /its host name/],
  ] as const) {
    it(`is refused when ${op} was changed: ${JSON.stringify(change)}`, () => {
      const error = thrown(() => check(changed(op, change)));
      expect(error.code).to.equal('PLAN_MISMATCH');
      expect(error.message).to.match(says);
    });
  }

  it('tare doctor has a row for each kind that the policy allows, with a remedy', () => {
    const rows = (change: Parameters<typeof build>[1]): (string | null)[][] => {
      const node = build({}, change);
      const {checks} = diagnose({
        facts: facts(node.facts),
        policy: policy(node.policy),
        engines: ENGINES,
        tools: {native: {path: '/x', because: null}},
      });
      return checks.filter(({name}) => name.endsWith(' address')).map(({name, state, remedy}) => [name, state, remedy]);
    };
    expect(rows({})).to.deep.equal([
      ['bridge address', 'ok', null],
      ['macvlan address', 'ok', null],
      ['user address', 'ok', null],
    ]);
    expect(rows({network: {bridge: no, user: no}, policy: {identity: {address: ['bridge', 'user'], pools: [POOL]}}})).to.deep.equal([
      ['bridge address', 'missing', 'mend it'],
      ['user address', 'limited', 'mend it'],
    ]);
  });
});
