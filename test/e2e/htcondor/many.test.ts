/** A hundred jobs, ten of which lose their wrapper to SIGKILL and start again: as many records as the schedd counts attempts. */
import {existsSync} from 'node:fs';
import {basename, dirname, join} from 'node:path';
import {expect} from 'chai';
import type {Job} from '../../support/pool.js';
import {processes, until} from '../../support/tare.js';
import {shell} from './jobs.js';
import {poolFor, WRAPPERS} from './variants.js';

const JOBS = 100;
const KILLED = 10;
/** In their first attempt those to be killed wait for it. */
const SCRIPT = `if test @ -lt ${String(KILLED)} && ! grep -q "^NumJobStarts = [1-9]" .job.ad; then : >ready; exec sleep 60; fi`;

for (const variant of WRAPPERS) {
  describe(`many jobs under HTCondor, ${variant.name}`, () => {
    const pool = poolFor(variant);

    it(`${String(JOBS)} jobs, ${String(KILLED)} wrappers killed: one record for each attempt, and nothing left after the sweep`, async function () {
      this.timeout(180_000);
      const {arguments: script, ...rest} = shell(SCRIPT);
      const jobs = await pool().submitMany(JOBS, {
        ...rest,
        arguments: String(script).replace('@', '$(Process)'),
        request_memory: '128MB',
        on_exit_remove: 'ExitBySignal =!= true',
      });
      await Promise.all(jobs.slice(0, KILLED).map(killWrapper));
      await Promise.all(jobs.map((job) => job.wait('terminated', {seconds: 150})));

      const cluster = jobs[0]?.id.split('.')[0] ?? '';
      await pool().poll('the history', async () => (await pool().history(cluster)).length === JOBS);
      const starts = (await pool().history(cluster)).map((ad) => Number(ad.get('NumJobStarts')));
      expect(starts.filter((count) => count === 2)).to.have.length(KILLED);
      expect(starts.filter((count) => count === 1)).to.have.length(JOBS - KILLED);

      const attempts = (await pool().epochs(cluster)).map(
        (ad) => `${JSON.parse(ad.get('GlobalJobId') ?? '') as string} ${ad.get('NumJobStarts') ?? ''}`,
      );
      expect(attempts).to.have.length(JOBS + KILLED);
      const records = pool().records();
      expect(records.map(({lrms}) => `${lrms.globalJobId} ${String(lrms.attempt)}`).sort()).to.deep.equal(attempts.sort());
      // The starter kills what is left of a job whose first process is gone, the supervisor too: that is quicker than the record's end or
      // not.
      const killed = records.filter(({outcome}) => outcome.status !== 'completed');
      expect(killed.map(({lrms}) => lrms.attempt)).to.deep.equal(Array(KILLED).fill(1));
      for (const {outcome} of killed) expect(outcome.status).to.be.oneOf(['running', 'wrapper-failure', 'lost']);
      expect(records.filter(({outcome}) => outcome.status === 'completed')).to.have.length(JOBS);

      const left = (): string[] => pool().leftovers();
      await until('the end of all that lives', () => left().every((path) => path.startsWith(join(pool().directory, 'tare'))), 20);
      await pool().sweep(join(dirname(variant.wrapper), 'tare'));
      expect(left()).to.deep.equal([]);
      const closed = pool().records();
      expect(closed).to.have.length(JOBS + KILLED);
      expect(closed.filter(({state}) => state === 'started')).to.deep.equal([]);
    });
  });
}

/** The wrapper is the starter's child, and the starter's number is in the sandbox's name. */
async function killWrapper(job: Job): Promise<void> {
  const sandbox = await until(
    `job ${job.id} to wait`,
    () => {
      const found = job.sandbox();
      return found !== null && existsSync(join(found, 'ready')) ? found : null;
    },
    60,
  );
  const starter = Number(basename(sandbox).replace('dir_', ''));
  const wrapper = processes().find(({parent}) => parent === starter);
  if (wrapper === undefined) throw new Error(`job ${job.id} has no wrapper`);
  process.kill(wrapper.pid, 'SIGKILL');
}
