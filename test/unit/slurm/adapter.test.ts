import {expect} from 'chai';
import type {BatchCall} from '@tare/contract';
import {adapter, examine, slotOf} from '../../../plugins/slurm/adapter.js';
import {slurm} from '../../../plugins/slurm/index.js';
import {effects} from '../htcondor/effects.js';

const BATCH = {
  SLURM_JOB_ID: '17',
  SLURM_CLUSTER_NAME: 'grid',
  SLURM_JOB_PARTITION: 'long',
  SLURM_JOB_NAME: 'sim',
  SLURM_CPUS_ON_NODE: '8',
  SLURM_MEM_PER_CPU: '2000',
};
const call = (environment: Record<string, string>): BatchCall => ({role: 'wrapper', argv: ['./x'], environment, cwd: '/nowhere', uid: 1});
const slot = (environment: Record<string, string>) => {
  const {cores, memoryBytes} = slotOf(environment);
  return [cores?.value ?? null, memoryBytes === null ? null : memoryBytes.value / 2 ** 20];
};

describe('Slurm: from the slot to the job', () => {
  it('gives the batch script all of its node', () => {
    expect(slot(BATCH)).to.deep.equal([8, 16_000]);
    expect(slot({...BATCH, SLURM_MEM_PER_NODE: '4096'})).to.deep.equal([8, 4096]);
  });

  it('gives each task of a step its share', () => {
    const step = {...BATCH, SLURM_STEP_ID: '0', SLURM_STEP_TASKS_PER_NODE: '4(x2),2', SLURM_NODEID: '1'};
    expect(slot(step)).to.deep.equal([2, 4000]);
    expect(slot({...step, SLURM_CPUS_PER_TASK: '1', SLURM_MEM_PER_NODE: '4000'})).to.deep.equal([1, 1000]);
    expect(slot({...step, SLURM_NODEID: '2'})).to.deep.equal([4, 8000]);
    const far = {...step, SLURM_STEP_TASKS_PER_NODE: '1(x3),8', SLURM_NODEID: '3'};
    expect([slot(far), slot({...far, SLURM_NODEID: '4'})]).to.deep.equal([
      [1, 2000],
      [8, 16_000],
    ]);
    expect(slot({...step, SLURM_STEP_TASKS_PER_NODE: 'x(9', SLURM_NODEID: '7'})).to.deep.equal([8, 16_000]);
  });

  it('takes no memory for nodes that a list only names', () => {
    const step = {...BATCH, SLURM_STEP_ID: '0', SLURM_STEP_TASKS_PER_NODE: Array(200).fill('4(x999999)').join(), SLURM_NODEID: '150000000'};
    const before = process.memoryUsage().rss;
    expect(slot(step)).to.deep.equal([2, 4000]);
    expect(slot({...step, SLURM_NODEID: '200000000'})).to.deep.equal([8, 16_000]);
    expect(process.memoryUsage().rss - before).to.be.lessThan(100 * 2 ** 20);
  });

  it('takes nothing from what is no number, and 0 for all', () => {
    expect(slot({SLURM_CPUS_ON_NODE: 'many', SLURM_MEM_PER_CPU: '-1'})).to.deep.equal([null, null]);
    expect(slot({SLURM_CPUS_ON_NODE: '2', SLURM_MEM_PER_NODE: '0'})).to.deep.equal([2, null]);
  });

  it('says which job it is, each task and each attempt another', () => {
    const lrms = (more: Record<string, string> = {}) => adapter.read(call({...BATCH, ...more}), effects()).lrms;
    expect(lrms()).to.deep.equal({host: null, queue: 'long', localJobId: '17', globalJobId: 'grid#17', attempt: 1});
    expect(lrms({SLURM_STEP_ID: '3', SLURM_PROCID: '5', SLURM_RESTART_COUNT: '2'})).to.include({globalJobId: 'grid#17.3.5', attempt: 3});
  });

  it('says what the tasks of a step on a node have together', () => {
    const step = {...BATCH, SLURM_STEP_ID: '0', SLURM_STEP_TASKS_PER_NODE: '4(x2),1', SLURM_NODEID: '1', SLURMD_NODENAME: 'n1'};
    const task = {...step, SLURM_LOCALID: '2', SLURM_PROCID: '6'};
    const {together} = adapter.read(call(task), effects());
    expect(together).to.include({step: 'grid#17.0@n1.0', index: 2, name: 'task 6', count: 4, globalJobId: 'grid#17.0@n1'});
    expect([together?.slot.cores?.value, together?.slot.memoryBytes?.value]).to.deep.equal([8, 16_000 * 2 ** 20]);
    const without = [{...task, SLURM_NODEID: '2'}, step, BATCH].map((one) => adapter.read(call(one), effects()).together);
    expect(without).to.deep.equal([undefined, undefined, undefined]);
    expect(adapter.read({...call(task), role: 'command'}, effects()).together).to.equal(undefined);
  });

  it('is detected by the job’s number', () => {
    const detect = (environment: Record<string, string>) => slurm.batchSystems?.[0]?.detect(call(environment));
    expect([detect(BATCH), detect({}), detect({SLURM_JOB_ID: ''})]).to.deep.equal([true, false, false]);
  });
});

describe('Slurm: what the doctor is told', () => {
  const GROUP = '0::/system.slice/slurmstepd.scope/job_17/step_0/user/task_0\n';
  const look = (files: Record<string, string>) =>
    examine({environment: {SLURM_JOB_ID: '17', SLURM_CONF: '/conf/slurm.conf'}}, {readText: (path) => files[path] ?? null});

  it('finds a job without a group of its own, and says what to set', () => {
    const conf = 'ClusterName=x\nProctrackType=proctrack/linuxproc\nTaskPlugin=task/none # nothing\n';
    const {found, remedy} = look({'/conf/slurm.conf': conf, '/proc/self/cgroup': '0::/system.slice/slurmd.service\n'});
    expect(found).to.equal('job 17 of Slurm, in no control group of its own (proctrack/linuxproc, task/none)');
    expect(remedy).to.include('ProctrackType=proctrack/cgroup').and.include('ConstrainRAMSpace=yes');
    expect(look({}).found).to.include('/conf/slurm.conf cannot be read');
  });

  it('says what Slurm limits in the job’s group, and what it leaves', () => {
    const half = look({'/proc/self/cgroup': GROUP, '/conf/cgroup.conf': 'ConstrainCores=yes\n#ConstrainRAMSpace=yes\n'});
    expect(half.found).to.equal('job 17 of Slurm in /system.slice/slurmstepd.scope/job_17/step_0/user/task_0, where Slurm limits cores');
    expect(half.remedy).to.match(/^cgroup.conf: ConstrainRAMSpace=yes, with/);
    const v1 = '5:cpuset:/\n4:memory:/slurm/uid_1/job_17/step_0/task_0\n';
    const all = look({'/proc/self/cgroup': v1, '/conf/cgroup.conf': 'constrainramspace=yes\nConstrainCores=YES'});
    expect(all.found).to.include('in /slurm/uid_1/job_17/step_0/task_0, where Slurm limits memory and cores');
    expect(all.remedy).to.equal(null);
    expect(look({'/proc/self/cgroup': GROUP}).found).to.include('where Slurm limits nothing');
  });
});
