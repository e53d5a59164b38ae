/** HTCondor on a machine of control groups of version 2, with the wrapper: what the starter makes for a job, and what the wrapper makes of it. */
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import type {UsageRecord} from '../../../src/record/record.js';
import {pick, shell, started} from '../../e2e/htcondor/jobs.js';
import {poolFor, WRAPPERS} from '../../e2e/htcondor/variants.js';
import type {Ad} from '../../support/pool.js';
import {installed, payload, until} from '../../support/tare.js';

const MIB = 2 ** 20;
/** Built in: 8 % of a small slot. */
const RESERVE = 20 * MIB;
const schedd = readFileSync(join(installed(), 'configs/htcondor/schedd.conf'), 'utf8').split('\n');
/** Each plugin for a kind of URL is started to ask what it can, and waited for. */
const WITHOUT_URLS = 'ENABLE_URL_TRANSFERS = False';
const [variant] = WRAPPERS.filter(({name}) => name.startsWith('dist/'));

describe('HTCondor, version 2', () => {
  const pool = poolFor(variant!, {config: [...schedd, WITHOUT_URLS]});

  function recordOf(ad: Ad): UsageRecord {
    const found = pool()
      .records()
      .filter(({lrms}) => `"${lrms.globalJobId}"` === ad.get('GlobalJobId'));
    expect(found, `records of ${String(ad.get('GlobalJobId'))}`).to.have.length(1);
    return found[0]!;
  }

  it('a job is limited by the kernel, in groups below its slot’s', async () => {
    const job = await pool().submit(shell('cat /proc/self/cgroup'));
    await job.wait('terminated');
    const record = recordOf(await job.ad());
    expect(record.outcome).to.include({status: 'completed', exitCode: 0});
    expect(record.limits?.memory, job.output).to.include({value: 256 * MIB - RESERVE, enforcement: 'kernel', by: 'cgroup2:memory.max'});
  });

  // The starter counts a kill below its group as its own: it holds the job itself, with a reason of its own.
  it('over its memory: the payload’s own limit, says the record, and oom: hold holds the job', async () => {
    pool().setPolicy({batch: {oom: 'hold'}});
    const job = await pool().submit({executable: payload('touch-memory'), arguments: '1200 --hold 60', request_memory: '1024MB'});
    await until('the end of the job', () => job.events('held').length + job.events('terminated').length > 0, 60);
    const ad = await job.ad();
    const record = recordOf(ad);
    expect(record.outcome).to.include({status: 'limit', limit: 'memory', limitScope: 'payload'});
    expect(record.outcome.evidence).to.match(/oom/);
    expect(job.events('held').join(), job.userLog).to.match(/over cgroup memory limit/);
    // What was told by Chirp is lost when the starter holds a job itself.
    expect(pick(ad, 'JobStatus', 'HoldReasonCode')).to.deep.equal({JobStatus: '5', HoldReasonCode: '34'});
    await job.command('condor_rm');
  });

  it('condor_rm: the job is gone, and all that it had', async () => {
    pool().setPolicy({});
    const job = await started(pool(), shell('setsid sleep 600 & : >ready; sleep 600'));
    await job.command('condor_rm');
    await job.wait('aborted');
    await until('nothing to be left', () => pool().leftovers().length === 0, 30).catch(() => {
      expect(pool().leftovers()).to.deep.equal([]);
    });
  });
});
