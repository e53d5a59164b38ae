import {expect} from 'chai';
import {explainPlan} from '../../../src/steps/explain.js';
import {stepOf} from '../../../src/plan/step.js';
import {BUBBLEWRAP, no, plan, type Parts} from './build.js';

const filter = (parts: Parts = {}): string | undefined => stepOf(plan(parts), 'seccomp.load')?.profile;

describe('the filter on system calls, in the plan', () => {
  it('is the profile default of every box, and said where it comes from', () => {
    const made = plan();
    expect(stepOf(made, 'seccomp.load')).to.include({
      profile: 'default',
      because: 'system calls that no payload needs are denied (builtin)',
    });
    expect(JSON.stringify(explainPlan(made))).to.include('["system calls","default"');
  });

  it('is what the policy says, or a rule of it', () => {
    expect(filter({policy: {seccomp: 'pilot'}})).to.equal('pilot');
    expect(filter({policy: {seccomp: '/etc/tare/calls.json'}})).to.equal('/etc/tare/calls.json');
    expect(filter({policy: {seccomp: 'unconfined'}})).to.equal(undefined);
    const rules = [{match: {user: ['atlas*']}, seccomp: 'pilot'}];
    expect(filter({policy: {rules}})).to.equal('pilot');
    expect(filter({policy: {seccomp: 'pilot', rules: [{match: {user: ['cms*']}, seccomp: 'unconfined'}]}})).to.equal('pilot');
  });

  it('builtin is its name of versions before', () => {
    expect(filter({policy: {seccomp: 'builtin'}})).to.equal('default');
  });

  it('is absent without a box', () => {
    expect(filter({policy: {mode: 'observe'}})).to.equal(undefined);
    expect(filter({facts: {engines: [{...BUBBLEWRAP, path: null}]}})).to.equal(undefined);
  });

  it('where the kernel takes no filter the plan has none, with a flag unless the policy wants none', () => {
    const made = plan({facts: {seccomp: no}});
    expect([stepOf(made, 'seccomp.load'), made.flags]).to.deep.equal([undefined, ['unfiltered']]);
    expect(plan({facts: {seccomp: no}, policy: {seccomp: 'unconfined'}}).flags).to.deep.equal([]);
  });
});
