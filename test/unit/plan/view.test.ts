/** Views of the file system, and what contains the scratch: which mounts, in which order, and when there are none. */
import {expect} from 'chai';
import type {Facts, ViewFacts} from '../../../src/host/facts.js';
import {planEntrances, planView} from '../../../src/plan/view.js';
import {stepOf, stepsOf} from '../../../src/plan/step.js';
import {bubblewrapArgv} from '../../support/engines.js';
import {BUBBLEWRAP, asUser, CONTAINERS, facts, MIB, no, NO_SLOT, plan, ROOT, thrown, USER, WORK, yes, type Parts} from './build.js';

const MOUNTS: ViewFacts['mounts'] = [
  {point: '/', type: 'xfs', kind: 'disk', readOnly: false},
  {point: '/boot', type: 'ext4', kind: 'disk', readOnly: false},
  {point: '/cvmfs', type: 'autofs', kind: 'network', readOnly: false},
  {point: '/cvmfs/atlas.cern.ch', type: 'fuse', kind: 'network', readOnly: true},
  {point: '/data', type: 'ext4', kind: 'disk', readOnly: false},
  {point: '/data/nfs', type: 'nfs4', kind: 'network', readOnly: false},
  {point: '/dev', type: 'devtmpfs', kind: 'other', readOnly: false},
  {point: '/media', type: 'xfs', kind: 'disk', readOnly: true},
  {point: '/proc', type: 'proc', kind: 'other', readOnly: false},
  {point: '/run', type: 'tmpfs', kind: 'other', readOnly: false},
  {point: '/sys', type: 'sysfs', kind: 'other', readOnly: false},
  {point: '/tmp', type: 'xfs', kind: 'disk', readOnly: false},
];
const ROOTS: ViewFacts = {user: false, overlay: yes, options: ['index=off'], fuse: no, mounts: MOUNTS, writable: []};
const USERS: ViewFacts = {...ROOTS, user: true, options: ['userxattr'], writable: ['/data/atlas', '/home/atlas001']};
const asRoot = (change: Partial<Facts> = {}): Parts => ({
  facts: {caller: ROOT, views: ROOTS, ...change},
  call: asUser(USER),
});
const LOOP: Facts['scratch'] = {...facts().scratch, containers: {...CONTAINERS, user: false, loop: yes, program: '/sbin/mkfs.ext4'}};
const IMAGE = '/cvmfs/unpacked.cern.ch/atlas/el9:latest';
const images = {images: ['/cvmfs/unpacked.cern.ch/atlas/*']};

describe('a view of the node, as root', () => {
  const made = plan({...asRoot(), job: {filesystem: 'shared'}});
  it('has an overlay over each disk that can be written to', () => {
    expect(stepsOf(made, 'mount.overlay').map(({lower, at, destination}) => [lower, at, destination])).to.deep.equal([
      ['/', '{box}/view/0', '/'],
      ['/data', '{box}/view/0/data', '/data'],
    ]);
  });
  it('shows everything else that is mounted as it is, once, and what the box has of its own not at all', () => {
    const grafts = stepsOf(made, 'mount.move').map(({source, at}) => [source, at]);
    expect(grafts).to.deep.equal(
      ['/boot', '/cvmfs', '/data/nfs', '/media', '/run', '/sys'].map((source) => [source, `{box}/view/0${source}`]),
    );
  });
  it('is prepared in a mount namespace before anything else is mounted, and bound to / first', () => {
    const ops = made.steps.filter(({op}) => op.startsWith('mount.') || op.startsWith('view.')).map(({op}) => op);
    expect(ops.slice(0, 2)).to.deep.equal(['view.unshare', 'mount.overlay']);
    expect(stepOf(made, 'view.unshare')?.user).to.equal(false);
    expect(stepsOf(made, 'mount.bind')[0]).to.include({source: '{box}/view/0', destination: '/'});
  });
  it('has layers of its own that only the wrapper reaches', () => {
    const overlays = stepsOf(made, 'mount.overlay');
    expect(new Set(overlays.flatMap(({upper, work}) => [upper, work])).size).to.equal(4);
    expect(stepsOf(made, 'directory.create').find(({path}) => path === '{box}/layers')).to.include({mode: '0700', owner: 'caller'});
    for (const {upper, work} of overlays)
      for (const path of [upper, work]) expect(stepsOf(made, 'directory.create').some((step) => step.path === path)).to.equal(true);
  });
  it('needs nothing of bubblewrap that 0.4.1 does not have', () => {
    const options = bubblewrapArgv(made, '/b', []).filter((word) => word.startsWith('--'));
    const known = [
      'unshare-user',
      'unshare-pid',
      'unshare-ipc',
      'unshare-uts',
      'bind',
      'ro-bind',
      'ro-bind-try',
      'dev-bind',
      'proc',
      'dev',
    ];
    expect([...new Set(options)].sort()).to.deep.equal(
      [...known, 'remount-ro', 'tmpfs', 'cap-drop', 'as-pid-1', ''].map((name) => `--${name}`).sort(),
    );
  });
});

describe('a view of the node, in a user namespace', () => {
  const made = plan({facts: {views: USERS}, job: {filesystem: 'private'}});
  it('is the node read-only, with an overlay over each place that the user may write to', () => {
    expect(
      stepsOf(made, 'mount.bind')
        .slice(0, 3)
        .map(({source, destination, options}) => [source, destination, ...options]),
    ).to.deep.equal([
      ['/', '/', 'ro'],
      ['{box}/view/0-0', '/data/atlas', 'rw'],
      ['{box}/view/0-1', '/home/atlas001', 'rw'],
    ]);
    expect(stepOf(made, 'view.unshare')?.user).to.equal(true);
    expect(stepsOf(made, 'mount.move')).to.deep.equal([]);
  });
  it('leaves the work directory real, and an overlay out that would lie wholly below it', () => {
    const below = plan({facts: {views: {...USERS, writable: [`${WORK}/deep`]}}, job: {filesystem: 'shared'}});
    expect(stepsOf(below, 'mount.overlay')).to.deep.equal([]);
    const destinations = stepsOf(made, 'mount.bind').map(({destination}) => destination);
    expect(destinations.indexOf(WORK)).to.be.above(destinations.indexOf('/home/atlas001'));
  });
  it('is made by fuse-overlayfs where the kernel makes none for users', () => {
    const fuse = plan({facts: {views: {...USERS, overlay: no, fuse: yes}}, job: {filesystem: 'shared'}});
    expect(new Set(stepsOf(fuse, 'mount.overlay').map(({by}) => by))).to.deep.equal(new Set(['fuse-overlayfs']));
    expect(stepsOf(fuse, 'mount.overlay')[0]?.options).to.deep.equal([]);
  });
});

describe('a view of an image', () => {
  for (const [who, parts] of [
    ['root', asRoot()],
    ['a user', {facts: {views: USERS}}],
  ] as const) {
    const made = plan({...parts, job: {image: IMAGE}, policy: images});
    it(`is one overlay over it, as ${who}`, () => {
      expect(stepsOf(made, 'mount.overlay').map(({lower, destination}) => [lower, destination])).to.deep.equal([[IMAGE, '/']]);
      expect(stepsOf(made, 'mount.bind')[0]).to.include({source: '{box}/view/0', destination: '/'});
    });
    it(`has something to mount upon wherever something is mounted, as ${who}`, () => {
      const points = stepsOf(made, 'mount.point').map(({path}) => path);
      for (const path of ['/proc', '/dev', '/sys', '/tmp', '/var/tmp', '/cvmfs', WORK]) expect(points).to.include(path);
      const ops = made.steps.map(({op}) => op);
      expect(ops.lastIndexOf('mount.point')).to.be.below(ops.indexOf('mount.overlay'));
    });
  }
  it('shows no folder of the wrapper’s, and so hides none', () => {
    const made = plan({...asRoot(), job: {image: IMAGE}, policy: images});
    expect(stepsOf(made, 'mount.tmpfs').map(({destination}) => destination)).to.deep.equal(['/dev/shm']);
  });
  it('has the credentials that lie outside of private directories, too', () => {
    const environment = {X509_USER_PROXY: '/home/atlas001/proxy'};
    const made = plan({...asRoot(), call: {...asUser(USER), environment}, job: {image: IMAGE}, policy: images});
    expect(stepsOf(made, 'mount.bind').some(({destination}) => destination === '/home/atlas001/proxy')).to.equal(true);
    expect(stepsOf(made, 'mount.point').some(({path}) => path === '/home/atlas001/proxy')).to.equal(true);
  });
});

describe('which view', () => {
  const binds = (parts: Parts): number => stepsOf(plan({facts: {views: USERS}, ...parts}), 'mount.overlay').length;
  it('is the node’s by default, and costs nothing then', () => {
    const made = plan({facts: {views: USERS}});
    expect(made.steps.filter(({op}) => op.startsWith('view.') || op === 'mount.overlay')).to.deep.equal([]);
  });
  it('is the policy’s first when the job does not say', () => {
    expect(binds({policy: {filesystem: ['shared', 'node']}})).to.equal(2);
    expect(binds({policy: {filesystem: ['shared', 'node']}, job: {filesystem: 'node'}})).to.equal(0);
  });
  for (const [title, parts, code] of [
    ['is refused when the policy does not allow it', {job: {filesystem: 'shared'}, policy: {filesystem: ['node']}}, 'FILESYSTEM_FORBIDDEN'],
    [
      'an image without a view is the box’s, and refused with it',
      {job: {image: IMAGE}, policy: {...images, filesystem: ['node', 'private']}},
      'FILESYSTEM_FORBIDDEN',
    ],
    ['no image is allowed by default', {job: {image: IMAGE}}, 'IMAGE_FORBIDDEN'],
    ['an image of another place is refused', {job: {image: '/cvmfs/unpacked.cern.ch/cms/x'}, policy: images}, 'IMAGE_FORBIDDEN'],
    ['a star does not match a slash', {job: {image: `${IMAGE}/usr`}, policy: images}, 'IMAGE_FORBIDDEN'],
    ['an image and the node’s file system are a contradiction', {job: {image: IMAGE, filesystem: 'node'}, policy: images}, 'INVALID'],
    ['needs an overlay', {job: {filesystem: 'shared'}, facts: {views: {...USERS, overlay: no}}}, 'FILESYSTEM_UNAVAILABLE'],
    ['needs to have been tried', {job: {filesystem: 'shared'}, facts: {views: null}}, 'FILESYSTEM_UNAVAILABLE'],
    ['needs a box', {job: {filesystem: 'shared'}, facts: {views: USERS, newProc: no}}, 'BOX_UNAVAILABLE'],
    [
      'is not to be had in a box',
      {job: {filesystem: 'shared'}, facts: {views: USERS, within: {recordId: null, how: 'a test'}}},
      'BOX_UNAVAILABLE',
    ],
    [
      'needs a bubblewrap that is not setuid, in a user namespace',
      {job: {filesystem: 'shared'}, facts: {views: USERS, engines: [{...BUBBLEWRAP, setuid: true}]}},
      'FILESYSTEM_UNAVAILABLE',
    ],
  ] as const satisfies readonly (readonly [string, Parts, string])[])
    it(title, () => {
      if (code === 'INVALID') expect(() => plan(parts)).to.throw(/an image cannot be used together/);
      else expect(thrown(() => plan({facts: {views: USERS}, ...parts})).code).to.equal(code);
    });
  it('what is missing is named', () => {
    const error = thrown(() => plan({job: {filesystem: 'shared'}, facts: {views: {...USERS, overlay: no}}}));
    expect(error.message).to.match(/a test says no; fuse-overlayfs: a test says no; mend it/);
  });
  it('only observed, nothing is isolated', () => {
    expect(binds({policy: {mode: 'observe'}, job: {filesystem: 'shared'}})).to.equal(0);
  });
});

describe('views of applications', () => {
  const applications = ['sim-1', 'sim-2'];
  const destinations = ['/proc', '/dev', '/tmp', '/var/tmp', WORK];
  const inputs = (views: ViewFacts) => ({
    ...{views, applications, destinations, image: null, place: '{box}', writable: [WORK], system: null},
    choice: {value: 'private' as const, because: 'a test', image: null},
    cvmfs: {root: '/cvmfs', replaced: false},
  });
  it('do not show what the box hides', () => {
    const made = plan({...asRoot(), job: {filesystem: 'private', applications: ['a', 'b'].map((name) => ({name, command: ['x']}))}});
    const entrances = stepsOf(made, 'view.enter');
    expect(entrances.map(({application}) => application)).to.deep.equal(['a', 'b']);
    for (const {kept} of entrances)
      expect(kept).to.include.members(
        stepsOf(made, 'mount.tmpfs').flatMap(({destination}) => (destination === '/dev/shm' ? [] : [destination])),
      );
    expect(stepsOf(made, 'mount.tmpfs').length).to.be.above(1);
  });
  it('as root: each a root of its own, ready in the box, whose own root is the node’s', () => {
    const view = planView(inputs(ROOTS));
    expect(view.base).to.have.length(1);
    expect(view.ready.map((step) => (step.op === 'mount.bind' ? step.destination : ''))).to.deep.equal([
      '/dev/tare-views/0',
      '/dev/tare-views/1',
    ]);
    expect(planEntrances(view, destinations)).to.deep.include.members([
      {
        op: 'view.enter',
        application: 'sim-2',
        swaps: [{source: '/dev/tare-views/1', destination: '/'}],
        kept: destinations,
        hidden: '/dev/tare-views',
        because: 'private: a view for each application',
      },
    ]);
  });
  it('as a user: a view for each place, and what lies over it is kept', () => {
    const [first, second] = planEntrances(planView(inputs(USERS)), destinations);
    expect([first?.op, second?.op]).to.deep.equal(['view.enter', 'view.enter']);
    expect(second).to.deep.include({
      swaps: [
        {source: '/dev/tare-views/1-0', destination: '/data/atlas'},
        {source: '/dev/tare-views/1-1', destination: '/home/atlas001'},
      ],
      kept: [WORK],
    });
  });
  it('no two share a layer', () => {
    const uppers = planView(inputs(ROOTS)).mounts.flatMap((step) => (step.op === 'mount.overlay' ? [step.upper, step.work] : []));
    expect(new Set(uppers).size).to.equal(uppers.length);
  });
  it('one application needs no view beside the box’s', () => {
    expect(planView({...inputs(ROOTS), applications: ['only']}).ready).to.deep.equal([]);
  });
});

describe('the limit on scratch', () => {
  const limited = (parts: Parts): ReturnType<typeof plan> => plan({job: {limits: {scratch: '100MiB'}}, ...parts});
  it('is a file system in a file, as root', () => {
    const made = limited(asRoot({scratch: LOOP}));
    expect(made.limits.scratch).to.include({value: 100 * MIB, enforcement: 'kernel', by: 'loop'});
    expect(stepOf(made, 'scratch.quota')).to.include({image: '{box}/disk.ext4', program: '/sbin/mkfs.ext4', bytes: 100 * MIB});
    expect(stepsOf(made, 'mount.bind').find(({destination}) => destination === '/tmp')?.source).to.equal('{box}/disk/tmp');
    expect(stepOf(made, 'watch.scratch')).to.equal(undefined);
    expect(stepOf(made, 'view.unshare')).to.not.equal(undefined);
  });
  it('holds the layers of a view, too', () => {
    const made = limited({...asRoot({scratch: LOOP}), job: {filesystem: 'shared', limits: {scratch: '100MiB'}}});
    for (const {upper, work} of stepsOf(made, 'mount.overlay'))
      for (const path of [upper, work]) expect(path).to.match(/^\{box\}\/disk\/layers\//);
  });
  it('is watched for a user, layers and all', () => {
    const made = limited({facts: {views: USERS}, job: {filesystem: 'shared', limits: {scratch: '100MiB'}}});
    expect(made.limits.scratch).to.include({enforcement: 'watched', by: 'watch.scratch'});
    expect(stepOf(made, 'watch.scratch')).to.deep.include({
      limitBytes: 100 * MIB,
      directories: ['{box}/tmp', '{box}/var-tmp', '{box}/layers'],
    });
  });
  it('is in memory where the policy allows it', () => {
    const made = limited({policy: {scratch: {inMemory: true}}});
    expect(made.limits.scratch).to.include({enforcement: 'kernel', by: 'tmpfs'});
    expect(stepOf(made, 'scratch.quota')).to.include({image: null, by: 'tmpfs'});
    expect(stepOf(made, 'view.unshare')?.user).to.equal(true);
  });
  it('is watched wherever the work directory counts', () => {
    const made = limited({...asRoot({scratch: LOOP}), policy: {scratch: {workDirectory: true}}});
    expect(made.limits.scratch.by).to.equal('watch.scratch');
    expect(stepOf(made, 'watch.scratch')?.directories).to.deep.equal(['{box}/tmp', '{box}/var-tmp', WORK]);
    const below = limited({...asRoot({scratch: LOOP}), policy: {directories: {scratch: '/home/atlas001'}}});
    expect(stepOf(below, 'watch.scratch')?.directories).to.include(WORK);
  });
  it('without a box is not limited, unless the work directory counts', () => {
    expect(limited({facts: {newProc: no}}).limits.scratch).to.include({enforcement: 'none', by: null});
    const made = limited({facts: {newProc: no}, policy: {scratch: {workDirectory: true}}});
    expect(stepOf(made, 'watch.scratch')?.directories).to.deep.equal([WORK]);
  });
  const slot = {call: {slot: {...NO_SLOT, scratchBytes: {value: 50 * MIB, provenance: {source: 'slot' as const, at: 'Disk'}}}}};
  it('comes from the slot only where the policy says so', () => {
    expect(plan(slot).limits.scratch.value).to.equal(null);
    const made = plan({...slot, policy: {scratch: {fromSlot: true}}});
    expect(made.limits.scratch).to.deep.include({value: 50 * MIB, provenance: {source: 'slot', at: 'Disk'}});
    expect(limited({...slot, policy: {scratch: {fromSlot: true}}}).limits.scratch).to.include({value: 50 * MIB, clamped: true});
  });
  it('can be required of the kernel', () => {
    expect(thrown(() => limited({policy: {enforcement: {scratch: 'kernel'}}})).code).to.equal('ENFORCEMENT_UNAVAILABLE');
    expect(limited({...asRoot({scratch: LOOP}), policy: {enforcement: {scratch: 'kernel'}}}).limits.scratch.by).to.equal('loop');
  });
  it('is told to the payload', () => {
    expect(stepOf(limited({}), 'features.provide')?.job).to.include({scratch_limit_bytes: String(100 * MIB)});
  });
});
