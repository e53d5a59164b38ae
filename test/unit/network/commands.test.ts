import {expect} from 'chai';
import {connectCommands, disconnectCommands, hostDevice, macOf} from '../../../src/network/commands.js';
import {identityFile, type IdentityContent} from '../../../src/network/files.js';
import type {Step} from '../../../src/plan/step.js';

const because = 'a test';
const ID = '0123456789abcdef';
const lines = (steps: Step[], addresses = [{address: '10.0.0.2', prefix: 24, gateway: '10.0.0.1' as string | null}]): string[] =>
  connectCommands(steps, ID, 77, addresses).flatMap(({program, argv, input}) => [
    [program, ...argv].join(' '),
    ...(input ?? '').split('\n').filter((line) => line !== ''),
  ]);

describe('network: commands', () => {
  it('a device on the node has at most 15 characters, and is recognisably ours', () => {
    expect(hostDevice(ID)).to.equal('tare0123456789a');
    expect(hostDevice(ID).length).to.be.at.most(15);
  });

  it('an address has the same hardware address whenever it is leased', () => {
    expect(macOf('10.0.0.2')).to.equal('02:74:0a:00:00:02');
    expect(macOf('fd00::1:2')).to.equal('02:76:00:01:00:02');
  });

  it('a bridge of ours is made once, with a fixed address; a site’s is left as it is', () => {
    const step: Step = {op: 'network.bridge', bridge: 'b', make: true, addresses: ['10.0.0.1/24', 'fd00::1/64'], program: 'ip', because};
    expect(lines([step])).to.deep.equal([
      'ip link add name b address 02:74:0a:00:00:01 type bridge',
      'ip -batch -',
      'address replace 10.0.0.1/24 dev b',
      'address replace fd00::1/64 dev b nodad',
      'link set dev b up',
    ]);
    expect(connectCommands([step], ID, 1, [])[0]?.optional).to.equal(true);
    expect(lines([{...step, make: false}])).to.deep.equal([]);
  });

  it('a pair of devices: what was begun before is begun anew, and the port is apart', () => {
    expect(lines([{op: 'network.veth', bridge: 'b', device: 'eth0', isolated: true, program: 'ip', because}])).to.deep.equal([
      'ip link delete dev tare0123456789a',
      'ip -batch -',
      'link add name tare0123456789a type veth peer name eth0 address 02:74:0a:00:00:02 netns 77',
      'link set dev tare0123456789a master b',
      'link set dev tare0123456789a type bridge_slave isolated on',
      'link set dev tare0123456789a up',
    ]);
  });

  it('in the box: addresses and ways out of both families', () => {
    const both = [
      {address: '10.0.0.2', prefix: 24, gateway: '10.0.0.1'},
      {address: 'fd00::2', prefix: 64, gateway: 'fd00::1'},
    ];
    expect(lines([{op: 'network.address', device: 'eth0', program: 'ip', nsenter: 'nsenter', because}], both)).to.deep.equal([
      'nsenter --net=/proc/77/ns/net -- /bin/sh -c echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_ra',
      'nsenter --net=/proc/77/ns/net -- /bin/sh -c echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range',
      'nsenter --net=/proc/77/ns/net -- ip -batch -',
      'link set dev lo up',
      'address replace 10.0.0.2/24 dev eth0',
      'address replace fd00::2/64 dev eth0 nodad',
      'link set dev eth0 up',
      'route replace 0.0.0.0/0 via 10.0.0.1 dev eth0',
      'route replace ::/0 via fd00::1 dev eth0',
    ]);
  });

  it('rules: one transaction with the whole table, in which an element is the box’s', () => {
    const nat = lines([{op: 'network.nat', program: 'nft', because}]);
    expect(nat[0]).to.equal('nft -f -');
    expect(nat.at(-1)).to.equal('add element inet tare nat4 { 10.0.0.2 }');
    expect(lines([{op: 'network.apart', bridge: 'b', program: 'nft', because}]).at(-1)).to.equal(
      'add element inet tare apart4 { "b" . 10.0.0.2 }',
    );
  });

  it('taken down, nothing is left but what others have', () => {
    const commands = disconnectCommands(ID, 'fd00::2', {bridge: 'b', ip: 'ip', nft: 'nft'});
    expect(commands.map(({argv, input}) => input ?? argv.join(' '))).to.deep.equal([
      'link delete dev tare0123456789a',
      'delete element inet tare nat6 { fd00::2 }\n',
      'delete element inet tare apart6 { "b" . fd00::2 }\n',
    ]);
    expect(commands.every(({optional}) => optional)).to.equal(true);
    expect(disconnectCommands(ID, '10.0.0.2', {bridge: 'b', ip: 'ip', nft: null})).to.have.length(1);
  });
});

describe('network: files of an identity', () => {
  const content: IdentityContent = {
    id: ID,
    hostname: 'tare-0.wn001',
    addresses: ['10.0.0.2', 'fd00::2'],
    nameservers: null,
    node: {
      hosts: '127.0.0.1 localhost wn001\n::1 localhost\n# a comment\n192.0.2.7 squid\n',
      resolv: '# made\nnameserver 192.0.2.1\nsearch site.test\noptions timeout:1\n',
    },
  };
  it('hosts: its own, then what the node knows of others', () => {
    expect(identityFile('hosts', content).trim().split('\n')).to.deep.equal([
      '127.0.0.1\tlocalhost',
      '::1\tlocalhost ip6-localhost ip6-loopback',
      '10.0.0.2\ttare-0.wn001 tare-0',
      'fd00::2\ttare-0.wn001 tare-0',
      '192.0.2.7 squid',
    ]);
    expect(identityFile('hosts', {...content, hostname: 'x', addresses: []})).to.contain('127.0.1.1\tx\n');
  });
  it('resolv.conf: the node’s, or the pool’s servers with the node’s search list', () => {
    expect(identityFile('resolv.conf', content)).to.equal('nameserver 192.0.2.1\nsearch site.test\noptions timeout:1\n');
    expect(identityFile('resolv.conf', {...content, nameservers: ['10.0.2.3']})).to.equal(
      'nameserver 10.0.2.3\nsearch site.test\noptions timeout:1\n',
    );
  });
  it('machine-id: 32 digits, of this box alone', () => {
    const one = identityFile('machine-id', content);
    expect(one).to.match(/^[0-9a-f]{32}\n$/);
    expect(identityFile('machine-id', {...content, id: '1'})).to.not.equal(one);
    expect(identityFile('hostname', content)).to.equal('tare-0.wn001\n');
  });
});
