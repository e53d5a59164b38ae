/** The memory limit: which limit killed, by which counter, and what does not count as memory. */
import {expect} from 'chai';
import {describeSite} from '../../support/describe-site.js';
import {hasGroups, KEEPS_PEAK} from '../../support/groups.js';
import {payload, processes} from '../../support/tare.js';

const MIB = 1024 * 1024;

describeSite('memory limit, %s', {}, (site, role) => {
  it('300 MiB touched under 200 MiB: the outcome says so, and all processes are gone', async () => {
    const {record, code, signal} = await site.run([
      '--memory',
      '200MiB',
      '--',
      '/bin/sh',
      '-c',
      `sleep 987654 & ${payload('touch-memory')} 300 --hold 60; wait`,
    ]);
    expect([code, signal]).to.not.deep.equal([0, null]);
    expect(record.outcome).to.include({status: 'limit', limit: 'memory', limitScope: 'payload'});
    expect(record.outcome.evidence).to.match(hasGroups(role) ? /oom/ : /^sampled PSS/);
    expect(record.state).to.equal('final');
    expect(record.flags).to.include('killed');
    expect(record.limits?.memory).to.include({value: 200 * MIB, enforcement: hasGroups(role) ? 'kernel' : 'watched'});
    expect(processes().filter(({argv}) => argv.includes('987654'))).to.deep.equal([]);
    if (!hasGroups(role)) {
      expect(record.watch?.overshootBytes).to.be.within(1, 120 * MIB);
      expect(record.watch?.longestGapUs).to.be.a('number').above(0);
      // what looking cost, and what the payload may have waited for it
      expect(record.watch?.pssReads).to.be.at.least(1);
      expect(record.watch?.pssUs).to.be.within(record.watch?.pssLongestUs ?? Infinity, record.watch?.lookUs ?? 0);
      expect(record.flags).to.include('sampled-memory');
    } else {
      expect(record.usage.oomKills).to.be.at.least(1);
      expect(record.usage.memLimitHits).to.be.at.least(1);
      expect(record.watch?.events).to.be.oneOf(['notified', 'polled']);
      expect(record.usage.memPeakBytes).to.be.within(190 * MIB, 200 * MIB);
    }
  });

  it('150 MiB and 400 MiB of page cache under 200 MiB: no kill, and no verdict of one', async () => {
    const script = `${payload('touch-memory')} 150 --hold 4 & ${payload('read-file')} cache 400 --unlink && wait`;
    const {record, code, stderr} = await site.run(['--memory', '200MiB', '--', '/bin/sh', '-c', script]);
    expect(code, stderr).to.equal(0);
    expect(record.outcome).to.include({status: 'completed', limit: null, limitScope: null});
    if (hasGroups(role) && KEEPS_PEAK) expect(record.usage.memPeakBytes).to.be.above(195 * MIB);
  });

  it('100 MiB in /tmp of a 64 MiB job is no memory', async () => {
    const {record, code, stderr} = await site.run([
      '--memory',
      '64MiB',
      '--',
      '/bin/sh',
      '-c',
      'dd if=/dev/zero of=/tmp/file bs=1M count=100 2>/dev/null && stat -c %s /tmp/file',
    ]);
    expect(code, stderr).to.equal(0);
    expect(record.outcome.status).to.equal('completed');
  });

  it('100 MiB in /dev/shm of a 64 MiB job is memory', async () => {
    const {record} = await site.run(['--memory', '64MiB', '--', payload('touch-memory'), '100', '--shm', '--hold', '20']);
    expect(record.outcome).to.include({status: 'limit', limit: 'memory'});
  });
});
