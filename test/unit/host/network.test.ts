import {expect} from 'chai';
import type {NetworkFacts} from '../../../src/host/facts.js';
import {readNetwork, type NetworkInputs} from '../../../src/host/network.js';
import {facts, no} from '../plan/build.js';
import {memoryTree} from './memory-tree.js';

const PROGRAMS = ['/usr/sbin/ip', '/usr/sbin/nft', '/usr/bin/nsenter', '/usr/bin/unshare', '/usr/bin/pasta', '/usr/bin/slirp4netns'];
const ALL = 'bridge\nmacvlan\nnft\n';

interface Node {
  files?: Record<string, string>;
  links?: Record<string, string>;
  programs?: string[];
  said?: string | null;
  change?: Partial<NetworkInputs>;
}

function read({files = {}, links = {}, programs = PROGRAMS, said = ALL, change = {}}: Node): NetworkFacts {
  return readNetwork({
    tree: {
      ...memoryTree({'/dev/net/tun': '', '/proc/sys/net/ipv6/conf/all/disable_ipv6': '0\n', ...files}, ['/dev/net/tun']),
      link: (path) => links[path] ?? null,
      program: (path) => (programs.includes(path) ? {mode: 0o755, uid: 0, size: 1, mtimeMs: 1} : null),
    },
    status: {sysAdmin: true, netAdmin: true, noNewPrivileges: false, filtered: false, cpusAllowed: null},
    caller: {uid: 0, gid: 0, groups: []},
    namespaces: facts().namespaces,
    setuid: null,
    spawn: () => said,
    cache: null,
    ...change,
  });
}
const abilities = ({admin, bridge, macvlan, nft, user}: NetworkFacts): boolean[] =>
  [admin, bridge, macvlan, nft, user].map(({available}) => available);

describe('facts of the network', () => {
  const rows: [what: string, node: Node, abilities: boolean[], remedy: RegExp | null][] = [
    ['root with all of it', {}, [true, true, true, true, true], null],
    ['a kernel without macvlan', {said: 'bridge\nnft\n'}, [true, true, false, true, true], /CONFIG_MACVLAN/],
    ['a trial of which nothing worked', {said: ''}, [true, false, false, false, true], /CONFIG_BRIDGE/],
    ['a trial that did not end: the kernel is not to blame', {said: null}, [true, false, false, false, true], /unshare --net/],
    ['no ip', {programs: PROGRAMS.slice(1)}, [false, false, false, false, true], /install iproute2/],
    [
      'no nft',
      {programs: PROGRAMS.filter((path) => !path.endsWith('nft')), said: 'bridge\nmacvlan\n'},
      [true, true, true, false, true],
      /install nftables/,
    ],
    ['neither pasta nor slirp4netns', {programs: PROGRAMS.slice(0, 4)}, [true, true, true, true, false], /install passt/],
    [
      'a user',
      {
        change: {
          status: {sysAdmin: false, netAdmin: false, noNewPrivileges: false, filtered: false, cpusAllowed: null},
          caller: {uid: 1, gid: 1, groups: []},
        },
      },
      [false, false, false, false, true],
      /run the wrapper as root/,
    ],
    ['a setuid engine', {change: {setuid: '/usr/bin/bwrap'}}, [true, true, true, true, false], /setuid bit/],
    ['no user namespaces', {change: {namespaces: {...facts().namespaces, user: no}}}, [true, true, true, true, false], /mend it/],
  ];
  for (const [what, node, expected, remedy] of rows) {
    it(what, () => {
      const found = read(node);
      expect(abilities(found)).to.deep.equal(expected);
      const [first] = [found.admin, found.bridge, found.macvlan, found.nft, found.user].filter(({available}) => !available);
      if (remedy === null) expect(first).to.equal(undefined);
      else expect(first?.remedy).to.match(remedy);
    });
  }

  it('what the kernel passes on, and which families lead somewhere', () => {
    expect(read({}).ipv6).to.deep.equal({kernel: true, global: false});
    expect(read({files: {'/proc/sys/net/ipv6/conf/all/disable_ipv6': '1\n'}}).ipv6.kernel).to.equal(false);
    const files = {
      '/proc/net/if_inet6':
        '00000000000000000000000000000001 01 80 10 80       lo\n20010db8000000000000000000000001 02 40 00 80     eth0\n',
      '/proc/net/route': 'Iface\tDestination\tGateway\neth0\t00000000\t0100000A\n',
      '/proc/sys/net/ipv4/ip_forward': '1\n',
    };
    const found = read({files});
    expect([found.ipv4.global, found.ipv6.global, found.forwarding]).to.deep.equal([true, true, {4: true, 6: false}]);
    expect(read({files: {...files, '/proc/net/route': 'Iface\tDestination\n'}}).ipv4.global).to.equal(false);
  });

  it('files, where they really are', () => {
    const files = {'/etc/hosts': 'x', '/etc/resolv.conf': 'x', '/run/systemd/resolve/stub-resolv.conf': 'x', '/etc/machine-id': 'x'};
    const links = {'/etc/resolv.conf': '../run/systemd/resolve/stub-resolv.conf', '/etc/machine-id': '/gone'};
    expect(read({files, links}).files).to.deep.equal({
      hosts: '/etc/hosts',
      hostname: null,
      'resolv.conf': '/run/systemd/resolve/stub-resolv.conf',
      'machine-id': null,
    });
  });
});
