import {expect} from 'chai';
import {explainPlan} from '../../../src/steps/explain.js';
import {BUBBLEWRAP, call, facts, NO_CGROUP, plan, policy, thrown} from './build.js';

const noBox = {facts: facts({engines: [{...BUBBLEWRAP, path: null, how: 'not found'}]})};
const limits = {limits: {memory: '1GiB', processes: 100, cores: 1}};

describe('less than asked', () => {
  it('is nothing where there is a box and the kernel holds the limits', () => {
    expect(plan({job: limits}).degraded).to.equal(undefined);
    expect(plan({job: limits, policy: {degraded: 'refuse'}}).degraded).to.deep.equal({
      then: 'refuse',
      provenance: {source: 'policy', at: 'policy.yaml#/degraded'},
      what: [],
    });
  });

  it('is a job without a box: flagged, and an alarm where the policy says nothing', () => {
    const {degraded, flags} = plan(noBox);
    expect(flags).to.include('unboxed');
    expect(degraded?.then).to.equal('alarm');
    expect(degraded?.what.map(({code}) => code)).to.deep.equal(['unboxed']);
    expect(degraded?.what[0]?.because).to.include('not found');
  });

  it('is refused where the policy says so, as the node’s fault', () => {
    const error = thrown(() => plan({...noBox, policy: {degraded: 'refuse'}}));
    expect([error.code, error.exit, error.kind]).to.deep.equal(['NODE_DEGRADED', 125, 'node']);
    expect(error.message).to.match(/^policy\.yaml#\/degraded: .*unboxed \(.*not found/);
  });

  it('is what a rule says for its jobs', () => {
    const rules = [{match: {}, degraded: 'allow' as const}];
    expect(plan({...noBox, policy: {degraded: 'refuse', rules}}).degraded?.then).to.equal('allow');
  });

  it('is a limit that the kernel does not keep since groups could not be made, and not on a node without any', () => {
    const without = facts({cgroup: {...NO_CGROUP, how: 'EACCES'}});
    expect(plan({job: limits, facts: without}).degraded).to.equal(undefined);
    const {degraded, flags} = plan({job: limits, facts: without, call: call({lost: ['groups']})});
    expect(degraded?.what.map(({code}) => code)).to.include.members(['unlimited-cores', 'watched-memory']);
    expect(flags).to.include('watched-memory').and.to.include('sampled-memory');
    const error = thrown(() => plan({job: limits, facts: without, call: call({lost: ['groups']}), policy: {degraded: 'refuse'}}));
    expect(error.code).to.equal('NODE_DEGRADED');
  });

  it('is not what is by design: observed, in a box already, in a container', () => {
    const refuse = {degraded: 'refuse' as const};
    const observed = plan({...noBox, policy: {degraded: 'refuse', mode: 'observe'}});
    expect([observed.mode.value, observed.degraded]).to.deep.equal(['observe', undefined]);
    const container = plan({...noBox, policy: refuse, call: call({unboxed: {because: 'a container job', always: true}})});
    expect(container.degraded?.what).to.deep.equal([]);
  });

  it('is in the plan’s words', () => {
    const rows = explainPlan(plan(noBox))[0]?.rows ?? [];
    expect(rows).to.deep.include(['less than asked', 'alarm', 'builtin']);
    expect(rows.some(([what]) => what === 'less: unboxed')).to.equal(true);
  });

  it('contradicts a black hole that wants jobs without a box', () => {
    const blackHole = {failures: 5, within: '10m', then: 'unboxed' as const};
    const error = thrown(() => policy({degraded: 'refuse', batch: {blackHole}}));
    expect(error.code).to.equal('POLICY_CONTRADICTION');
  });
});
