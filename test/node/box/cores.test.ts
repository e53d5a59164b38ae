/** Cores: by quota, and by pinning. */
import {expect} from 'chai';
import {describeSite} from '../../support/describe-site.js';
import {hasGroups} from '../../support/groups.js';
import {patience} from '../../support/pace.js';
import {payload} from '../../support/tare.js';

describeSite('cores, %s', {}, (site, role) => {
  it('two busy workers under cores: 1', async () => {
    const {record, code} = await site.run(['--cores', '1', '--', payload('burn'), '2', '--processes', '2']);
    expect(code).to.equal(0);
    const {cpuUserUs, cpuSystemUs} = record.usage;
    const ratio = ((cpuUserUs ?? 0) + (cpuSystemUs ?? 0)) / (record.time.wallUs ?? 1);
    if (hasGroups(role)) {
      expect(record.limits?.cores).to.include({enforcement: 'kernel'});
      // where others want the CPUs too it may get less, but a quota of half a core would be seen
      expect(ratio).to.be.within(0.6 / patience(1), 1.05);
      expect(record.usage.throttledUs).to.be.above(0);
    } else {
      expect(record.limits?.cores).to.include({enforcement: 'none', by: null});
    }
  });

  it('pinned: one CPU in the affinity mask of everything in the box', async () => {
    const {stdout, code} = await site.run([
      '--cores',
      '1',
      '--pin-cores',
      '--',
      '/bin/sh',
      '-c',
      'grep Cpus_allowed_list /proc/self/status; nproc',
    ]);
    expect(code).to.equal(0);
    expect(stdout).to.match(/^Cpus_allowed_list:\t\d+\n1\n$/);
  });
});
