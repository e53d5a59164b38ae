/** Slurm's health check of a node with Tare, and the Prolog that can take its place, run by slurmd. */

import {chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {renderedAd} from '../../../plugins/htcondor/health.js';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {Cluster} from '../../support/slurm.js';
import {installed, isRoot, program, until} from '../../support/tare.js';

const HEALTHY = renderedAd({healthy: true, boxed: true, failures: 0, degraded: {}, reason: null, spool: null});

describe('a node of Slurm and its health', () => {
  let cluster: Cluster | null = null;
  const slurm = (): Cluster => cluster ?? expect.fail('the cluster has not been started');

  /** What root's timer does; absent: it has stopped. */
  let looks: NodeJS.Timeout | null = null;
  const look = (ad: string): void => {
    for (const [name, text] of [
      ['health.ad', ad],
      ['health.json', '{}'],
    ] as const)
      writeFileSync(slurm().at('node', name), text);
  };
  const put = (name: string, text: string): void => {
    writeFileSync(slurm().at(name), text);
    chmodSync(slurm().at(name), 0o755);
  };
  /** A program of configs/slurm, with the test's places in it. */
  const ours = (name: string): string => {
    const places: Record<string, string> = {
      '/usr/libexec/tare-health': 'health',
      '/opt/tare': 'folder',
      '/var/lib/tare/node': 'node',
      '/run/tare-slurm': 'kept',
    };
    const text = readFileSync(join(installed(), 'configs/slurm', name), 'utf8');
    return Object.entries(places).reduce((changed, [path, at]) => changed.replaceAll(path, slurm().at(at)), text);
  };
  before(async function () {
    need(this, isRoot, 'a cluster whose jobs run as their user needs root');
    need(this, program('slurmctld') !== null && program('slurmd') !== null && program('munged') !== null, 'Slurm is not installed');
    cluster = await Cluster.start({
      config: ['HealthCheckProgram=DIRECTORY/check', 'HealthCheckInterval=1', 'HealthCheckNodeState=ANY', 'Prolog=DIRECTORY/prolog'],
    });
    for (const name of ['folder', 'folder/bin', 'folder/libexec', 'node']) mkdirSync(slurm().at(name));
    for (const name of ['bin/tare', 'bin/tare-wrap', 'libexec/tare']) put(`folder/${name}`, '#!/bin/sh\nexit 0\n');
    put('health', readFileSync(join(installed(), 'configs/htcondor/tare-health.sh'), 'utf8'));
    look(HEALTHY);
    put('prolog', '#!/bin/sh\nexit 0\n');
    looks = setInterval(() => {
      look(HEALTHY);
    }, 2000);
    // a site's is where scontrol looks for it
    put('check', ours('tare-health-check.sh').replace('\n\n', `\nexport SLURM_CONF=${slurm().at('slurm.conf')}\n\n`));
  });
  afterEach(function () {
    if (this.currentTest?.state === 'failed' && cluster !== null) console.log(cluster.logs());
  });
  after(async () => {
    if (looks !== null) clearInterval(looks);
    await cluster?.stop();
  });

  const node = async (): Promise<string> => {
    const {stdout} = await slurm().run(['sinfo', '-h', '-N', '-o', '%T %E'], {root: true});
    return stdout.trim();
  };
  const becomes = async (pattern: RegExp): Promise<void> => {
    let found = '';
    for (const deadline = Date.now() + patience(30_000); !pattern.test(found);) {
      if (Date.now() > deadline) expect(found).to.match(pattern);
      await new Promise((resolve) => setTimeout(resolve, 300));
      found = await node();
    }
  };
  const scontrol = async (...argv: string[]): Promise<void> => {
    const name = (await slurm().run(['sinfo', '-h', '-N', '-o', '%N'], {root: true})).stdout.trim();
    const {code, stderr} = await slurm().run(['scontrol', 'update', `NodeName=${name}`, ...argv], {root: true});
    expect(code, stderr).to.equal(0);
  };

  it('the folder is gone: drained, with the reason; it is there again: resumed', async () => {
    await becomes(/^idle/);
    renameSync(slurm().at('folder'), slurm().at('gone'));
    await becomes(/^drain\w* tare: .*folder: bin and libexec are not there/);
    renameSync(slurm().at('gone'), slurm().at('folder'));
    await becomes(/^idle/);
  });

  it('resumed by hand while it is broken: drained again', async () => {
    renameSync(slurm().at('folder'), slurm().at('gone'));
    await becomes(/^drain\w* tare: /);
    await scontrol('State=RESUME');
    await becomes(/^drain\w* tare: /);
    renameSync(slurm().at('gone'), slurm().at('folder'));
    await becomes(/^idle/);
  });

  it('drained by an administrator: stays drained, with that reason', async () => {
    await scontrol('State=DRAIN', 'Reason=a new fan');
    renameSync(slurm().at('folder'), slurm().at('gone'));
    await new Promise((resolve) => setTimeout(resolve, 4000));
    expect(await node()).to.match(/^drain\w* a new fan/);
    renameSync(slurm().at('gone'), slurm().at('folder'));
    await new Promise((resolve) => setTimeout(resolve, 4000));
    expect(await node()).to.match(/^drain\w* a new fan/);
    await scontrol('State=RESUME');
    await becomes(/^idle/);
  });

  it('the Prolog alone: the node is drained and the job goes back, until an administrator resumes both', async () => {
    put('check', '#!/bin/sh\nexit 0\n');
    put('prolog', ours('tare-prolog.sh'));
    put('home/job', '#!/bin/sh\necho ran\n');
    const state = async (job: string): Promise<string> =>
      (await slurm().run(['squeue', '-h', '-j', job, '-o', '%T %r'], {root: true})).stdout.trim();
    const submit = async (): Promise<string> => {
      const {stdout, stderr} = await slurm().run(['sbatch', '--parsable', '--output=prolog.%j', 'job']);
      expect(stdout.trim(), stderr).to.match(/^\d+$/);
      return stdout.trim();
    };
    const ends = (job: string): Promise<unknown> => until(`job ${job} to run`, () => slurm().read(`prolog.${job}`) === 'ran\n', 30);
    await ends(await submit());

    renameSync(slurm().at('folder'), slurm().at('gone'));
    const job = await submit();
    await becomes(/^drain\w* Prolog error/);
    let found = '';
    for (const deadline = Date.now() + patience(20_000); !found.startsWith('PENDING') && Date.now() < deadline;) found = await state(job);
    expect(found).to.match(/^PENDING .*held/);
    expect(slurm().read(`prolog.${job}`)).to.equal('');

    renameSync(slurm().at('gone'), slurm().at('folder'));
    await scontrol('State=RESUME');
    await slurm().run(['scontrol', 'release', job], {root: true});
    // else two minutes after it was put back
    await slurm().run(['scontrol', 'update', `JobId=${job}`, 'StartTime=now'], {root: true});
    await ends(job);
    expect(await node()).to.match(/^(idle|mixed|allocated|completing)/);
  });
});
