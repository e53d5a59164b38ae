import {expect} from 'chai';
import {stepOf} from '../../../src/plan/step.js';
import {call, facts, NO_SLOT, plan, no, type Parts} from './build.js';

const features = (parts: Parts = {}) => stepOf(plan(parts), 'features.provide');
const granted = (value: number) => ({value, provenance: {source: 'slot', at: 'the slot'}}) as const;

describe('Machine/Job Features', () => {
  it('are the limits that hold, in the units of the specification', () => {
    const made = features({
      job: {limits: {cores: 2, memory: '1GiB', wallTime: '90m', cpuTime: '2h'}},
      policy: {features: {hs06: 80, shutdownTime: 5, grace: '1m'}},
      call: {batchId: '42.0', slot: {...NO_SLOT, scratchBytes: granted(1000)}},
    });
    expect(made?.machine).to.deep.equal({total_cpu: '8', hs06: '80', shutdowntime: '5', grace_secs: '60'});
    expect(made?.job).to.deep.equal({
      allocated_cpu: '2',
      hs06_job: '20',
      wall_limit_secs: '5400',
      cpu_limit_secs: '7200',
      max_rss_bytes: String(2 ** 30),
      max_swap_bytes: '0',
      scratch_limit_bytes: '1000',
      shutdowntime_job: '5',
      grace_secs_job: '60',
      jobstart_secs: '{now}',
      job_id: '42.0',
    });
  });

  it('have the slot’s cores where they are not limited, whole ones, and at least one', () => {
    expect(features({call: {slot: {...NO_SLOT, cores: granted(3.5)}}})?.job['allocated_cpu']).to.equal('3');
    expect(features({job: {limits: {cores: 0.5}}})?.job['allocated_cpu']).to.equal('1');
    expect(features()?.job).to.not.have.property('allocated_cpu');
  });

  it('leave a node’s own alone, and are the job’s all the same', () => {
    const made = features({call: call({environment: {MACHINEFEATURES: 'http://x', JOBFEATURES: '/y'}})});
    expect([made?.machine, made?.job['job_id']]).to.deep.equal([null, '{id}']);
  });

  it('lie in the box’s own /dev, else in the box’s folder, and nowhere when a job is only observed', () => {
    expect(features()?.place).to.equal('/dev/tare');
    expect(features({facts: {newProc: no}})?.place).to.equal('{box}/features');
    expect(features({policy: {mode: 'observe'}})).to.equal(undefined);
  });

  it('do not depend on how many CPUs the caller may use', () => {
    expect(features({facts: {cpu: {...facts().cpu, allowed: [1]}}})?.machine?.['total_cpu']).to.equal('8');
  });
});
