/** Small machines by qemu: a virtual machine with a kernel of its own. One boot for every change, since it takes seconds where there is no KVM. */

import {type ChildProcess} from 'node:child_process';
import {createHash} from 'node:crypto';
import {existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {verifyRecord} from '../../../src/export/verify.js';
import {textOf} from '../../../src/record/spool.js';
import type {UsageRecord as JobRecord} from '../../../src/schema/generated/record-2.js';
import validateRecord from '../../../src/schema/generated/record-2.validator.js';
import {describeSite} from '../../support/describe-site.js';
import {BUSYBOX, busyboxImage} from '../../support/machine.js';
import {kernelSince} from '../../support/groups.js';
import {LONG, need, needKernel} from '../../support/need.js';
import {bin, ending, installed, isRoot, payload, processes, program, send, until} from '../../support/tare.js';
import {virtualObstacle, virtualParts, withVirtualParts} from '../../support/virtual.js';

const digest = (text: Buffer | string): string => createHash('sha256').update(text).digest('hex');

const hasKvm = (): boolean => existsSync('/dev/kvm') && /\b(?:vmx|svm)\b/.test(readFileSync('/proc/cpuinfo', 'utf8'));

const LOST = 'init was killed, and the payload with it';

/** What a payload does that waits for its end. */
const WAITS = 'echo ready; while :; do sleep 0.1; done';

describeSite('a virtual machine, %s', {roles: isRoot ? (LONG ? ['root', 'user'] : ['root']) : [], timeout: 180_000}, (site, role) => {
  let image = '';
  let kvm = true;
  let count = 0;

  before(function () {
    this.timeout(600_000); // the parts are fetched once
    const obstacle = virtualObstacle();
    needKernel(this, kernelSince(5, 12), 'qemu needs Linux 5.12 for a machine');
    need(this, obstacle === null, obstacle ?? '');
    need(this, existsSync(BUSYBOX) && program('newuidmap') !== null, 'busybox-static or uidmap is not installed');
    const parts = virtualParts();
    site.around = (argv, credentials) => withVirtualParts(parts, argv, {...credentials, kvm});
    image = busyboxImage(join(site.directory, 'image'));
  });

  /** A job whose payload is a script of the image's shell. */
  function start(script: string, more: object = {}): {child: ChildProcess; record: () => JobRecord; emulator: () => number | null} {
    const job = site.job({image, command: ['/bin/sh', '-c', script], identity: {address: 'none'}, ...more});
    const file = join(site.directory, `spool/${String(++count)}.json`);
    const policy = site.policy({engines: ['qemu'], images: [image], degraded: 'alarm'});
    const before = new Set(emulators());
    const child = site.spawn([bin('tare'), 'run', '--policy', policy, '--record', file, job], {
      ...{cwd: site.work, stdio: ['pipe', 'pipe', 'pipe']},
    });
    child.stdin?.on('error', () => undefined);
    return {
      child,
      record: () => JSON.parse(readFileSync(file, 'utf8')) as JobRecord,
      emulator: () => emulators().find((pid) => !before.has(pid)) ?? null,
    };
  }

  /** Not those of others on the node: the bridge, whose child it is, has a folder of the site among its words. */
  const emulators = (): number[] => {
    const all = processes().filter(({state}) => state !== 'Z');
    const bridges = new Set(all.filter(({argv}) => argv.some((one) => one.includes(site.directory))).map(({pid}) => pid));
    return all.flatMap(({pid, parent, argv}) => (argv[0]?.endsWith('qemu-system-x86_64') === true && bridges.has(parent) ? [pid] : []));
  };

  it('gives the payload its bytes, its account and its files, under a kernel of its own, and its exit status back', async () => {
    const sent = Buffer.alloc(1_000_000, 'bytes of standard input\n');
    const {child, record} = start(
      'id -u; cat >taken; cat /proc/sys/kernel/osrelease >kernel; echo said >&2; touch /etc/mine; cat /etc/hello; exit 7',
    );
    const over = ending(child);
    child.stdin?.end(sent);
    const {code, stdout, stderr} = await over;
    expect([code, stdout], stderr).to.deep.equal([7, `${String(site.credentials.uid ?? 65_534)}\nhello\n`]);
    expect(stderr).to.match(/^said$/m);
    expect(digest(readFileSync(join(site.work, 'taken')))).to.equal(digest(sent));
    expect(readFileSync(join(site.work, 'kernel'), 'utf8')).to.not.equal(readFileSync('/proc/sys/kernel/osrelease', 'utf8'));
    expect(existsSync(join(image, 'etc/mine'))).to.equal(false);
    const {engine, outcome, pattern, flags} = record();
    expect([engine?.name, pattern, outcome.status, outcome.exitCode]).to.deep.equal(['qemu', 'vm-lite', 'failed', 7]);
    expect(flags.includes('emulated')).to.equal(!hasKvm());
  });

  /** Of a plan, before anything starts. */
  async function refusal(job: object): Promise<string> {
    const policy = site.policy({engines: ['qemu'], images: [image]});
    const {code, stderr} = await site.command(['run', '--policy', policy, site.job({image, command: ['/bin/true'], ...job})]);
    expect(code).to.be.oneOf([125, 126]);
    expect(emulators()).to.deep.equal([]);
    return stderr;
  }

  it('what it cannot do is refused before anything starts', async () => {
    const identity = {address: 'none'};
    expect(await refusal({identity, services: [{name: 'idle', command: ['/bin/sleep', '9']}]})).to.match(/qemu runs no services beside/);
    expect(await refusal({identity: {address: 'host'}})).to.match(/qemu gives a machine no network/);
    expect(await refusal({identity, limits: {memory: '100MiB'}})).to.match(/qemu needs a limit on memory of 320 MiB at least/);
    expect(await refusal({identity, pattern: 'ulimit++', image: undefined})).to.match(/qemu is used for one payload/);
  });

  it('without its parts it is not taken, and the message says which is missing', async function () {
    needKernel(this, !existsSync('/usr/libexec/virtiofsd'), 'virtiofsd is installed');
    const {around} = site;
    site.around = null;
    const stderr = await refusal({identity: {address: 'none'}}).finally(() => (site.around = around));
    expect(stderr).to.contain('its virtiofsd is not in /usr/libexec/virtiofsd');
  });

  // some fifteen boots, and one emulated with the main job: four minutes for each role on a busy node without KVM
  if (!LONG) return;

  it('passes signals on, and a signal is what the payload ends by', async () => {
    const {child} = start('trap "echo told; exit 5" TERM; echo ready; while :; do sleep 0.1; done');
    const over = ending(child);
    child.stdout?.once('data', () => child.kill('SIGTERM'));
    const {code, stdout, stderr} = await over;
    expect([code, stdout], stderr).to.deep.equal([5, 'ready\ntold\n']);
    const killed = start('kill -KILL $$');
    const ended = await ending(killed.child);
    expect([ended.signal, killed.record().outcome.signal], ended.stderr).to.deep.equal(['SIGKILL', 'SIGKILL']);
  });

  it('a payload that needs more memory than the machine has is killed, and the verdict is memory', async () => {
    for (const script of ['exec touch-memory 600 --hold 60', 'touch-memory 600 --hold 60; sleep 60']) {
      const {child, record} = start(script, {limits: {memory: '400MiB'}});
      const {signal, stderr} = await ending(child);
      const {outcome, applications} = record();
      expect(outcome, stderr).to.include({status: 'limit', limit: 'memory', limitScope: 'payload', signal: 'SIGKILL'});
      expect(outcome.evidence).to.match(/oom_kill \+1 in the kernel of the virtual machine/);
      expect(applications[0]?.outcome, stderr).to.include({limit: 'memory'});
      expect(signal).to.equal('SIGKILL');
    }
  });

  it('has more files of the node than the caller may open; who cannot have them is told the limit', async () => {
    // capabilities(7)
    const mayRaise = BigInt(`0x${/^CapEff:\s*(\w+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'}`) & (1n << 24n);
    mkdirSync(join(image, 'many'));
    for (let n = 0; n < 2000; n++) writeFileSync(join(image, `many/${String(n)}`), '');
    const {around} = site;
    site.around = (argv, credentials) => around?.(['/bin/sh', '-c', 'ulimit -n 700; exec "$@"', 'sh', ...argv], credentials) ?? argv;
    const {child} = start('set -- /many/*; for f; do : <$f || exit 3; done; echo $#');
    const {code, stdout, stderr} = await ending(child).finally(() => (site.around = around));
    if (role === 'root' && mayRaise !== 0n) expect([code, stdout], stderr).to.deep.equal([0, '2000\n']);
    else {
      expect([code, stdout], stderr).to.deep.equal([125, '']);
      expect(stderr).to.include('the hard limit on open files is 700; virtiofsd needs 16384 at least');
    }
  });

  /** When qemu is killed: after which output, or how long after it was started, ms. */
  const STEPS: Readonly<Record<string, {ran: boolean; after: number | string; script?: string}>> = {
    'before it boots': {ran: false, after: 0},
    'while it boots': {ran: false, after: 700},
    'while the payload runs': {ran: true, after: 'ready'},
    'while the payload ends': {ran: true, after: 'bye', script: 'echo ready; sleep 0.2; echo bye; exit 6'},
  };
  for (const [step, {ran, after, script = WAITS}] of Object.entries(STEPS))
    it(`ends with qemu, which is killed ${step}: one record, and nothing is left`, async () => {
      const known = new Set(site.records().map(({recordId}) => recordId));
      const {child, emulator} = start(script);
      let said = '';
      child.stdout?.on('data', (text: Buffer) => (said += text.toString()));
      const over = ending(child);
      const pid = await until('qemu', emulator, 60);
      if (typeof after === 'number') await new Promise((resolve) => setTimeout(resolve, after));
      else await until(after, () => said.includes(after), 60);
      send(pid, 'SIGKILL');
      const {code, signal, stderr} = await over;
      await until('nothing to be left', () => site.leftovers().length === 0 && emulators().length === 0, 20);
      const [record, ...others] = site.records().filter(({recordId}) => !known.has(recordId));
      expect(others).to.deep.equal([]);
      if (record === undefined) throw new Error(`no record: ${stderr}`);
      expect(verifyRecord(textOf(record), record.recordId, validateRecord)).to.deep.equal([]);
      const {state, outcome, time, engine} = record;
      const told = JSON.stringify(outcome);
      expect([state, engine?.name], told).to.deep.equal(['final', 'qemu']);
      expect(time.startEpochUs !== null, told).to.equal(ran);
      if (!ran) expect([outcome.status, outcome.code, code], told).to.deep.equal(['wrapper-failure', 'ENGINE_FAILED', 125]);
      // it may have ended just before
      else if (code === 6) expect([outcome.status, outcome.exitCode], told).to.deep.equal(['failed', 6]);
      else expect([signal, outcome.status, outcome.reason], told).to.deep.equal(['SIGKILL', 'wrapper-failure', LOST]);
    });

  it('runs the main job emulated: the same bytes as on the node', async () => {
    const known = readFileSync(join(installed(), 'fixtures/payloads/mcsim.sha256'), 'utf8').trim().split(/\s+/)[0];
    writeFileSync(join(image, 'bin/mcsim'), readFileSync(payload('mcsim')), {mode: 0o755});
    kvm = false;
    const {child, record} = start('mcsim --events 200 --seed 42 --output HITS');
    const {code, stderr} = await ending(child).finally(() => (kvm = true));
    expect(code, stderr).to.equal(0);
    expect(digest(readFileSync(join(site.work, 'HITS')))).to.equal(known);
    expect(record().flags).to.include('emulated');
  });

  it(`weighs all that the machine used on the node, ${role}`, async () => {
    const {child, record} = start('exec sleep 1', {limits: {memory: '400MiB'}});
    const {code, stderr} = await ending(child);
    expect(code, stderr).to.equal(0);
    const {usage, limits, time} = record();
    expect(limits?.memory.value).to.equal(400 * 2 ** 20);
    // a kernel of a distribution
    expect(usage.memPeakBytes).to.be.within(40 * 2 ** 20, 400 * 2 ** 20);
    expect((usage.cpuUserUs ?? 0) + (usage.cpuSystemUs ?? 0)).to.be.above(100_000);
    expect(time.wallUs).to.be.within(900_000, 10_000_000);
  });
});
