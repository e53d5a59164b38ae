/** A node whose wrapper fails, configured as configs/htcondor/node.conf says: it gets no more jobs, until it is mended. */
import {readFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {expect} from 'chai';
import {installed} from '../../support/tare.js';
import {shell, sleep} from './jobs.js';
import {poolFor, WRAPPERS} from './variants.js';

const FAILURES = 3;
const policy = (within: string): object => ({box: 'required', batch: {blackHole: {failures: FAILURES, within, then: 'drain'}}});

for (const variant of WRAPPERS) {
  describe(`a node that fails, ${variant.name}`, () => {
    const place = dirname(dirname(variant.wrapper));
    const node = readFileSync(join(installed(), 'configs/htcondor/node.conf'), 'utf8').replaceAll('/opt/tare', place).split('\n');
    const pool = poolFor(variant, {
      config: [...node, 'STARTD_CRON_TARE_PERIOD = 1s', 'CLAIM_WORKLIFE = 0'],
      policy: policy('10m'),
    });
    const health = async (): Promise<string[]> =>
      (await pool().tool('condor_status', ['-af', 'TareHealthy', 'TareFailures', 'TareReason'])).trim().split('\n');

    it('is healthy first', async () => {
      await pool().poll('its health', async () => (await health())[0]?.startsWith('true 0') === true);
    });

    it('gets no more jobs after its failures, and then says why', async () => {
      await pool().cover('/usr/bin/bwrap', '/dev/null');
      const job = await pool().submit(shell('echo ran'));
      await job.wait('remote-error', {times: FAILURES});
      await pool().poll('a node that is not healthy', async () =>
        (await health()).some((line) => /^false \d+ .*BOX_UNAVAILABLE/.test(line)),
      );
      await sleep(3000); // a claim that there was already
      const starts = job.events('executing').length;
      await sleep(6000);
      expect(job.events('executing')).to.have.length(starts);
      expect(job.events('terminated').length + job.events('held').length).to.equal(0);
      expect((await job.ad()).get('JobStatus')).to.equal('1');

      await pool().uncover('/usr/bin/bwrap');
      pool().setPolicy(policy('1s'));
      await job.wait('terminated');
      expect(job.output).to.equal('ran\n');
    });
  });
}
