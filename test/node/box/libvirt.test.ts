/** Boxes by libvirt's LXC driver, whose daemon builds them: a real libvirtd, whose processes are no descendants of the wrapper's. */

import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {once} from 'node:events';
import {existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {boxesIn} from '../../../src/box/state-read.js';
import type {UsageRecord} from '../../../src/record/record.js';
import {describeSite} from '../../support/describe-site.js';
import {Libvirtd, noLibvirt} from '../../support/libvirtd.js';
import {need} from '../../support/need.js';
import {below, ending, installed, isRoot, payload, processes, program, send, until, type ProcessEntry} from '../../support/tare.js';

const POLICY = {engines: ['libvirt']};
const sh = (script: string): string[] => ['--', '/bin/sh', '-c', script];
const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const WAITS = 'echo ready; while :; do sleep 0.1; done';
/** Processes of a script that has a word in it, which are in the box. */
const having = (word: string): ProcessEntry[] =>
  processes().filter(({argv}) => argv[0] === '/bin/sh' && argv.some((one) => one.includes(word)));

describeSite('a box by libvirt, %s', {roles: isRoot ? ['root'] : [], timeout: 120_000}, (site) => {
  let daemon: Libvirtd | null = null;
  const run = (argv: readonly string[], more: object = {}) => site.run(['--engine', 'libvirt', ...argv], {policy: POLICY, ...more});
  const domains = (): string =>
    execFileSync(program('virsh') ?? '', ['--quiet', '--connect', 'lxc:///system', 'list', '--all', '--name'], {encoding: 'utf8'}).trim();
  /** A job that says `ready`, and its end. */
  const started = async (script: string) => {
    const policy = site.policy(POLICY);
    const child = site.start(['run', '--policy', policy, ...sh(script)]);
    const over = ending(child);
    await Promise.race([once(child.stdout!, 'data'), over.then(({stderr}) => Promise.reject(new Error(stderr)))]);
    return {child, over, policy};
  };
  /** libvirt's own processes of boxes of this site: another test may have some. */
  const controllers = (): ProcessEntry[] => {
    const names = readdirSync(join(site.directory, 'state/boxes')).map((id) => `tare-${id}`);
    return processes().filter(({comm, argv}) => comm === 'libvirt_lxc' && argv.some((word) => names.includes(word)));
  };
  const lastRecord = (): UsageRecord => {
    const [last] = site.records().sort((a, b) => (b.time.startEpochUs ?? 0) - (a.time.startEpochUs ?? 0));
    if (last === undefined) throw new Error('no record');
    return last;
  };

  before(async function () {
    need(this, noLibvirt() === null, noLibvirt() ?? '');
    daemon = await Libvirtd.start();
  });

  after(async () => {
    await daemon?.stop();
  });

  it('is named in the record, and ends as its payload does: by a code, by a signal, or not executed', async () => {
    const before = domains();
    const failed = await run(sh('exit 7'));
    expect([failed.code, failed.record.mode, failed.record.engine?.name], failed.stderr).to.deep.equal([7, 'box', 'libvirt']);
    const killed = await run(sh('kill -TERM $$'));
    expect([killed.signal, killed.record.outcome.signal]).to.deep.equal(['SIGTERM', 'SIGTERM']);
    expect((await run(['--', '/nothing'])).code).to.equal(127);
    await until('the end of the last domain', () => domains() === before);
  });

  it('passes standard input and output through byte for byte, and descriptors beyond them', async () => {
    const sent = Buffer.from(Array.from({length: 3_000_000}, (_, index) => (index * 7919 + (index >> 8)) & 0xff));
    const child = site.start(['run', '--policy', site.policy(POLICY), ...sh('cat; echo descriptor 7 >&7')], {
      stdio: ['pipe', 'pipe', 'pipe', 'ignore', 'ignore', 'ignore', 'ignore', 'pipe'],
    });
    const parts: Buffer[] = [];
    child.stdout?.on('data', (part: Buffer) => parts.push(part));
    let said = '';
    ((child.stdio as unknown[])[7] as NodeJS.ReadableStream).on('data', (text: Buffer) => (said += text.toString()));
    child.stdin?.end(sent);
    await once(child, 'close');
    expect(digest(Buffer.concat(parts))).to.equal(digest(sent));
    expect(said).to.equal('descriptor 7\n');
  });

  it('has a read-only root, a /tmp of its own, devices and terminals, and nothing of the wrapper or of libvirt', async () => {
    const script = [
      'touch here && echo here',
      'for d in / /etc /usr /var /run /sys /dev; do touch $d/x 2>/dev/null && echo $d; done',
      'echo mine >/tmp/mine && cat /tmp/mine && echo null >/dev/null && test -c /dev/zero && test -d /dev/shm && test -e /dev/ptmx && echo devices',
      `ls ${join(site.directory, 'state')} ${join(site.directory, 'spool')} ${join(site.directory, 'scratch')} 2>/dev/null`,
      'ls /run/libvirt /dev/.tare /sys/fs/cgroup 2>/dev/null | grep -v : | grep .',
      'grep -c meminfo /proc/self/mountinfo',
      'stat -c %a /run /dev/shm /tmp',
      'true',
    ].join('\n');
    const {code, stdout, stderr} = await run(sh(script));
    expect([code, stdout], stderr).to.deep.equal([0, 'here\nmine\ndevices\n0\n755\n1777\n700\n']);
    expect(existsSync('/tmp/mine')).to.equal(false);
  });

  it('gives the payload no privileges, its own account with its groups, the caller’s limits, and namespaces of its own', async () => {
    const script = [
      'id -u; id -G; ulimit -Hn; cat /proc/1/comm',
      'grep -E "^(CapPrm|CapBnd|CapAmb|CapInh|NoNewPrivs|Seccomp):" /proc/self/status',
      'for n in pid mnt ipc uts user; do readlink /proc/self/ns/$n; done',
    ].join('; ');
    const child = site.start(['run', '--policy', site.policy(POLICY), ...sh(script)]);
    const limits = readFileSync('/proc/self/limits', 'latin1');
    const [, , most = ''] = /^Max open files +(\S+) +(\S+)/m.exec(limits) ?? [];
    const {stdout, stderr} = await ending(child);
    const [uid, groups, files, first, ...lines] = stdout.trim().split('\n');
    expect([uid, groups, files, first], stderr).to.deep.equal(['65534', '65534', most, 'tare-init']);
    const none = '0000000000000000';
    expect(lines.slice(0, 6)).to.have.members([
      ...['CapInh', 'CapPrm', 'CapBnd', 'CapAmb'].map((name) => `${name}:\t${none}`),
      'NoNewPrivs:\t1',
      'Seccomp:\t2',
    ]);
    const own = ['pid', 'mnt', 'ipc', 'uts', 'user'].map((name) => readlinkSync(`/proc/self/ns/${name}`));
    const kept = lines.slice(6).filter((namespace) => own.includes(namespace));
    expect(kept).to.deep.equal([own[4]]);
  });

  it('has the network of the node, or none', async () => {
    expect((await run(sh('test $(grep -c : /proc/net/dev) -gt 1 || grep -q . /proc/net/dev'))).code).to.equal(0);
    expect((await run(['--network', 'none', ...sh('grep -c : /proc/net/dev')])).stdout).to.equal('1\n');
  });

  it('holds a payload to its memory and its wall time, by the job’s own groups', async () => {
    const wall = await run(['--wall-time', '1s', ...sh('sleep 60')]);
    expect(wall.record.outcome).to.include({status: 'limit', limit: 'wallTime'});
    const {record} = await run(['--memory', '64MiB', '--', payload('touch-memory'), '400', '--hold', '60']);
    expect(record.outcome).to.include({status: 'limit', limit: 'memory'});
    expect(record.limits?.memory.enforcement).to.equal('kernel');
  });

  it('runs the main job, and weighs it', async () => {
    const known = readFileSync(join(installed(), 'fixtures/payloads/mcsim.sha256'), 'utf8').trim().split(/\s+/)[0];
    const {code, stderr, record} = await run(['--', payload('mcsim'), '--events', '200', '--seed', '42', '--output', 'HITS']);
    expect(code, stderr).to.equal(0);
    expect(digest(readFileSync(join(site.work, 'HITS')))).to.equal(known);
    expect((record.usage.cpuUserUs ?? 0) + (record.usage.cpuSystemUs ?? 0)).to.be.greaterThan(0);
  });

  it('runs several applications (quotas++), each with its own end', async () => {
    const job = site.job({
      applications: [
        {name: 'one', command: ['/bin/sh', '-c', 'echo one; exit 3']},
        {name: 'two', command: ['/bin/sh', '-c', 'echo two']},
      ],
      onFailure: 'continue',
      output: 'files',
    });
    const {record, stderr} = await run([job]);
    expect([record.pattern, record.engine?.name], stderr).to.deep.equal(['quotas++', 'libvirt']);
    expect(record.applications.map(({outcome}) => outcome.exitCode)).to.deep.equal([3, 0]);
    expect(['one.out', 'two.out'].map((file) => readFileSync(join(site.work, file), 'utf8'))).to.deep.equal(['one\n', 'two\n']);
  });

  it('is joined by a command, and passes signals on', async () => {
    const {child, over, policy} = await started('trap "echo told; exit 5" TERM; echo ready; while :; do sleep 0.1; done');
    const listed = await site.command(['ps', '--json', '--policy', policy]);
    const [{id} = {id: ''}] = JSON.parse(listed.stdout) as {id: string}[];
    const script =
      'id -u; grep -E "NoNewPrivs|CapBnd" /proc/self/status; readlink /proc/1/exe >/dev/null; touch /etc/x 2>/dev/null; exit 4';
    const joined = await site.command(['exec', '--policy', policy, id, ...sh(script)]);
    expect([joined.code, joined.stdout], joined.stderr).to.deep.equal([4, '65534\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\n']);
    child.kill('SIGTERM');
    const ended = await over;
    expect([ended.code, ended.stdout], ended.stderr).to.deep.equal([5, 'ready\ntold\n']);
  });

  it('nothing of it is left when bridge, shim and supervisor are killed', async () => {
    const {child, over, policy} = await started(`: word1; ${WAITS}`);
    const inside = having('word1');
    expect(inside).to.not.be.empty;
    // a wrapper that is killed as a whole before it has noted the start cannot tell of one
    await until('the note of the start', () => boxesIn(join(site.directory, 'state'))[0]?.startEpochUs != null);
    for (const one of below(child.pid ?? 0)) send(one.pid, 'SIGKILL');
    await over;
    await until('nothing of the box', () => inside.every(({pid}) => !existsSync(`/proc/${String(pid)}`)));
    await site.command(['records', 'sweep', '--policy', policy]);
    expect(lastRecord().outcome.status).to.equal('lost');
  });

  it('a job goes on when libvirt’s own process of its box is killed, or its daemon, and ends as it ends', async () => {
    for (const whom of ['controller', 'daemon'] as const) {
      const {over} = await started('echo ready; while [ ! -e go ]; do sleep 0.1; done; rm go; exit 6');
      if (whom === 'daemon') await daemon?.end('SIGKILL');
      else for (const {pid} of controllers()) send(pid, 'SIGKILL');
      await new Promise((resolve) => setTimeout(resolve, 500));
      writeFileSync(join(site.work, 'go'), '');
      const {code, stderr} = await over;
      expect(code, `${whom}: ${stderr}`).to.equal(6);
      expect(lastRecord().outcome).to.deep.include({status: 'failed', exitCode: 6});
      if (whom === 'daemon') await daemon?.again();
    }
  });

  it('without a daemon there is no box, and the message says what is missing', async () => {
    await daemon?.end('SIGTERM');
    const {code, stderr, record} = await run(sh('true'));
    expect([code, record.outcome.code]).to.deep.equal([125, 'BOX_UNAVAILABLE']);
    expect(stderr).to.match(/virsh/);
    await daemon?.again();
  });
});
