import {expect} from 'chai';
import {readFileSync} from 'node:fs';
import {commandStrings, launchStrings, type LaunchContext} from '../../../src/engine/launch.js';
import type {Step, StepOf} from '../../../src/plan/step.js';
import type {Plan} from '../../../src/schema/generated/plan-1.js';
import {bubblewrapArgv} from '../../support/engines.js';
import {asUser, BUBBLEWRAP, GIB, no, NO_CGROUP, plan, ROOT, thrown, USER, WORK} from '../plan/build.js';

const OLD: readonly string[] = [];
const NEW: readonly string[] = ['tmpfsSize', 'perms', 'overlay', 'disableUserns'];
const withSteps = (...steps: Step[]): Plan => ({...plan(), steps});
/** Of one step, without the program before it and init behind it. */
const argvOf = (step: Step, abilities = OLD): readonly string[] =>
  bubblewrapArgv(withSteps(step), '/scratch/tare-1', abilities).slice(1, -5);
const because = 'a test';
const OVERLAY: Step = {
  op: 'mount.overlay',
  lower: '/opt/{box}',
  upper: '{box}/layers/0-0-upper',
  work: '{box}/layers/0-0-work',
  at: '{box}/view/0-0',
  destination: '/opt/{box}',
  by: 'overlayfs',
  options: ['userxattr', 'volatile'],
  application: null,
  because,
};
const PROBE: Step = {
  op: 'cvmfs.probe',
  repository: 'a.b',
  root: '/cvmfs',
  deadlineUs: 1,
  shareUs: 1,
  minimumRevision: null,
  waitUs: 0,
  otherwise: 'refuse',
  because,
};
const MOUNT: StepOf<'cvmfs.mount'> = {
  op: 'cvmfs.mount',
  repository: 'a.b',
  root: '/cvmfs',
  client: '/usr/bin/cvmfs2',
  config: [],
  parameters: [],
  sharedCache: null,
  deadlineUs: 1,
  user: true,
  because,
};
const bind = (source: string, options: ('ro' | 'rw' | 'dev')[], optional = false): Step => ({
  op: 'mount.bind',
  source,
  destination: '/d',
  options,
  optional,
  because,
});

const APPLICATION: Step = {
  op: 'application.execute',
  index: 0,
  name: 'a',
  argv: ['a'],
  workDirectory: '/',
  environment: [],
  stdin: 'none',
  output: 'prefixed',
  limits: {cores: null, memory: null},
  needs: [],
  ready: {when: 'completed'},
  restart: null,
  system: null,
  because: 'a test',
};

/** Only other engines do these. */
const OTHERS: Step[] = [
  {op: 'mount.sys', destination: '/sys', because},
  {op: 'image.root', image: 'docker://docker.io/library/a:1', digest: null, because},
  {op: 'paths.protect', masked: [], readOnly: [], because},
  {op: 'accounts.provide', image: '/i', account: {name: 'a', uid: 1, gid: 1, home: '/h'}, because},
];

describe('bubblewrap: a step becomes options, or another process performs it', () => {
  const USER_MODE: Step = {
    op: 'network.user',
    by: 'pasta',
    program: '/pasta',
    unshare: '/unshare',
    device: 'eth0',
    addresses: ['10.0.2.100/24'],
    gateways: ['10.0.2.2'],
    nameserver: '10.0.2.3',
    because,
  };
  const rows: [step: Step, argv: string[], newer?: string[]][] = [
    [
      {op: 'namespace.unshare', namespaces: ['user', 'pid', 'mount', 'ipc', 'uts', 'network', 'cgroup'], because},
      ['--unshare-user', '--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-net', '--unshare-cgroup'],
    ],
    [bind('/s', ['ro']), ['--ro-bind', '/s', '/d']],
    [bind('/s', ['ro'], true), ['--ro-bind-try', '/s', '/d']],
    [bind('/s', ['rw']), ['--bind', '/s', '/d']],
    [bind('/s', ['rw'], true), ['--bind-try', '/s', '/d']],
    [bind('/s', ['dev']), ['--dev-bind', '/s', '/d']],
    [bind('/s', []), ['--ro-bind', '/s', '/d']],
    [bind('{box}/tmp', ['rw']), ['--bind', '/scratch/tare-1/tmp', '/d']],
    [bind('/home/{box}/x', ['rw']), ['--bind', '/home/{box}/x', '/d']],
    [{op: 'mount.proc', destination: '/proc', because}, ['--proc', '/proc']],
    [{op: 'mount.dev', destination: '/dev', because}, ['--dev', '/dev']],
    [{op: 'mount.dev', destination: '/dev', queues: '/dev/mqueue', because}, ['--dev', '/dev', '--mqueue', '/dev/mqueue']],
    [{op: 'mount.readonly', destination: '/dev', because}, ['--remount-ro', '/dev']],
    [
      {op: 'mount.tmpfs', destination: '/t', mode: '1777', sizeBytes: null, because},
      ['--tmpfs', '/t'],
      ['--perms', '1777', '--tmpfs', '/t'],
    ],
    [
      {op: 'mount.tmpfs', destination: '/t', mode: '0700', sizeBytes: 4096, because},
      ['--tmpfs', '/t'],
      ['--perms', '0700', '--size', '4096', '--tmpfs', '/t'],
    ],
    [{op: 'privileges.drop', noNewPrivs: true, capabilities: 'none', because}, ['--cap-drop', 'ALL']],
    [{op: 'privileges.drop', noNewPrivs: true, capabilities: 'kept', because}, []],
    [{op: 'cgroup.enable', directory: '/g', controllers: ['cpu'], because}, []],
    [{op: 'cgroup.create', group: 'box', version: 2, controllers: [], directory: '/g', because}, []],
    [{op: 'cgroup.write', group: 'payload', controller: 'cpu', directory: '/g', file: 'cpu.max', value: '1', because}, []],
    [{op: 'directory.create', path: '{box}/tmp', mode: '0700', owner: 'job', because}, []],
    [{op: 'features.provide', place: '/dev/tare', machine: {}, job: {}, because}, []],
    [{op: 'parts.collect', path: '{box}/features/parts', because}, []],
    [{op: 'identity.take', uid: 1, gid: 1, groups: [], because}, []],
    [{op: 'affinity.set', cpus: [0], because}, []],
    [{op: 'nice.set', value: 5, because}, []],
    [{op: 'oom.adjust', value: 500, because}, []],
    [{op: 'seccomp.load', profile: 'default', because}, []],
    [{op: 'rlimit.set', name: 'core', soft: 0, hard: 0, because}, []],
    [{op: 'environment.set', name: 'A', value: '1', because}, []],
    [{op: 'environment.unset', name: 'A', because}, []],
    [{op: 'payload.execute', argv: ['a'], workDirectory: '/', because}, []],
    [APPLICATION, []],
    [{op: 'watch.memory', limitBytes: 1, periodMs: 1, because}, []],
    [{op: 'watch.oom', directory: '/g', version: 1, periodMs: 1, because}, []],
    [{op: 'watch.wallTime', limitUs: 1, graceUs: 1, suspended: 'excluded', because}, []],
    [{op: 'watch.memoryStall', afterUs: 1, graceUs: 1, because}, []],
    [{op: 'watch.cpuTime', limitUs: 1, graceUs: 1, because}, []],
    [{op: 'watch.processes', limit: 1, periodMs: 1, because}, []],
    [{op: 'weigh.processes', periodMs: 1, because}, []],
    [{op: 'watch.scratch', limitBytes: 1, directories: [], periodMs: 1, because}, []],
    [{op: 'weigh.scratch', directories: [], periodMs: 1, because}, []],
    [{op: 'view.unshare', user: true, root: null, because}, []],
    [{op: 'scratch.quota', by: 'tmpfs', image: null, program: null, destination: '{box}/disk', bytes: 1, because}, []],
    [{op: 'image.take', path: '/i', kind: 'directory', digest: null, tree: null, because}, []],
    [{op: 'mount.squashfs', source: '/i', at: '{box}/view/image', by: 'loop', program: null, options: [], because}, []],
    [{op: 'mount.point', lower: '/i', upper: '{box}/u', path: '/x', because}, []],
    [{op: 'mount.shift', source: '/i', at: '{box}/view/shifted', because}, []],
    [OVERLAY, []],
    [{op: 'mount.move', source: '/cvmfs', at: '{box}/view/0/cvmfs', because}, []],
    [
      {op: 'mount.closed', source: '/x', at: '{box}/closed-0', destination: '/x', readOnly: true, because},
      ['--bind', '/scratch/tare-1/closed-0', '/x'],
    ],
    [{op: 'mount.tmpfs', destination: '/x/z', mode: '0555', sizeBytes: null, inside: {at: '{box}/closed-0', path: 'z'}, because}, []],
    [PROBE, []],
    [{op: 'mount.pin', repository: 'a.b', path: '/cvmfs/a.b', because}, []],
    [MOUNT, []],
    [
      {op: 'cvmfs.bind', repository: 'a.b', source: '/cvmfs/a.b', destination: '/cvmfs/a.b', because},
      ['--ro-bind', '/cvmfs/a.b', '/cvmfs/a.b'],
    ],
    [{op: 'view.enter', application: 'a', swaps: [], kept: [], hidden: '/dev/tare-views', because}, []],
    [{op: 'mount.cover', at: '/sys/fs/cgroup/unified', because}, []],
    [{op: 'mount.terminals', at: '{box}/terminals', because}, []],
    [{op: 'hostname.set', hostname: 'tare-0.wn', because}, ['--hostname', 'tare-0.wn']],
    [{op: 'identity.provide', files: ['hosts'], nameservers: null, because}, []],
    [{op: 'network.lease', pool: 'a', networks: [], because}, []],
    [{op: 'network.bridge', bridge: 'b', make: true, addresses: [], program: '/ip', because}, []],
    [{op: 'network.veth', bridge: 'b', device: 'eth0', isolated: true, program: '/ip', because}, []],
    [{op: 'network.macvlan', parent: 'p', device: 'eth0', mode: 'private', program: '/ip', because}, []],
    [{op: 'network.address', device: 'eth0', program: '/ip', nsenter: '/nsenter', because}, []],
    [{op: 'network.nat', program: '/nft', because}, []],
    [{op: 'network.apart', bridge: 'b', program: '/nft', because}, []],
    // what makes the namespace stands before bubblewrap
    [USER_MODE, ['--user', '--map-current-user', '--net', '--', '/usr/bin/bwrap']],
    [{op: 'cgroup.evacuate', directory: '/g', into: '/g/tare-caller', because}, []],
  ];
  for (const [step, argv, newer = argv] of rows) {
    it(`${step.op} ${JSON.stringify(argv)}`, () => {
      expect(argvOf(step, OLD)).to.deep.equal(argv);
      expect(argvOf(step, NEW)).to.deep.equal(newer);
    });
  }

  it('mount.pin: init is told of a descriptor for each', () => {
    const hold = (repository: string): Step => ({op: 'mount.pin', repository, path: `/cvmfs/${repository}`, because});
    const argv = bubblewrapArgv(withSteps(hold('a.b'), PROBE, hold('c.d')), '/scratch/tare-1', OLD);
    expect(argv.slice(-3)).to.deep.equal(['/proc/self/fd/4', 'tare-init', '3,5,6']);
  });

  it('network.user: the network namespace is made around bubblewrap', () => {
    const steps: Step[] = [{op: 'namespace.unshare', namespaces: ['user', 'network'], because}, USER_MODE];
    const argv = bubblewrapArgv(withSteps(...steps), '/scratch/tare-1', OLD);
    expect(argv.slice(0, 7)).to.deep.equal(['/unshare', '--user', '--map-current-user', '--net', '--', '/usr/bin/bwrap', '--unshare-user']);
    expect(argv).to.not.include('--unshare-net');
  });

  it('and all kinds of steps were tried', () => {
    const schema = JSON.parse(readFileSync(new URL('../../../src/schema/plan-1.json', import.meta.url), 'utf8')) as object;
    const ops = [...JSON.stringify(schema).matchAll(/"op":\{"const":"([^"]+)"/g)].map(([, op]) => op);
    expect(ops).to.have.length.above(20);
    expect([...new Set([...rows, ...OTHERS.map((step) => [step] as const)].map(([{op}]) => op))].sort()).to.deep.equal(ops.sort());
  });

  for (const step of OTHERS)
    it(`${step.op} is refused: other engines do it`, () => {
      expect(thrown(() => argvOf(step, NEW)).message).to.include(step.op);
    });

  it('an unknown step is refused, never ignored', () => {
    const error = thrown(() => argvOf({op: 'mount.squash', because} as unknown as Step));
    expect(error.code).to.equal('ENGINE_FAILED');
    expect(error.message).to.include('"op":"mount.squash"');
  });

  it('the box’s folder is put in letter by letter', () => {
    const [, , source] = bubblewrapArgv(withSteps(bind('{box}/tmp', ['rw'])), '/s/$&/$1$$', OLD);
    expect(source).to.equal('/s/$&/$1$$/tmp');
  });

  it('is called by the path that was found', () => {
    expect(bubblewrapArgv({...plan(), engine: {...plan().engine, path: '/opt/bwrap'}}, '/b', OLD)[0]).to.equal('/opt/bwrap');
  });
});

describe('the launch frame of several applications', () => {
  it('has what is common before the first, and each thing of one behind its name', () => {
    const made = plan({
      job: {
        environment: {A: '1', B: null},
        applications: [
          {name: 'one', command: ['run', '@1'], environment: {A: '2', B: 'x'}, cores: 2},
          {name: 'two', command: ['go'], workDirectory: 'below'},
        ],
        primary: 'two',
      },
      call: {environment: {B: 'b'}},
    });
    const joins = {engine: ['/e'], payload: [], applications: [['/p/app-one/job/cgroup.procs'], ['/p/app-two/job/cgroup.procs']]};
    const all = launchStrings(made, {boxDirectory: '/b', id: '1', engineArgv: [], joins, callerArgvIndex: null});
    expect(all.slice(0, all.indexOf('None'))).to.include.members(['J/e', 'eA=1', 'uB']);
    expect(all.slice(all.indexOf('None'))).to.deep.equal([
      'None',
      'j/p/app-one/job/cgroup.procs',
      'vrun',
      'v@1',
      `d${WORK}`,
      'eA=2',
      'eATHENA_CORE_NUMBER=2',
      'eATHENA_PROC_NUMBER=2',
      'eB=x',
      'eOMP_NUM_THREADS=2',
      'oprefix',
      'Ntwo',
      'j/p/app-two/job/cgroup.procs',
      'vgo',
      `d${WORK}/below`,
      'I',
      'oprefix',
    ]);
    const files = plan({job: {applications: [{name: 'a', command: ['x']}], output: 'files'}});
    const strings = launchStrings(files, {
      boxDirectory: '/b',
      id: '1',
      engineArgv: [],
      joins: {...joins, applications: []},
      callerArgvIndex: null,
    });
    expect(strings.slice(-2)).to.deep.equal(['1a.out', '2a.err']);
  });
});

describe('repositories that were mounted for the job, in the launch frame', () => {
  const HOLD: Step = {op: 'mount.pin', repository: 'c.d', path: '/cvmfs/c.d', because};
  const wordsOf = (steps: Step[], mounted?: LaunchContext['mounted']): string[] =>
    launchStrings(withSteps(...steps), {
      ...{boxDirectory: '/b', id: '1', engineArgv: [], mounted},
      ...{joins: {engine: [], payload: [], applications: []}, callerArgvIndex: null},
    }).filter((string) => /^[Mm]/.test(string));
  const AT = {'a.b': {pid: 7, place: '/s/mnt/a.b'}};
  const GIVEN = ['Mretain', 'm/cvmfs/c.d', 'mc.d', 'Mgive', 'm/cvmfs'];

  it('are taken before enter has mounts of its own, and put in place after that, beside what the node has', () => {
    expect(wordsOf([HOLD, MOUNT], AT)).to.deep.equal([
      ...['Mhold', 'm/cvmfs/c.d', 'Mtake', 'm7', 'm/s/mnt/a.b', 'ma.b', 'Mnamespace', 'muser'],
      ...GIVEN,
    ]);
    const unshare: Step = {op: 'view.unshare', user: false, root: null, because};
    expect(wordsOf([HOLD, MOUNT, unshare, {op: 'mount.move', source: '/x', at: '{box}/y', because}], AT)).to.deep.equal([
      ...['Mhold', 'm/cvmfs/c.d', 'Mtake', 'm7', 'm/s/mnt/a.b', 'ma.b', 'Mnamespace', 'mmount'],
      ...[...GIVEN, 'Mgraft', 'm/x', 'm/b/y'],
    ]);
  });

  it('where none was, there is nothing to do', () => {
    expect(wordsOf([MOUNT])).to.deep.equal([]);
  });
});

describe('what enter mounts, in the launch frame', () => {
  const mountsOf = (...steps: Step[]): string[] =>
    launchStrings(withSteps(...steps), {
      boxDirectory: '/b',
      id: '1',
      engineArgv: [],
      joins: {engine: [], payload: [], applications: []},
      callerArgvIndex: null,
    }).filter((string) => /^[Mm]/.test(string));
  const identity: Step = {op: 'identity.take', uid: 7, gid: 8, groups: [9], because};
  const rows: [step: Step, words: string[]][] = [
    [{op: 'view.unshare', user: true, root: null, because}, ['Mnamespace', 'muser']],
    [{op: 'view.unshare', user: false, root: null, because}, ['Mnamespace', 'mmount']],
    [
      {
        op: 'view.unshare',
        user: true,
        root: {uid: 7, gid: 8, uids: {start: 100000, count: 65536}, gids: {start: 200000, count: 1000}},
        because,
      },
      ['Mroot', 'm100000', 'm65536', 'm200000', 'm1000'],
    ],
    [{op: 'mount.cover', at: '/sys/fs/cgroup/unified', because}, ['Mtmpfs', 'm/sys/fs/cgroup/unified', 'm4096']],
    [{op: 'mount.terminals', at: '{box}/terminals', because}, ['Mdevpts', 'm/b/terminals']],
    [
      {
        op: 'scratch.quota',
        by: 'loop',
        image: '{box}/disk.ext4',
        program: '/sbin/mkfs.ext4',
        destination: '{box}/disk',
        bytes: 4096,
        because,
      },
      ['Mloop', 'm/b/disk.ext4', 'm/b/disk'],
    ],
    [
      {op: 'scratch.quota', by: 'tmpfs', image: null, program: null, destination: '{box}/disk', bytes: 4096, because},
      ['Mtmpfs', 'm/b/disk', 'm4096'],
    ],
    [
      {op: 'directory.create', path: '{box}/disk/tmp', mode: '0700', owner: 'job', because},
      ['Mdirectory', 'm/b/disk/tmp', 'm0700', 'm7', 'm8'],
    ],
    [
      {op: 'directory.create', path: '{box}/disk/layers', mode: '0700', owner: 'caller', because},
      ['Mdirectory', 'm/b/disk/layers', 'm0700', 'm', 'm'],
    ],
    [{op: 'directory.create', path: '{box}/disk', mode: '0711', owner: 'caller', because}, []],
    [{op: 'mount.point', lower: '/i', upper: '{box}/u', path: '/x', because}, ['Mpoint', 'm/i', 'm/b/u', 'm/x']],
    [{op: 'mount.point', lower: '{box}/view/image', upper: '{box}/u', path: '/x', because}, ['Mpoint', 'm/b/view/image', 'm/b/u', 'm/x']],
    [
      {op: 'mount.squashfs', source: '/i/{box}', at: '{box}/view/image', by: 'loop', program: null, options: [], because},
      ['Msquashfs', 'm/i/{box}', 'm/b/view/image', 'm', 'm'],
    ],
    [
      {op: 'mount.squashfs', source: '/i', at: '{box}/view/image', by: 'squashfuse', program: '/p', options: ['uid=1', 'gid=2'], because},
      ['Msquashfs', 'm/i', 'm/b/view/image', 'm/p', 'muid=1,gid=2'],
    ],
    [OVERLAY, ['Moverlay', 'm/opt/{box}', 'm/b/layers/0-0-upper', 'm/b/layers/0-0-work', 'm/b/view/0-0', 'muserxattr,volatile']],
    [
      {...OVERLAY, by: 'fuse-overlayfs', options: []},
      ['Mfuse', 'm/opt/{box}', 'm/b/layers/0-0-upper', 'm/b/layers/0-0-work', 'm/b/view/0-0'],
    ],
    [{op: 'mount.move', source: '/cvmfs', at: '{box}/view/0/cvmfs', because}, ['Mgraft', 'm/cvmfs', 'm/b/view/0/cvmfs']],
    [
      {op: 'mount.closed', source: '/x', at: '{box}/closed-0', destination: '/x', readOnly: true, because},
      ['Mclosed', 'm/x', 'm/b/closed-0', 'mro', 'm7 8 9'],
    ],
    [
      {
        ...{op: 'mount.bind', source: '/x/y', destination: '/x/y', options: ['rw'], optional: false, because},
        inside: {at: '{box}/closed-0', path: 'y'},
      },
      ['Minside', 'mrw', 'm/x/y', 'm/b/closed-0', 'my', 'm7 8 9'],
    ],
    [
      {op: 'mount.tmpfs', destination: '/x/z', mode: '0555', sizeBytes: null, inside: {at: '{box}/closed-0', path: 'z'}, because},
      ['Minside', 'mtmpfs', 'm0555', 'm/b/closed-0', 'mz', 'm7 8 9'],
    ],
  ];
  for (const [step, words] of rows)
    it(`${step.op} ${words.join(' ')}`, () => {
      expect(mountsOf(identity, step)).to.deep.equal(words);
    });
});

describe('the launch frame', () => {
  const context: LaunchContext = {
    boxDirectory: '/b',
    id: '1',
    engineArgv: [],
    joins: {engine: [], payload: [], applications: []},
    callerArgvIndex: null,
  };
  const strings = (made: Plan, change: Partial<LaunchContext> = {}): string[] => launchStrings(made, {...context, ...change});
  const of = (key: string, made: Plan, change?: Partial<LaunchContext>): string[] =>
    strings(made, change)
      .filter((text) => text.startsWith(key))
      .map((text) => text.slice(1));

  const full = plan({
    job: {
      command: ['run', '', 'a b'],
      environment: {A: '1=2', B: null},
      limits: {cores: 2, pinCores: true, nice: 4, memory: '1GiB', openFiles: 1024, coreSize: 0, processes: 9},
    },
    policy: {debug: {pauseAt: ['enter-start', 'init-start']}},
    facts: {caller: ROOT, cgroup: NO_CGROUP},
    call: {...asUser(USER), environment: {B: 'x'}},
  });

  const FEATURES = ['MACHINEFEATURES=/dev/tare/machinefeatures', 'JOBFEATURES=/dev/tare/jobfeatures'];
  it('has each thing under its key', () => {
    expect(of('J', full, {joins: {engine: ['/e1/cgroup.procs', '/e2/cgroup.procs'], payload: ['/p'], applications: []}})).to.deep.equal([
      '/e1/cgroup.procs',
      '/e2/cgroup.procs',
    ]);
    expect(of('j', full, {joins: {engine: [], payload: ['/p1', '/p2'], applications: []}})).to.deep.equal(['/p1', '/p2']);
    expect(of('U', full)).to.deep.equal(['1001 100 100,1001']);
    expect(of('O', full)).to.deep.equal(['500']);
    expect(of('C', full)).to.deep.equal(['2,3']);
    expect(of('s', full)).to.deep.equal(['4']);
    expect(of('r', full)).to.deep.equal(['nofile 1024 1024', 'core 0 0', 'nproc 10 10', 'nice 16 16']);
    expect(of('e', full)).to.deep.equal([...FEATURES, 'ATHENA_CORE_NUMBER=2', 'ATHENA_PROC_NUMBER=2', 'OMP_NUM_THREADS=2', 'A=1=2']);
    expect(of('u', full)).to.deep.equal(['B']);
    expect(of('v', full)).to.deep.equal(['run', '', 'a b']);
    expect(of('a', full)).to.deep.equal([]);
    expect(of('d', full)).to.deep.equal([WORK]);
    expect(of('p', full)).to.deep.equal(['enter-start', 'init-start']);
    expect(of('E', full, {engineArgv: ['/usr/bin/bwrap', '--a']})).to.deep.equal(['/usr/bin/bwrap', '--a']);
  });

  it('has no key that may not stand where there is a single payload', () => {
    const table = new URL('../../../src/schema/protocol.json', import.meta.url);
    const {launch} = JSON.parse(readFileSync(table, 'utf8')) as {launch: {key: string; parts: string[]}[]};
    const known = launch.filter(({parts}) => parts.includes('box') || parts.includes('payload')).map(({key}) => key);
    const used = new Set(
      strings(full, {engineArgv: ['/x'], joins: {engine: ['/e'], payload: ['/p'], applications: []}}).map((text) => text[0]),
    );
    expect([...used].sort()).to.deep.equal(['C', 'E', 'J', 'L', 'O', 'T', 'U', 'd', 'e', 'j', 'l', 'p', 'r', 's', 'u', 'v']);
    for (const key of used) expect(known).to.include(key);
  });

  it('passes the caller’s arguments on by their index', () => {
    expect(of('a', full, {callerArgvIndex: 3})).to.deep.equal(['@3']);
    expect(of('v', full, {callerArgvIndex: 3})).to.deep.equal([]);
    expect(of('a', full, {callerArgvIndex: 0})).to.deep.equal(['@0']);
  });

  it('takes an argument of a descriptor as it is, also one that looks like an index', () => {
    const made = plan({job: {command: ['mail', '@1', '@']}});
    expect([of('v', made), of('a', made)]).to.deep.equal([['mail', '@1', '@'], []]);
  });

  it('says where wrappers in the box tell of themselves, and whose that is', () => {
    expect(of('T', plan())).to.deep.equal(['/b/features/parts']);
    expect(of('T', full)).to.deep.equal(['1001 100 /b/features/parts']);
    expect(of('T', plan({policy: {mode: 'observe'}}))).to.deep.equal([]);
  });

  it('has no engine where there is no box', () => {
    expect(of('E', plan({facts: {newProc: no}}))).to.deep.equal([]);
    expect(of('v', plan({facts: {newProc: no}}))).to.deep.equal(['/bin/true']);
  });

  it('of a user with nothing asked is short', () => {
    const made = plan({facts: {newProc: no}});
    expect(strings(made)).to.deep.equal([
      'O500',
      ...FEATURES.map((each) => `e${each.replace('/dev/tare', '/b/features')}`),
      'T/b/features/parts',
      'v/bin/true',
      `d${WORK}`,
    ]);
    expect(strings({...made, steps: []})).to.deep.equal([]);
  });

  it('of an account without supplementary groups', () => {
    expect(of('U', plan({facts: {caller: ROOT}, call: asUser({...USER, groups: []})}))).to.deep.equal(['1001 100 ']);
  });

  it('says nothing of limits that are not the launch’s', () => {
    const made = plan({job: {limits: {memory: '1GiB', wallTime: '1h'}}});
    expect(strings(made).join(' ')).to.not.include(String(GIB)).and.not.include('3600000000');
  });
});

describe('a command beside the payload', () => {
  const context = {uid: 1001, environment: {A: '1', B: 'x=y'}, workDirectory: '/w', callerArgvIndex: 4};

  it('is started as the payload was, with an environment of its own and none of the caller’s', () => {
    const limited = plan({job: {limits: {openFiles: 100, coreSize: 0, nice: 4}}, facts: {caller: ROOT}, call: asUser(USER)});
    expect(commandStrings(limited, context)).to.deep.equal([
      ...launchStrings(limited, {
        boxDirectory: '/b',
        id: '1',
        engineArgv: [],
        joins: {engine: [], payload: [], applications: []},
        callerArgvIndex: null,
      }).filter((text) => /^[UOCsr]/.test(text)),
      ...['n', '0', 'eA=1', 'eB=x=y', 'a@4', 'd/w'],
    ]);
    expect(commandStrings(limited, context).filter((text) => /^[sr]/.test(text))).to.deep.equal([
      's4',
      'rnofile 100 100',
      'rcore 0 0',
      'rnice 16 16',
    ]);
  });

  it('has no capabilities beside a payload that is root, whose account alone would keep those over the box', () => {
    const boxed = plan({facts: {caller: ROOT}, call: asUser(USER)});
    expect(commandStrings(boxed, {...context, uid: 0}))
      .to.include('c0')
      .and.include('n');
    expect(commandStrings(boxed, context)).not.to.include('c0');
    expect(commandStrings(plan({facts: {newProc: no}}), {...context, uid: 0})).to.not.include('c0');
  });

  it('keeps its privileges where the payload has no box', () => {
    expect(commandStrings(plan({facts: {newProc: no}}), context)).to.not.include('n');
  });
});

describe('a setuid bubblewrap', () => {
  it('is asked for no user namespace: it makes the others as root', () => {
    const setuid = plan({facts: {engines: [{...BUBBLEWRAP, setuid: true}]}});
    expect(bubblewrapArgv(setuid, '/BOX', OLD))
      .to.include('--unshare-pid')
      .and.not.include('--unshare-user');
    expect(bubblewrapArgv(plan(), '/BOX', OLD)).to.include('--unshare-user');
  });
});
