/** Small machines (vm-lite) on this node's kernel and a real OCI runtime: services beside a payload, as root and as a user. */

import {execFileSync, spawn} from 'node:child_process';
import {chmodSync, cpSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import type {JobDocument} from '../../../src/schema/generated/job-1.js';
import {describeSite} from '../../support/describe-site.js';
import {hasGroups, HIERARCHY} from '../../support/groups.js';
import {BUSYBOX, busyboxImage, webService, type BusyboxParts} from '../../support/machine.js';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {below, bin, ending, payload, processes, program, until, type RunOutput} from '../../support/tare.js';

const MIB = 2 ** 20;
const sh = (script: string): string[] => ['/bin/sh', '-c', script];
/** The image, with a file that says of itself that it is a program. */
const noFormat = (place: string): string => {
  chmodSync(join(place, 'etc/hello'), 0o755);
  return place;
};
const HTTPD = {name: 'web', command: ['httpd', '-f', '-p', '8099', '-h', '/etc'], ready: {port: 8099, within: '60s'}};

describeSite('small machines, %s', {timeout: patience(120_000)}, (site, role) => {
  let count = 0;
  before(function () {
    need(this, program('crun') !== null || program('runc') !== null, 'neither crun nor runc is installed');
    need(this, existsSync(BUSYBOX), 'busybox-static is not installed');
  });
  const image = (parts: BusyboxParts = {}): string => busyboxImage(join(site.directory, `image-${String(count++)}`), parts);
  const policy = (more: object = {}): object => ({
    images: [`${site.directory}/*`],
    services: {within: `${String(patience(60))}s`},
    ...more,
  });
  const run = (document: Omit<JobDocument, 'schema'>, more: object = {}): Promise<RunOutput> =>
    site.run([site.job(document)], {policy: policy(more)});
  const outcomes = ({record}: RunOutput): object =>
    Object.fromEntries(record.applications.map(({name, outcome: {status, exitCode, signal}}) => [name, [status, signal ?? exitCode]]));

  it('the wrapper’s init starts services before the payload, and ends them after it', async () => {
    const ended = await run({
      image: image(),
      services: [HTTPD],
      network: 'none',
      command: sh('wget -q -O - http://127.0.0.1:8099/hello; id -u; cat; exit 3'),
    });
    expect(ended.stdout).to.match(/^hello\n\d+\n$/);
    expect(ended.code, ended.stderr).to.equal(3);
    expect(ended.record).to.include({pattern: 'vm-lite', mode: 'box'});
    expect(outcomes(ended)).to.deep.equal({web: ['stopped', 'SIGTERM'], payload: ['failed', 3]});
    expect(ended.record.applications.map((one) => one.role)).to.deep.equal(['service', 'payload']);
  });

  it('at a terminal the payload has one of the machine’s own, and reads what is typed', async function () {
    need(this, program('script') !== null, 'there is no script(1)');
    const command = sh('tty; ls -l $(tty) | cut -c1-10; echo up; read a; echo "<$a>"; echo seen > /dev/stdout; exit 3');
    const file = site.policy(policy());
    const job = site.job({image: image(), services: [HTTPD], network: 'none', command});
    const terminal = spawn(program('script') ?? '', ['-qec', `${bin('tare')} run --policy ${file} ${job}`, '/dev/null'], {
      ...{...site.credentials, cwd: site.work, stdio: ['pipe', 'pipe', 'pipe']},
      env: {PATH: '/usr/bin:/bin', SHELL: '/bin/sh', TERM: 'dumb'},
    });
    let text = '';
    terminal.stdout.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
      if (text.endsWith('up\r\n')) terminal.stdin.write('typed\n');
    });
    const {code} = await ending(terminal);
    expect(code, text).to.equal(3);
    expect(text).to.match(/^\/dev\/pts\/0\r+\ncrw--w----\r+\nup\r+\n(?:typed\r+\n)+<typed>\r+\nseen\r+\n$/);
  });

  it('the payload has the caller’s descriptors and its own user, no capability, and no way to one', async () => {
    const uid = site.credentials.uid ?? (role === 'root' ? 65534 : process.getuid?.());
    const {stdout, stderr, code} = await site.run(
      [
        site.job({
          image: image(),
          services: [HTTPD],
          command: sh('cat; echo to stderr >&2; id -u; id -un; grep -E "Cap|NoNew" /proc/self/status; touch made'),
        }),
      ],
      {policy: policy(), input: 'from stdin\n'},
    );
    expect(code, stderr).to.equal(0);
    expect(stderr).to.include('to stderr');
    expect(stdout.split('\n').slice(0, 2)).to.deep.equal(['from stdin', String(uid)]);
    expect([...stdout.matchAll(/Cap\w+:\t(\w+)/g)].map(([, set]) => Number.parseInt(set ?? '', 16))).to.deep.equal([0, 0, 0, 0, 0]);
    expect(stdout).to.match(/NoNewPrivs:\t1/);
    expect(existsSync(join(site.work, 'made'))).to.equal(true);
  });

  it('a service has the capabilities that the field gives, but none for raw frames', async () => {
    const command = sh('grep CapBnd /proc/self/status >/run/caps; mv /run/caps /run/said; exec sleep 1000');
    const {stdout, stderr} = await run({
      image: image(),
      network: 'none',
      services: [{name: 'says', command, ready: {file: '/run/said', within: '60s'}}],
      command: sh('cat /run/said'),
    });
    const [, set = ''] = /CapBnd:\t(\w+)/.exec(stdout) ?? [];
    // CAP_CHOWN and CAP_NET_RAW, by their numbers
    expect(
      [0n, 13n].map((bit) => (BigInt(`0x${set || '0'}`) >> bit) & 1n),
      stdout + stderr,
    ).to.deep.equal([1n, 0n]);
  });

  if (role === 'root')
    it('its root has an id that no account of the node has, owns the image, and its files in the work directory become the account’s', async () => {
      const made = [`${site.work}/by-root`, `${site.work}/deep/by-web`];
      const script = [
        `cat /proc/self/uid_map >/run/said; touch ${made[0]}; mkdir -m 777 ${site.work}/deep; touch ${made[1]}; chown 33:33 ${made[1]}`,
        'echo x >>/etc/passwd && touch /var/own && stat -c "%u %n" /etc /var/own /bin/busybox /tmp >>/run/said; touch /run/up; exec sleep 1000',
      ].join('; ');
      const ended = await run({
        image: image(),
        network: 'none',
        services: [{name: 'root', command: sh(`mkdir -p /var; ${script}`), ready: {file: '/run/up', within: '60s'}}],
        command: sh('cat /run/said; touch own; stat -c %u own'),
      });
      expect(ended.code, ended.stderr).to.equal(0);
      const [first = '', ...lines] = ended.stdout.trim().split('\n');
      expect(first.trim().split(/ +/).slice(0, 2)).to.deep.equal(['0', '1878982656']);
      expect(lines.slice(-5)).to.deep.equal(['0 /etc', '0 /var/own', '0 /bin/busybox', '0 /tmp', '65534']);
      expect(ended.record.flags).to.not.include('node-root');
      expect([...made, `${site.work}/own`, `${site.work}/deep`].map((path) => statSync(path).uid)).to.deep.equal([
        65534, 65534, 65534, 65534,
      ]);
    });

  if (role === 'root')
    it('has groups in every hierarchy of version 1, and a sysfs of its own network', async function () {
      const child = site.start([
        'run',
        '--policy',
        site.policy(policy()),
        site.job({
          image: image(),
          network: 'none',
          services: [HTTPD],
          command: sh('ls /sys/class/net >seen; touch up; exec sleep 1000'),
        }),
      ]);
      const end = ending(child);
      await until('the payload', () => existsSync(join(site.work, 'up')));
      const groups = below(child.pid ?? 0)
        .filter(({comm}) => comm === 'httpd' || comm === 'sleep')
        .map(({pid}) =>
          readFileSync(`/proc/${String(pid)}/cgroup`, 'utf8')
            .trim()
            .split('\n'),
        );
      child.kill('SIGTERM');
      await end;
      expect(groups).to.have.length(2);
      const outside = groups.flat().filter((line) => !/^0:|\/tare-[0-9a-f]+\/payload\/app-(web|payload)\/job$/.test(line));
      expect(outside).to.deep.equal([]);
      expect(readFileSync(join(site.work, 'seen'), 'utf8')).to.equal('lo\n');
      need(this, HIERARCHY === 'cgroup1', 'this machine has no hierarchies of version 1');
      expect(groups[0]?.filter((line) => !line.startsWith('0:')).length).to.be.above(7);
    });

  if (role === 'root')
    it('ids in use are refused; a machine that cannot have others gets a flag, or is refused where the policy says so', async () => {
      const document = {image: image(), network: 'none' as const, services: [HTTPD], command: sh('cat /proc/self/uid_map')};
      const taken = await run(document, {identity: {machineIds: {start: 65_000}}});
      expect([taken.code, taken.record.outcome.code], taken.stderr).to.deep.equal([125, 'MACHINE_IDS']);
      // the kernel shows the files of an overlay with no other owners
      const [empty, over] = [join(site.directory, 'empty'), join(site.directory, 'image-over')];
      for (const directory of [empty, over]) mkdirSync(directory);
      execFileSync('mount', ['-t', 'overlay', '-o', `lowerdir=${image()}:${empty}`, 'none', over]);
      try {
        const lying = {...document, image: over};
        const flagged = await run(lying);
        expect([flagged.code, flagged.stdout.trim().split(/ +/)], flagged.stderr).to.deep.equal([0, ['0', '0', '4294967295']]);
        expect(flagged.record.flags).to.include('node-root');
        const refused = await run(lying, {degraded: 'refuse'});
        expect([refused.code, refused.record.outcome.code], refused.stderr).to.deep.equal([125, 'NODE_DEGRADED']);
      } finally {
        execFileSync('umount', [over]);
      }
      const flagged = await run({...document, user: 'root'}, {identity: {allowRoot: true}});
      expect(flagged.record.flags, flagged.stderr).to.include('node-root');
    });

  it('diff says each path once, though the work directory’s mount point is in the view and in /tmp', async () => {
    const file = site.policy(policy());
    const child = site.start([
      'run',
      '--policy',
      file,
      site.job({image: image(), services: [HTTPD], command: sh('touch /tmp/own; echo up; exec sleep 60')}),
    ]);
    const end = ending(child);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    const [{id} = {id: ''}] = JSON.parse((await site.command(['ps', '--json', '--policy', file])).stdout) as {id: string}[];
    const {stdout, stderr} = await site.command(['diff', id, '--policy', file]);
    const lines = stdout.trimEnd().split('\n');
    expect(lines, stderr).to.include('A /tmp/own').and.include(`A ${site.work}`);
    expect(new Set(lines).size, stdout).to.equal(lines.length);
    child.kill('SIGTERM');
    await end;
  });

  it('an image’s init is process 1, boots before the payload, and is told to shut down after it', async () => {
    const ended = await run({
      image: image({boot: 'sleep 0.3', services: {web: webService(8098)}}),
      init: 'busybox',
      services: ['web'],
      network: 'none',
      command: sh(
        'cat /run/booted; cat /proc/1/comm; wget -q -O - http://127.0.0.1:8098/hello; ls -l /proc/sysrq-trigger; echo x > /proc/sys/kernel/hostname || echo denied',
      ),
    });
    expect(ended.code, ended.stderr).to.equal(0);
    expect(ended.stdout).to.match(/^booted\ninit\nhello\n/);
    expect(ended.stdout).to.match(/denied\n$/);
    expect(outcomes(ended)).to.deep.equal({init: ['stopped', 'SIGINT'], services: ['completed', 0], payload: ['completed', 0]});
    // services and payload apart, and together the job's
    const {usage, applications} = ended.record;
    expect(applications.map((one) => one.role)).to.deep.equal(['service', 'boot', 'payload']);
    if (hasGroups(role)) {
      const sum = applications.reduce((total, one) => total + (one.usage.cpuUserUs ?? NaN) + (one.usage.cpuSystemUs ?? NaN), 0);
      expect(sum / ((usage.cpuUserUs ?? NaN) + (usage.cpuSystemUs ?? NaN))).to.be.within(0.9, 1.1);
    }
  });

  it('a payload waits also for what an image’s init does before its first script', async () => {
    const tree = image();
    writeFileSync(
      join(tree, 'etc/inittab'),
      '::sysinit:/bin/true\n::sysinit:/bin/sleep 0.4\n::sysinit:/etc/init.d/rcS\n::shutdown:/etc/init.d/down\n',
    );
    const ended = await run({image: tree, init: 'busybox', network: 'none', command: sh('cat /run/booted')});
    expect([ended.code, ended.stdout], ended.stderr).to.deep.equal([0, 'booted\n']);
  });

  it('an image that wants to change the node cannot: neither its init, nor a service, nor what boots them', async () => {
    const attack = [
      ...[
        'umount /proc/sys',
        'umount -l /proc/sys',
        'mount -o remount,rw /proc/sys',
        'mount -t proc proc /tmp',
        'mount -o remount,rw /sys',
      ],
      'cat /proc/sys/kernel/core_pattern > /proc/sys/kernel/core_pattern && echo written to core_pattern',
      'echo 1 > /tmp/sys/kernel/core_pattern && echo written to another proc',
      'echo h > /proc/sysrq-trigger && echo written to sysrq',
      'unshare -U -m -r true 2>/dev/null && unshare -U -m -r sh -c "umount /proc/sys && cat /proc/sys/kernel/core_pattern > /proc/sys/kernel/core_pattern" && echo written from below',
      'grep CapEff /proc/self/status',
    ].join('\n');
    const ended = await run({
      image: image({boot: `(${attack}) > /var/tmp/boot 2>/dev/null`, services: {evil: `(${attack}) > /var/tmp/service 2>/dev/null`}}),
      init: 'busybox',
      services: ['evil'],
      network: 'none',
      command: sh('cat /var/tmp/boot /var/tmp/service'),
    });
    expect(ended.code, ended.stderr).to.equal(0);
    const bits = [...ended.stdout.matchAll(/^CapEff:\t(\w+)$/gm)].map(([, set]) => BigInt(`0x${set ?? ''}`));
    expect(bits).to.have.length(2);
    for (const set of bits) expect(set & (1n << 21n), 'CAP_SYS_ADMIN').to.equal(0n);
    expect(ended.stdout).to.not.include('written');
  });

  it('services have nothing of the caller’s environment; the payload has all of it', async () => {
    const {stdout, code, stderr} = await site.run(
      [
        site.job({
          image: image(),
          services: [{name: 'env', command: sh('env > /var/tmp/env; sleep 1000'), ready: {file: '/var/tmp/env', within: '60s'}}],
          command: sh('echo "payload $SECRET"; cat /var/tmp/env'),
        }),
      ],
      {policy: policy(), env: {...process.env, SECRET: 'swordfish'}},
    );
    expect(code, stderr).to.equal(0);
    expect(stdout).to.include('payload swordfish');
    expect(stdout.split('swordfish')).to.have.length(2);
    expect(stdout).to.include('container=oci');
  });

  it('the image stays as it is: what services and payload write is gone with the box', async () => {
    const place = image();
    const {code, stderr} = await run({
      image: place,
      services: [{name: 'writer', command: sh('echo x > /etc/written && sleep 1000'), ready: {file: '/etc/written', within: '60s'}}],
      command: sh('cat /etc/written; echo y > /tmp/mine'),
    });
    expect(code, stderr).to.equal(0);
    expect(existsSync(join(place, 'etc/written'))).to.equal(false);
  });

  it('HITS: the main job gives the bytes of bare metal', async () => {
    cpSync(payload('mcsim'), join(site.work, 'mcsim'));
    chmodSync(join(site.work, 'mcsim'), 0o755);
    const argv = (output: string) => ['./mcsim', '--events', '60', '--seed', '42', '--workers', '2', '--output', output];
    expect((await site.run(['--', ...argv('bare')])).code).to.equal(0);
    const {code, stderr, record} = await run({
      image: image({services: {web: webService(8097)}}),
      init: 'busybox',
      services: ['web'],
      command: argv('small'),
      limits: {cores: 2},
    });
    expect(code, stderr).to.equal(0);
    expect(readFileSync(join(site.work, 'small'))).to.deep.equal(readFileSync(join(site.work, 'bare')));
    expect(record.applications.at(-1)?.usage.cpuUserUs).to.be.above(0);
  });

  it('a memory limit holds for services and payload together', async () => {
    const hog = (name: string) => ({name, command: ['touch-memory', '90', '--hold', '1000'], ready: 'started' as const});
    const {record} = await run({
      image: image(),
      services: [hog('hog')],
      command: sh('touch-memory 90 --hold 1000'),
      limits: {memory: '150MiB', wallTime: `${String(patience(60))}s`},
    });
    expect(record.outcome).to.include({status: 'limit', limit: 'memory', limitScope: 'payload'});
    expect(record.limits?.memory).to.include({value: 150 * MIB, enforcement: hasGroups(role) ? 'kernel' : 'watched'});
    expect(processes().filter(({argv}) => argv.includes('touch-memory'))).to.deep.equal([]);
  });

  // a user without control groups has no such limit
  const withGroups = hasGroups(role) ? it : () => undefined;
  withGroups('a limit on cores holds for services and payload together', async () => {
    const {code, stderr, record} = await run({
      image: image(),
      services: [{name: 'burner', command: ['burn', '1000', '--threads', '2']}],
      command: ['burn', '2', '--threads', '2'],
      limits: {cores: 1},
    });
    expect(code, stderr).to.equal(0);
    const {usage, time, applications} = record;
    const used = (usage.cpuUserUs ?? 0) + (usage.cpuSystemUs ?? 0);
    // the payload alone uses 2 s; a node that is busy gives less than the limit
    expect(used).to.be.above(2_000_000);
    expect(used / (time.wallUs ?? 1)).to.be.below(1.1);
    expect(applications.map((one) => (one.usage.cpuUserUs ?? 0) > 500_000)).to.deep.equal([true, true]);
  });

  it('wall time: all is told, and then killed', async () => {
    const {record} = await run(
      {
        image: image({services: {}}),
        init: 'busybox',
        command: sh('trap "" TERM; while :; do sleep 1; done'),
        limits: {wallTime: `${String(patience(6))}s`},
      },
      {grace: '1s'},
    );
    expect(record.outcome).to.include({status: 'limit', limit: 'wallTime'});
  });

  const failing: [why: string, document: () => Omit<JobDocument, 'schema'>, code: string, reason: RegExp, log?: RegExp][] = [
    [
      'a service that ends',
      () => ({
        image: image(),
        services: [{name: 'bad', command: sh('echo no disk; exit 7'), ready: {port: 1, within: '60s'}}],
        command: ['true'],
      }),
      'SERVICES_FAILED',
      /bad: it ended with exit status 7/,
      /^no disk/,
    ],
    [
      'a service that is no program',
      () => ({image: image(), services: [{name: 'bad', command: ['/no/such'], ready: {port: 1, within: '60s'}}], command: ['true']}),
      'SERVICES_FAILED',
      /bad: it could not be executed: exec: \/no\/such/,
    ],
    [
      'a service that is never ready',
      () => ({image: image(), services: [{...HTTPD, ready: {port: 1, within: '2s'}}], command: ['true']}),
      'SERVICES_FAILED',
      /web: it was not ready in time/,
    ],
    [
      'a service that the image’s init has not',
      () => ({image: image(), init: 'busybox', services: ['nothing'], command: ['true']}),
      'SERVICES_FAILED',
      /services: it ended with exit status 1/,
      /there is no \/etc\/init.d\/nothing/,
    ],
    [
      'an init that is not there',
      () => ({image: image({init: false}), init: 'sysvinit', command: ['true']}),
      'INIT_UNAVAILABLE',
      /the image has no sysvinit/,
    ],
    [
      'an image that is no directory',
      () => ({image: BUSYBOX, services: [HTTPD], command: ['true']}),
      'IMAGE_FORBIDDEN',
      /does not allow the image/,
    ],
    [
      'a payload that is not there',
      () => ({image: image(), services: [HTTPD], command: ['/no/payload']}),
      'PAYLOAD_NOT_EXECUTABLE',
      /\/no\/payload: No such file/,
    ],
    [
      'a payload without the permission to execute',
      () => ({image: image(), services: [HTTPD], command: ['/etc/hello']}),
      'PAYLOAD_NOT_EXECUTABLE',
      /\/etc\/hello: Permission denied/,
    ],
    [
      'a payload in no format that the kernel executes',
      () => ({image: noFormat(image()), services: [HTTPD], command: ['/etc/hello']}),
      'PAYLOAD_NOT_EXECUTABLE',
      /\/etc\/hello: Exec format error/,
    ],
  ];
  for (const [why, document, code, reason, log] of failing)
    it(`${why}: ${code}, and the payload is not run`, async () => {
      const ended = await run({...document(), network: 'none'});
      expect(ended.record.outcome.code, JSON.stringify(ended.record.outcome)).to.equal(code);
      expect(ended.record.outcome.reason).to.match(reason);
      expect(ended.code).to.be.oneOf([125, 126, 127]);
      expect(ended.stderr)
        .to.match(/^tare: .*\n$/)
        .and.match(reason);
      if (log !== undefined) expect(ended.record.applications.map((one) => one.log).join('\n')).to.match(log);
      expect(ended.record.applications.find(({name}) => name === 'payload')?.startEpochUs ?? null).to.equal(null);
    });

  if (role === 'user')
    it('a payload that kills its service, and all else that it can, has run: the record has its status', async () => {
      const ended = await run({image: image(), network: 'none', services: [HTTPD], command: sh('echo up; kill -9 -1')});
      expect([ended.stdout, ended.signal], ended.stderr).to.deep.equal(['up\n', 'SIGKILL']);
      expect(ended.record.outcome).to.include({status: 'signalled', signal: 'SIGKILL', code: null});
      expect(outcomes(ended)).to.have.property('payload').that.includes('SIGKILL');
      expect(ended.record.applications.at(-1)?.startEpochUs).to.be.above(0);
    });

  it('an init that never boots: told after the policy’s time', async () => {
    const ended = await run(
      {image: image({boot: 'sleep 1000'}), init: 'busybox', command: ['true']},
      {services: {within: `${String(patience(3))}s`}, grace: '1s'},
    );
    expect(ended.record.outcome).to.deep.include({
      code: 'SERVICES_FAILED',
      reason: 'the payload was not run: services: it was not ready in time',
    });
  });

  it('is seen, joined and ended from outside', async () => {
    const rules = site.policy(policy());
    const child = site.start([
      'run',
      '--policy',
      rules,
      site.job({
        image: image({services: {web: webService(8096)}}),
        init: 'busybox',
        services: ['web'],
        name: 'look',
        network: 'none',
        command: sh('echo here > started; exec sleep 1000'),
      }),
    ]);
    const ended = ending(child);
    const started = join(site.work, 'started');
    await until('the payload', () => existsSync(started));
    const listed = JSON.parse((await site.command(['ps', '--policy', rules, '--json'])).stdout) as {
      id: string;
      applications: {name: string; state: string}[];
    }[];
    const id = listed[0]?.id ?? '';
    expect(listed[0]?.applications.map(({name, state}) => [name, state])).to.deep.equal([
      ['init', 'running'],
      ['services', 'completed'],
      ['payload', 'running'],
    ]);
    const inside = await site.command([
      'exec',
      '--policy',
      rules,
      id,
      '--',
      ...sh('cat /proc/1/comm; wget -q -O - http://127.0.0.1:8096/hello; id -u; grep CapEff /proc/self/status'),
    ]);
    expect(inside.code, inside.stderr).to.equal(0);
    expect(inside.stdout).to.match(/^init\nhello\n\d+\nCapEff:\t0+\n$/);
    const log = await site.command(['logs', '--policy', rules, '--application', 'init', id]);
    expect(log.code, log.stderr).to.equal(0);
    const killed = await site.command(['kill', '--policy', rules, '-s', 'TERM', id]);
    expect(killed.code, killed.stderr).to.equal(0);
    expect((await ended).signal).to.equal('SIGTERM');
  });

  it('ten at once', async () => {
    const place = image({services: {web: webService(8095)}});
    const all = await Promise.all(
      Array.from({length: 10}, (_, index) =>
        run({
          image: place,
          init: 'busybox',
          services: ['web'],
          network: 'none',
          command: sh(`wget -q -O /dev/null http://127.0.0.1:8095/hello && exit ${String(index)}`),
        }),
      ),
    );
    expect(all.map(({code}) => code)).to.deep.equal(all.map((_, index) => index));
  });

  for (const part of ['the shim', 'init', 'the engine'] as const)
    it(`nothing is left when ${part} is killed`, async () => {
      const rules = site.policy(policy());
      const child = site.start([
        'run',
        '--policy',
        rules,
        site.job({
          image: image({services: {web: webService(8094)}}),
          init: 'busybox',
          services: ['web'],
          command: sh(`echo x > up-${part.replace(' ', '-')}; exec sleep 1000`),
        }),
      ]);
      const ended = ending(child);
      await until('the payload', () => existsSync(join(site.work, `up-${part.replace(' ', '-')}`)));
      const pids = below(child.pid ?? 0);
      const victim = part === 'the shim' ? child.pid : pids.find(({comm}) => comm === (part === 'init' ? 'tare-init' : 'crun'))?.pid;
      expect(victim, JSON.stringify(pids)).to.be.above(1);
      process.kill(victim ?? 0, 'SIGKILL');
      if (part === 'the engine') {
        const [box] = JSON.parse((await site.command(['ps', '--policy', rules, '--json'])).stdout) as {id: string}[];
        await site.command(['kill', '--policy', rules, box?.id ?? '']);
      }
      await ended;
      await site.command(['records', 'sweep', '--policy', rules]);
      await until('the box to be gone', () => site.leftovers().length === 0);
    });
});
