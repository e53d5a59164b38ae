import {expect} from 'chai';
import type {makePlan} from '../../../src/plan/plan.js';
import {planObserved} from '../../../src/plan/observed.js';
import {stepsOf} from '../../../src/plan/step.js';
import {BUBBLEWRAP, MIB, plan, type Parts} from './build.js';

const NO_BUBBLEWRAP = {...BUBBLEWRAP, path: null, version: null, how: 'not found', abilities: []};

describe('what would be done with an observed job', () => {
  const observe = ({policy, ...rest}: Parts = {}): ReturnType<typeof makePlan> => plan({...rest, policy: {...policy, mode: 'observe'}});

  it('is its plan under mode enforce: the same limits, with the slot’s reserve, and how they would be enforced', () => {
    const slot = {memoryBytes: {value: 256 * MIB, provenance: {source: 'slot' as const, at: 'Memory'}}};
    const parts: Parts = {
      job: {limits: {wallTime: '1h'}},
      call: {slot: {name: null, cores: null, scratchBytes: null, gpus: null, wallTimeUs: null, cpuTimeUs: null, ...slot}},
    };
    const enforced = plan(parts);
    const {limits, observed} = observe(parts);
    expect(observed?.limits).to.deep.equal(enforced.limits);
    expect(observed?.limits.memory.value).to.equal(236 * MIB);
    expect(limits.memory.value).to.equal(256 * MIB);
    expect([observed?.mode?.value, observed?.unboxed, observed?.refused]).to.deep.equal(['box', false, null]);
    expect(enforced).not.to.have.property('observed');
  });

  it('is so too where a rule, and not the policy, says observe', () => {
    const rules = [{name: 'new', match: {vo: ['new']}, mode: 'observe' as const}];
    expect(plan({job: {vo: 'new'}, policy: {rules}}).observed?.mode?.value).to.equal('box');
    expect(plan({job: {vo: 'old'}, policy: {rules}})).not.to.have.property('observed');
  });

  it('less than a box where none can be built, and why; refused where the policy requires one', () => {
    const facts = {engines: [NO_BUBBLEWRAP]};
    const without = observe({facts}).observed;
    expect([without?.mode?.value, without?.unboxed]).to.deep.equal(['limits-only', true]);
    expect(without?.mode?.because).to.contain('not found');
    const required = observe({facts, policy: {box: 'required'}}).observed;
    expect([required?.mode, required?.refused?.code]).to.deep.equal([null, 'BOX_UNAVAILABLE']);
  });

  it('refused for what the slot or the node cannot give, which stops no observed job', () => {
    const cgroup = {cgroup: {controllers: {}, toEnable: [], toEmpty: null, how: 'none'}} as unknown as NonNullable<Parts['facts']>;
    const {mode, observed} = observe({job: {limits: {memory: '1GiB'}}, policy: {enforcement: {memory: 'kernel'}}, facts: cgroup});
    expect([mode.value, observed?.refused?.code]).to.deep.equal(['observe', 'ENFORCEMENT_UNAVAILABLE']);
  });

  it('weighs the work directory where it counts as scratch, and no other place', () => {
    const scratch = (counts: boolean) => observe({policy: {scratch: {workDirectory: counts}, defaults: {scratch: '1GiB'}}});
    expect(stepsOf(scratch(true), 'weigh.scratch').map(({directories}) => directories)).to.deep.equal([['/home/atlas001/job']]);
    expect(stepsOf(scratch(false), 'weigh.scratch')).to.deep.equal([]);
    expect(stepsOf(observe({policy: {scratch: {workDirectory: true}}}), 'weigh.scratch')).to.deep.equal([]);
  });

  it('costs no job, whatever goes wrong in it', () => {
    const {limits} = plan({});
    const policy = {mode: {value: 'observe', provenance: {}}, suspendedTime: {value: 'excluded'}, rules: []} as never;
    const {refused} = planObserved({policy} as never, policy, limits, () => {
      throw new TypeError('nobody thought of this');
    });
    expect(refused?.code).to.equal('INTERNAL');
    expect(refused?.reason).to.contain('nobody thought of this');
  });

  it('names the repositories without which it would be refused', () => {
    const job = {cvmfs: ['atlas.cern.ch']};
    const policy = (then: 'refuse' | 'without') => ({cvmfs: {allowed: ['*.cern.ch'], onFailure: {then}}}) as NonNullable<Parts['policy']>;
    expect(observe({job, policy: policy('refuse')}).observed?.repositories).to.deep.equal(['atlas.cern.ch']);
    expect(observe({job, policy: policy('without')}).observed?.repositories).to.deep.equal([]);
  });
});
