/** A job whose starts fail on nodes is held after some, as configs/htcondor/schedd.conf says; what ended a start otherwise does not count. */
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import type {Ad, Job} from '../../support/pool.js';
import {installed} from '../../support/tare.js';
import {pick, shell, sleep, started, WAITS} from './jobs.js';
import {nudged, poolFor, WRAPPERS} from './variants.js';

const MOST = 3;
const schedd = readFileSync(join(installed(), 'configs/htcondor/schedd.conf'), 'utf8').split('\n');

for (const variant of WRAPPERS) {
  describe(`starts that fail on nodes, ${variant.name}`, () => {
    // of a node that does not notice that it is broken, there is no limit but the job's
    const pool = poolFor(variant, {
      config: [...schedd, `TARE_FAILED_STARTS = ${String(MOST)}`, 'TARE_COOL_DOWN = 3'],
      policy: {box: 'required'},
    });
    const counted = async (job: Job): Promise<string> => (await pool().tool('condor_q', [job.id, '-af', 'TareFailedStarts'])).trim();
    const broken = async (target: string, work: () => Promise<void>): Promise<void> => {
      await pool().cover(target, '/dev/null');
      try {
        await work();
      } finally {
        await pool().uncover(target);
      }
    };
    const held = async (job: Job): Promise<Ad> => {
      await nudged(pool(), job, async () => job.wait('held'));
      const ad = await job.heldAd();
      expect(pick(ad, 'HoldReasonCode', 'HoldReasonSubCode')).to.deep.equal({HoldReasonCode: '26', HoldReasonSubCode: '2'});
      return ad;
    };

    it('the wrapper fails: held after the last of them, and the reason names the counter and the node’s words', async () => {
      const job = await pool().submit(shell('echo ran'));
      await broken('/usr/bin/bwrap', async () => {
        const ad = await held(job);
        expect(ad.get('HoldReason')).to.match(/^"Tare: TareFailedStarts is 3: .* the last one on slot\S+: .*job wrapper failed.*box/);
        expect(job.events('executing')).to.have.length(MOST);
        expect(await counted(job)).to.equal(String(MOST));

        await job.command('condor_release'); // one more try
        await nudged(pool(), job, async () => job.wait('held', {times: 2}));
        expect(job.events('executing')).to.have.length(MOST + 1);
      });
      await job.command('condor_release');
      await nudged(pool(), job, async () => job.wait('terminated'));
      expect(job.output).to.equal('ran\n');
    });

    it('there is no wrapper that could report: held too', async () => {
      const job = await pool().submit(shell('echo ran'));
      await broken(variant.wrapper, async () => {
        const ad = await held(job);
        expect(ad.get('HoldReason')).to.match(/TareFailedStarts is 3: .*Job not found at execution machine/);
        expect(job.events('executing')).to.have.length(MOST);
      });
      await job.command('condor_rm');
    });

    it('a job may ask for less', async () => {
      const job = await pool().submit({...shell('echo ran'), '+TareMostFailedStarts': 1});
      await broken('/usr/bin/bwrap', async () => {
        await held(job);
        expect(job.events('executing')).to.have.length(1);
      });
      await job.command('condor_rm');
    });

    it('what was vacated, or made a checkpoint, has not failed', async () => {
      const job = await started(pool(), shell(WAITS));
      for (let times = 2; times <= MOST + 2; times++) {
        await job.command('condor_vacate_job');
        await job.wait('executing', {times});
      }
      const script = 'n=$(cat n 2>/dev/null || echo 0); n=$((n+1)); echo $n >n; test $n -gt 4 || exit 85';
      const saves = await pool().submit({...shell(script), checkpoint_exit_code: 85, transfer_checkpoint_files: 'n'});
      await saves.wait('terminated');
      expect([await counted(job), (await saves.finalAd()).get('NumJobCoolDowns')]).to.deep.equal(['0', undefined]);
      await sleep(5000);
      expect(job.events('held')).to.have.length(0);
      await job.command('condor_rm');
    });

    it('where the schedd counts by reason too, nothing else is counted as a failed start', async () => {
      const job = await pool().submit({
        ...shell('echo ran'),
        hold: true,
        '+NumJobCoolDowns': 5,
        '+NumVacatesByReason': '[ ActivationRefusedUnhealthy = 4; StarterError = 1 ]',
      });
      expect(await counted(job)).to.equal('1');
      await job.command('condor_rm');
    });
  });
}
