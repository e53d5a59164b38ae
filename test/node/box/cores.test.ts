/** Cores: by quota, and by pinning. */
import {expect} from 'chai';
import type {UsageRecord} from '../../../src/record/record.js';
import {describeSite} from '../../support/describe-site.js';
import {hasGroups} from '../../support/groups.js';
import {patience} from '../../support/pace.js';
import {payload} from '../../support/tare.js';

/** In which the kernel counts a quota: cpu.cfs_period_us, the second number of cpu.max. */
const PERIOD_US = 100_000;
/** What a group gets of its quota at a time for each CPU (sched-bwc.rst, sched_cfs_bandwidth_slice_us). */
const SLICE_US = 5000;
/** Of all periods: where fewer are full, a quota half or double as large could be between the bounds too. */
const LEAST_FULL = 0.6;
const NEARLY_ALL = 0.95;

/**
 * Between which numbers of cores the quota was, by what the kernel counted (sched-bwc.rst): in a full period the group used just its quota, but
 * for a slice that one CPU has taken and not used, while the other is throttled; in the others less. That holds on a busy node too: where others want the CPUs, fewer periods are full.
 */
function quotaOf({cpuUserUs, cpuSystemUs, quotaPeriods, throttledPeriods}: UsageRecord['usage']): {
  least: number;
  most: number;
  full: number;
} {
  const periods = ((cpuUserUs ?? 0) + (cpuSystemUs ?? 0)) / PERIOD_US;
  const [all, full] = [quotaPeriods ?? 0, throttledPeriods ?? 0];
  return {least: periods / all, most: periods / full, full: full / all};
}

describeSite('cores, %s', {}, (site, role) => {
  /** @param holds such a share is to be had also where others want all CPUs: the quota is what holds, whatever else runs */
  const busy = (cores: number, seconds: number, holds: boolean) => async (): Promise<void> => {
    const {record, code} = await site.run(['--cores', String(cores), '--', payload('burn'), String(seconds), '--processes', '2']);
    expect(code).to.equal(0);
    if (!hasGroups(role)) {
      expect(record.limits?.cores).to.include({enforcement: 'none', by: null});
      return;
    }
    expect(record.limits?.cores).to.include({enforcement: 'kernel'});
    const {usage, time} = record;
    const {least, most, full} = quotaOf(usage);
    expect(least).to.be.at.most(1.05 * cores);
    expect(most).to.be.at.least(0.95 * cores - SLICE_US / PERIOD_US);
    const used = ((usage.cpuUserUs ?? 0) + (usage.cpuSystemUs ?? 0)) / (time.wallUs ?? 1);
    expect(used).to.be.at.most(1.05 * cores);
    if (full >= NEARLY_ALL) expect(used).to.be.at.least((0.95 * cores) / patience(1));
    if (!holds) return;
    expect(full).to.be.at.least(LEAST_FULL);
    expect(usage.throttledUs).to.be.above(0);
  };

  it('two busy workers under cores: 0.2', busy(0.2, 0.4, true));

  it('two busy workers under cores: 1', busy(1, 2, false));

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
