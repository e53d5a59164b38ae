import {expect} from 'chai';
import {launchStrings} from '../../../src/engine/launch.js';
import {stepOf} from '../../../src/plan/step.js';
import {explainPlan} from '../../../src/steps/explain.js';
import {BUBBLEWRAP, job, no, plan, ROOT, thrown, USER, yes, type Parts} from './build.js';

const FIRST: Parts = {job: {firstProcess: true}};
const keys = (parts: Parts): string[] =>
  launchStrings(plan(parts), {
    ...{boxDirectory: '/BOX', engineArgv: [], id: 'ab', callerArgvIndex: null},
    joins: {engine: [], payload: [], applications: []},
  });

describe('a payload as process 1', () => {
  it('is said by the plan and told to init; without the word nothing is', () => {
    const made = plan(FIRST);
    expect(stepOf(made, 'payload.execute')).to.include({first: true});
    expect(keys(FIRST)).to.include('P');
    expect(JSON.stringify(explainPlan(made))).to.include('["first process","process 1 of a PID namespace of its own"]');
    for (const parts of [{}, {job: {firstProcess: false}}]) {
      expect(stepOf(plan(parts), 'payload.execute')).to.not.have.property('first');
      expect(keys(parts)).to.not.include('P');
    }
  });

  it('has no Landlock, which would forbid its /proc, and says so', () => {
    expect(plan(FIRST).landlock).to.deep.equal({abi: null, writable: [], because: 'the payload, as process 1, mounts a /proc of its own'});
    expect(keys(FIRST).filter((key) => /^[lL]/.test(key))).to.deep.equal([]);
  });

  it('is none where a job is only observed: it runs as it would without Tare', () => {
    const made = plan({...FIRST, policy: {mode: 'observe'}});
    expect([made.mode.value, stepOf(made, 'payload.execute')?.first]).to.deep.equal(['observe', undefined]);
  });

  const root = {caller: ROOT};
  const asRoot = {identity: {value: ROOT, provenance: {source: 'caller' as const, at: 'the caller'}}};
  const refused: [string, Parts, RegExp][] = [
    ['without a box', {facts: {engines: [{...BUBBLEWRAP, path: null}]}, policy: {box: 'optional'}}, /^no box: .*bubblewrap/],
    ['in a box already', {facts: {within: {id: 'ab', record: 'cd', how: 'a test'} as never}}, /^no box: in a box already/],
    ['for tasks of a batch system', {call: {tasks: 3}}, /^3 tasks of the batch system share the box$/],
    ['as root', {facts: root, call: asRoot, policy: {identity: {allowRoot: true}}}, /^the payload is root/],
    [
      'where a setuid engine alone makes boxes',
      {
        facts: {
          engines: [{...BUBBLEWRAP, setuid: true}],
          namespaces: {...{pid: yes, mount: yes, ipc: yes, uts: yes, network: yes, cgroup: yes}, user: no},
        },
      },
      /^no user namespace \(a test says no\)$/,
    ],
  ];
  for (const [title, parts, found] of refused)
    it(`is refused ${title}`, () => {
      const error = thrown(() => plan({...parts, ...FIRST}));
      expect([error.code, error.details.where]).to.deep.equal(['FIRST_PROCESS_UNAVAILABLE', 'job.yaml#/firstProcess']);
      expect(error.details.found).to.match(found);
      expect(error.details.remedy).to.be.a('string');
    });

  it('is an account’s, of whom root is the caller', () => {
    const call = {identity: {value: USER, provenance: {source: 'job' as const, at: '-'}}};
    expect(stepOf(plan({...FIRST, facts: root, call}), 'payload.execute')?.first).to.equal(true);
  });

  it('cannot be one of several applications, nor in a small machine', () => {
    const applications = [{name: 'a', command: ['/bin/true']}];
    for (const [more, found] of [
      [{applications}, 'firstProcess and applications'],
      [{init: 'systemd'}, 'firstProcess and init'],
      [{services: ['sshd'], init: 'systemd'}, 'firstProcess and init'],
      [{identity: {address: 'none'}}, 'firstProcess and identity'],
    ] as const) {
      const error = thrown(() => job({firstProcess: true, ...(more as object)}));
      expect([error.code, error.details.where, error.details.found]).to.deep.equal(['DOCUMENT_INVALID', 'job.yaml#/firstProcess', found]);
    }
    const machine = thrown(() =>
      plan({job: {firstProcess: true, pattern: 'vm-lite', image: '/images/a'}, policy: {images: ['/images/*']}}),
    );
    expect(['FIRST_PROCESS_UNAVAILABLE', 'BOX_UNAVAILABLE']).to.include(machine.code);
  });
});
