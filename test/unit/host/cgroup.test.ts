import {expect} from 'chai';
import type {Mover} from '../../../src/host/occupants.js';
import {readCgroup} from '../../../src/host/cgroup.js';
import type {CgroupFacts, Controller} from '../../../src/host/facts.js';
import {findHierarchies, findOtherHierarchies} from '../../../src/host/hierarchy.js';
import {parseMountinfo} from '../../../src/host/mountinfo.js';
import {readSlot} from '../../../src/host/slot.js';
import {factsOf} from './hosts.js';
import {memoryTree} from './memory-tree.js';

const CONDOR = '/sys/fs/cgroup/system.slice/htcondor/condor_var_lib_condor_execute_slot1_1@wn001';
const UNIT = '/sys/fs/cgroup/system.slice/run-u42.service';
const APP = '/sys/fs/cgroup/user.slice/user-1001.slice/user@1001.service/app.slice';

interface Case {
  host: string;
  mode: CgroupFacts['mode'];
  parents: Partial<Record<Controller, string | null>>;
  toEnable?: Controller[];
  /** Whose processes must move first. */
  toEmpty?: string;
  layout?: CgroupFacts['layout'];
  /** Of memory: why each directory was refused, nearest first. */
  refused?: RegExp[];
}

const CASES: Case[] = [
  {
    host: 'debian13-v1root',
    mode: 'v1',
    parents: {
      memory: '/sys/fs/cgroup/memory/batch/slot1',
      cpu: '/sys/fs/cgroup/cpu',
      cpuacct: '/sys/fs/cgroup/cpuacct',
      pids: '/sys/fs/cgroup/pids',
      freezer: '/sys/fs/cgroup/freezer',
      cpuset: '/sys/fs/cgroup/cpuset',
      io: '/sys/fs/cgroup/blkio',
    },
  },
  {
    host: 'debian13-v1-user',
    mode: 'v1',
    parents: {memory: null, cpu: null, cpuacct: null, pids: null, freezer: null, cpuset: null, io: null},
    refused: [/no permission/, /no permission/, /no permission/],
  },
  {
    host: 'el9-v2-condor24',
    mode: 'v2',
    layout: 'htcondor-scope',
    parents: {memory: `${CONDOR}.slice`, cpu: `${CONDOR}.slice`, pids: `${CONDOR}.slice`, cpuset: null, io: `${CONDOR}.slice`},
    refused: [/no permission to make a directory/],
  },
  {
    host: 'el9-v2-condor23',
    mode: 'v2',
    layout: 'htcondor',
    parents: {memory: CONDOR, cpu: CONDOR, pids: CONDOR, cpuset: null, io: CONDOR},
    toEnable: ['memory', 'cpu', 'pids', 'io'],
    toEmpty: CONDOR,
    refused: [],
  },
  {
    host: 'el9-v2-systemd-delegate',
    mode: 'v2',
    layout: 'service',
    parents: {memory: UNIT, cpu: UNIT, pids: UNIT, cpuset: UNIT, io: UNIT},
    toEnable: ['memory', 'cpu', 'pids', 'cpuset', 'io'],
    toEmpty: UNIT,
    refused: [],
  },
  {
    host: 'debian12-v2-user-session',
    mode: 'v2',
    layout: 'user-service',
    parents: {memory: APP, cpu: APP, pids: APP, cpuset: null, io: null},
    toEnable: ['cpu'],
    refused: [/processes are in it/],
  },
  {
    host: 'el9-v2-undelegated',
    mode: 'v2',
    layout: 'slurm',
    parents: {memory: null, cpu: null, pids: null, cpuset: null, io: null},
    refused: Array.from({length: 7}, () => /no permission to make a directory/),
  },
  {host: 'ubuntu24-v2-apparmor', mode: 'v2', parents: {memory: null, cpu: null, pids: null, cpuset: null, io: null}},
  {host: 'el7-v1', mode: 'v1', parents: {memory: null, cpu: null, cpuacct: null, pids: null, freezer: null, cpuset: null, io: null}},
  {
    host: 'debian12-hybrid',
    mode: 'hybrid',
    parents: {
      memory: '/sys/fs/cgroup/memory/system.slice',
      cpu: '/sys/fs/cgroup/cpu,cpuacct/system.slice',
      cpuacct: '/sys/fs/cgroup/cpu,cpuacct/system.slice',
      pids: '/sys/fs/cgroup/unified',
      freezer: '/sys/fs/cgroup/freezer/system.slice',
      io: '/sys/fs/cgroup/unified',
    },
    toEnable: ['pids', 'io'],
  },
  {
    host: 'debian12-v2-docker',
    mode: 'v2',
    layout: 'namespace',
    parents: {memory: null, cpu: null, pids: null, cpuset: null, io: null},
    refused: [/read-only/],
  },
  {host: 'debian13-none', mode: 'none', parents: {}},
];

describe('cgroup facts', () => {
  for (const {host, mode, parents, toEnable = [], toEmpty, layout, refused} of CASES) {
    it(`of ${host}`, () => {
      const {cgroup} = factsOf(host);
      expect(cgroup.mode).to.equal(mode);
      expect(Object.fromEntries(Object.entries(cgroup.controllers).map(([name, {parent}]) => [name, parent]))).to.deep.equal(parents);
      expect(cgroup.toEnable).to.deep.equal(toEnable);
      expect(cgroup.toEmpty?.directory).to.equal(toEmpty);
      if (layout !== undefined) expect(cgroup.layout).to.equal(layout);
      if (refused === undefined) return;
      const found = cgroup.controllers.memory?.refused ?? [];
      expect(found).to.have.length(refused.length);
      for (const [index, pattern] of refused.entries()) expect(found[index]?.because).to.match(pattern);
    });
  }

  it('have the files of a real group, or say that they are assumed', () => {
    const condor = factsOf('el9-v2-condor24').cgroup;
    expect(condor.controllers.memory?.files).to.include.members(['memory.oom.group', 'memory.swap.max', 'cgroup.kill']);
    expect(condor.controllers.memory?.files).not.to.include('memory.peak');
    expect(condor.how).not.to.include('assumed');
    const root = factsOf('debian13-v1root').cgroup;
    expect(root.controllers.memory?.files).to.include.members(['memory.memsw.limit_in_bytes', 'memory.oom_control']);
    expect(root.controllers.cpu?.files).to.include('cpu.cfs_quota_us');
    expect(root.controllers.pids?.files).to.deep.equal(['pids.events', 'pids.max', 'pids.peak']);
    expect(root.how).to.include('files of pids, freezer assumed from kernel 6.18');
    expect(factsOf('debian12-hybrid').cgroup.controllers.freezer?.files).to.deep.equal(['freezer.state']);
  });

  it('have the slot of the groups above', () => {
    const slots: Record<string, [memory: number | null, cores: number | null, processes: number | null]> = {
      'el9-v2-condor24': [4294967296, null, null],
      'el9-v2-systemd-delegate': [2147483648, 2, 100000],
      'el9-v2-undelegated': [8589934592, null, null],
      'debian12-v2-docker': [2147483648, 1.5, 512],
      'el7-v1': [2147483648, null, 4194303],
      'debian13-v1root': [null, null, null],
      'debian13-none': [null, null, null],
    };
    for (const [host, expected] of Object.entries(slots)) {
      const {memoryLimitBytes, cores, processes} = factsOf(host).slot;
      expect([memoryLimitBytes, cores, processes], host).to.deep.equal(expected);
    }
  });
});

/** A caller without known processes of its own. */
const NOBODY: Mover = {uid: 1000, family: new Set()};

/** A v2 hierarchy with `memory` and `pids` in every group; `groups`: path below the mount to the files that differ. */
function v2(
  own: string,
  groups: Record<string, Record<string, string>>,
  writable: readonly string[],
  mount = '/sys/fs/cgroup',
  root = '/',
  mover: Mover = NOBODY,
  proc: Record<string, string> = {},
) {
  const files: Record<string, string> = {'/proc/self/cgroup': `0::${own}\n`, ...proc};
  for (const [path, changed] of Object.entries(groups)) {
    const group = {
      'cgroup.controllers': 'memory pids',
      'cgroup.subtree_control': '',
      'cgroup.procs': '',
      ...(path === '' ? {} : {'cgroup.type': 'domain\n'}),
      ...changed,
    };
    for (const [name, text] of Object.entries(group)) files[`${mount}${path}/${name}`] = text;
  }
  const all = writable.flatMap((path) => [`${mount}${path}`, `${mount}${path}/cgroup.procs`, `${mount}${path}/cgroup.subtree_control`]);
  const tree = memoryTree(files, all);
  const hierarchies = findHierarchies(tree, parseMountinfo(`30 23 0:26 ${root} ${mount} rw - cgroup2 cgroup2 rw\n`));
  return {cgroup: readCgroup(tree, hierarchies, [6, 1], mover), slot: readSlot(tree, hierarchies)};
}

describe('a v2 parent', () => {
  const inIt = {'': {}, '/a': {'cgroup.type': 'domain\n'}, '/a/b': {'cgroup.procs': '8\n9\n'}};
  const status = (uid: number) => `Name:\tx\nUid:\t${String(uid)}\t0\t0\t0\n`;

  it('can be emptied by the caller when only his own processes are in it', () => {
    const found = (own: number, mover = NOBODY, groups: Parameters<typeof v2>[1] = inIt) =>
      v2('/a/b', groups, ['/a/b'], '/sys/fs/cgroup', '/', mover, {'/proc/8/status': status(own), '/proc/9/status': status(1000)}).cgroup;
    const mine = found(1000);
    expect(mine.controllers.memory?.parent).to.equal('/sys/fs/cgroup/a/b');
    expect(mine.toEnable).to.deep.equal(['memory', 'pids']);
    expect(mine.toEmpty).to.include({directory: '/sys/fs/cgroup/a/b', into: '/sys/fs/cgroup/a/b/tare-caller'});
    const others = found(1001);
    expect(others.controllers.memory?.parent).to.equal(null);
    expect(others.toEmpty).to.equal(null);
    expect(others.controllers.memory?.refused[0]?.because).to.match(/^processes are in it, .*; process 8 in it is not the caller’s$/);
    const outside = found(1000, NOBODY, {...inIt, '/a/b': {'cgroup.procs': '0\n9\n'}});
    expect(outside.controllers.memory?.refused[0]?.because).to.match(/a process outside this PID namespace is in it$/);
    // root's own rights do not make other accounts' processes root's to move
    expect(found(1001, {uid: 0, family: new Set()}).controllers.memory?.parent).to.equal(null);
  });

  it('is a free group further up rather than one that others must leave, but the own group where only the wrapper is in it', () => {
    const found = (mover: Mover) =>
      v2('/a/b', inIt, ['/a', '/a/b'], '/sys/fs/cgroup', '/', mover, {'/proc/8/status': status(0), '/proc/9/status': status(0)}).cgroup;
    const parent = (mover: Mover) => found(mover).controllers.memory?.parent;
    expect(parent({uid: 1000, family: new Set([8])})).to.equal('/sys/fs/cgroup/a');
    expect(parent({uid: 1000, family: new Set([8, 9, 10])})).to.equal('/sys/fs/cgroup/a/b');
    expect(parent({uid: 0, family: new Set([8, 9])})).to.equal('/sys/fs/cgroup/a');
    // with a limit of its own nothing above serves
    const limited = {...inIt, '/a/b': {...inIt['/a/b'], 'memory.max': '100\n'}};
    const root = v2(
      '/a/b',
      limited,
      ['/a', '/a/b'],
      '/sys/fs/cgroup',
      '/',
      {uid: 0, family: new Set()},
      {
        '/proc/8/status': status(0),
        '/proc/9/status': status(0),
      },
    ).cgroup;
    expect(root.controllers.memory?.parent).to.equal('/sys/fs/cgroup/a/b');
  });

  it('is still to be emptied when the caller was moved already', () => {
    const groups = {'': {}, '/a': {'cgroup.subtree_control': 'memory pids'}, '/a/tare-caller': {'cgroup.procs': '8\n'}};
    const {controllers, toEmpty, layout} = v2('/a/tare-caller', groups, ['/a', '/a/tare-caller']).cgroup;
    expect(controllers.memory?.parent).to.equal('/sys/fs/cgroup/a');
    expect(toEmpty?.directory).to.equal('/sys/fs/cgroup/a');
    expect(layout).to.equal('other');
  });

  it('of a container is the top of its cgroup namespace, where root may move everybody', () => {
    const top = {'': {'cgroup.type': 'domain\n', 'cgroup.procs': '1\n9\n'}};
    const found = (uid: number) =>
      v2('/', top, [''], '/sys/fs/cgroup', '/', {uid, family: new Set()}, {'/proc/1/status': status(0), '/proc/9/status': status(33)})
        .cgroup;
    expect(found(0).controllers.memory?.parent).to.equal('/sys/fs/cgroup');
    expect(found(0).toEmpty?.into).to.equal('/sys/fs/cgroup/tare-caller');
    expect(found(0).layout).to.equal('namespace');
    expect(found(33).controllers.memory?.parent).to.equal(null);
  });

  it('needs no process in it when a controller is still to be switched on', () => {
    const full = v2('/a/b', {'': {}, '/a': {'cgroup.procs': '7\n'}, '/a/b': {'cgroup.procs': '8\n'}}, ['/a', '/a/b']).cgroup;
    expect(full.controllers.memory?.parent).to.equal(null);
    const empty = v2('/a/b', {'': {}, '/a': {}, '/a/b': {'cgroup.procs': '8\n'}}, ['/a', '/a/b']).cgroup;
    expect(empty.controllers.memory?.parent).to.equal('/sys/fs/cgroup/a');
    expect(empty.toEnable).to.deep.equal(['memory', 'pids']);
  });

  it('can be the root with processes in it, but not the root of a cgroup namespace', () => {
    const procs = {'cgroup.procs': '1\n2\n'};
    expect(v2('/', {'': procs}, ['']).cgroup.controllers.memory?.parent).to.equal('/sys/fs/cgroup');
    expect(v2('/', {'': {...procs, 'cgroup.type': 'domain\n'}}, ['']).cgroup.controllers.memory?.parent).to.equal(null);
  });

  it('is the nearest with memory, even when pids can be had nearer', () => {
    const {controllers} = v2(
      '/a/b/c',
      {
        '': {},
        '/a': {'cgroup.subtree_control': 'memory pids'},
        '/a/b': {'cgroup.controllers': 'pids', 'cgroup.subtree_control': 'pids'},
        '/a/b/c': {'cgroup.procs': '9\n'},
      },
      ['/a', '/a/b'],
    ).cgroup;
    expect(controllers.memory?.parent).to.equal('/sys/fs/cgroup/a');
    expect(controllers.pids?.parent).to.equal('/sys/fs/cgroup/a');
    expect(controllers.pids?.refused[1]?.because).to.match(/memory cannot be had here/);
  });

  it('is the nearest with anything when memory is nowhere', () => {
    const {controllers} = v2('/a/b', {'': {}, '/a': {'cgroup.controllers': 'pids'}, '/a/b': {'cgroup.procs': '9\n'}}, ['/a']).cgroup;
    expect(controllers.pids?.parent).to.equal('/sys/fs/cgroup/a');
    expect(controllers.memory?.parent).to.equal(null);
  });

  for (const [file, text] of [
    ['memory.max', '1000000\n'],
    ['memory.high', '900000\n'],
    ['memory.swap.max', '0\n'],
    ['io.max', '8:0 rbps=1000000 wbps=max riops=max wiops=max\n'],
    ['cpu.max', '50000 100000\n'],
    ['cpuset.cpus', '0-1\n'],
    ['cpuset.mems', '0\n'],
  ] as const) {
    it(`is never above a group that limits the caller by ${file}`, () => {
      const {controllers} = v2(
        '/a/b',
        {'': {}, '/a': {'cgroup.subtree_control': 'memory pids'}, '/a/b': {[file]: text, 'cgroup.procs': '9\n'}},
        ['', '/a', '/a/b'],
      ).cgroup;
      expect(controllers.memory?.parent).to.equal(null);
      expect(controllers.memory?.refused[1]?.because).to.equal('a group here would escape the limits of /sys/fs/cgroup/a/b');
    });
  }

  it('can be above a group whose limits are none', () => {
    const none = {'memory.max': 'max\n', 'cpu.max': 'max 100000\n', 'cpuset.cpus': '\n', 'cpuset.mems': '\n'};
    const {controllers} = v2('/a/b', {'': {}, '/a': {}, '/a/b': {...none, 'cgroup.procs': '9\n'}}, ['/a']).cgroup;
    expect(controllers.memory?.parent).to.equal('/sys/fs/cgroup/a');
  });

  for (const [what, changed, because] of [
    ['threaded', {'cgroup.type': 'threaded\n'}, /of type "threaded"/],
    ['too deep', {'cgroup.max.depth': '2\n'}, /max\.depth is 2/],
    [
      'full',
      {'cgroup.max.descendants': '4\n', 'cgroup.stat': 'nr_descendants 2\nnr_dying_descendants 0\n'},
      /max\.descendants is 4, and there are 2/,
    ],
  ] as const) {
    it(`is not one that is ${what}`, () => {
      const {controllers} = v2('/a/b', {'': {}, '/a': changed, '/a/b': {'cgroup.procs': '9\n'}}, ['/a']).cgroup;
      expect(controllers.memory?.parent).to.equal(null);
      expect(controllers.memory?.refused[1]?.because).to.match(because);
    });
  }

  it('is found through a mount that shows only a part of the hierarchy', () => {
    const groups = {'': {'cgroup.type': 'domain\n'}, '/job': {'cgroup.procs': '9\n'}};
    expect(v2('/docker/x/job', groups, [''], '/cg', '/docker/x').cgroup.controllers.memory).to.include({own: '/cg/job', parent: '/cg'});
  });

  it('is not looked for where the own group is not to be seen', () => {
    for (const [own, root] of [
      ['/../other', '/'],
      ['/', '/..'],
      ['/elsewhere', '/docker/x'],
    ] as const) {
      const {controllers} = v2(own, {'': {}}, [''], '/sys/fs/cgroup', root).cgroup;
      expect(controllers.memory?.parent, own).to.equal(null);
      expect(controllers.memory?.refused[0]?.because, own).to.match(/not to be seen/);
    }
  });
});

describe('a v1 hierarchy', () => {
  const container = {
    '/proc/self/cgroup': '5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n',
    '/sys/fs/cgroup/memory/cgroup.procs': '1\n',
    '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
    '/sys/fs/cgroup/memory/memory.stat': 'hierarchical_memory_limit 1073741824\n',
    '/sys/fs/cgroup/cpu,cpuacct/cgroup.procs': '1\n',
    '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '50000\n',
    '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
  };
  const mounts = parseMountinfo(
    '31 23 0:28 /docker/x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n32 23 0:29 /docker/x /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n',
  );

  it('is mapped through a bind mount of a part of it, and its hidden limit is seen', () => {
    const tree = memoryTree(container, ['/sys/fs/cgroup/memory']);
    const hierarchies = findHierarchies(tree, mounts);
    const {controllers, mode} = readCgroup(tree, hierarchies, [5, 10], NOBODY);
    expect(mode).to.equal('v1');
    expect(controllers.memory?.parent).to.equal('/sys/fs/cgroup/memory');
    expect(controllers.cpu).to.include({own: '/sys/fs/cgroup/cpu,cpuacct', parent: null});
    expect(controllers.cpuacct?.mount).to.equal('/sys/fs/cgroup/cpu,cpuacct');
    expect(readSlot(tree, hierarchies)).to.include({memoryLimitBytes: 1073741824, cores: 0.5, processes: null});
  });

  it('without a controller of Tare has a place for groups too, by its name', () => {
    const files = {
      '/proc/self/cgroup': '9:name=systemd:/user\n5:devices:/slot\n4:memory:/slot\n3:net_cls,net_prio:/\n',
      ...Object.fromEntries(
        ['devices', 'devices/slot', 'systemd', 'systemd/user', 'net_cls', 'memory', 'memory/slot'].map((group) => [
          `/sys/fs/cgroup/${group}/cgroup.procs`,
          '',
        ]),
      ),
    };
    const names = ['memory', 'devices', 'systemd', 'net_cls'];
    const options = ['memory', 'devices', 'xattr,release_agent=/lib/x,name=systemd', 'net_cls,net_prio'];
    const all = parseMountinfo(
      names.map((name, index) => `${31 + index} 23 0:28 / /sys/fs/cgroup/${name} rw - cgroup cgroup rw,${options[index] ?? ''}\n`).join(''),
    );
    const tree = memoryTree(
      files,
      ['devices/slot', 'systemd', 'memory/slot'].map((group) => `/sys/fs/cgroup/${group}`),
    );
    const {others, controllers} = readCgroup(tree, findHierarchies(tree, all), [5, 10], NOBODY, findOtherHierarchies(tree, all));
    expect(others).to.deep.equal([
      {name: 'devices', parent: '/sys/fs/cgroup/devices/slot'},
      {name: 'name=systemd', parent: '/sys/fs/cgroup/systemd'},
    ]);
    expect(Object.keys(controllers)).to.deep.equal(['memory']);
  });
});
