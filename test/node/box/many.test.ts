/** 100 jobs, in a long run 200 (TARE_JOBS: another number), a third of them failing, eight at a time: nothing is left, and every job has one final record. */
import {expect} from 'chai';
import {describeSite} from '../../support/describe-site.js';
import {LONG} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {ending, payload} from '../../support/tare.js';

const JOBS = Number(process.env.TARE_JOBS ?? (LONG ? 200 : 100));
const AT_ONCE = 8;

describeSite('many jobs, %s', {timeout: patience(300_000)}, (site) => {
  it(`${String(JOBS)} jobs, ${String(AT_ONCE)} at a time`, async () => {
    const policy = site.policy({defaults: {memory: '200MiB', processes: 100}});
    const kinds = [
      ['/bin/true'],
      ['/bin/sh', '-c', 'echo x >/tmp/file; head -c 1000000 /dev/zero >/dev/shm/file; sleep 0.1'],
      [payload('die-by'), 'exit', '3'],
      ['/bin/sh', '-c', 'for i in 1 2 3; do (sleep 0.1 &) ; done'],
      [payload('die-by'), 'SEGV'],
      ['/no/such/program'],
    ];
    const queue = Array.from({length: JOBS}, (_, index) => kinds[index % kinds.length] ?? []);
    const wanted: Record<string, number> = {completed: 0, failed: 0, signalled: 0};
    for (let index = 0; index < JOBS; index++) {
      const status = ['completed', 'completed', 'failed', 'completed', 'signalled', 'failed'][index % kinds.length] ?? '';
      wanted[status] = (wanted[status] ?? 0) + 1;
    }
    await Promise.all(
      Array.from({length: AT_ONCE}, async () => {
        for (let argv = queue.shift(); argv !== undefined; argv = queue.shift())
          await ending(site.start(['run', '--policy', policy, '--', ...argv]));
      }),
    );
    const records = site.records();
    expect(records.length).to.equal(JOBS);
    expect(records.every(({state}) => state === 'final')).to.equal(true);
    const found: Record<string, number> = {};
    for (const {outcome} of records) found[outcome.status] = (found[outcome.status] ?? 0) + 1;
    expect(found).to.deep.equal(wanted);
  });
});
