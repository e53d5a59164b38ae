import {expect} from 'chai';
import {openChoices, resolve, type Found, type RepositoryFound} from '../../../src/plan/resolve.js';
import {stepsOf} from '../../../src/plan/step.js';
import validate from '../../../src/schema/generated/plan-1.validator.js';
import type {Plan} from '../../../src/schema/generated/plan-1.js';
import {asUser, plan, ROOT as ROOT_ACCOUNT, USER} from './build.js';

const NAME = 'atlas.cern.ch';
const ROOT = '/cvmfs';
const nothing: Found = {repositories: [], hostname: null};
const of = (found: Partial<RepositoryFound>): Found => ({
  ...nothing,
  repositories: [{repository: NAME, present: true, usable: true, own: false, because: null, ...found}],
});
const opsOf = (made: Plan): string[] => made.steps.map(({op}) => op).filter((op) => /^(?:cvmfs\.|mount\.pin$)/.test(op));
const coversRoot = (made: Plan): boolean => stepsOf(made, 'mount.tmpfs').some(({destination}) => destination === ROOT);

describe('resolve: from what is wanted to what runs', () => {
  const mount = {client: '/opt/cvmfs2', config: ['/etc/cvmfs/default.conf']};
  const wanted = plan({job: {cvmfs: [NAME]}, policy: {cvmfs: {onFailure: 'without'}}});

  it('a plan without choices is the same, and says that nothing was decided', () => {
    const made = plan();
    expect(resolve(made, nothing)).to.deep.equal({...made, resolved: []});
  });

  it('is a plan still, as the schema says', () => {
    const made = resolve(wanted, {...of({}), exists: () => false});
    expect(validate(made), JSON.stringify(validate.errors)).to.equal(true);
  });

  it('is the same when it is resolved again with what was found', () => {
    const found = {...of({usable: false, because: 'hangs'}), exists: () => true};
    expect(resolve(resolve(wanted, found), found)).to.deep.include({
      steps: resolve(wanted, found).steps,
      flags: resolve(wanted, found).flags,
    });
  });

  it('a repository that answers is the node’s', () => {
    const made = resolve(wanted, of({}));
    expect(opsOf(made)).to.deep.equal(['cvmfs.probe', 'mount.pin', 'cvmfs.bind']);
    expect(made.resolved).to.deep.equal([{choice: `the repository ${NAME}`, chose: 'the node’s', because: 'it answers'}]);
    expect(made.flags).to.deep.equal(wanted.flags);
  });

  it('a repository that cannot be used is left out, with the reason and a flag', () => {
    const made = resolve(wanted, of({usable: false, because: 'its client hangs'}));
    expect(opsOf(made)).to.deep.equal(['cvmfs.probe']);
    expect(made.resolved).to.deep.equal([{choice: `the repository ${NAME}`, chose: 'left out', because: 'its client hangs'}]);
    expect(made.flags).to.include('cvmfs-missing');
    expect(coversRoot(made)).to.equal(true);
  });

  it('where nothing is mounted nothing is covered', () => {
    expect(coversRoot(wanted)).to.equal(true);
    expect(coversRoot(resolve(wanted, of({usable: false, present: false})))).to.equal(false);
  });

  it('what Tare has mounted is not the node’s to hold', () => {
    const planned = plan({job: {cvmfs: [NAME]}, policy: {cvmfs: {mount}}});
    expect(opsOf(resolve(planned, of({own: true})))).to.deep.equal(['cvmfs.probe', 'cvmfs.mount', 'cvmfs.bind']);
    expect(opsOf(resolve(planned, of({own: false})))).to.deep.equal(['cvmfs.probe', 'mount.pin', 'cvmfs.bind']);
  });

  it('a place of the wrapper that is not there is not hidden, but /dev/shm is the box’s own', () => {
    const made = plan({facts: {caller: ROOT_ACCOUNT}, call: asUser(USER)});
    const empty = (from: Plan): string[] => stepsOf(from, 'mount.tmpfs').map(({destination}) => destination);
    const state = made.directories.state;
    expect(empty(made)).to.include.members([state, '/dev/shm']);
    const found = resolve(made, {...nothing, exists: (path) => path !== state && path !== '/dev/shm'});
    expect(empty(found)).to.deep.equal(empty(made).filter((path) => path !== state));
    expect(stepsOf(made, 'mount.readonly').map(({destination}) => destination)).to.include(state);
    expect(stepsOf(found, 'mount.readonly').map(({destination}) => destination)).not.to.include(state);
    expect(found.resolved).to.deep.equal([{choice: `an empty ${state}`, chose: 'left out', because: 'the node has no directory there'}]);
  });

  it('the plan says what is still open, and by which rule', () => {
    expect(openChoices(wanted)).to.deep.equal([
      {choice: `the repository ${NAME}`, rule: 'the node’s if it answers; else the job is run without it'},
    ]);
    expect(openChoices(plan())).to.deep.equal([]);
  });
});
