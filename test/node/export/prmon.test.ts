/** A job's memory as the readers of prmon want it: measured with control groups and without. */

import {mkdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {describeSite} from '../../support/describe-site.js';
import {patience} from '../../support/pace.js';
import {payload} from '../../support/tare.js';

const MIB = 2 ** 20;

interface Summary {
  Max: Record<string, number>;
  Avg: Record<string, number>;
}

describeSite('memory for prmon, %s', {mayLeave: true}, (site, role) => {
  it('of two processes of 60 MiB', async () => {
    const directory = join(site.directory, 'prmon');
    mkdirSync(directory);
    site.give(directory);
    const policy = {
      processMemory: '500ms',
      exporters: {prmon: {directory}},
      directories: {
        state: join(site.directory, 'state'),
        spool: join(site.directory, 'spool'),
        scratch: join(site.directory, 'scratch'),
        exporters: join(site.directory, 'state/exporters'),
      },
    };
    const touch = `${payload('touch-memory')} 60 --hold ${String(patience(3))}`;
    const {record, code, stderr} = await site.run(['--', '/bin/sh', '-c', `${touch} & ${touch} & wait`], {policy});
    expect(code, stderr).to.equal(0);
    const {usage} = record;
    // both at once, and no more than they touched and a shell needs
    for (const name of ['rss', 'pss'] as const) {
      expect(usage[`${name}PeakBytes`], name).to.be.within(120 * MIB, 130 * MIB);
      // there was a moment before they had touched it
      expect(usage[`${name}AverageBytes`], name).to.be.within(60 * MIB, usage[`${name}PeakBytes`] ?? 0);
    }
    expect(usage.pssPeakBytes).to.be.below(usage.rssPeakBytes ?? 0);
    expect(usage.vmemPeakBytes).to.be.above(usage.rssPeakBytes ?? Infinity);
    expect(usage.swapPeakBytes).to.equal(0);
    expect(record.watch?.pssReads).to.be.at.least(3);

    const exported = await site.command(['records', 'export', '--policy', site.policy(policy)]);
    expect(exported.stdout, exported.stderr).to.contain('prmon: 1 delivered');
    const file = join(directory, `${record.recordId}.memory_monitor_summary.json`);
    const {Max, Avg} = JSON.parse(readFileSync(file, 'utf8')) as Summary;
    // what the PanDA pilot reads, all of it or nothing (kB)
    for (const name of ['vmem', 'rss', 'pss', 'swap']) {
      expect(Max[name], name).to.be.a('number');
      expect(Avg[name], name).to.be.a('number');
    }
    expect(Max['rss']).to.equal(Math.ceil((usage.rssPeakBytes ?? 0) / 1024));
    expect(Max['wtime']).to.be.within(patience(3), patience(6));
  }).timeout(patience(30_000));

  it('is not made up for a job without measurements', async () => {
    const {record} = await site.run(['--', '/bin/true'], {policy: {processMemory: 'never'}});
    expect(record.usage).to.include({
      pssAverageBytes: null,
      swapAverageBytes: null,
      vmemAverageBytes: role === 'root' ? null : record.usage.vmemAverageBytes,
    });
  });
});
