import {expect} from 'chai';
import {EXIT} from '../../../src/errors.js';
import type {Facts} from '../../../src/host/facts.js';
import type {Step, StepOf} from '../../../src/plan/step.js';
import {checkSavedPlan} from '../../../src/run/saved-plan.js';
import type {Plan} from '../../../src/schema/generated/plan-1.js';
import {asUser, BUBBLEWRAP, facts, no, NO_CGROUP, plan, policy, ROOT, SLOT, thrown, USER, v1, v2, type Parts} from '../plan/build.js';

const PINNED: Parts = {
  job: {limits: {cores: 2, pinCores: true, memory: '1GiB'}},
  facts: {cgroup: v2(['memory', 'cpu', 'pids'], {toEnable: ['cpu']})},
};
const here = facts(PINNED.facts);
const check = (saved: Plan, node: Facts = here): unknown => checkSavedPlan(saved, 'plan.json', node, policy());

/** The plan with each step of one kind changed. */
function change<Op extends Step['op']>(saved: Plan, op: Op, by: (step: StepOf<Op>) => Partial<StepOf<Op>>): Plan {
  const steps = saved.steps.map((step): Step => (step.op === op ? {...step, ...by(step as StepOf<Op>)} : step));
  if (JSON.stringify(steps) === JSON.stringify(saved.steps)) throw new Error(`nothing of ${op} was changed`);
  return {...saved, steps};
}

describe('a saved plan', () => {
  it('is obeyed where it was made, also on v1, hybrid nodes and without groups', () => {
    expect(check(plan(PINNED))).to.deep.equal(USER);
    for (const cgroup of [
      v1({memory: 'memory', cpu: 'cpu,cpuacct', cpuacct: 'cpu,cpuacct', cpuset: 'cpuset'}),
      {...v2([]), controllers: {...v2(['pids']).controllers, ...v1({memory: 'memory'}).controllers}},
      NO_CGROUP,
    ]) {
      expect(check(plan({...PINNED, facts: {cgroup}}), facts({cgroup}))).to.deep.equal(USER);
    }
    expect(check(plan({facts: {newProc: no}}), facts({newProc: no}))).to.deep.equal(USER);
  });

  const tampered: [title: string, make: (saved: Plan) => Plan, says: string][] = [
    [
      'groups of another parent',
      (saved) => change(saved, 'cgroup.create', ({directory}) => ({directory: directory.replace(SLOT, '/sys/fs/cgroup/other')})),
      'control groups cannot be made there',
    ],
    [
      'groups below the parent',
      (saved) => change(saved, 'cgroup.create', ({directory}) => ({directory: directory.replace(SLOT, `${SLOT}/x`)})),
      'control groups cannot be made there',
    ],
    ['groups without an id', (saved) => change(saved, 'cgroup.create', () => ({directory: SLOT})), 'control groups cannot be made there'],
    ['groups of another version', (saved) => change(saved, 'cgroup.create', () => ({version: 1})), 'control groups cannot be made there'],
    [
      'a write into a group that is not the box’s',
      (saved) => change(saved, 'cgroup.write', () => ({directory: SLOT})),
      'writes outside its own groups',
    ],
    [
      'a write into a file elsewhere',
      (saved) => change(saved, 'cgroup.write', () => ({file: '../../cgroup.procs'})),
      'writes outside its own groups',
    ],
    [
      'controllers switched on elsewhere',
      (saved) => change(saved, 'cgroup.enable', () => ({directory: '/sys/fs/cgroup'})),
      'changes a group that is not its own',
    ],
    [
      'controllers switched on in the payload’s group',
      (saved) => change(saved, 'cgroup.enable', () => ({directory: `${SLOT}/tare-{id}/payload`})),
      'changes a group that is not its own',
    ],
    [
      'a directory anywhere',
      (saved) => change(saved, 'directory.create', () => ({path: '/etc/cron.d'})),
      'directory outside the box’s own folder',
    ],
    [
      'a directory above the box’s',
      (saved) => change(saved, 'directory.create', () => ({path: '{box}/..'})),
      'directory outside the box’s own folder',
    ],
    [
      'a directory far below',
      (saved) => change(saved, 'directory.create', () => ({path: '{box}/a/../../b'})),
      'directory outside the box’s own folder',
    ],
    [
      'a directory with a newline',
      (saved) => change(saved, 'directory.create', () => ({path: '{box}/a\n'})),
      'directory outside the box’s own folder',
    ],
    ['another engine', (saved) => ({...saved, engine: {...saved.engine, path: '/tmp/bwrap'}}), 'bubblewrap is elsewhere'],
    ['no path of the engine', (saved) => ({...saved, engine: {...saved.engine, path: null}}), 'bubblewrap is elsewhere'],
    ['CPUs that are not here', (saved) => change(saved, 'affinity.set', () => ({cpus: [2, 63]})), 'CPUs are not all here'],
    [
      'an identity, by a user',
      (saved) => ({...saved, steps: [...saved.steps, {op: 'identity.take', uid: 0, gid: 0, groups: [0], because: ''}]}),
      'only root can take another identity',
    ],
    ['another policy', (saved) => ({...saved, inputs: {...saved.inputs, policy: '0'.repeat(64)}}), 'made under another policy'],
  ];
  for (const [title, make, says] of tampered) {
    it(`is refused with ${title}`, () => {
      const error = thrown(() => check(make(plan(PINNED))));
      expect([error.code, error.exit, error.details.where]).to.deep.equal(['PLAN_MISMATCH', EXIT.failure, 'plan.json']);
      expect(error.message).to.include(says).and.include('tare plan --json');
    });
  }

  const nodes: [title: string, node: Partial<Facts>, says: string][] = [
    ['without those controllers', {cgroup: NO_CGROUP}, 'control groups cannot be made there'],
    [
      'where those groups may not be used',
      {
        cgroup: {
          ...here.cgroup,
          controllers: Object.fromEntries(Object.entries(here.cgroup.controllers).map(([name, fact]) => [name, {...fact, parent: null}])),
        },
      },
      'control groups cannot be made there',
    ],
    ['without bubblewrap', {bubblewrap: {...BUBBLEWRAP, path: null}}, 'the box cannot be built'],
    ['without namespaces', {namespaces: {...here.namespaces, user: no}}, 'the box cannot be built'],
    ['with bubblewrap elsewhere', {bubblewrap: {...BUBBLEWRAP, path: '/opt/bwrap'}}, 'bubblewrap is elsewhere'],
    ['with fewer CPUs', {cpu: {...here.cpu, allowed: [2]}}, 'CPUs are not all here'],
  ];
  for (const [title, node, says] of nodes) {
    it(`is refused on a node ${title}`, () => {
      expect(thrown(() => check(plan(PINNED), {...here, ...node})).message).to.include(says);
    });
  }

  describe('of root', () => {
    const root = facts({caller: ROOT});
    it('names the account to run as', () => {
      const saved = plan({facts: {caller: ROOT}, call: asUser(USER)});
      expect(check(saved, root)).to.deep.equal({uid: 1001, gid: 100, groups: [100, 1001], name: 'atlas001', home: null});
      expect(thrown(() => check(saved, facts())).details).to.include({found: 'atlas001', allowed: 'root'});
      expect(thrown(() => check(saved, facts({caller: {...USER, name: null}}))).details.found).to.equal('1001');
    });

    it('is not taken from a user: the payload would run as root', () => {
      expect(thrown(() => check(plan(), root)).message).to.include('it was made by another caller');
      expect(thrown(() => check({...plan(), job: {...plan().job, user: null}}, root)).details.allowed).to.equal('another account');
    });

    it('may run as root, where it was made so', () => {
      const saved = plan({facts: {caller: ROOT}, call: asUser(ROOT), policy: {identity: {allowRoot: true}}});
      expect(checkSavedPlan(saved, 'plan.json', root, policy({identity: {allowRoot: true}}))).to.deep.equal(ROOT);
    });
  });
});
