/** Rows of docs/reference/failures.md that no other file here shows: whose fault it was decides what HTCondor does. */
import {dirname, join} from 'node:path';
import {expect} from 'chai';
import {processes, until} from '../../support/tare.js';
import {shell} from './jobs.js';
import {poolFor, WRAPPERS} from './variants.js';

for (const variant of WRAPPERS) {
  describe(`failures under HTCondor, ${variant.name}`, () => {
    const pool = poolFor(variant);

    it('a payload that is no program ends the job for good', async () => {
      const job = await pool().submit({executable: 'text'}, {files: {text: 'not a program\n'}});
      await job.wait('terminated');
      expect((await job.finalAd()).get('ExitCode')).to.equal('127');
      expect(job.error).to.match(/^tare: the payload could not be executed: .*\n$/);
    });

    it('a killed init gives the job back to the queue', async () => {
      const job = await pool().submit(shell('grep -q "^NumJobStarts = [1-9]" .job.ad || exec sleep 600'));
      await job.wait('executing');
      const init = await until('init', () =>
        processes().find(({argv, pid}) => argv[1] === 'tare-init' && pool().processes().includes(pid)),
      );
      process.kill(init.pid, 'SIGKILL');
      expect(await job.wait('remote-error')).to.include('tare: init was killed');
      await job.wait('terminated');
      expect((await job.finalAd()).get('NumJobStarts')).to.equal('2');
    });

    it('a wrapper whose supervisor cannot be started gives the job back to the queue', async () => {
      const supervisor = join(
        dirname(variant.wrapper),
        variant.name.startsWith('dist') ? 'tare.supervisor' : '../native/build/tare.supervisor',
      );
      await pool().cover(supervisor, '/dev/null');
      const job = await pool().submit(shell('echo ran'));
      expect(await job.wait('remote-error')).to.match(/failed to execute the job: .*tare\.supervisor: names no interpreter/);
      await pool().uncover(supervisor);
      await job.wait('terminated');
      expect(job.output).to.equal('ran\n');
    });
  });
}
