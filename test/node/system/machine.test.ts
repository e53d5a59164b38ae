/** Small machines with a name and an address of their own, and Debian's own init and services, in a network namespace of the test's own. */

import {execFileSync, type ChildProcess} from 'node:child_process';
import {chmodSync, cpSync, existsSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {Ajv} from 'ajv';
import {expect} from 'chai';
import {architecturesOf} from '../../../src/engine/bpf.js';
import type {Facts} from '../../../src/host/facts.js';
import type {UsageRecord} from '../../../src/record/record.js';
import {describeSite} from '../../support/describe-site.js';
import {ociConfig} from '../../support/engines.js';
import {BUSYBOX, busyboxImage, debianImage, debianObstacle, webService} from '../../support/machine.js';
import {need} from '../../support/need.js';
import {Net} from '../../support/net.js';
import {patience} from '../../support/pace.js';
import {below, ending, isRoot, payload, program, send, until} from '../../support/tare.js';
import {facts, no, plan, yes} from '../../unit/plan/build.js';

const PORT = 8080;
const POOL = {name: 'own', kind: 'bridge', bridge: 'tbr1', make: true, ranges: ['10.98.0.0/24', 'fd00:98::/64']};
const sh = (script: string): string[] => ['/bin/sh', '-c', script];

interface Listed {
  id: string;
  hostname: string | null;
  addresses: string[];
  state: string;
}

const BY_ROOT = {roles: ['root'], each: true, mayLeave: true, timeout: patience(240_000)} as const;

describeSite('small machines with an address of their own, %s', BY_ROOT, (site) => {
  let net: Net;
  const running: ChildProcess[] = [];
  before(function () {
    need(this, isRoot, 'only root may make network devices');
    need(this, program('crun') !== null, 'crun is not installed');
    need(this, existsSync(BUSYBOX), 'busybox-static is not installed');
    need(this, program('ip') !== null && program('nft') !== null, 'ip (iproute2) or nft (nftables) is not there');
  });
  beforeEach(async () => {
    net = await Net.make();
  });
  afterEach(async () => {
    writeFileSync(join(site.work, 'stop'), '');
    for (const child of running) send(child.pid ?? 0, 'SIGTERM');
    await Promise.all(
      running
        .splice(0)
        .filter((child) => child.exitCode === null && child.signalCode === null)
        .map(ending),
    );
    net.remove();
  });

  const rules = (more: object = {}): string =>
    site.policy({
      images: [`${site.directory}/*`],
      services: {within: `${String(patience(100))}s`},
      identity: {hostname: 'small-{n}', address: ['bridge'], pools: [{...POOL, ...more}]},
    });
  const image = (): string => busyboxImage(join(site.directory, 'image'), {services: {web: webService(PORT)}});
  const start = (policy: string, document: object): ChildProcess => {
    const child = net.tare(site, ['run', '--policy', policy, site.job({identity: {}, workDirectory: site.work, ...document})]);
    child.stdin?.end();
    running.push(child);
    return child;
  };
  const untilStop = (before = ''): string[] => sh(`${before}; while ! [ -e stop ]; do sleep 0.2; done`);
  const list = async (policy: string): Promise<Listed[]> =>
    JSON.parse((await ending(net.tare(site, ['ps', '--policy', policy, '--json']))).stdout) as Listed[];
  const whenRunning = async (policy: string, count: number): Promise<Listed[]> => {
    let last: Listed[] = [];
    for (const end = Date.now() + patience(120_000); Date.now() < end;) {
      last = (await list(policy)).filter(({addresses}) => addresses.length > 0);
      const ready = readdirSync(site.work).filter((name) => name.startsWith('up-')).length;
      if (last.length === count && ready === count) return last;
      const ended = running.find((child) => child.exitCode !== null || child.signalCode !== null);
      if (ended !== undefined)
        throw new Error(
          `a machine has ended: exit ${String(ended.exitCode)}: ${String(ended.stdout?.read())} ${String(ended.stderr?.read())}`,
        );
    }
    throw new Error(`there are not ${String(count)} machines: ${JSON.stringify(last)}`);
  };
  const answers = (address: string): boolean =>
    net.try(`exec 3<>/dev/tcp/${address}/${String(PORT)} && printf 'GET /hello HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q hello <&3`).status ===
    0;
  const left = (): string[] => [
    ...net
      .sh('ip -o link')
      .split('\n')
      .filter((line) => /tare|tbr/.test(line)),
    ...net
      .try('nft list tables')
      .stdout.split('\n')
      .filter((line) => line.includes('tare')),
    ...(existsSync(join(site.directory, 'state/leases')) ? readdirSync(join(site.directory, 'state/leases')) : []).filter(
      (name) => !name.startsWith('.'),
    ),
    ...site.leftovers(),
  ];

  it('its service is reached from the node, at the address that it has inside', async () => {
    const policy = rules();
    start(policy, {
      image: image(),
      init: 'busybox',
      services: ['web'],
      command: untilStop('hostname > name; ip -o addr show eth0 > addresses; cat /etc/hosts > hosts; touch up-0'),
    });
    const [one] = await whenRunning(policy, 1);
    expect(one?.hostname).to.equal('small-0');
    expect(readFileSync(join(site.work, 'name'), 'utf8')).to.equal('small-0\n');
    for (const address of one?.addresses ?? []) {
      expect(readFileSync(join(site.work, 'addresses'), 'utf8')).to.include(address);
      expect(readFileSync(join(site.work, 'hosts'), 'utf8')).to.include(address);
      expect(answers(address), address).to.equal(true);
    }
    expect(one?.addresses).to.have.length(2);
    // a process without a right to raw frames can ping: by a socket of ICMP, which is open to every group in the box's network (icmp(7))
    const inside = below(running[0]?.pid ?? 0).find(({comm}) => comm === 'httpd')?.pid ?? 0;
    const nobody = ['setpriv', '--reuid', '1878982656', '--regid', '1878982656', '--clear-groups'];
    const opens = ['perl', '-MSocket', '-e', 'socket(S, PF_INET, SOCK_DGRAM, 1) or die "$!\n"'];
    execFileSync('nsenter', [`--net=/proc/${String(inside)}/ns/net`, ...nobody, ...opens]);
    writeFileSync(join(site.work, 'stop'), '');
    const [child] = running.splice(0);
    if (child !== undefined) expect((await ending(child)).code).to.equal(0);
    expect(left()).to.deep.equal([]);
  });

  it('ten at once: ten names, ten addresses, each answers, and none is left', async () => {
    const policy = rules();
    const place = image();
    for (let index = 0; index < 10; index++)
      start(policy, {image: place, init: 'busybox', services: ['web'], command: untilStop(`touch up-${String(index)}`)});
    const all = await whenRunning(policy, 10);
    expect(new Set(all.map(({hostname}) => hostname)).size).to.equal(10);
    expect(new Set(all.flatMap(({addresses}) => addresses)).size).to.equal(20);
    expect(all.every(({addresses}) => answers(addresses[0] ?? ''))).to.equal(true);
    writeFileSync(join(site.work, 'stop'), '');
    expect((await Promise.all(running.splice(0).map(ending))).map(({code}) => code)).to.deep.equal(Array.from({length: 10}, () => 0));
    expect(left()).to.deep.equal([]);
  });

  it('after SIGKILL to the wrappers and a sweep nothing is left: no lease, device, rule, mount, group or process', async () => {
    const policy = rules({nat: true});
    const place = image();
    for (let index = 0; index < 3; index++)
      start(policy, {image: place, init: 'busybox', services: ['web'], command: untilStop(`touch up-${String(index)}`)});
    await whenRunning(policy, 3);
    // shim and supervisor of each: no process is left that cleans up
    for (const child of running)
      for (const {pid, argv} of below(child.pid ?? 0)) if (pid === child.pid || argv.includes('@shim=3')) send(pid, 'SIGKILL');
    await Promise.all(running.splice(0).map(ending));
    await until('the sweep', async () => {
      await ending(net.tare(site, ['records', 'sweep', '--policy', policy]));
      return left().length === 0;
    });
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).to.not.include(site.directory);
  });

  it('Debian: System V’s init, nginx and sshd at the machine’s address; the main job’s bytes; services and payload weighed apart', async function () {
    need(this, debianObstacle() === null, debianObstacle() ?? '');
    const recipe = new URL('../../lab/recipe.mjs', import.meta.url).href;
    const {mirror} = (await import(recipe)) as {mirror: () => string};
    const policy = site.policy({
      images: [debianImage(mirror())],
      services: {within: `${String(patience(200))}s`},
      identity: {hostname: 'small-{n}', address: ['bridge'], pools: [POOL]},
    });
    cpSync(payload('mcsim'), join(site.work, 'mcsim'));
    chmodSync(join(site.work, 'mcsim'), 0o755);
    const argv = (output: string): string => `./mcsim --events 60 --seed 42 --workers 2 --output ${output}`;
    execFileSync('/bin/sh', ['-c', argv('bare')], {cwd: site.work});
    const record = join(site.directory, 'spool/copy.json');
    const child = net.tare(site, [
      ...['run', '--policy', policy, '--record', record],
      site.job({
        identity: {},
        workDirectory: site.work,
        image: debianImage(mirror()),
        init: 'sysvinit',
        services: ['nginx', 'ssh'],
        limits: {memory: '600MiB', cores: 2, wallTime: `${String(patience(200))}s`},
        command: ['/bin/bash', '-c', `${argv('small')} && hostname && touch up-0 && while ! [ -e stop ]; do sleep 0.2; done`],
      }),
    ]);
    child.stdin?.end();
    running.push(child);
    const [one] = await whenRunning(policy, 1);
    const address = one?.addresses[0] ?? '';
    expect(net.sh(`exec 3<>/dev/tcp/${address}/80; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; head -1 <&3`)).to.match(/^HTTP\/1\.1 200/);
    expect(net.sh(`exec 3<>/dev/tcp/${address}/22; head -1 <&3`)).to.match(/^SSH-2\.0-OpenSSH/);
    expect(readFileSync(join(site.work, 'small'))).to.deep.equal(readFileSync(join(site.work, 'bare')));
    writeFileSync(join(site.work, 'stop'), '');
    const ended = await ending(child);
    running.splice(0);
    expect(ended.code, ended.stderr).to.equal(0);
    expect(ended.stdout).to.include('small-0');
    const {applications, usage: all, identity, limits} = JSON.parse(readFileSync(record, 'utf8')) as UsageRecord;
    expect(identity).to.deep.include({hostname: 'small-0', kind: 'bridge'});
    expect(applications.map(({name, role, outcome}) => [name, role, outcome.status])).to.deep.equal([
      ['init', 'service', 'stopped'],
      ['services', 'boot', 'completed'],
      ['payload', 'payload', 'completed'],
    ]);
    expect(applications.every(({usage: own}) => (own.memPeakBytes ?? 0) > 0 && (own.cpuUserUs ?? 0) + (own.cpuSystemUs ?? 0) > 0)).to.equal(
      true,
    );
    expect(all.memPeakBytes).to.be.below(600 * 2 ** 20);
    expect(limits?.memory).to.include({enforcement: 'kernel'});
    expect(left()).to.deep.equal([]);
  });
});

/** Bundles of small machines as they are made, each with what it is of. */
function bundleForTest(): [about: string, config: Record<string, unknown>][] {
  return (['crun', 'runc'] as const).flatMap((name) =>
    [0, 1001].flatMap((uid) =>
      (['busybox', 'tare'] as const).map((init): [string, Record<string, unknown>] => {
        const made = plan({
          job: {image: '/i', network: 'none', init, services: init === 'tare' ? [{name: 'web', command: ['x']}] : ['web']},
          policy: {images: ['/i']},
          facts: factsFor(name, uid),
        });
        const context = {boxDirectory: '/b', id: 'ab', architectures: architecturesOf('x64'), exists: () => true, isFile: () => false};
        return [`${name}, uid ${String(uid)}, ${init}`, ociConfig(made, context) as Record<string, unknown>];
      }),
    ),
  );
}

function factsFor(name: string, uid: number): Partial<Facts> {
  const range = {start: 100_000, count: 65_536};
  return {
    engines: [{name, path: `/usr/bin/${name}`, version: '1.21', setuid: false, abilities: ['filterFlags'], how: 'a test'}],
    system: {
      subordinate: {uids: range, gids: range, how: 'a test', remedy: null},
      init: null,
    },
    views: {user: uid !== 0, overlay: yes, options: [], fuse: no, mounts: [], writable: []},
    caller: {...facts().caller, ...(uid === 0 ? {uid, gid: 0, groups: [0]} : {})},
  };
}

/** Of Debian's package golang-github-opencontainers-specs-dev. */
const SCHEMAS = '/usr/share/gocode/src/github.com/opencontainers/runtime-spec/schema';

describe('the bundle of a small machine', () => {
  it('fits the schema of the OCI runtime specification, as root and as a user, for crun and for runc', function () {
    need(this, existsSync(SCHEMAS), 'the schema of the OCI runtime specification is not installed');
    const ajv = new Ajv({strict: false, logger: false, validateFormats: false});
    for (const name of readdirSync(SCHEMAS).filter((each) => each.endsWith('.json'))) {
      const schema = JSON.parse(readFileSync(join(SCHEMAS, name), 'utf8').replaceAll('"id":', '"$comment":')) as object;
      ajv.addSchema({...schema, $schema: 'http://json-schema.org/draft-07/schema#', $id: `file:///${name}`});
    }
    const validate = ajv.getSchema('file:///config-schema.json');
    for (const [about, config] of bundleForTest()) {
      expect(validate?.(config), `${about}: ${JSON.stringify(validate?.errors)}`).to.equal(true);
      expect(validate?.({...config, process: {cwd: 7}}), 'a schema that takes anything').to.equal(false);
    }
  });
});
