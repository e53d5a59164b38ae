/** What the record of an observed job says would have been. */
import {spawn} from 'node:child_process';
import {readFileSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import type {UsageRecord} from '../../../src/record/record.js';
import {describeSite} from '../../support/describe-site.js';
import {KEEPS_PEAK} from '../../support/groups.js';
import {patience} from '../../support/pace.js';
import {need} from '../../support/need.js';
import {bin, ending, isRoot, payload} from '../../support/tare.js';

const MIB = 2 ** 20;
const OBSERVE = {mode: 'observe'};

describeSite('what would have been, %s', {}, (site, role) => {
  it('400 MiB under a limit of 236 MiB: would exceed it by 164 MiB', async () => {
    const {code, record} = await site.run(
      ['--memory', '236MiB', '--', '/bin/sh', '-c', `sleep 0.3; exec ${payload('touch-memory')} 400 --hold 1.5`],
      {policy: OBSERVE},
    );
    expect(code).to.equal(0);
    expect(record.flags).to.include.members(['observe', 'would-exceed']);
    const memory = record.observed?.limits.memory;
    expect(memory?.limit).to.equal(236 * MIB);
    // the payload's own few pages beside
    expect(memory?.exceededBy, JSON.stringify(memory)).to.be.within(164 * MIB, 180 * MIB);
    expect(memory?.peak).to.equal(236 * MIB + (memory?.exceededBy ?? 0));
    expect(memory?.sinceUs, JSON.stringify(memory)).to.be.within(200_000, record.time.wallUs ?? 0);
    expect(record.outcome.status).to.equal('completed');
  });

  it('a payload that is over and gone between two looks is found all the same', async () => {
    const {record} = await site.run(['--memory', '100MiB', '--', payload('touch-memory'), '300'], {policy: OBSERVE});
    expect(record.flags, JSON.stringify(record.observed)).to.include('would-exceed');
    expect(record.observed?.limits.memory?.exceededBy).to.be.within(190 * MIB, 220 * MIB);
  });

  it('page cache is not what the limit would have stopped', async () => {
    const file = join(site.work, 'large');
    const {record} = await site.run(
      ['--memory', '64MiB', '--', '/bin/sh', '-c', `head -c 200M /dev/zero >${file}; sleep 0.7; rm ${file}`],
      {policy: OBSERVE},
    );
    const {memory} = record.observed?.limits ?? {};
    if (role === 'root' && KEEPS_PEAK) expect(record.usage.memPeakBytes).to.be.greaterThan(64 * MIB);
    expect(memory?.exceededBy, JSON.stringify(memory)).to.equal(0);
    expect(record.flags).not.to.include('would-exceed');
  });

  it('wall time, CPU time, processes and scratch', async () => {
    const script = `head -c 5M /dev/zero >written; for n in 1 2 3 4 5 6; do sleep ${String(patience(1.6))} & done; ${payload('burn')} 1; wait; rm written`;
    const limits = ['--wall-time', '500ms', '--cpu-time', '300ms', '--processes', '3'];
    const {record} = await site.run([...limits, '--', '/bin/sh', '-c', script], {
      policy: {...OBSERVE, scratch: {workDirectory: true}, defaults: {scratch: '1MiB'}},
    });
    const {wallTime, cpuTime, processes, scratch} = record.observed?.limits ?? {};
    expect(wallTime?.exceededBy).to.equal((record.time.wallUs ?? 0) - 500_000);
    expect(wallTime?.sinceUs).to.equal(500_000);
    expect(cpuTime?.exceededBy).to.be.greaterThan(400_000);
    expect(cpuTime?.sinceUs).to.be.greaterThan(250_000);
    expect(processes?.exceededBy, JSON.stringify(processes)).to.be.within(4, 7);
    expect(scratch?.exceededBy, JSON.stringify(scratch)).to.be.within(3.9 * MIB, 4.2 * MIB);
    expect(record.outcome.status).to.equal('completed');
  });

  it('a limit that cannot be measured in time is null, not 0, and a limit that held has no flag', async () => {
    const {record} = await site.run(
      ['--open-files', '77', '--core-size', '0', '--memory', '1GiB', '--wall-time', '1h', '--', '/bin/sh', '-c', 'ulimit -n'],
      {policy: OBSERVE},
    );
    const {openFiles, coreSize, memory, wallTime} = record.observed?.limits ?? {};
    expect([openFiles?.limit, openFiles?.peak, openFiles?.exceededBy]).to.deep.equal([77, null, null]);
    expect(coreSize?.exceededBy).to.equal(null);
    expect([memory?.exceededBy, memory?.sinceUs, wallTime?.exceededBy]).to.deep.equal([0, null, 0]);
    expect(record.flags.filter((flag) => flag.startsWith('would-'))).to.deep.equal([]);
  });

  it('a job that the policy refuses runs, and its record says with which code and why', async () => {
    const rules = [{name: 'nobody', match: {vo: ['ghosts']}, refuse: 'ghosts do not work here'}];
    const argv = ['--vo', 'ghosts', '--', '/bin/sh', '-c', 'echo ran'];
    const enforced = await site.run(argv, {policy: {rules}});
    expect([enforced.code, enforced.record.outcome.code]).to.deep.equal([126, 'POLICY_REFUSED']);
    const {code, stdout, record} = await site.run(argv, {policy: {...OBSERVE, rules}});
    expect([code, stdout]).to.deep.equal([0, 'ran\n']);
    expect(record.observed?.refused?.code).to.equal('POLICY_REFUSED');
    const said = (reason: string | null | undefined): string | undefined => reason?.replace(/policy-\d+/, 'policy');
    expect(said(record.observed?.refused?.reason)).to.equal(said(enforced.record.outcome.reason));
    expect(record.observed?.boxed).to.equal(null);
    expect(record.flags).to.include('would-refuse');
  });

  it('a box that could be built', async () => {
    const {record} = await site.run(['--', 'true'], {policy: OBSERVE});
    expect(record.observed?.boxed?.value, JSON.stringify(record.observed)).to.equal(true);
    expect(record.flags).not.to.include('would-be-unboxed');
  });

  it('a box that could not be built, and why', async function () {
    need(this, isRoot, 'hiding bubblewrap from one process takes root');
    const copy = join(site.directory, 'spool', 'copy.json');
    const hide = 'mount --bind /dev/null "$(readlink -f "$(command -v bwrap)")" && exec "$@"';
    const {uid, gid} = site.credentials;
    const as = uid === undefined ? [] : ['setpriv', '--reuid', String(uid), '--regid', String(gid), '--clear-groups'];
    const argv = [bin('tare'), 'run', '--policy', site.policy(OBSERVE), '--record', copy, '--', '/bin/true'];
    const child = spawn('unshare', ['--mount', 'sh', '-c', hide, 'sh', ...as, ...argv], {cwd: site.work});
    const {code, stderr} = await ending(child);
    expect(code, stderr).to.equal(0);
    const record = JSON.parse(readFileSync(copy, 'utf8')) as UsageRecord;
    rmSync(copy);
    expect(record.observed?.boxed?.value).to.equal(false);
    expect(record.observed?.boxed?.because).to.match(/bubblewrap/);
    expect(record.flags).to.include('would-be-unboxed');
  });

  it('the record of an enforced job has no observed part', async () => {
    const {record} = await site.run(['--memory', '1GiB', '--', 'true']);
    expect(record).not.to.have.property('observed');
  });
});
