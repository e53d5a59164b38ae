/** Small machines by qemu: a virtual machine with a kernel of its own. One boot for every change, since it takes seconds where there is no KVM. */

import {spawn, type ChildProcess} from 'node:child_process';
import {createHash} from 'node:crypto';
import {existsSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import type {UsageRecord as JobRecord} from '../../../src/schema/generated/record-2.js';
import {describeSite} from '../../support/describe-site.js';
import {BUSYBOX, busyboxImage} from '../../support/machine.js';
import {kernelSince} from '../../support/groups.js';
import {LONG, need, needKernel} from '../../support/need.js';
import {below, bin, ending, installed, isRoot, payload, send} from '../../support/tare.js';
import {virtualObstacle, virtualParts, withVirtualParts} from '../../support/virtual.js';

const digest = (text: Buffer | string): string => createHash('sha256').update(text).digest('hex');

const hasKvm = (): boolean => existsSync('/dev/kvm') && /\b(?:vmx|svm)\b/.test(readFileSync('/proc/cpuinfo', 'utf8'));

describeSite('a virtual machine, %s', {roles: isRoot ? ['root'] : [], timeout: 180_000}, (site) => {
  let parts = '';
  let image = '';
  let count = 0;

  before(function () {
    const obstacle = virtualObstacle();
    needKernel(this, kernelSince(5, 12), 'qemu needs Linux 5.12 for a machine');
    need(this, obstacle === null && existsSync(BUSYBOX), obstacle ?? 'busybox-static is not installed');
    parts = virtualParts();
    image = busyboxImage(site.directory);
  });

  const policyFile = (): string => site.policy({engines: ['qemu'], images: [image], degraded: 'alarm'});

  /** Starts a job whose payload is a script of the image's shell. */
  function start(script: string, more: object = {}, options: {kvm?: boolean} = {}): {child: ChildProcess; record: () => JobRecord} {
    const job = site.job({image, command: ['/bin/sh', '-c', script], identity: {address: 'none'}, ...more});
    const file = join(site.directory, `spool/${String(++count)}.json`);
    const argv = withVirtualParts(parts, [bin('tare'), 'run', '--policy', policyFile(), '--record', file, job], options);
    const child = spawn(argv[0] ?? '', argv.slice(1), {cwd: site.work, stdio: ['pipe', 'pipe', 'pipe']});
    return {child, record: () => JSON.parse(readFileSync(file, 'utf8')) as JobRecord};
  }

  it('gives the payload its bytes, its account and its files, under a kernel of its own, and its exit status back', async () => {
    const sent = Buffer.alloc(1_000_000, 'bytes of standard input\n');
    const {child, record} = start(
      'id -u; cat >taken; cat /proc/sys/kernel/osrelease >kernel; echo said >&2; touch /etc/mine; cat /etc/hello; exit 7',
    );
    const over = ending(child);
    child.stdin?.end(sent);
    const {code, stdout, stderr} = await over;
    expect([code, stdout.split('\n').slice(1)], stderr).to.deep.equal([7, ['hello', '']]);
    expect(stderr).to.match(/^said$/m);
    expect(digest(readFileSync(join(site.work, 'taken')))).to.equal(digest(sent));
    expect(readFileSync(join(site.work, 'kernel'), 'utf8')).to.not.equal(readFileSync('/proc/sys/kernel/osrelease', 'utf8'));
    expect(existsSync(join(image, 'etc/mine'))).to.equal(false);
    const {engine, outcome, pattern, flags} = record();
    expect([engine?.name, pattern, outcome.status, outcome.exitCode]).to.deep.equal(['qemu', 'vm-lite', 'failed', 7]);
    expect(flags.includes('emulated')).to.equal(!hasKvm());
  });

  it('without its parts it is not taken, and the message says which is missing', async () => {
    const job = site.job({image, command: ['/bin/true'], identity: {address: 'none'}});
    const {code, stderr} = await site.run(['--engine', 'qemu', job], {policy: {engines: ['qemu'], images: [image]}});
    if (existsSync('/usr/libexec/virtiofsd')) return;
    expect([code, stderr.includes('its virtiofsd is not in /usr/libexec/virtiofsd')], stderr).to.deep.equal([125, true]);
  });

  // four boots, and one emulated with the main job: two minutes on a busy node without KVM
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

  it('ends with qemu: one record, and nothing is left', async () => {
    const {child, record} = start('echo ready; while :; do sleep 0.1; done');
    const over = ending(child);
    child.stdout?.once('data', () => {
      for (const {pid, argv} of below(child.pid ?? 0)) if (argv[0]?.endsWith('qemu-system-x86_64') === true) send(pid, 'SIGKILL');
    });
    await over;
    expect(record().outcome.status).to.be.oneOf(['lost', 'signalled', 'wrapper-failure']);
  });

  it('runs the main job emulated: the same bytes as on the node', async () => {
    const known = readFileSync(join(installed(), 'fixtures/payloads/mcsim.sha256'), 'utf8').trim().split(/\s+/)[0];
    const program = join(image, 'bin/mcsim');
    writeFileSync(program, readFileSync(payload('mcsim')), {mode: 0o755});
    const {child, record} = start('mcsim --events 200 --seed 42 --output HITS', {}, {kvm: false});
    const {code, stderr} = await ending(child);
    expect(code, stderr).to.equal(0);
    expect(digest(readFileSync(join(site.work, 'HITS')))).to.equal(known);
    expect(record().flags).to.include('emulated');
  });
});
