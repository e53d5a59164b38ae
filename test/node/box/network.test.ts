/** Boxes with a host name and an address of their own, in a network namespace of the test's own: nothing touches the machine's network. */
import {expect} from 'chai';
import type {ChildProcess} from 'node:child_process';
import {existsSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import type {UsageRecord} from '../../../src/record/record.js';
import {describeSite} from '../../support/describe-site.js';
import {need} from '../../support/need.js';
import {Net} from '../../support/net.js';
import {patience} from '../../support/pace.js';
import {below, ending, isRoot, processes, program, send, until, type Site} from '../../support/tare.js';

const PORT = 7000;
/** Listens on all its addresses until the file `stop` is there. */
const SERVER = `
import os, socket, threading
s = socket.create_server(('::', ${String(PORT)}), family=socket.AF_INET6, dualstack_ipv6=True)
s.settimeout(0.1)
print('listens', flush=True)
while not os.path.exists('stop'):
  try: s.accept()[0].close()
  except TimeoutError: pass
`;
const POOL = {name: 'own', kind: 'bridge', bridge: 'tbr0', make: true, ranges: ['10.99.0.0/24', 'fd00:99::/64']};
const identityOf = (pool: object, address = 'bridge'): object => ({identity: {address: [address], pools: [{...POOL, ...pool}]}});

interface Job {
  id: string;
  hostname: string | null;
  addresses: string[];
  state: string;
}

const canConnect = program('ip') !== null && program('nft') !== null && program('python3') !== null;

describeSite('a box with an address of its own, %s', {roles: ['root'], each: true, mayLeave: true, timeout: patience(180_000)}, (site) => {
  let net: Net;
  const running: ChildProcess[] = [];

  before(function () {
    need(this, isRoot, 'only root may make network devices');
    need(this, canConnect, 'ip (iproute2), nft (nftables) or python3 is not there');
  });
  beforeEach(async () => {
    net = await Net.make();
  });
  afterEach(async () => {
    writeFileSync(join(site.work, 'stop'), '');
    await Promise.all(
      running.splice(0).map(async (child) => (child.exitCode === null && child.signalCode === null ? ending(child) : null)),
    );
    net.remove();
  });

  const start = (policy: string, command: string[], identity: object = {}): ChildProcess => {
    const child = net.tare(site, ['run', '--policy', policy, site.job({pattern: 'ulimit++', identity, workDirectory: site.work, command})]);
    child.stdin?.end();
    running.push(child);
    return child;
  };
  const list = async (policy: string): Promise<Job[]> =>
    JSON.parse((await ending(net.tare(site, ['ps', '--policy', policy, '--json']))).stdout) as Job[];
  /** When so many run. */
  const whenRunning = async (policy: string, count: number): Promise<Job[]> => {
    for (const end = Date.now() + patience(90_000); Date.now() < end;) {
      const jobs = (await list(policy)).filter(({state}) => state === 'running');
      if (jobs.length === count) return jobs;
    }
    throw new Error(`there are not ${String(count)} running jobs`);
  };
  const stop = async (): Promise<{code: number | null; stderr: string}[]> => {
    writeFileSync(join(site.work, 'stop'), '');
    return Promise.all(running.splice(0).map(ending));
  };
  /** Nothing of any box in the namespace, and no lease. */
  const left = (): string[] => [...net.left([POOL.bridge]), ...leases(site), ...site.leftovers()];

  it('ten at once: ten names, ten addresses of each family, reached from the node and not from each other', async () => {
    const policy = site.policy(identityOf({}));
    for (let count = 0; count < 10; count++) start(policy, ['python3', '-c', SERVER]);
    const jobs = await whenRunning(policy, 10);
    expect(new Set(jobs.map(({hostname}) => hostname)).size).to.equal(10);
    expect(jobs.every(({hostname}) => /^tare-\d\./.test(hostname ?? ''))).to.equal(true);
    const all = jobs.flatMap(({addresses}) => addresses);
    expect(new Set(all).size).to.equal(20);
    expect(all.filter((address) => address.startsWith('10.99.0.')).length).to.equal(10);
    expect(all.filter((address) => address.startsWith('fd00:99::')).length).to.equal(10);
    await until('all servers', () => all.every((address) => net.reaches(address, PORT)), 30);
    const [one, other] = jobs as [Job, Job];
    for (const address of other.addresses) {
      // by the bridge, and by the node that passes packets on
      expect((await reach(one, address, policy)).code, address).to.not.equal(0);
    }
    const ends = await stop();
    expect(ends.map(({code}) => code)).to.deep.equal(Array.from({length: 10}, () => 0));
    expect(left()).to.deep.equal([]);
    const records = site.records();
    expect(records.map(({identity}) => identity?.kind)).to.deep.equal(Array.from({length: 10}, () => 'bridge'));
    expect(records.flatMap(({identity}) => identity?.addresses ?? []).sort()).to.deep.equal(all.sort());
    expect(records.every(({identity}) => identity?.nat === 'none' && identity.pool === 'own')).to.equal(true);
  });

  const reach = (from: Job, address: string, policy: string): ReturnType<typeof ending> => {
    const child = net.tare(site, [
      'exec',
      from.id,
      '--policy',
      policy,
      '--',
      'timeout',
      '3',
      'bash',
      '-c',
      `exec 3<>/dev/tcp/${address}/${String(PORT)}`,
    ]);
    child.stdin?.end();
    return ending(child);
  };

  it('box to box where the policy says so', async () => {
    const policy = site.policy(identityOf({reach: 'box-to-box'}));
    for (let count = 0; count < 2; count++) start(policy, ['python3', '-c', SERVER]);
    const [one, other] = (await whenRunning(policy, 2)) as [Job, Job];
    await until('the servers', () => other.addresses.every((address) => net.reaches(address, PORT)), 30);
    for (const address of other.addresses) expect((await reach(one, address, policy)).code, address).to.equal(0);
    expect((await stop()).map(({code}) => code)).to.deep.equal([0, 0]);
    expect(left()).to.deep.equal([]);
  });

  it('what is in the box: host name, /etc/hosts, /etc/hostname, /etc/machine-id, /etc/resolv.conf', async () => {
    const policy = site.policy(identityOf({nameservers: ['192.0.2.53', '2001:db8::53']}));
    const child = start(
      policy,
      [
        'sh',
        '-c',
        'hostname; cat /etc/hostname; getent hosts own-7.test; getent ahosts own-7.test | wc -l; cat /etc/machine-id; grep nameserver /etc/resolv.conf; hostname x',
      ],
      {hostname: 'own-7.test'},
    );
    const {stdout, code} = await ending(child);
    const lines = stdout.trim().split('\n');
    expect(code).to.not.equal(0); // the host name cannot be changed
    expect(lines.slice(0, 2)).to.deep.equal(['own-7.test', 'own-7.test']);
    expect(lines[2]).to.match(/^fd00:99::2\s/);
    const id = lines.find((line) => /^[0-9a-f]{32}$/.test(line));
    if (existsSync('/etc/machine-id')) expect(id).to.not.equal(readFileSync('/etc/machine-id', 'utf8').trim());
    expect(lines.slice(-2)).to.deep.equal(['nameserver 192.0.2.53', 'nameserver 2001:db8::53']);
    expect(left()).to.deep.equal([]);
  });

  it('address translation: the world sees the node’s address, in both families', async () => {
    const world = await Net.make();
    try {
      net.sh(
        `ip link add w0 type veth peer name w1 netns ${String(world.pid)}; ip addr add 198.51.100.1/24 dev w0; ip addr add 2001:db8:5::1/64 dev w0 nodad; ip link set w0 up`,
      );
      world.sh('ip addr add 198.51.100.2/24 dev w1; ip addr add 2001:db8:5::2/64 dev w1 nodad; ip link set w1 up');
      const policy = site.policy(identityOf({nat: true}));
      for (const [address, node] of [
        ['198.51.100.2', '198.51.100.1'],
        ['2001:db8:5::2', '2001:db8:5::1'],
      ] as const) {
        const listener = world.listen(address, 80);
        let heard = '';
        listener.stdout?.setEncoding('utf8').on('data', (text: string) => (heard += text));
        await until('the listener', () => heard.includes('ready'));
        const {code, stderr} = await ending(start(policy, ['timeout', '10', 'bash', '-c', `exec 3<>/dev/tcp/${address}/80`]));
        expect([code, stderr]).to.deep.equal([0, '']);
        await until('a caller', () => heard.trim().split('\n').length > 1);
        listener.kill('SIGKILL');
        expect(heard.trim().split('\n')[1]).to.equal(node);
      }
      expect(site.records().map(({identity}) => identity?.nat)).to.deep.equal(['kernel', 'kernel']);
      expect(left()).to.deep.equal([]);
    } finally {
      world.remove();
    }
  });

  it('an exhausted pool: its own error, and the jobs that have an address go on', async () => {
    const policy = site.policy(identityOf({ranges: ['10.99.0.0/30']}));
    start(policy, ['python3', '-c', SERVER]);
    const [job] = (await whenRunning(policy, 1)) as [Job];
    const {code, stderr} = await ending(start(policy, ['true']));
    running.pop();
    expect(code).to.equal(125);
    expect(stderr).to.contain('no address of IPv4 is free in the pool own; found: 1 in use');
    await until('the server', () => net.reaches(job.addresses[0] ?? '', PORT), 30);
    expect((await stop()).map((one) => one.code)).to.deep.equal([0]);
    expect(
      site
        .records()
        .map(({outcome}) => outcome.code)
        .sort(),
    ).to.deep.equal(['ADDRESSES_EXHAUSTED', null]);
    expect(left()).to.deep.equal([]);
  });

  it('a device of the parent’s: macvlan', async () => {
    const world = await Net.make();
    try {
      net.sh(`ip link add p0 type veth peer name p1 netns ${String(world.pid)}; ip link set p0 up`);
      world.sh('ip addr add 10.98.0.1/24 dev p1; ip link set p1 up');
      const pool = {
        kind: 'macvlan',
        bridge: undefined,
        make: undefined,
        parent: 'p0',
        ranges: ['10.98.0.10-10.98.0.20/24'],
        gateway: '10.98.0.1',
      };
      const policy = site.policy(identityOf(pool, 'macvlan'));
      const listener = world.listen('10.98.0.1', 80);
      let heard = '';
      listener.stdout?.setEncoding('utf8').on('data', (text: string) => (heard += text));
      await until('the listener', () => heard.includes('ready'));
      const {code, stderr} = await ending(start(policy, ['timeout', '10', 'bash', '-c', 'exec 3<>/dev/tcp/10.98.0.1/80']));
      expect([code, stderr]).to.deep.equal([0, '']);
      await until('a caller', () => heard.includes('10.98.0.10'));
      listener.kill('SIGKILL');
      expect(site.records()[0]?.identity).to.deep.include({kind: 'macvlan', addresses: ['10.98.0.10'], nat: 'none'});
      expect(left()).to.deep.equal([]);
    } finally {
      world.remove();
    }
  });

  for (const step of ['supervisor-leased', 'supervisor-connected', 'running', 'supervisor-removed']) {
    it(`all killed at ${step}: a sweep leaves nothing`, async () => {
      const pauseAt = step === 'running' ? [] : [step];
      const policy = site.policy({...identityOf({nat: true}), debug: {pauseAt}});
      const child = start(policy, step === 'supervisor-removed' ? ['true'] : ['python3', '-c', SERVER]);
      const shim = child.pid ?? 0;
      if (step === 'running') await whenRunning(policy, 1);
      else await until(step, () => below(shim).some(({comm}) => comm === `@${step}`.slice(0, 15)), 30);
      const all = below(shim);
      for (const {pid} of all) send(pid, 'SIGKILL');
      await ending(child);
      running.pop();
      if (step !== 'supervisor-removed') expect(leases(site)).to.have.length(3);
      const swept = await ending(net.tare(site, ['records', 'sweep', '--policy', site.policy(identityOf({nat: true})), '--json']));
      expect(swept.code, swept.stderr).to.equal(0);
      expect(left()).to.deep.equal([]);
    });
  }

  it('a supervisor that is killed while it connects: another connects the box', async () => {
    const policy = site.policy({...identityOf({nat: true}), debug: {pauseAt: ['supervisor-connected']}});
    const child = start(policy, ['python3', '-c', SERVER]);
    const shim = child.pid ?? 0;
    const supervisor = await until('the step', () => below(shim).find(({comm}) => comm === '@supervisor-con'), 30);
    send(supervisor.pid, 'SIGKILL');
    const [job] = (await whenRunning(policy, 1)) as [Job];
    await until('the server', () => job.addresses.every((address) => net.reaches(address, PORT)), 30);
    expect((await stop()).map(({code}) => code)).to.deep.equal([0]);
    expect(left()).to.deep.equal([]);
  });

  it('a lease whose box is not known goes with the next sweep', async () => {
    const policy = site.policy(identityOf({}));
    await ending(start(policy, ['true']));
    const content = {box: 'ffffffffffffffff', bootId: null, pidNamespace: null, pid: null, startTicks: null, pool: 'own', connection: null};
    for (const name of ['10.99.0.7', 'n3']) writeFileSync(join(site.directory, 'state/leases', name), JSON.stringify(content));
    writeFileSync(join(site.directory, 'state/leases/10.99.0.8'), '');
    await ending(net.tare(site, ['records', 'sweep', '--policy', policy]));
    expect(left()).to.deep.equal([]);
  });

  it('a bridge that is not there: the payload does not run, and nothing is left', async () => {
    const policy = site.policy(identityOf({bridge: 'nobr0', make: false, gateway: '10.99.0.1'}));
    const {code, stderr} = await ending(start(policy, ['touch', 'ran']));
    running.pop();
    expect(code).to.equal(125);
    expect(stderr).to.match(/the box could not be connected to the network; found: .*nobr0/);
    expect(existsSync(join(site.work, 'ran'))).to.equal(false);
    expect(site.records().map(({outcome}) => outcome.code)).to.deep.equal(['NETWORK_FAILED']);
    expect(left()).to.deep.equal([]);
  });

  it('without ip: refused before anything is made', async () => {
    const policy = site.policy(identityOf({}));
    const hidden = ['/usr/sbin/ip', '/usr/bin/ip', '/sbin/ip', '/bin/ip'].filter(existsSync);
    const child = net.tare(site, ['run', '--policy', policy, site.job({pattern: 'ulimit++', identity: {}, command: ['true']})], {hidden});
    child.stdin?.end();
    const {code, stderr} = await ending(child);
    expect(code).to.equal(125);
    expect(stderr).to.match(/this node cannot give the box an address of kind bridge: ip is in none of .*; install iproute2/);
    expect(site.records().map(({outcome}) => outcome.code)).to.deep.equal(['NETWORK_UNAVAILABLE']);
    expect(left()).to.deep.equal([]);
  });
});

function leases(site: Site): string[] {
  const place = join(site.directory, 'state/leases');
  return existsSync(place) ? readdirSync(place) : [];
}

describeSite('a box with a user-mode network, %s', {each: true, mayLeave: true, timeout: patience(90_000)}, (site) => {
  let net: Net;
  let listener: ChildProcess;
  let heard = '';
  /** Of others. */
  let others: number[] = [];

  before(function () {
    need(this, isRoot, 'only root may make the network that the test is in');
    need(this, canConnect, 'ip (iproute2), nft (nftables) or python3 is not there');
    need(this, program('pasta') !== null && program('slirp4netns') !== null, 'pasta (passt) or slirp4netns is not there');
    need(this, existsSync('/dev/net/tun'), '/dev/net/tun is not there');
  });
  beforeEach(async () => {
    others = processes().map(({pid}) => pid);
    net = await Net.make();
    net.sh(
      'ip link add v0 type veth peer name v1; ip addr add 192.0.2.1/24 dev v0; ip addr add 2001:db8::1/64 dev v0 nodad; ip link set v0 up; ip link set v1 up',
    );
    heard = '';
    listener = net.listen('192.0.2.1', 80);
    listener.stdout?.setEncoding('utf8').on('data', (text: string) => (heard += text));
    await until('the listener', () => heard.includes('ready'));
  });
  afterEach(() => {
    listener.kill('SIGKILL');
    net.remove();
  });

  const job = (command: string[]): string =>
    site.job({pattern: 'ulimit++', identity: {address: 'user'}, workDirectory: site.work, command});
  const PASTA = [program('pasta') ?? ''];
  const CONNECT = 'hostname; exec 3<>/dev/tcp/192.0.2.1/80 && echo reached; exec 3<>/dev/tcp/127.0.0.1/80 || echo alone';

  for (const by of ['pasta', 'slirp4netns'] as const) {
    const hidden = by === 'pasta' ? [] : PASTA;
    it(`by ${by}: reaches the node’s addresses and not its loopback; the program ends with the box`, async () => {
      const child = net.tare(site, ['run', '--policy', site.policy(), job(['timeout', '20', 'bash', '-c', CONNECT])], {
        hidden,
        tun: true,
      });
      child.stdin?.end();
      const {stdout, stderr} = await ending(child);
      const [name, ...lines] = stdout.trim().split('\n');
      expect(lines, stderr).to.deep.equal(['reached', 'alone']);
      const [record] = site.records() as [UsageRecord];
      expect(record.identity).to.deep.include({hostname: name, kind: 'user', nat: 'user-mode', pool: null});
      expect(record.identity?.addresses).to.deep.equal(by === 'pasta' ? ['10.0.2.100', 'fd00:7461:7265::100'] : ['10.0.2.100']);
      await until('the end of the program', () => helpers(by, others).length === 0);
      expect([...leases(site), ...site.leftovers()]).to.deep.equal([]);
    });

    it(`by ${by}: the program goes when the shim is killed`, async () => {
      const child = net.tare(site, ['run', '--policy', site.policy(), job(['sleep', '60'])], {hidden, tun: true});
      child.stdin?.end();
      const shim = child.pid ?? 0;
      await until('the payload', () => below(shim).some(({argv}) => argv.join(' ') === 'sleep 60'), 30);
      expect(helpers(by, others)).to.not.deep.equal([]);
      for (const {pid} of below(shim).filter(({argv}) => argv[0] !== by)) send(pid, 'SIGKILL');
      await ending(child);
      await until('the end of the program', () => helpers(by, others).length === 0);
      await ending(net.tare(site, ['records', 'sweep', '--policy', site.policy()]));
      expect([...leases(site), ...site.leftovers()]).to.deep.equal([]);
    });
  }

  it('without such a program: refused, with what to install', async () => {
    const child = net.tare(site, ['run', '--policy', site.policy(), job(['true'])], {hidden: [...PASTA, program('slirp4netns') ?? '']});
    child.stdin?.end();
    const {code, stderr} = await ending(child);
    expect(code).to.equal(125);
    expect(stderr).to.contain('neither pasta nor slirp4netns is in one of');
    expect(stderr).to.contain('install passt (or slirp4netns)');
  });

  it('none: a name of its own, and the loopback interface only', async () => {
    const document = {
      pattern: 'ulimit++',
      identity: {address: 'none'},
      workDirectory: site.work,
      command: ['sh', '-c', 'hostname; ip -o link | wc -l; getent hosts "$(hostname)"'],
    };
    const child = net.tare(site, ['run', '--policy', site.policy(), site.job(document)]);
    child.stdin?.end();
    const {stdout} = await ending(child);
    const [name = '', links, host] = stdout.trim().split('\n');
    expect(name).to.match(/^tare-0\./);
    expect(links).to.equal('1');
    expect(host).to.match(/^127\.0\.1\.1\s/);
    expect(site.records()[0]?.identity).to.deep.equal({hostname: name, addresses: [], kind: 'none', nat: 'none', pool: null});
  });
});

/** Programs that stand for a network and came since. */
function helpers(by: string, others: readonly number[]): string[] {
  return processes()
    .filter(({pid, comm, state}) => comm.startsWith(by.slice(0, 15)) && state !== 'Z' && !others.includes(pid))
    .map(({argv}) => argv.join(' '));
}
