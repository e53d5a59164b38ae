/** Defects that were found and are not mended yet: each of these fails until it is. Then it belongs into the file of its concern. */

import {expect} from 'chai';
import {stepOf} from '../../../src/plan/step.js';
import {asUser, BUBBLEWRAP, facts, MIB, NO_CGROUP, plan, ROOT} from './build.js';

describe('defects of plans', () => {
  for (const [workDirectory, parts] of [
    ['/var/tmp', {}],
    ['/scratch', {policy: {directories: {spool: '/scratch/spool'}}}],
  ] as const) {
    it(`the spool is not in the box, also when the work directory is ${workDirectory} (src/plan/mounts.ts, writable)`, () => {
      const {steps, directories} = plan({...parts, job: {workDirectory}});
      const bound = steps.findIndex((step) => step.op === 'mount.bind' && step.source === workDirectory && step.options.includes('rw'));
      const hidden = steps.some(
        (step, index) => index > bound && 'destination' in step && `${directories.spool}/`.startsWith(`${step.destination}/`),
      );
      expect(bound < 0 || hidden, `${directories.spool} can be written in the box`).to.equal(true);
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

  it('a bubblewrap without --as-pid-1 and --ro-bind-try builds no box (src/plan/mode.ts, boxObstacle)', () => {
    const old = {
      ...BUBBLEWRAP,
      version: '0.1.7',
      setuid: true,
      abilities: {tmpfsSize: false, perms: false, overlay: false, disableUserns: false},
    };
    expect(plan({facts: {bubblewrap: old}}).mode.value).to.equal('limits-only');
  });

  it('a network of its own needs a network namespace (src/plan/mode.ts, boxObstacle)', () => {
    const namespaces = {...facts().namespaces, network: {available: false, how: 'max_net_namespaces is 0', remedy: 'raise it'}};
    expect(plan({job: {network: 'none'}, facts: {namespaces}}).mode.value).to.equal('limits-only');
  });
});
