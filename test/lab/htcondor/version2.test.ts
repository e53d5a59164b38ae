/** HTCondor on a machine of control groups of version 2, with the wrapper: what the starter makes for a job, and what the wrapper makes of it. */
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import type {UsageRecord} from '../../../src/record/record.js';
import {poolFor, WRAPPERS} from '../../e2e/htcondor/variants.js';
import {pick, shell, started} from '../../e2e/htcondor/jobs.js';
import type {Ad} from '../../support/pool.js';
import {installed, payload, until} from '../../support/tare.js';

const MIB = 2 ** 20;
const RESERVE = 64 * MIB;
const [, DIST] = WRAPPERS;
const schedd = readFileSync(join(installed(), 'configs/htcondor/schedd.conf'), 'utf8').split('\n');

describe('HTCondor under version 2', function () {
  const pool = poolFor(DIST!, {config: schedd});

  function recordOf(ad: Ad): UsageRecord {
    const found = pool()
      .records()
      .filter(({lrms}) => `"${lrms.globalJobId}"` === ad.get('GlobalJobId'));
    expect(found, `records of ${String(ad.get('GlobalJobId'))}`).to.have.length(1);
    return found[0]!;
  }

  it('a plain job: in the group that the starter made, limited to its slot', async () => {
    const job = await pool().submit({...shell('cat /proc/self/cgroup; echo done'), request_memory: '256MB'});
    await job.wait('terminated');
    const ad = await job.ad();
    const record = recordOf(ad);
    console.log(job.output, JSON.stringify(record.limits), JSON.stringify(record.flags));
    expect(record.outcome).to.include({status: 'completed', exitCode: 0});
    expect(record.allocation.memoryLimitBytes).to.equal(256 * MIB - RESERVE);
  });

  it('a job over its memory: the record says that it was the payload’s limit, and oom: hold holds the job', async () => {
    pool().setPolicy({batch: {oom: 'hold'}});
    const job = await pool().submit({executable: payload('touch-memory'), arguments: '600 --hold 60', request_memory: '256MB'});
    const event = await job.wait('held');
    const ad = await job.ad();
    const record = recordOf(ad);
    console.log(event, JSON.stringify(record.limits?.memory), JSON.stringify(record.outcome));
    expect(event).to.match(/Tare: .*memory/);
    expect(record.outcome).to.include({status: 'limit', limit: 'memory', whose: 'payload'});
    expect(pick(ad, 'JobStatus', 'ChirpTareHold', 'ChirpTareLimit')).to.deep.equal({
      JobStatus: '5',
      ChirpTareHold: 'true',
      ChirpTareLimit: '"memory"',
    });
    await job.command('condor_rm');
  });

  it('condor_rm: the job is gone, and all that it had', async () => {
    pool().setPolicy({});
    const job = await started(pool(), shell('setsid sleep 600 & : >ready; sleep 600'));
    await job.command('condor_rm');
    await job.wait('aborted');
    await until('nothing to be left', () => pool().leftovers().length === 0, 30);
    const [record] = pool().records().slice(-1);
    expect(record?.state).to.equal('final');
  });
});
