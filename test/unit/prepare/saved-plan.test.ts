import {expect} from 'chai';
import {EXIT} from '../../../src/errors.js';
import type {ImageFound} from '../../../src/plan/image.js';
import type {LimitName} from '../../../src/job/job.js';
import type {Facts} from '../../../src/host/facts.js';
import {stepOf, type Step, type StepOf} from '../../../src/plan/step.js';
import {ENGINES} from '../../../src/plugins.js';
import {checkSavedPlan} from '../../../src/prepare/saved-plan.js';
import type {Plan} from '../../../src/schema/generated/plan-1.js';
import {
  asUser,
  BUBBLEWRAP,
  CRUN,
  facts,
  GIB,
  no,
  NO_CGROUP,
  plan,
  policy,
  ROOT,
  SLOT,
  thrown,
  USER,
  v1,
  v2,
  yes,
  type Parts,
} from '../plan/build.js';

const PINNED: Parts = {
  job: {limits: {cores: 2, pinCores: true, memory: '1GiB', processes: 50}},
  facts: {cgroup: v2(['memory', 'cpu', 'pids'], {toEnable: ['cpu']})},
};
const KNOWN = {engines: ENGINES, only: null};
const here = facts(PINNED.facts);
const check = (saved: Plan, node: Facts = here): unknown => checkSavedPlan(saved, 'plan.json', {facts: node, policy: policy(), ...KNOWN});

/** The plan with each step of one kind changed. */
function change<Op extends Step['op']>(saved: Plan, op: Op, by: (step: StepOf<Op>) => Partial<StepOf<Op>>): Plan {
  const steps = saved.steps.map((step): Step => (step.op === op ? {...step, ...by(step as StepOf<Op>)} : step));
  if (JSON.stringify(steps) === JSON.stringify(saved.steps)) throw new Error(`nothing of ${op} was changed`);
  return {...saved, steps};
}

/** The plan with one more write, that differs from its first. */
function alsoWrite(saved: Plan, by: Partial<StepOf<'cgroup.write'>>): Plan {
  const write = stepOf(saved, 'cgroup.write');
  if (write === undefined) throw new Error('nothing is written');
  return {...saved, steps: [...saved.steps, {...write, ...by}]};
}

/** The plan without the writes into one file. */
function without(saved: Plan, file: string): Plan {
  const steps = saved.steps.filter((step) => step.op !== 'cgroup.write' || step.file !== file);
  if (steps.length !== saved.steps.length - 1) throw new Error(`there is not one write to ${file}`);
  return {...saved, steps};
}

describe('a saved plan with a view', () => {
  const views: Facts['views'] = {
    ...{user: true, overlay: {available: true, how: 'a test', remedy: null}, options: ['userxattr'], fuse: no},
    ...{mounts: [], writable: ['/home/atlas001']},
  };
  const containers: Facts['scratch']['containers'] = {user: false, loop: yes, program: '/sbin/mkfs.ext4', tmpfs: no};
  const node = facts({views, scratch: {...facts().scratch, containers}});
  const images = policy({images: ['/images/*']});
  const made = (document: Parts['job']): Plan =>
    plan({job: {limits: {scratch: '1GiB'}, ...document}, facts: node, policy: {images: ['/images/*']}});
  const obey = (saved: Plan, here = node): unknown => checkSavedPlan(saved, 'plan.json', {facts: here, policy: images, ...KNOWN});

  it('is obeyed where it was made', () => {
    for (const document of [{filesystem: 'shared'}, {filesystem: 'private'}, {image: '/images/el9'}] as const)
      expect(obey(made(document))).to.deep.equal(USER);
    for (const saved of [squashfs, layout, closed]) expect(obey(saved)).to.deep.equal(USER);
  });
  const shared = made({filesystem: 'shared'});
  const image = made({image: '/images/el9'});
  const closed = plan({facts: node, policy: {images: ['/images/*']}, call: {closed: ['/home']}});
  const looked = (found: ImageFound): Plan =>
    plan({job: {image: '/images/el9'}, facts: node, policy: {images: ['/images/*']}, call: {image: found}});
  const squashfs = looked({
    ...{path: '/images/el9', kind: 'squashfs', digest: null, architecture: null},
    mount: {by: 'squashfuse', program: '/usr/bin/squashfuse_ll', options: ['uid=7']},
  });
  const layout = looked({path: '/images/el9', kind: 'oci-layout', digest: `sha256:${'ab'.repeat(32)}`, architecture: null, mount: null});
  for (const [title, saved, here] of [
    ['a view mounted elsewhere', change(shared, 'mount.overlay', () => ({at: '/opt/x'}))],
    ['a view mounted above the box', change(shared, 'mount.overlay', () => ({at: '{box}/../x'}))],
    ['an upper layer elsewhere', change(shared, 'mount.overlay', () => ({upper: '/etc'}))],
    ['a work directory elsewhere', change(shared, 'mount.overlay', () => ({work: '/etc'}))],
    ['a lower layer that is none here', change(shared, 'mount.overlay', () => ({lower: '/root'}))],
    ['an image that is not allowed', change(image, 'mount.overlay', () => ({lower: '/images/el9/root'}))],
    ['another image', change(image, 'image.take', () => ({path: '/home/x'}))],
    ['an image that is said to be of an allowed digest', change(layout, 'image.take', () => ({path: '/home/x'}))],
    ['an image unpacked elsewhere', change(layout, 'image.take', () => ({tree: '/etc'}))],
    ['an image of another digest', change(layout, 'image.take', () => ({digest: `sha256:${'cd'.repeat(32)}`}))],
    ['another file mounted', change(squashfs, 'mount.squashfs', () => ({source: '/home/x'}))],
    ['a file mounted elsewhere', change(squashfs, 'mount.squashfs', () => ({at: '/etc'}))],
    ['another program that mounts it', change(squashfs, 'mount.squashfs', () => ({program: '/home/x'}))],
    ['options of its own', change(squashfs, 'mount.squashfs', () => ({options: ['suid']}))],
    ['an overlay by a program that is not here', change(shared, 'mount.overlay', () => ({by: 'fuse-overlayfs'}))],
    ['a mount put elsewhere', change(image, 'mount.move', () => ({at: '/etc'}))],
    ['a closed directory bound elsewhere', change(closed, 'mount.closed', () => ({at: '/etc'}))],
    ['a closed directory of the node made writable', change(closed, 'mount.closed', () => ({source: '/etc', readOnly: false}))],
    ['a mount outside a closed directory', change(closed, 'mount.tmpfs', () => ({inside: {at: '{box}/closed-0', path: '../../x'}}))],
    ['files made elsewhere', change(image, 'mount.point', () => ({upper: '/etc'}))],
    ['a disk elsewhere', change(shared, 'scratch.quota', () => ({destination: '/etc'}))],
    ['a disk’s file elsewhere', change(shared, 'scratch.quota', () => ({image: '/etc/passwd'}))],
    ['another program that makes it', change(shared, 'scratch.quota', () => ({program: '/tmp/mkfs'}))],
    ['directories elsewhere', change(shared, 'directory.create', () => ({path: '{box}/layers/../../x'}))],
    ['where nothing was tried', shared, facts({scratch: node.scratch})],
    ['where overlays do not work', shared, {...node, views: {...views, overlay: no}}],
  ] as const satisfies readonly (readonly [string, Plan, Facts?])[])
    it(`is refused with ${title}`, () => {
      expect(thrown(() => obey(saved, here)).code).to.equal('PLAN_MISMATCH');
    });
});

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
    ['no Landlock', ({landlock: _, ...saved}) => saved, 'what Landlock lets it write to'],
    [
      'a Landlock that lets it write anywhere',
      (saved) => ({
        ...saved,
        landlock: {abi: 7, writable: ['/'], because: 'read-only paths stay read-only even where a mount does not protect them'},
      }),
      'what Landlock lets it write to',
    ],
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
    ['a write into a file elsewhere', (saved) => alsoWrite(saved, {file: '../../cgroup.procs'}), 'writes outside its own groups'],
    [
      'one more write into a group that is not the box’s',
      (saved) => alsoWrite(saved, {directory: `${SLOT}/tare-{id}/other`}),
      'writes outside its own groups',
    ],
    ...(['state', 'scratch', 'log'] as const).map((name): [string, (saved: Plan) => Plan, string] => [
      `another directory: ${name}`,
      (saved) => ({...saved, directories: {...saved.directories, [name]: '/home/atlas001/mine'}}),
      'directories are not the policy’s',
    ]),
    [
      'another spool',
      (saved) => ({...saved, directories: {...saved.directories, spools: ['/home/atlas001/mine']}}),
      'directories are not the policy’s',
    ],
    ...(['cores', 'memory', 'swap', 'processes'] as const).map((name): [string, (saved: Plan) => Plan, string] => [
      `no step for the kernel’s limit on ${name}`,
      (saved) => without(saved, saved.limits[name].by?.replace(/^cgroup2:/, '') ?? ''),
      `its limit on ${name} has no step`,
    ]),
    [
      'a step for a limit that writes into another file',
      (saved) => change(saved, 'cgroup.write', ({file}) => ({file: file === 'memory.max' ? 'memory.high' : file})),
      'its limit on memory has no step',
    ],
    [
      'processes moved out of a group that holds none',
      (saved) => ({
        ...saved,
        steps: [{op: 'cgroup.evacuate', directory: SLOT, into: `${SLOT}/tare-caller`, because: 'a test'}, ...saved.steps],
      }),
      'it moves processes out of a group where that is not needed',
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
      (saved) => ({...saved, steps: [...saved.steps, {op: 'identity.take', uid: 7, gid: 7, groups: [7], because: ''}]}),
      'only root can take another identity',
    ],
    [
      'root’s identity, by a user',
      (saved) => ({...saved, steps: [...saved.steps, {op: 'identity.take', uid: 0, gid: 0, groups: [0], because: ''}]}),
      'lets no payload run as root',
    ],
    [
      'a daemon that its engine has not',
      (saved) => ({...saved, engine: {...saved.engine, daemon: true}}),
      'bubblewrap starts init in another way',
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
    ['without bubblewrap', {engines: [{...BUBBLEWRAP, path: null}]}, 'the box cannot be built'],
    ['without namespaces', {namespaces: {...here.namespaces, user: no}}, 'the box cannot be built'],
    ['with bubblewrap elsewhere', {engines: [{...BUBBLEWRAP, path: '/opt/bwrap'}]}, 'bubblewrap is elsewhere'],
    ['with another version of bubblewrap', {engines: [{...BUBBLEWRAP, version: '0.11.1'}]}, 'bubblewrap has another version'],
    ['with fewer CPUs', {cpu: {...here.cpu, allowed: [2]}}, 'CPUs are not all here'],
  ];
  for (const [title, node, says] of nodes) {
    it(`is refused on a node ${title}`, () => {
      expect(thrown(() => check(plan(PINNED), {...here, ...node})).message).to.include(says);
    });
  }

  it('by an engine that the policy gives to no box is obeyed as the caller’s --engine is, and not where the policy lists others', () => {
    const node = facts({engines: [BUBBLEWRAP, CRUN]});
    const saved = plan({facts: node, call: {engine: 'crun'}});
    expect(saved.engine.name).to.equal('crun');
    expect(check(saved, node)).to.deep.equal(USER);
    const listed = {engines: ['bubblewrap']};
    const other = plan({facts: node, policy: listed});
    const forced = {...other, engine: {...saved.engine}};
    const checked = (): unknown => checkSavedPlan(forced, 'plan.json', {facts: node, policy: policy(listed), ...KNOWN});
    expect(thrown(checked).code).to.equal('ENGINE_FORBIDDEN');
  });

  it('is refused with no step for a limit of v1’s', () => {
    const node = facts({cgroup: v1({memory: 'memory', cpu: 'cpu', pids: 'pids'})});
    const saved = plan({...PINNED, facts: {cgroup: node.cgroup}});
    expect(check(saved, node)).to.deep.equal(USER);
    for (const [name, file] of [
      ['memory', 'memory.limit_in_bytes'],
      ['swap', 'memory.memsw.limit_in_bytes'],
      ['cores', 'cpu.cfs_quota_us'],
      ['processes', 'pids.max'],
    ] as const) {
      expect(saved.limits[name].by).to.equal(`cgroup1:${file}`);
      const error = thrown(() => check(without(saved, file), node));
      expect([error.code, error.details.found]).to.deep.equal(['PLAN_MISMATCH', `no cgroup.write to ${file}`]);
      expect(error.message).to.include(`its limit on ${name} has no step`);
    }
  });

  describe('with limits', () => {
    const maxima = {
      cores: 4,
      memory: '2GiB',
      swap: '1GiB',
      processes: 100,
      wallTime: '1h',
      cpuTime: '2h',
      openFiles: 1000,
      coreSize: '1MiB',
    };
    const most = {
      cores: 4,
      memory: 2 * GIB,
      swap: GIB,
      processes: 100,
      wallTime: 3600e6,
      cpuTime: 7200e6,
      openFiles: 1000,
      coreSize: 2 ** 20,
    };
    const names = Object.keys(most) as (keyof typeof most)[];
    const limited = (saved: Plan, name: LimitName, value: number | null): Plan => ({
      ...saved,
      limits: {...saved.limits, [name]: {...saved.limits[name], value}},
    });
    const ruled: Parts['policy'] = {maxima, rules: [{name: 'large', match: {vo: ['atlas']}, maxima: {memory: '8GiB', cores: 2}}]};

    for (const name of names) {
      it(`is refused above the policy’s maximum of ${name}, and taken at it`, () => {
        const document = {maxima};
        const saved = plan({policy: document, job: {limits: {...maxima}}});
        const checked = (value: number | null): unknown =>
          checkSavedPlan(limited(saved, name, value), 'plan.json', {facts: facts(), policy: policy(document), ...KNOWN});
        expect(saved.limits[name].value).to.equal(most[name]);
        expect(checked(most[name])).to.deep.equal(USER);
        for (const value of [most[name] + 1, null]) {
          const error = thrown(() => checked(value));
          expect([error.code, error.exit, error.details.where]).to.deep.equal(['PLAN_MISMATCH', EXIT.failure, 'plan.json']);
          expect(error.message).to.include(`its limit on ${name} is above the maximum`);
          expect([error.details.found, error.details.allowed]).to.deep.equal([String(value), String(most[name])]);
        }
      });
    }

    it('is refused when nicer than the policy’s maximum, or than its own limits, and taken when not nice at all', () => {
      const document = {maxima: {nice: 10}};
      const checked = (saved: Plan): unknown => checkSavedPlan(saved, 'plan.json', {facts: facts(), policy: policy(document), ...KNOWN});
      const nice = plan({policy: document, job: {limits: {nice: 10}}});
      expect(checked(plan({policy: document}))).to.deep.equal(USER);
      expect(checked(nice)).to.deep.equal(USER);
      expect(thrown(() => checked(limited(nice, 'nice', 11))).message).to.include('its limit on nice is above the maximum');
      const error = thrown(() => checked(change(nice, 'nice.set', () => ({value: 11}))));
      expect([error.details.found, error.details.allowed]).to.deep.equal(['11', '10']);
      expect(error.message).to.include('its nice value is not that of its limits');
    });

    it('is held to the maxima of its rule', () => {
      const checked = (saved: Plan): unknown => checkSavedPlan(saved, 'plan.json', {facts: facts(), policy: policy(ruled), ...KNOWN});
      const saved = plan({policy: ruled, job: {vo: 'atlas', limits: {memory: '6GiB', cores: 2}}});
      expect(saved.rule).to.equal('large');
      expect(checked(saved)).to.deep.equal(USER);
      const refused: [saved: Plan, name: LimitName][] = [
        [limited(saved, 'memory', 8 * GIB + 1), 'memory'],
        [limited(saved, 'cores', 3), 'cores'],
        [limited(saved, 'processes', 101), 'processes'],
        [{...saved, rule: null}, 'memory'],
        [{...saved, rule: 'no such rule'}, 'memory'],
      ];
      for (const [made, name] of refused)
        expect(thrown(() => checked(made)).message).to.include(`its limit on ${name} is above the maximum`);
    });
  });

  describe('of root', () => {
    const root = facts({caller: ROOT});
    // the same for root and for a user, which the built-in ones are not
    const directories = {state: '/srv/tare'};
    const lenient = {directories, identity: {allowRoot: true}};

    it('names the account to run as', () => {
      const saved = plan({facts: {caller: ROOT}, call: asUser(USER)});
      expect(check(saved, root)).to.deep.equal({uid: 1001, gid: 100, groups: [100, 1001], name: 'atlas001', home: null});
    });

    it('is refused for any other account', () => {
      const saved = plan({facts: {caller: ROOT}, call: asUser(USER), policy: {directories}});
      const by = (caller: Facts['caller']): unknown =>
        checkSavedPlan(saved, 'plan.json', {facts: facts({caller}), policy: policy({directories}), ...KNOWN});
      expect(by(ROOT)).to.include({uid: 1001});
      expect(thrown(() => by(USER)).details).to.include({found: 'atlas001', allowed: 'root'});
      expect(thrown(() => by(USER)).message).to.include('only root can take another identity');
      expect(thrown(() => by({...USER, name: null})).details.found).to.equal('1001');
      // nor by a user whose directories are elsewhere
      expect(thrown(() => check(plan({facts: {caller: ROOT}, call: asUser(USER)}))).message).to.include('directories are not the policy’s');
    });

    it('is not taken from a user: the payload would run as root', () => {
      const saved = plan({policy: lenient});
      const taken = (made: Plan): unknown => checkSavedPlan(made, 'plan.json', {facts: root, policy: policy(lenient), ...KNOWN});
      expect(thrown(() => taken(saved)).message).to.include('it was made by another caller');
      expect(thrown(() => taken({...saved, job: {...saved.job, user: null}})).details).to.include({
        found: 'root',
        allowed: 'another account',
      });
      expect(thrown(() => check(plan(), root)).code).to.equal('PLAN_MISMATCH');
    });

    it('runs nothing as root unless the policy allows it, whatever source it names', () => {
      for (const allowRoot of [undefined, false]) {
        const document = {directories, ...(allowRoot === undefined ? {} : {identity: {allowRoot}})};
        const saved = plan({policy: document});
        for (const user of ['atlas001', 'root', null]) {
          const error = thrown(() =>
            checkSavedPlan({...saved, job: {...saved.job, user}}, 'plan.json', {facts: root, policy: policy(document), ...KNOWN}),
          );
          expect([error.code, error.exit, error.details.found]).to.deep.equal(['PLAN_MISMATCH', EXIT.failure, 'root']);
          expect(error.message).to.include('the policy lets no payload run as root');
        }
      }
    });

    it('does not take root’s identity, also where the policy allows root', () => {
      for (const document of [{directories}, lenient]) {
        const saved = plan({facts: {caller: ROOT}, call: asUser(USER), policy: document});
        const error = thrown(() =>
          checkSavedPlan(
            change(saved, 'identity.take', () => ({uid: 0})),
            'plan.json',
            {facts: root, policy: policy(document), ...KNOWN},
          ),
        );
        expect([error.code, error.details.found]).to.deep.equal(['PLAN_MISMATCH', '0']);
        expect(error.message).to.include('lets no payload run as root');
      }
    });

    it('may run as root, where it was made so', () => {
      const saved = plan({facts: {caller: ROOT}, call: asUser(ROOT), policy: {identity: {allowRoot: true}}});
      expect(checkSavedPlan(saved, 'plan.json', {facts: root, policy: policy({identity: {allowRoot: true}}), ...KNOWN})).to.deep.equal(
        ROOT,
      );
    });
  });
});

describe('a saved plan of a small machine', () => {
  const range = {start: 100_000, count: 65_536};
  const node: Facts = facts({
    engines: [CRUN],
    unifiedAt: '/sys/fs/cgroup/unified',
    system: {
      subordinate: {uids: range, gids: range, how: 'a test', remedy: null},
      init: null,
    },
    views: {user: true, overlay: yes, options: [], fuse: no, mounts: [], writable: []},
  });
  const rules = {images: ['/images/a']};
  const made = (): Plan => plan({job: {image: '/images/a', init: 'busybox', services: ['web']}, policy: rules, facts: node});
  const checkIt = (saved: Plan): unknown => checkSavedPlan(saved, 'plan.json', {facts: node, policy: policy(rules), ...KNOWN});

  it('is run as it was made', () => {
    expect(checkIt(made())).to.not.equal(null);
  });

  const tampered: [what: string, by: (saved: Plan) => Plan][] = [
    ['another runtime', (saved) => ({...saved, engine: {...saved.engine, path: '/tmp/crun'}})],
    ['no filter on system calls', (saved) => ({...saved, steps: saved.steps.filter(({op}) => op !== 'seccomp.load')})],
    ['another filter', (saved) => change(saved, 'seccomp.load', () => ({profile: '/tmp/all'}))],
    ['nothing hidden', (saved) => change(saved, 'paths.protect', () => ({masked: []}))],
    ['a cover elsewhere', (saved) => change(saved, 'mount.cover', () => ({at: '/etc'}))],
    [
      'other ids',
      (saved) => change(saved, 'view.unshare', ({root}) => ({root: root === null ? null : {...root, uids: {start: 1, count: 9}}})),
    ],
    ['accounts of elsewhere', (saved) => change(saved, 'accounts.provide', () => ({image: '/root'}))],
    [
      'a payload that is root',
      (saved) => change(saved, 'application.execute', ({system}) => ({system: system === null ? null : {...system, as: 'root'}})),
    ],
  ];
  for (const [what, by] of tampered)
    it(`is refused with ${what}`, () => {
      expect(thrown(() => checkIt(by(made()))).code).to.equal('PLAN_MISMATCH');
    });
});

describe('a saved plan that says what would be', () => {
  it('is of an observed job, or is refused', () => {
    const {observed} = plan({...PINNED, policy: {mode: 'observe'}});
    if (observed === undefined) throw new Error('nothing is said');
    const saved = plan(PINNED);
    expect(() => check(saved)).not.to.throw();
    expect(thrown(() => check({...saved, observed})).message).to.contain('it is not observed');
  });
});

describe('a saved plan of a box by another engine', () => {
  const rules = {engines: ['crun', 'bubblewrap']};
  const node: Facts = facts({engines: [CRUN, BUBBLEWRAP], unifiedAt: '/sys/fs/cgroup/unified'});
  const made = (): Plan => plan({policy: rules, facts: node});
  const obey = (saved: Plan, more: {document?: Parts['policy']; only?: string; node?: Facts} = {}): unknown =>
    checkSavedPlan(saved, 'plan.json', {
      facts: more.node ?? node,
      policy: policy(more.document ?? rules),
      engines: ENGINES,
      only: more.only ?? null,
    });

  it('is run as it was made, also where the policy would prefer another by now', () => {
    expect(made().engine.name).to.equal('crun');
    expect(obey(made())).to.deep.equal(USER);
    expect(obey(made(), {only: 'crun'})).to.deep.equal(USER);
  });

  const refusals: [what: string, check: () => unknown, says: string][] = [
    ['the caller wants another engine', () => obey(made(), {only: 'bubblewrap'}), 'it is for another engine than the caller wants'],
    ['the engine is gone', () => obey(made(), {node: {...node, engines: [BUBBLEWRAP]}}), 'the box cannot be built'],
    ['the engine is elsewhere', () => obey({...made(), engine: {...made().engine, path: '/tmp/crun'}}), 'crun is elsewhere'],
    ['it covers another place', () => obey(change(made(), 'mount.cover', () => ({at: '/etc'}))), 'it covers another place'],
    ['terminals outside of its folder', () => obey(change(made(), 'mount.terminals', () => ({at: '/mnt'}))), 'it mounts outside'],
    [
      'a root with others behind it',
      () =>
        obey(change(made(), 'view.unshare', ({root}) => ({root: root === null ? null : {...root, uids: {start: 100_000, count: 65_536}}}))),
      'its engine’s root has other ids',
    ],
  ];
  for (const [what, check, says] of refusals)
    it(`is refused: ${what}`, () => {
      const error = thrown(check);
      expect([error.code, error.exit]).to.deep.equal(['PLAN_MISMATCH', EXIT.failure]);
      expect(error.message).to.include(says);
    });
});
