/** tare-wrap in jobs of a real Slurm, as an unprivileged user. */

import {chmodSync, writeFileSync} from 'node:fs';
import {hostname} from 'node:os';
import {expect} from 'chai';
import {need} from '../../support/need.js';
import {Cluster} from '../../support/slurm.js';
import {bin, isRoot, payload, processes, program, until} from '../../support/tare.js';

const WRAPPER = bin('tare-wrap');

describe('Slurm', () => {
  let cluster: Cluster | null = null;
  const slurm = (): Cluster => cluster ?? expect.fail('the cluster has not been started');
  before(async function () {
    need(this, isRoot, 'a cluster whose jobs run as their user needs root');
    need(this, program('slurmctld') !== null && program('slurmd') !== null && program('munged') !== null, 'Slurm is not installed');
    cluster = await Cluster.start();
  });
  afterEach(function () {
    if (this.currentTest?.state === 'failed' && cluster !== null) console.log(cluster.logs());
  });
  after(async () => {
    await cluster?.stop();
  });

  it('gives a task its slot, and its payload’s end to Slurm', async () => {
    const {code, stdout, stderr} = await slurm().run([
      ...['srun', '-n1', '-c2', '--mem=1000', '--job-name=sim', WRAPPER],
      ...['sh', '-c', 'echo $SLURM_JOB_ID; cat $JOBFEATURES/max_rss_bytes; echo; exit 3'],
    ]);
    expect(code, stderr).to.equal(3);
    const [job = '', limit] = stdout.split('\n');
    expect(limit).to.equal(String((1000 - 64) * 2 ** 20));
    const [record] = slurm().records(job);
    expect(record).to.include({mode: 'box', trust: 'user', state: 'final'});
    expect(record?.lrms).to.include({type: 'slurm', queue: 'grid', globalJobId: `test#${job}.0.0`, attempt: 1});
    expect(record?.allocation.cores).to.equal(2);
    expect(record?.outcome).to.include({status: 'failed', exitCode: 3});
  });

  it('has one box for two tasks of a step, in which they meet, and one record', async () => {
    // SysV, PIDs and /dev/shm are shared; each writes where the other waits for it
    const script = [
      'echo $SLURM_JOB_ID $(cat $JOBFEATURES/max_rss_bytes) $(readlink /proc/self/ns/pid /proc/self/ns/ipc /proc/self/ns/user)',
      'echo $$ >/dev/shm/rank.$SLURM_PROCID',
      'until test -s /dev/shm/rank.$((1 - SLURM_PROCID)); do sleep 0.05; done',
      'kill -0 $(cat /dev/shm/rank.$((1 - SLURM_PROCID))) || exit 9',
      'touch /dev/shm/seen.$SLURM_PROCID; until test -e /dev/shm/seen.$((1 - SLURM_PROCID)); do sleep 0.05; done',
      'exit $((5 * SLURM_PROCID))',
    ].join('; ');
    const {code, stdout, stderr} = await slurm().run(['srun', '-n2', '--mem=2000', WRAPPER, 'sh', '-c', script]);
    expect(code, stdout + stderr).to.equal(5);
    const [line = '', ...others] = [...new Set(stdout.trim().split('\n'))];
    expect(others).to.deep.equal([]);
    const [job = '', limit] = line.split(' ');
    expect(limit).to.equal(String((2000 - 64) * 2 ** 20));
    const [record, ...more] = slurm().records(job);
    expect(more).to.deep.equal([]);
    expect(record).to.include({mode: 'box', state: 'final', trust: 'user'});
    expect(record?.lrms.globalJobId).to.equal(`test#${job}.0@${hostname()}`);
    expect(record?.allocation).to.include({cores: 2, memoryLimitBytes: (2000 - 64) * 2 ** 20});
    expect(record?.outcome).to.include({status: 'failed', exitCode: 5});
    expect(record?.applications.map(({name, outcome: {status, exitCode}}) => [name, status, exitCode])).to.deep.equal([
      ['task 0', 'completed', 0],
      ['task 1', 'failed', 5],
    ]);
  });

  it('has a doctor that knows the job, and says what to change in Slurm', async () => {
    const {stdout} = await slurm().run(['srun', '-n1', bin('tare'), 'doctor', '--json']);
    const {checks} = JSON.parse(stdout) as {checks: {name: string; state: string; found: string; remedy: string}[]};
    const found = checks.find(({name}) => name === 'batch system');
    expect(found?.state).to.equal('limited');
    expect(found?.found).to.match(/^job \d+ of Slurm, in no control group of its own \(proctrack\/linuxproc, task\/none\); /);
    expect(found?.remedy).to.include('ProctrackType=proctrack/cgroup');
  });

  it('passes a signal to all of a step on to the payload, once', async () => {
    const running = slurm().run(['srun', '-n1', '--job-name=signalled', WRAPPER, payload('trap-term'), 'TERM1']);
    await until('the payload to be ready', () => processes().some(({argv}) => argv[0] === payload('trap-term') && argv[1] === 'TERM1'), 30);
    await slurm().run(['scancel', '--signal=TERM', '--name=signalled']);
    const {code, stderr} = await running;
    expect(code, stderr).to.equal(0);
    expect(slurm().read('TERM1')).to.equal('TERM\ndone\n');
    const record = slurm()
      .allRecords()
      .find(({payload: {name}}) => name === 'signalled');
    expect(record?.outcome.status).to.equal('completed');
    expect(record?.flags).not.to.include('supervisor-lost');
  });

  it('ends a task that is over its memory as a kill', async () => {
    const {code, stderr} = await slurm().run(['srun', '-n1', '--mem=300', WRAPPER, payload('touch-memory'), '290', '--hold', '60']);
    expect(code, stderr).to.equal(137);
  });

  it('passes scancel on to the payload of a batch script, once', async () => {
    const script = slurm().at('home/script');
    writeFileSync(script, `#!/bin/sh\nexec ${WRAPPER} ${payload('trap-term')} TERM\n`);
    chmodSync(script, 0o755);
    const {stdout, stderr} = await slurm().run(['sbatch', '--parsable', '-n1', '-c2', '--mem=1000', '--output=out', 'script']);
    const job = stdout.trim();
    expect(job, stderr).to.match(/^\d+$/);
    await until('the payload to be ready', () => slurm().read('out').includes('ready'), 30);
    await slurm().run(['scancel', '--batch', '--signal=TERM', job]);
    await until('its record', () => slurm().records(job)[0]?.state === 'final', 30);
    expect(slurm().read('TERM')).to.equal('TERM\ndone\n');
    const [record] = slurm().records(job);
    expect(record?.lrms.globalJobId).to.equal(`test#${job}`);
    expect(record?.allocation).to.include({cores: 2, memoryLimitBytes: (1000 - 64) * 2 ** 20});
    expect(record?.outcome).to.include({status: 'completed'});
  });

  it('has a record for each call of the wrapper in a batch script, also of calls at the same time, and of refused ones', async () => {
    const script = slurm().at('home/calls');
    const calls = [
      `${WRAPPER} sh -c 'exit 3'`,
      `${WRAPPER} sh -c 'exit 4' & ${WRAPPER} sh -c 'exit 5' &`,
      'wait',
      `mkdir refused; cd refused; echo 'no: descriptor' >.tare.yaml; ${WRAPPER} true; ${WRAPPER} true`,
      'echo all done',
    ];
    writeFileSync(script, `#!/bin/sh\n${calls.join('\n')}\n`);
    chmodSync(script, 0o755);
    const {stdout, stderr} = await slurm().run(['sbatch', '--parsable', '-n1', '--mem=1000', '--output=calls.out', 'calls']);
    const job = stdout.trim();
    expect(job, stderr).to.match(/^\d+$/);
    await until('the script’s end', () => slurm().read('calls.out').includes('all done'), 60);
    const records = slurm().records(job);
    expect(records.map(({state, outcome: {status, exitCode}}) => `${state} ${status} ${String(exitCode)}`)).to.have.members([
      ...['final failed 3', 'final failed 4', 'final failed 5'],
      ...['final wrapper-failure null', 'final wrapper-failure null'],
    ]);
    const ids = records.map(({lrms}) => lrms.globalJobId);
    expect(ids.filter((id) => id === `test#${job}`)).to.have.lengthOf(1);
    expect(new Set(ids).size).to.equal(records.length);
    expect(ids.every((id) => id === `test#${job}` || id.startsWith(`test#${job}#`))).to.equal(true);
  });
});
