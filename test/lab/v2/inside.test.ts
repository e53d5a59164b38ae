/** Live boxes on a machine of pure v2, where the kernel freezes, kills and counts, and lets no process into a slot from outside. */
import {spawn} from 'node:child_process';
import {existsSync, readFileSync} from 'node:fs';
import {expect} from 'chai';
import type {JobRow} from '../../../src/report/jobs.js';
import {describeSite} from '../../support/describe-site.js';
import {bin, ending, processes, type RunOutput} from '../../support/tare.js';
import {needPureV2, Slot} from './slot.js';

const MIB = 2 ** 20;

describeSite('live boxes on v2, %s', {timeout: 180_000}, (site, role) => {
  let slot: Slot;
  let policy: string;
  before(() => {
    needPureV2();
    policy = site.policy();
  });
  beforeEach(() => {
    slot = new Slot(site);
  });
  afterEach(async () => {
    await slot.remove();
  });
  /** As root, from outside the slot. */
  const tare = (...argv: string[]): Promise<Omit<RunOutput, 'record'>> => {
    const [command = '', ...rest] = argv;
    return ending(spawn(bin('tare'), [command, '--policy', policy, ...rest], {cwd: '/', stdio: ['ignore', 'pipe', 'pipe']}));
  };
  const list = async (): Promise<JobRow[]> => JSON.parse((await tare('ps', '--json')).stdout) as JobRow[];
  /** The only job, once its payload has executed. */
  const running = async (): Promise<JobRow> => {
    for (let looks = 0; looks < 50; looks++) {
      const [job] = await list();
      if (job?.state === 'running') return job;
    }
    throw new Error(`no job runs: ${(await tare('ps')).stderr}`);
  };

  it('are weighed, paused by their freezer, joined by root, and killed while they are paused', async () => {
    const over = slot.run(['--memory', '200MiB', '--', 'sh', '-c', 'while :; do :; done']);
    const group = await slot.payload();
    const job = await running();
    const id = job.id ?? '';
    expect(job.memoryLimitBytes).to.equal(200 * MIB);
    expect(job.memoryBytes).to.be.within(1, 50 * MIB);
    expect(job.cpuUs).to.be.above(0);
    const exec = await tare('exec', id, '--', 'sh', '-c', 'cat /proc/self/cgroup; id -u');
    const uid = String(role === 'user' ? (site.credentials.uid ?? 0) : 65534);
    expect(exec.stdout, exec.stderr).to.equal(`0::${group.slice('/sys/fs/cgroup'.length)}/job\n${uid}\n`);

    expect((await tare('pause', id)).stdout).to.equal(`${id} paused (freezer)\n`);
    const cpu = (): string | undefined => /^usage_usec (\d+)/m.exec(readFileSync(`${group}/cpu.stat`, 'utf8'))?.[1];
    const before = cpu();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(cpu()).to.equal(before);
    expect((await list())[0]?.state).to.equal('paused');
    expect((await tare('kill', id)).stdout).to.equal(`${id} ended\n`);
    const {record, signal} = await over;
    expect(signal).to.equal('SIGKILL');
    expect(record.outcome).to.deep.include({status: 'killed', reason: 'uid 0 ended it by tare kill (SIGKILL)'});
    expect(record.time.suspendedUs).to.be.above(1_000_000);
    expect(existsSync(group)).to.equal(false);
  });

  if (role === 'user') {
    it('are joined by their owner from within the slot only, and that is said', async () => {
      const over = slot.run(['--', 'sleep', '120']);
      const id = (await running()).id ?? '';
      const {code, stderr} = await ending(site.start(['exec', id, '--policy', policy, '--', 'true'], {cwd: '/'}));
      expect([code, stderr.includes('call it as root, or from within the job’s slot')], stderr).to.deep.equal([125, true]);
      expect(processes().some(({argv}) => argv.includes('exec') && argv.includes(policy))).to.equal(false);
      await tare('kill', id);
      expect((await over).signal).to.equal('SIGKILL');
    });
  }
});
