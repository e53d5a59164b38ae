import {expect} from 'chai';
import type {BatchCall, BatchJob} from '@tare/contract';
import {arc} from '../../../plugins/arc/index.js';
import {slurm} from '../../../plugins/slurm/index.js';
import {readBatchJob} from '../../../src/batch/detect.js';
import {effects} from '../htcondor/effects.js';

const SLURM = {SLURM_JOB_ID: '5', SLURM_MEM_PER_NODE: '100', SLURM_CPUS_ON_NODE: '8'};
const call = (environment: Record<string, string>): BatchCall => ({role: 'wrapper', argv: ['./x'], environment, cwd: '/nowhere', uid: 1});
const read = (environment: Record<string, string>): Promise<BatchJob> => readBatchJob([arc, slurm], call(environment), effects());

describe('a job that several batch systems know', () => {
  it('has of each size the smallest that one of them tells: a variable of its own makes no slot larger', async () => {
    const {system, slot} = await read({...SLURM, TARE_ARC: 'memory=900000\ncount=64'});
    expect(system).to.equal('arc');
    expect(slot.memoryBytes).to.deep.equal({value: 100 * 2 ** 20, at: 'SLURM_MEM_PER_NODE'});
    expect(slot.cores).to.deep.equal({value: 8, at: 'SLURM_CPUS_ON_NODE'});
  });

  it('has what only one of them tells', async () => {
    const {slot} = await read({SLURM_JOB_ID: '5', TARE_ARC: 'memory=50\nwalltime=60'});
    expect([slot.memoryBytes?.value, slot.wallTimeUs?.value]).to.deep.equal([50 * 2 ** 20, 60e6]);
  });

  it('keeps the job of the plugin that can read it, and says why the other could not', async () => {
    const broken = {
      name: 'broken',
      api: 1 as const,
      batchSystems: [{name: 'broken', detect: () => true, load: () => Promise.reject(new Error('no'))}],
    };
    const job = await readBatchJob([slurm, broken], call(SLURM), effects());
    expect([job.system, job.remarks]).to.deep.equal(['slurm', ['broken: Error: no']]);
  });
});
