/** The limit on scratch: the kernel's where a file system of its own holds it, else watched; the peak is in the record. */
import {expect} from 'chai';
import {chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync} from 'node:fs';
import {imageBytes} from '../../../src/supervise/quota.js';
import {describeSite} from '../../support/describe-site.js';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {below, ending, processes, program, send, until} from '../../support/tare.js';

const MIB = 2 ** 20;
/** How much can be written, and what the writer is told. */
const fill = (directory: string, mib: number): string =>
  `dd if=/dev/zero of=${directory}/file bs=64k count=${String(mib * 16)} 2>said; grep -o 'No space left' said; stat -c %s ${directory}/file`;

/** The loop devices whose file is below a directory: other tests have some too. */
const loopsBelow = (directory: string): string[] =>
  readdirSync('/sys/block').filter((name) => {
    try {
      return readFileSync(`/sys/block/${name}/loop/backing_file`, 'utf8').startsWith(`${directory}/`);
    } catch {
      return false;
    }
  });

describeSite('the limit on scratch, %s', {each: true, timeout: patience(30_000)}, (site, role) => {
  afterEach(async () => {
    // the kernel unmounts when the last process is gone, a moment later
    await until('loop devices to be free', () => loopsBelow(site.directory).length === 0);
  });

  if (role === 'root') {
    for (const [title, more] of [
      ['/tmp', []],
      ['/tmp of a box with a view', ['--filesystem', 'shared']],
    ] as const)
      it(`200 MiB into 100 MiB of ${title}: ENOSPC at 100 MiB, by the kernel`, async function () {
        need(this, program('mkfs.ext4') !== null && existsSync('/dev/loop-control'), 'there are no loop devices, or no mkfs.ext4');
        const {code, stdout, stderr, record} = await site.run([
          ...['--scratch', '100MiB', ...more],
          ...['--', '/bin/sh', '-c', `${fill('/tmp', 200)}; sleep 0.3`],
        ]);
        expect(code, stderr).to.equal(0);
        const [said, size] = stdout.trim().split('\n');
        expect(said).to.equal('No space left');
        expect(Number(size)).to.be.within(99 * MIB, 101 * MIB);
        expect(record.limits?.scratch).to.include({value: 100 * MIB, enforcement: 'kernel', by: 'loop'});
        expect(record.usage.scratchPeakBytes).to.be.within(99 * MIB, 101 * MIB);
        expect(record.usage.scratchPeakSource).to.match(/^sampled:statfs/);
      });

    it('holds what is written to the view, too', async function () {
      need(this, program('mkfs.ext4') !== null && existsSync('/dev/loop-control'), 'there are no loop devices, or no mkfs.ext4');
      const open = '/srv/tare-test-open';
      mkdirSync(open);
      chmodSync(open, 0o1777);
      try {
        const job = ['--scratch', '30MiB', '--filesystem', 'shared', '--', '/bin/sh', '-c', fill(open, 60)];
        const {stdout, stderr} = await site.run(job);
        expect(stdout, stderr).to.match(/^No space left\n3\d{7}\n$/);
      } finally {
        rmSync(open, {recursive: true});
      }
    });

    it('is watched where the file system cannot be made', async () => {
      const {code, stderr, record} = await site.run(['--scratch', '4KiB', '--', '/bin/true']);
      expect(code, stderr).to.equal(0);
      expect(record.limits?.scratch).to.include({enforcement: 'watched', by: 'watch.scratch'});
    });

    it('all killed at once: the loop device goes with the box, and the sweep removes its file', async function () {
      need(this, program('mkfs.ext4') !== null && existsSync('/dev/loop-control'), 'there are no loop devices, or no mkfs.ext4');
      const policy = site.policy();
      const child = site.start([
        'run',
        '--policy',
        policy,
        '--scratch',
        '50MiB',
        '--filesystem',
        'shared',
        '--',
        '/bin/sh',
        '-c',
        'touch /tmp/x; exec sleep 1.6449',
      ]);
      const end = ending(child);
      await until('the payload', () => processes().some(({argv}) => argv.join(' ') === 'sleep 1.6449'));
      expect(loopsBelow(site.directory)).to.have.length(1);
      const family = below(child.pid ?? 0);
      for (const {pid} of family) send(pid, 'SIGSTOP');
      for (const {pid} of family) send(pid, 'SIGKILL');
      await end;
      expect((await site.command(['records', 'sweep', '--json', '--policy', policy])).code).to.equal(0);
    });
  } else {
    it('200 MiB into 100 MiB of /tmp: stopped at the next look', async () => {
      const {record, code, signal} = await site.run([
        '--scratch',
        '100MiB',
        '--',
        '/bin/sh',
        '-c',
        `${fill('/tmp', 200)}; sleep ${String(patience(20))}`,
      ]);
      expect([code, signal]).to.deep.equal([null, 'SIGKILL']);
      expect(record.outcome).to.include({status: 'limit', limit: 'scratch', limitScope: null});
      expect(record.outcome.evidence).to.match(/^found \S+ MiB on scratch|^found \S+ KiB on scratch/);
      expect(record.limits?.scratch).to.include({enforcement: 'watched', by: 'watch.scratch'});
      expect(record.usage.scratchPeakBytes).to.be.within(100 * MIB, 201 * MIB);
      expect(record.usage.scratchPeakSource).to.equal('sampled:walk');
      expect(record.time.wallUs).to.be.below(patience(10e6));
    });
  }

  it('in memory, where the policy allows it: ENOSPC by the kernel', async () => {
    const policy = {scratch: {inMemory: true}, enforcement: {scratch: 'kernel'}};
    const {code, stdout, stderr, record} = await site.run(['--scratch', '20MiB', '--', '/bin/sh', '-c', fill('/tmp', 40)], {policy});
    expect(code, stderr).to.equal(0);
    const [said, size] = stdout.trim().split('\n');
    expect(said).to.equal('No space left');
    expect(Number(size)).to.be.within(19.8 * MIB, 20.2 * MIB);
    expect(record.limits?.scratch).to.include({
      enforcement: 'kernel',
      by: role === 'root' && program('mkfs.ext4') !== null ? 'loop' : 'tmpfs',
    });
  });

  it('the work directory counts where the policy says so', async () => {
    const {record} = await site.run(['--scratch', '10MiB', '--', '/bin/sh', '-c', `${fill('.', 20)}; sleep 20`], {
      policy: {scratch: {workDirectory: true}},
    });
    expect(record.outcome).to.include({status: 'limit', limit: 'scratch'});
    expect((await site.run(['--scratch', '10MiB', '--', '/bin/sh', '-c', fill('.', 20)])).record.outcome.status).to.equal('completed');
  });

  it('the peak of a short job, links counted once', async () => {
    const script = `dd if=/dev/zero of=/var/tmp/a bs=1M count=3 2>/dev/null; ln /var/tmp/a /var/tmp/b; mkdir /tmp/d; sleep ${String(patience(0.4))}; rm /var/tmp/a /var/tmp/b`;
    const {record, stderr} = await site.run(['--scratch', '100MiB', '--', '/bin/sh', '-c', script]);
    expect(record.outcome.status, stderr).to.equal('completed');
    expect(record.usage.scratchPeakBytes).to.be.within(3 * MIB, 4 * MIB);
  });

  it('no limit, no figure', async () => {
    const {record} = await site.run(['--', '/bin/true']);
    expect([record.usage.scratchPeakBytes, record.limits?.scratch?.value]).to.deep.equal([null, null]);
  });
});

describe('the size of the file that holds scratch', () => {
  for (const size of [2 * MIB, 100 * MIB, 10 * 1024 * MIB, 300 * 1024 * MIB])
    it(`${String(size / MIB)} MiB can be filled, and no more than a fiftieth is kept back`, () => {
      expect(imageBytes(size) / size).to.be.within(1.01, size < 10 * MIB ? 1.1 : 1.04);
    });
});
