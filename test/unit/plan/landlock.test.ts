import {expect} from 'chai';
import {launchStrings} from '../../../src/engine/launch.js';
import type {Facts} from '../../../src/host/facts.js';
import {explainPlan} from '../../../src/steps/explain.js';
import {stepOf} from '../../../src/plan/step.js';
import {BUBBLEWRAP, call, no, plan, ROOT, USER, WORK, yes, type Parts} from './build.js';

const kernel = (abi: number | null, queues = true): Facts['landlock'] => ({abi, queues, how: 'the kernel', remedy: null});
const wall = (parts: Parts = {}) => plan(parts).landlock;
const none = (because: string) => ({abi: null, writable: [], because});
const keys = (parts: Parts): string[] =>
  launchStrings(plan(parts), {
    ...{boxDirectory: '/BOX', engineArgv: [], id: 'ab', callerArgvIndex: null},
    joins: {engine: [], payload: [], applications: []},
  }).filter((each) => /^[lL]/.test(each));
const views = {user: true, overlay: yes, options: [], fuse: no, mounts: [], writable: [USER.home ?? '/home']};

describe('Landlock, in the plan', () => {
  it('lets a payload write where the plan has something writable, and says so', () => {
    const parts: Parts = {job: {writable: ['/data/local']}, policy: {writable: ['/data']}};
    const made = plan(parts);
    expect(made.landlock).to.deep.equal({
      abi: 7,
      writable: ['/proc', '/dev', '/tmp', '/var/tmp', WORK, '/data/local', '/dev/mqueue'],
      because: 'read-only paths stay read-only even where a mount does not protect them',
    });
    expect(JSON.stringify(explainPlan(made))).to.include(
      '["Landlock","version 7","read-only paths stay read-only even where a mount does not protect them"]',
    );
    expect(stepOf(made, 'mount.dev')?.queues).to.equal('/dev/mqueue');
    expect(keys(parts)).to.deep.equal(['l7ff2', 'L/proc', 'L/dev', 'L/tmp', 'L/var/tmp', `L${WORK}`, 'L/data/local', 'L/dev/mqueue']);
  });

  it('has no more rights than the kernel knows, and no place for queues that it has not', () => {
    expect(keys({facts: {landlock: kernel(2, false)}}).slice(0, 2)).to.deep.equal(['l3ff2', 'L/proc']);
    const made = plan({facts: {landlock: kernel(3, false)}});
    expect([made.landlock?.writable.includes('/dev/mqueue'), stepOf(made, 'mount.dev')?.queues]).to.deep.equal([false, undefined]);
  });

  it('is absent where the kernel has no Landlock, or too old a version', () => {
    expect(wall({facts: {landlock: kernel(null)}})).to.deep.equal(none('the kernel'));
    expect(wall({facts: {landlock: kernel(1)}})).to.deep.equal(none('version 1 lets no file be renamed into another directory'));
    expect(keys({facts: {landlock: kernel(1)}})).to.deep.equal([]);
    expect(JSON.stringify(explainPlan(plan({facts: {landlock: kernel(null)}})))).to.include('["Landlock","none","the kernel"]');
    expect(plan({facts: {landlock: kernel(null)}}).flags).to.deep.equal(plan().flags);
  });

  it('is absent where a payload may make mounts, which it would forbid', () => {
    for (const seccomp of ['pilot', 'unconfined', '/etc/tare/calls.json'])
      expect(wall({policy: {seccomp}}), seccomp).to.deep.equal(none(`the filter on system calls is ${seccomp}: a payload may make mounts`));
    expect(wall({facts: {seccomp: no}})?.because).to.equal('the filter on system calls is unconfined: a payload may make mounts');
  });

  it('is absent where applications mount views of their own, or all is a view', () => {
    const applications = ['a', 'b'].map((name) => ({name, command: ['/bin/true']}));
    expect(wall({job: {applications}})?.abi).to.equal(7);
    const own = wall({job: {applications, filesystem: 'private'}, policy: {filesystem: ['node', 'private']}, facts: {views}});
    expect(own).to.deep.equal(none('applications mount views of their own'));
    const root = {
      facts: {caller: ROOT, views: {...views, user: false}},
      call: call({identity: {value: USER, provenance: {source: 'job', at: '-'}}}),
    };
    const whole = wall({job: {filesystem: 'shared'}, policy: {filesystem: ['node', 'shared']}, ...root});
    expect(whole).to.deep.equal(none('all of the box’s files are a writable view'));
    const part = wall({job: {filesystem: 'shared'}, policy: {filesystem: ['node', 'shared']}, facts: {views}});
    expect(part).to.deep.include({abi: 7}).and.to.have.property('writable').that.includes('/home/atlas001');
  });

  it('is absent where tasks join the box: each comes from outside, with a domain of its own', () => {
    expect(wall({call: {tasks: 3}})?.because).to.match(/^tasks come from outside/);
  });

  it('is not spoken of where there is no box', () => {
    expect(wall({policy: {mode: 'observe'}})).to.equal(undefined);
    expect(wall({facts: {engines: [{...BUBBLEWRAP, path: null}]}})).to.equal(undefined);
  });
});
