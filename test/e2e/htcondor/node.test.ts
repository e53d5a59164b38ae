/** A node on which Tare cannot work, configured as configs/htcondor/node.conf says: it gets no more jobs, says why, and opens when it is mended. */
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {expect} from 'chai';
import {patience} from '../../support/pace.js';
import type {Job, Pool} from '../../support/pool.js';
import {bin, installed} from '../../support/tare.js';
import {shell, sleep, started, WAITS} from './jobs.js';
import {nudged, poolFor} from './variants.js';

const FAILURES = 3;
const PERIOD_S = 5;
/** From the fault to a node that takes no more jobs; and back. */
const DEADLINE_S = 60;
/** The most that may be lost meanwhile, by jobs that come one by one. */
const MOST_LOST = 3;
/**
 * When a job's start fails while the node closes, the startd gives up the idle claim, since START is false. The job's shadow then asks in vain for the
 * end of that claim, and sleeps for what is left of the job's lease, by default 40 minutes: RemoteResource::killStarter() of condor_shadow, in 23.9.6
 * as in 25.13. So long the schedd has the job as running, and condor_hold and condor_release do not change that: a shadow that sleeps takes no signal.
 */
const LEASE_S = 30;
const policy = (within: string): object => ({box: 'required', batch: {blackHole: {failures: FAILURES, within, then: 'drain'}}});

describe('a node on which Tare cannot work', function () {
  // all that is waited for has a limit of its own
  this.timeout(patience(300_000));
  const folder = dirname(dirname(bin('tare-wrap')));
  const file = (name: string): string => join(installed(), 'configs/htcondor', name);
  const node = readFileSync(file('node.conf'), 'utf8')
    .replaceAll('/opt/tare', folder)
    .replace('/var/lib/tare/node', '$(LOCAL_DIR)/tare/node');
  const pool = poolFor(
    {name: 'dist', wrapper: bin('tare-wrap')},
    {
      config: [
        ...node.split('\n'),
        ...readFileSync(file('schedd.conf'), 'utf8').split('\n'),
        `TARE_HEALTH_PROGRAM = ${file('tare-health.sh')}`,
        `TARE_HEALTH_PERIOD = ${String(PERIOD_S)}`,
        `TARE_HEALTH_OLDEST = ${String(3 * PERIOD_S)}`,
        'TARE_FAILED_STARTS = 100',
        // as often as the node is looked at, like those that ship
        `TARE_COOL_DOWN = ${String(PERIOD_S)}`,
        `JOB_DEFAULT_LEASE_DURATION = ${String(LEASE_S)}`,
      ],
      policy: policy('10m'),
    },
  );
  /** Root's timer. */
  let looks: Promise<void> | null = null;
  let ended = false;
  before(() => {
    looks = (async () => {
      while (!ended) {
        await pool().probe(bin('tare'));
        await sleep(PERIOD_S * 1000);
      }
    })();
  });
  after(async () => {
    ended = true;
    await looks;
  });
  const health = async (): Promise<string> => {
    const lines = await pool().tool('condor_status', ['-constraint', 'PartitionableSlot', '-af', 'TareHealthy', 'Start', 'TareReason']);
    return lines.trim();
  };
  const becomes = async (pattern: RegExp): Promise<void> => {
    await pool().poll(`a node that is ${String(pattern)}`, async () => pattern.test(await health()), DEADLINE_S);
  };
  /**
   * The jobs of all claims on the node, `undefined` for a claim without one: what was matched before is started on a closed node too, and a shadow
   * that looks for its starter keeps its claim for some 20 s.
   */
  const claims = async (): Promise<string[]> => {
    const ids = await pool().tool('condor_status', ['-constraint', 'DynamicSlot', '-af', 'JobId']);
    return ids.split('\n').filter((id) => id !== '');
  };
  /** What a test has broken and not mended yet. */
  const mends: (() => Promise<void>)[] = [];
  const mend = async (): Promise<void> => {
    while (mends.length > 0) await mends.pop()?.();
  };
  const cover = async (target: string, source: string): Promise<void> => {
    await pool().cover(target, source);
    mends.push(async () => pool().uncover(target));
  };
  // what fails in one test fails in no other
  afterEach(async () => {
    await mend();
    await emptied(pool());
  });
  /** Jobs one after the other while something is broken. `runs`: one that was started before. */
  const whileBroken = async (reason: RegExp, runs?: Job): Promise<void> => {
    const job = await pool().submit(shell('echo ran'));
    await becomes(new RegExp(`^false false .*${reason.source}`));
    await sleep(2000); // UPDATE_INTERVAL
    await pool().poll('the end of what had been matched before', async () => (await claims()).every((id) => id === runs?.id), DEADLINE_S);
    const starts = job.events('executing').length;
    const second = await pool().submit(shell('echo ran'));
    await sleep(3 * PERIOD_S * 1000);
    const all = (each: Job): number => each.events('executing').length;
    expect([all(job), all(second)], 'starts on a closed node').to.deep.equal([starts, 0]);
    await mend();
    await becomes(/^true true/);
    await nudged(pool(), job, () => Promise.all([job, second].map(async (each) => each.wait('terminated'))));
    expect(starts, 'starts that were lost').to.be.at.most(MOST_LOST);
  };

  it('is healthy first, and by whose word and when', async () => {
    await becomes(/^true true/);
    // of one ad: where START holds, the answer is no older
    const names = ['Start', 'TareHealthTime', 'MyCurrentTime'];
    await pool().poll('an answer and its age', async () => {
      const [start, time, now] = (await pool().tool('condor_status', ['-constraint', 'PartitionableSlot', '-af', ...names]))
        .trim()
        .split(' ');
      const age = Number(now) - Number(time);
      return start === 'true' && age >= 0 && age <= 3 * PERIOD_S;
    });
  });

  it('the folder is gone: closed, and what runs goes on', async () => {
    const runs = await started(pool(), shell(`${WAITS.replace('while :', 'while ! test -e end')}; echo whole`));
    const nothing = mkdtempSync(join(tmpdir(), 'tare-nothing-'));
    try {
      await cover(folder, nothing);
      await whileBroken(/bin and libexec are not there/, runs);
      expect(runs.events('evicted')).to.have.length(0);
    } finally {
      await mend();
      rmSync(nothing, {recursive: true});
    }
  });

  it('bubblewrap is gone, and the policy wants a box: closed', async () => {
    await cover('/usr/bin/bwrap', '/dev/null');
    await whileBroken(/b(ox|wrap|ubblewrap)/);
  });

  it('the spool cannot be written: closed, since records would be lost', async () => {
    const nothing = mkdtempSync(join(tmpdir(), 'tare-nothing-')); // of root, 0700
    try {
      await cover(join(pool().directory, 'tare/spool'), nothing);
      await whileBroken(/spool/);
    } finally {
      await mend();
      rmSync(nothing, {recursive: true});
    }
  });

  it('a hundred failures that one account invents: open', async () => {
    const reports = join(pool().directory, 'tare/node/reports');
    const {uid, gid} = pool().submitter;
    const lines = Array.from({length: 100}, (_, index) => `${String(Date.now())} failed BOX_UNAVAILABLE ${index.toString(16)}`);
    await pool().tool('sh', ['-c', `printf '%s\\n' "$@" >>${join(reports, String(uid))}`, 'sh', ...lines], {uid, gid});
    await sleep(3 * PERIOD_S * 1000);
    await becomes(/^true true/);
    const job = await pool().submit(shell('echo ran'));
    await job.wait('terminated');
    // a node that drains would stay closed
    await becomes(/^true true/);
  });
});

/** No job in the queue, and no claim on the node. */
async function emptied(pool: Pool): Promise<void> {
  await pool.tool('condor_rm', ['-all']).catch(() => undefined); // none
  await pool.poll(
    'an empty queue',
    async () => {
      const left = [
        await pool.tool('condor_q', ['-allusers', '-af', 'ClusterId']),
        await pool.tool('condor_status', ['-constraint', 'DynamicSlot', '-af', 'Name']),
      ];
      return left.join('').trim() === '';
    },
    DEADLINE_S,
  );
}
