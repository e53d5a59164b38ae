/** Defects that were found by a review: each of these failed before it was mended. */

import {expect} from 'chai';
import {TareError} from '../../../src/errors.js';
import {stepOf} from '../../../src/plan/step.js';
import {asUser, BUBBLEWRAP, facts, MIB, NO_CGROUP, plan, ROOT} from './build.js';

describe('plans, after a review', () => {
  for (const [workDirectory, parts] of [
    ['/var/tmp', {}],
    ['/scratch', {policy: {directories: {spool: '/scratch/spool'}}}],
  ] as const) {
    it(`the spool is not in the box, also when the work directory is ${workDirectory} (src/plan/plan.ts, checkOwnPlaces)`, () => {
      expect(() => plan({...parts, job: {workDirectory}}))
        .to.throw(TareError, /the wrapper’s own directories/)
        .with.property('code', 'STATE_EXPOSED');
    });
  }

  it('observe refuses no job for a slot that is too small (src/plan/limits.ts, memoryOfSlot)', () => {
    expect(plan({policy: {mode: 'observe'}, facts: {slot: {...facts().slot, memoryLimitBytes: 32 * MIB}}}).mode.value).to.equal('observe');
  });

  it('observe does not change how many threads a payload starts (src/plan/environment.ts)', () => {
    expect(stepOf(plan({policy: {mode: 'observe', defaults: {cores: 1}}}), 'environment.set')).to.equal(undefined);
  });

  it('RLIMIT_NPROC does not hold root, so it is no kernel limit for it (src/plan/limits.ts, processesWithoutGroup)', () => {
    const {limits} = plan({
      job: {limits: {processes: 5}},
      policy: {identity: {allowRoot: true}},
      facts: {caller: ROOT, cgroup: NO_CGROUP},
      call: asUser(ROOT),
    });
    expect([limits.processes.enforcement, limits.processes.by]).to.deep.equal(['watched', 'watch.processes']);
  });

  it('a bubblewrap without --as-pid-1 and --ro-bind-try builds no box (src/plan/engine.ts)', () => {
    const old = {
      ...BUBBLEWRAP,
      version: '0.1.7',
      setuid: true,
      abilities: [],
    };
    expect(plan({facts: {engines: [old]}}).mode.value).to.equal('limits-only');
  });

  it('a network of its own needs a network namespace (src/plan/engine.ts)', () => {
    const namespaces = {...facts().namespaces, network: {available: false, how: 'max_net_namespaces is 0', remedy: 'raise it'}};
    expect(() => plan({job: {network: 'none'}, facts: {namespaces}}))
      .to.throw(TareError)
      .with.property('code', 'BOX_UNAVAILABLE');
    expect(plan({facts: {namespaces}}).mode.value).to.equal('box');
  });
});
