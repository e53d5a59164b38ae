import {expect} from 'chai';
import {EXIT} from '../../../src/errors.js';
import type {Controller, Facts} from '../../../src/host/facts.js';
import {stepOf, stepsOf} from '../../../src/plan/step.js';
import {LIMIT_NAMES, type LimitName} from '../../../src/job/job.js';
import {BUBBLEWRAP, facts, GIB, MIB, no, NO_CGROUP, plan, ROOT, SLOT, thrown, v1, v2, V2_FILES, type Parts, NO_SLOT} from './build.js';

const slotOf = (change: Partial<Facts['slot']>): Facts['slot'] => ({...facts().slot, ...change});
const granted = (value: number) => ({value, provenance: {source: 'slot' as const, at: 'RequestMemory'}});

describe('limits: how much, and why', () => {
  interface Row {
    title: string;
    parts: Parts;
    name: LimitName;
    value: number | null;
    clamped?: boolean;
    at: string;
    because?: string;
  }
  const rows: Row[] = [
    {
      title: 'none',
      parts: {},
      name: 'memory',
      value: null,
      at: 'builtin',
      because: 'the job asks for none, and neither the policy nor the slot has a limit',
    },
    {title: 'the job’s wish', parts: {job: {limits: {memory: '1GiB'}}}, name: 'memory', value: GIB, at: 'job.yaml#/limits/memory'},
    {
      title: 'the policy’s default',
      parts: {policy: {defaults: {memory: '2GiB'}}},
      name: 'memory',
      value: 2 * GIB,
      at: 'policy.yaml#/defaults/memory',
    },
    {
      title: 'the slot’s less a reserve that grows with the clients of repositories that Tare may mount',
      parts: {
        facts: {slot: slotOf({memoryLimitBytes: 8 * GIB})},
        job: {cvmfs: ['a.example.org', 'b.example.org']},
        policy: {cvmfs: {required: ['b.example.org', 'c.example.org'], mount: {servers: ['http://s/@fqrn@'], proxies: 'DIRECT'}}},
      },
      name: 'memory',
      value: 8 * GIB - (64 + 3 * 40) * MIB,
      at: `${facts().slot.how} less reserve 184 MiB`,
    },
    {
      title: 'the wish over the default',
      parts: {job: {limits: {memory: '3GiB'}}, policy: {defaults: {memory: '2GiB'}}},
      name: 'memory',
      value: 3 * GIB,
      at: 'job.yaml#/limits/memory',
    },
    {
      title: 'the maximum under the wish',
      parts: {job: {limits: {memory: '3GiB'}}, policy: {maxima: {memory: '2GiB'}}},
      name: 'memory',
      value: 2 * GIB,
      clamped: true,
      at: 'policy.yaml#/maxima/memory',
    },
    {
      title: 'a wish at the maximum',
      parts: {job: {limits: {memory: '2GiB'}}, policy: {maxima: {memory: '2GiB'}}},
      name: 'memory',
      value: 2 * GIB,
      at: 'job.yaml#/limits/memory',
    },
    {
      title: 'the slot less the reserve',
      parts: {facts: {slot: slotOf({memoryLimitBytes: 4 * GIB})}},
      name: 'memory',
      value: 4 * GIB - 64 * MIB,
      at: 'the slot’s group less reserve 64 MiB',
    },
    {
      title: 'the slot less the policy’s reserve, under the wish',
      parts: {job: {limits: {memory: '4GiB'}}, policy: {reserve: {memory: '1GiB'}}, facts: {slot: slotOf({memoryLimitBytes: 4 * GIB})}},
      name: 'memory',
      value: 3 * GIB,
      clamped: true,
      at: 'the slot’s group less reserve 1 GiB',
    },
    {
      title: 'a wish below the slot',
      parts: {job: {limits: {memory: '1GiB'}}, facts: {slot: slotOf({memoryLimitBytes: 4 * GIB})}},
      name: 'memory',
      value: GIB,
      at: 'job.yaml#/limits/memory',
    },
    {
      title: 'what the batch system grants, when that is less than the group has',
      parts: {facts: {slot: slotOf({memoryLimitBytes: 4 * GIB})}, call: {slot: {...NO_SLOT, memoryBytes: granted(2 * GIB)}}},
      name: 'memory',
      value: 2 * GIB - 64 * MIB,
      at: 'RequestMemory less reserve 64 MiB',
    },
    {
      title: 'the group, when that is less than what the batch system grants',
      parts: {facts: {slot: slotOf({memoryLimitBytes: GIB})}, call: {slot: {...NO_SLOT, memoryBytes: granted(2 * GIB)}}},
      name: 'memory',
      value: GIB - 64 * MIB,
      at: 'the slot’s group less reserve 64 MiB',
    },
    {title: 'the slot’s cores', parts: {facts: {slot: slotOf({cores: 1.5})}}, name: 'cores', value: 1.5, at: 'the slot’s group'},
    {
      title: 'the cores that the batch system grants',
      parts: {
        facts: {slot: slotOf({cores: 8})},
        call: {slot: {...NO_SLOT, cores: {value: 4, provenance: {source: 'slot', at: 'RequestCpus'}}}},
      },
      name: 'cores',
      value: 4,
      at: 'RequestCpus',
    },
    {
      title: 'the slot’s processes',
      parts: {facts: {slot: slotOf({processes: 512})}},
      name: 'processes',
      value: 512,
      at: 'the slot’s group',
    },
    {title: 'no swap unless asked', parts: {}, name: 'swap', value: 0, at: 'builtin'},
    {title: 'no wall time', parts: {}, name: 'wallTime', value: null, at: 'builtin'},
    {
      title: 'pinning that is not wanted is no limit',
      parts: {job: {limits: {pinCores: false}}},
      name: 'pinCores',
      value: null,
      at: 'job.yaml#/limits/pinCores',
    },
    {
      title: 'pinning by force',
      parts: {job: {limits: {pinCores: false}}, policy: {maxima: {pinCores: true}}},
      name: 'pinCores',
      value: 1,
      clamped: true,
      at: 'policy.yaml#/maxima/pinCores',
    },
    {
      title: 'what is asked for, no more than the maximum',
      parts: {job: {limits: {nice: 15}}, policy: {maxima: {nice: 10}}},
      name: 'nice',
      value: 10,
      clamped: true,
      at: 'policy.yaml#/maxima/nice',
      because: "asked for 15, the policy's maximum is 10; before the exec, and never lowered: a caller that is nicer stays so",
    },
    {title: 'the default', parts: {policy: {defaults: {nice: 3}}}, name: 'nice', value: 3, at: 'policy.yaml#/defaults/nice'},
    {title: 'a maximum alone sets no nice value', parts: {policy: {maxima: {nice: 10}}}, name: 'nice', value: null, at: 'builtin'},
    {
      title: '0 is no limit, over a default too',
      parts: {job: {limits: {nice: 0}}, policy: {defaults: {nice: 3}}},
      name: 'nice',
      value: null,
      at: 'job.yaml#/limits/nice',
      because: 'asked for 0',
    },
    {
      title: 'a maximum of 0 allows none',
      parts: {job: {limits: {nice: 5}}, policy: {maxima: {nice: 0}}},
      name: 'nice',
      value: null,
      clamped: true,
      at: 'policy.yaml#/maxima/nice',
    },
  ];
  for (const {title, parts, name, value, clamped = false, at, because} of rows) {
    it(`${name}: ${title}`, () => {
      const limit = plan(parts).limits[name];
      expect([limit.value, limit.clamped, limit.provenance.at]).to.deep.equal([value, clamped, at]);
      if (because !== undefined) expect(limit.because).to.equal(because);
    });
  }

  it('have a unit, and remember what was asked', () => {
    const {limits} = plan({job: {limits: {memory: '3GiB', wallTime: '1h'}}, policy: {maxima: {memory: '2GiB'}}});
    expect(LIMIT_NAMES.map((name) => limits[name].unit)).to.deep.equal([
      'cores',
      'flag',
      'nice',
      'bytes',
      'bytes',
      'bytes',
      'count',
      'us',
      'us',
      'count',
      'bytes',
      'bytes',
    ]);
    expect([limits.memory.asked, limits.wallTime.asked, limits.cores.asked]).to.deep.equal([3 * GIB, 3600e6, null]);
  });

  it('of memory lie above nine tenths of the slot, where HTCondor’s starter would blame the node, unless the policy has another reserve', () => {
    for (const slotBytes of [200 * MIB, 256 * MIB, 799 * MIB, 800 * MIB, 2 * GIB])
      expect((plan({facts: {slot: slotOf({memoryLimitBytes: slotBytes})}}).limits.memory.value ?? 0) / slotBytes).to.be.at.least(0.91);
  });

  it('of memory leave the wrapper its reserve, or there is no job', () => {
    const small = (memoryLimitBytes: number): Parts => ({facts: {slot: slotOf({memoryLimitBytes})}});
    const error = thrown(() => plan(small(16 * MIB)));
    expect([error.code, error.exit, error.details.where]).to.deep.equal(['SLOT_TOO_SMALL', EXIT.refused, 'builtin']);
    expect(error.details.found).to.equal('16 MiB in the slot (the slot’s group), 16 MiB in reserve');
    expect(plan(small(16 * MIB + 1)).limits.memory.value).to.equal(1);
    const policy = {policy: {reserve: {memory: '64MiB'}}};
    expect(thrown(() => plan({...small(64 * MIB), ...policy})).code).to.equal('SLOT_TOO_SMALL');
    expect(plan({...small(256 * MIB), ...policy}).limits.memory.value).to.equal(192 * MIB);
  });
});

describe('limits: their enforcement', () => {
  const all: NonNullable<Parts['job']> = {
    limits: {
      cores: 2,
      pinCores: true,
      nice: 7,
      memory: '1GiB',
      memoryHigh: '900MiB',
      swap: '1GiB',
      processes: 50,
      wallTime: '1h',
      cpuTime: '2h',
      openFiles: 1024,
      coreSize: 0,
      scratch: '1GiB',
    },
  };
  const enforcement = (change: Partial<Facts>, extra: Parts = {}): Record<string, string> =>
    Object.fromEntries(
      Object.entries(plan({job: all, facts: change, ...extra}).limits).map(([name, {enforcement: how, by}]) => [
        name,
        by === null ? how : `${how} ${by}`,
      ]),
    );

  const always = {
    nice: 'kernel setpriority',
    memoryHigh: 'none',
    wallTime: 'watched watch.wallTime',
    cpuTime: 'watched watch.cpuTime',
    openFiles: 'kernel RLIMIT_NOFILE',
    coreSize: 'kernel RLIMIT_CORE',
    scratch: 'watched watch.scratch',
  };
  const swapless: Facts['memory'] = {...facts().memory, swapBytes: 0};
  const v1All = v1({memory: 'memory', cpu: 'cpu', pids: 'pids', cpuset: 'cpuset'});
  const v2All = v2(['memory', 'cpu', 'pids', 'cpuset'], {files: [...V2_FILES, 'memory.high']});
  const rows: [string, Partial<Facts>, Record<string, string>][] = [
    [
      'cgroup v2',
      {cgroup: v2All},
      {
        cores: 'kernel cgroup2:cpu.max',
        pinCores: 'kernel cgroup2:cpuset.cpus',
        memory: 'kernel cgroup2:memory.max',
        memoryHigh: 'kernel cgroup2:memory.high',
        swap: 'kernel cgroup2:memory.swap.max',
        processes: 'kernel cgroup2:pids.max',
      },
    ],
    [
      'cgroup v1',
      {cgroup: v1All},
      {
        cores: 'kernel cgroup1:cpu.cfs_quota_us',
        pinCores: 'kernel cgroup1:cpuset.cpus',
        memory: 'kernel cgroup1:memory.limit_in_bytes',
        swap: 'kernel cgroup1:memory.memsw.limit_in_bytes',
        processes: 'kernel cgroup1:pids.max',
      },
    ],
    [
      'both',
      {cgroup: {...v2All, mode: 'hybrid', controllers: {...v1({memory: 'memory', cpu: 'cpu'}).controllers, pids: v2All.controllers.pids!}}},
      {
        cores: 'kernel cgroup1:cpu.cfs_quota_us',
        pinCores: 'kernel sched_setaffinity',
        memory: 'kernel cgroup1:memory.limit_in_bytes',
        swap: 'kernel cgroup1:memory.memsw.limit_in_bytes',
        processes: 'kernel cgroup2:pids.max',
      },
    ],
    [
      'no cgroup',
      {cgroup: NO_CGROUP},
      {cores: 'none', pinCores: 'kernel sched_setaffinity', memory: 'watched watch.memory', swap: 'none', processes: 'kernel RLIMIT_NPROC'},
    ],
    [
      'cgroups that the caller may not use',
      {
        cgroup: {
          ...v2All,
          controllers: Object.fromEntries(Object.entries(v2All.controllers).map(([name, fact]) => [name, {...fact, parent: null}])),
        },
      },
      {cores: 'none', pinCores: 'kernel sched_setaffinity', memory: 'watched watch.memory', swap: 'none', processes: 'kernel RLIMIT_NPROC'},
    ],
    [
      'no cgroup and no swap',
      {cgroup: NO_CGROUP, memory: swapless},
      {
        cores: 'none',
        pinCores: 'kernel sched_setaffinity',
        memory: 'watched watch.memory',
        swap: 'kernel no swap',
        processes: 'kernel RLIMIT_NPROC',
      },
    ],
  ];
  for (const [title, change, expected] of rows) {
    it(`with ${title}`, () => {
      expect(enforcement(change)).to.deep.equal({...always, ...expected});
    });
  }

  it('swap is not limited where the kernel does not count it', () => {
    const files = (version: 1 | 2): Partial<Facts> => ({cgroup: version === 1 ? v1({memory: 'memory'}, []) : v2(['memory'], {files: []})});
    for (const version of [1, 2] as const) {
      expect(enforcement(files(version)).swap).to.equal('none');
      expect(enforcement({...files(version), memory: swapless}).swap).to.equal('kernel no swap');
    }
  });

  it('swap without a limit on memory: by v2 alone, as v1 counts both together', () => {
    const swapOf = (cgroup: Facts['cgroup'], limits: NonNullable<NonNullable<Parts['job']>['limits']>, memory = facts().memory): string => {
      const {enforcement: how, by, value} = plan({job: {limits}, facts: {cgroup, memory}}).limits.swap;
      return `${value} ${how} ${by}`;
    };
    for (const [swap, bytes] of [
      [undefined, 0],
      ['1GiB', GIB],
    ] as const) {
      const limits = swap === undefined ? {} : {swap};
      expect(swapOf(v2(['memory']), limits)).to.equal(`${bytes} kernel cgroup2:memory.swap.max`);
      expect(swapOf(v1({memory: 'memory'}), limits)).to.equal(`${bytes} none null`);
      expect(swapOf(v1({memory: 'memory'}), {...limits, memory: '1GiB'})).to.equal(`${bytes} kernel cgroup1:memory.memsw.limit_in_bytes`);
      expect(swapOf(v1({memory: 'memory'}, []), limits, swapless)).to.equal(`${bytes} kernel no swap`);
    }
    expect(plan({facts: {cgroup: v1({memory: 'memory'})}}).limits.swap.because).to.match(/together with memory, which has no limit$/);
  });

  it('processes without a pids controller: what the slot’s group allows holds already, and less needs a limit of its own', () => {
    const slot = slotOf({processes: 512});
    for (const [limits, expected] of [
      [{}, '512 kernel pids.max of the slot'],
      [{processes: 900}, '512 kernel pids.max of the slot'],
      [{processes: 40}, '40 kernel RLIMIT_NPROC'],
    ] as const) {
      const made = plan({job: {limits}, facts: {cgroup: NO_CGROUP, slot}});
      const {value, enforcement: how, by} = made.limits.processes;
      expect(`${String(value)} ${how} ${String(by)}`).to.equal(expected);
      expect(stepsOf(made, 'rlimit.set').some(({name}) => name === 'nproc')).to.equal(by === 'RLIMIT_NPROC');
      expect(stepOf(made, 'watch.processes')).to.equal(undefined);
    }
    const root = plan({facts: {caller: ROOT, cgroup: NO_CGROUP, slot}});
    expect(root.limits.processes.by).to.equal('pids.max of the slot');
    expect(plan({facts: {cgroup: v1({pids: 'pids'}), slot}}).limits.processes.by).to.equal('cgroup1:pids.max');
  });

  const kernels: [release: [number, number], change: Partial<Facts>, by: string][] = [
    [[3, 10], {}, 'watched watch.processes'],
    [[4, 18], {}, 'watched watch.processes'],
    [[5, 13], {}, 'watched watch.processes'],
    [[5, 14], {}, 'kernel RLIMIT_NPROC'],
    [[5, 15], {}, 'kernel RLIMIT_NPROC'],
    [[6, 0], {}, 'kernel RLIMIT_NPROC'],
    [[6, 1], {engines: [{...BUBBLEWRAP, setuid: true}]}, 'watched watch.processes'],
    [[6, 1], {newProc: no}, 'watched watch.processes'],
  ];
  for (const [version, change, expected] of kernels) {
    it(`processes without a pids controller on Linux ${version.join('.')}${change.engines ? ', engine setuid' : ''}${change.newProc ? ', unboxed' : ''}: ${expected}`, () => {
      const node = {...change, cgroup: NO_CGROUP, kernel: {release: version.join('.'), version, how: 'a test'}};
      expect(enforcement(node).processes).to.equal(expected);
      const made = plan({job: all, facts: node});
      expect(stepsOf(made, 'rlimit.set').some(({name}) => name === 'nproc')).to.equal(expected.startsWith('kernel'));
      expect(stepOf(made, 'watch.processes')?.limit).to.equal(expected.startsWith('kernel') ? undefined : 50);
    });
  }

  it('is what the policy requires, or the job is refused', () => {
    const requiring = (name: 'cores' | 'memory' | 'processes', level: 'kernel' | 'watched' | 'none', cgroup = NO_CGROUP): Parts => ({
      job: all,
      policy: {enforcement: {[name]: level}},
      facts: {cgroup, kernel: {...facts().kernel, version: [5, 13]}},
    });
    for (const name of ['cores', 'memory', 'processes'] as const) {
      const error = thrown(() => plan(requiring(name, 'kernel')));
      expect([error.code, error.exit, error.details.where, error.details.allowed]).to.deep.equal([
        'ENFORCEMENT_UNAVAILABLE',
        EXIT.refused,
        `policy.yaml#/enforcement/${name}`,
        'kernel',
      ]);
      expect(plan(requiring(name, 'kernel', v2All)).limits[name].enforcement).to.equal('kernel');
      expect(plan(requiring(name, 'none')).limits[name].value).to.be.above(0);
    }
    expect(thrown(() => plan(requiring('cores', 'watched'))).details.found).to.match(/^none \(/);
    expect(plan(requiring('memory', 'watched')).limits.memory.enforcement).to.equal('watched');
    // nothing to enforce
    expect(plan({...requiring('cores', 'kernel'), job: {}}).limits.cores.value).to.equal(null);
    // only weighed
    const observed = requiring('cores', 'kernel');
    expect(plan({...observed, policy: {...observed.policy, mode: 'observe'}}).limits.cores.enforcement).to.equal('none');
  });

  it('says so in the plan’s flags', () => {
    expect(plan({job: all, facts: {cgroup: NO_CGROUP}}).flags).to.deep.equal(['sampled-memory']);
    expect(plan({job: all, facts: {cgroup: NO_CGROUP, newProc: no}}).flags).to.deep.equal(['unboxed', 'sampled-memory']);
    expect(plan({job: all}).flags).to.deep.equal([]);
  });
});

describe('limits as steps', () => {
  it('rlimits of what was limited, hard and soft', () => {
    const made = plan({job: {limits: {openFiles: 1024, coreSize: 0, processes: 7}}, facts: {cgroup: NO_CGROUP}});
    expect(stepsOf(made, 'rlimit.set').map(({name, soft, hard, because}) => [name, soft, hard, because])).to.deep.equal([
      ['nofile', 1024, 1024, 'the limit on open files'],
      ['core', 0, 0, 'the limit on core size'],
      ['nproc', 8, 8, 'the limit on processes'] /* init is counted too */,
    ]);
    expect(stepsOf(plan(), 'rlimit.set')).to.deep.equal([]);
  });

  it('a nice value, which the payload cannot lower again; none without one that was asked for, with 0, and where the job is only observed', () => {
    const asked = {job: {limits: {nice: 7}}};
    const made = plan(asked);
    expect(stepsOf(made, 'nice.set')).to.deep.equal([
      {op: 'nice.set', value: 7, because: 'the payload yields to others (job.yaml#/limits/nice)'},
    ]);
    expect(stepsOf(made, 'rlimit.set')).to.deep.equal([
      {op: 'rlimit.set', name: 'nice', soft: 13, hard: 13, because: 'the limit on the nice value'},
    ]);
    for (const parts of [{}, {job: {limits: {nice: 0}}}, {...asked, policy: {mode: 'observe' as const}}]) {
      expect(stepsOf(plan(parts), 'nice.set')).to.deep.equal([]);
      expect(stepsOf(plan(parts), 'rlimit.set')).to.deep.equal([]);
    }
  });

  it('watches of what the kernel does not hold', () => {
    const {limits, ...made} = plan({
      job: {limits: {memory: '1GiB', wallTime: '1h', cpuTime: '2h'}},
      policy: {grace: '7s'},
      facts: {cgroup: NO_CGROUP},
    });
    expect(made.steps.filter(({op}) => op.startsWith('watch.'))).to.deep.equal([
      {op: 'watch.memory', limitBytes: GIB, periodMs: 250, because: limits.memory.because},
      {
        op: 'watch.wallTime',
        limitUs: 3600e6,
        graceUs: 7e6,
        suspended: 'excluded',
        because: `${limits.wallTime.because}; suspended time excluded (builtin)`,
      },
      {op: 'watch.cpuTime', limitUs: 7200e6, graceUs: 7e6, because: limits.cpuTime.because},
    ]);
  });

  it('a watch for the kernel’s kills where it kills one process only', () => {
    const memory = {job: {limits: {memory: '1GiB'}}};
    expect(stepOf(plan({...memory, facts: {cgroup: v1({memory: 'memory'})}}), 'watch.oom')).to.include({
      directory: '/sys/fs/cgroup/memory/slot/tare-{id}/payload',
      version: 1,
      periodMs: 250,
    });
    // cgroup v2 before Linux 4.19 has no memory.oom.group
    expect(stepOf(plan({...memory, facts: {cgroup: v2(['memory'], {files: []})}}), 'watch.oom')).to.include({
      directory: `${SLOT}/tare-{id}/payload`,
      version: 2,
    });
    expect(stepOf(plan(memory), 'watch.oom')).to.equal(undefined);
    expect(stepOf(plan({facts: {cgroup: v1({memory: 'memory'})}}), 'watch.oom')).to.equal(undefined);
  });
});

describe('control groups', () => {
  const steps = (cgroup: Facts['cgroup'], limits: NonNullable<Parts['job']>['limits'] = {}): string[] =>
    plan({job: {limits}, facts: {cgroup}}).steps.flatMap((step) => {
      if (step.op === 'cgroup.create') return [`create v${step.version} ${step.group} ${step.directory} ${step.controllers.join('+')}`];
      if (step.op === 'cgroup.evacuate') return [`evacuate ${step.directory} ${step.into}`];
      if (step.op === 'cgroup.enable') return [`enable ${step.directory} ${step.controllers.join('+')}`];
      if (step.op === 'cgroup.write') return [`write ${step.controller} ${step.directory}/${step.file} ${step.value}`];
      return [];
    });
  const box = (mount: string, controllers: string): string[] => {
    const directory = `/sys/fs/cgroup/${mount}/slot/tare-{id}`;
    return [
      `create v1 box ${directory} ${controllers}`,
      `create v1 engine ${directory}/engine ${controllers}`,
      `create v1 payload ${directory}/payload ${controllers}`,
    ];
  };
  /** Made last: a v1 cpuset may not become smaller than one below it. */
  const job = (mount: string, controllers: string): string =>
    `create v1 job /sys/fs/cgroup/${mount}/slot/tare-{id}/payload/job ${controllers}`;
  const limits = {memory: '1GiB', cores: 1.5, processes: 50};

  it('none where there are none', () => {
    expect(steps(NO_CGROUP, limits)).to.deep.equal([]);
  });

  it('of v2: enabled level by level, limits on the payload alone', () => {
    const payload = `${SLOT}/tare-{id}/payload`;
    expect(
      steps(v2(['memory', 'cpu', 'pids', 'cpuset'], {toEnable: ['cpu', 'io']}), {...limits, swap: '2GiB', pinCores: true}),
    ).to.deep.equal([
      `enable ${SLOT} cpu`,
      `create v2 box ${SLOT}/tare-{id} memory+cpu+pids+cpuset`,
      `enable ${SLOT}/tare-{id} memory+cpu+pids+cpuset`,
      `create v2 engine ${SLOT}/tare-{id}/engine memory+cpu+pids+cpuset`,
      `create v2 payload ${payload} memory+cpu+pids+cpuset`,
      `write memory ${payload}/memory.max ${GIB}`,
      `write memory ${payload}/memory.swap.max ${2 * GIB}`,
      `write memory ${payload}/memory.oom.group 1`,
      `write cpu ${SLOT}/tare-{id}/cpu.weight 150`,
      `write cpu ${payload}/cpu.max 150000 100000`,
      `write pids ${payload}/pids.max 50`,
      `write cpuset ${payload}/cpuset.cpus 2,3`,
      `create v2 job ${payload}/job memory+cpu+pids+cpuset`,
    ]);
  });

  it('of v2 in a group that its own processes leave first: all controllers are switched on, also those that another box has now', () => {
    const toEmpty = {directory: SLOT, into: `${SLOT}/tare-caller`, because: 'a test'};
    const made = steps(v2(['memory', 'pids'], {toEmpty, toEnable: ['pids']}), limits);
    expect(made.slice(0, 3)).to.deep.equal([
      `evacuate ${SLOT} ${SLOT}/tare-caller`,
      `enable ${SLOT} memory+pids`,
      `create v2 box ${SLOT}/tare-{id} memory+pids`,
    ]);
    const elsewhere = {...toEmpty, directory: '/sys/fs/cgroup/x'};
    expect(steps(v2(['memory', 'pids'], {toEmpty: elsewhere, toEnable: ['pids']}), limits)[0]).to.equal(`enable ${SLOT} pids`);
  });

  it('of v2 have the cpu controller only for a limit on cores: their CPU time is counted without', () => {
    const {cores: _, ...without} = limits;
    expect(steps(v2(['memory', 'cpu']), without)[0]).to.equal(`create v2 box ${SLOT}/tare-{id} memory`);
  });

  it('of v2 weigh 100 for a core, as much as the kernel takes', () => {
    const weight = (cores: number) => steps(v2(['cpu']), {cores}).find((step) => step.includes('cpu.weight'));
    for (const [cores, value] of [
      [0.01, 1],
      [1, 100],
      [8, 800],
      [128, 10_000],
    ] as const)
      expect(weight(cores)).to.equal(`write cpu ${SLOT}/tare-{id}/cpu.weight ${value}`);
  });

  it('of v2 slow a payload down where that was asked for and can be had', () => {
    const high = (files: string[]) =>
      steps(v2(['memory'], {files}), {memory: '1GiB', memoryHigh: '900MiB'}).filter((step) => step.includes('memory.high'));
    expect(high(['memory.high'])).to.deep.equal([`write memory ${SLOT}/tare-{id}/payload/memory.high ${900 * MIB}`]);
    expect(high([])).to.deep.equal([]);
  });

  it('of v2 without swap accounting or group kill, nothing to enable', () => {
    const payload = `${SLOT}/tare-{id}/payload`;
    expect(steps(v2(['memory'], {files: []}), limits)).to.deep.equal([
      `create v2 box ${SLOT}/tare-{id} memory`,
      `enable ${SLOT}/tare-{id} memory`,
      `create v2 engine ${SLOT}/tare-{id}/engine memory`,
      `create v2 payload ${payload} memory`,
      `write memory ${payload}/memory.max ${GIB}`,
      `create v2 job ${payload}/job memory`,
    ]);
  });

  it('of v1: one tree per hierarchy, memory and swap counted together, one page apart', () => {
    const memory = '/sys/fs/cgroup/memory/slot/tare-{id}/payload';
    expect(steps(v1({memory: 'memory', pids: 'pids'}), limits)).to.deep.equal([
      ...box('memory', 'memory'),
      ...box('pids', 'pids'),
      `write memory ${memory}/memory.limit_in_bytes ${GIB}`,
      `write memory ${memory}/memory.memsw.limit_in_bytes ${GIB + 4096}`,
      'write pids /sys/fs/cgroup/pids/slot/tare-{id}/payload/pids.max 50',
      job('memory', 'memory'),
      job('pids', 'pids'),
    ]);
    expect(steps(v1({memory: 'memory'}), {...limits, swap: '1GiB'})).to.include(
      `write memory ${memory}/memory.memsw.limit_in_bytes ${2 * GIB}`,
    );
    expect(steps(v1({memory: 'memory'}, []), limits).filter((step) => step.includes('memsw'))).to.deep.equal([]);
  });

  it('of v1 with cpu and cpuacct mounted together: one tree', () => {
    const payload = '/sys/fs/cgroup/cpu,cpuacct/slot/tare-{id}/payload';
    expect(steps(v1({cpu: 'cpu,cpuacct', cpuacct: 'cpu,cpuacct'}), limits)).to.deep.equal([
      ...box('cpu,cpuacct', 'cpu+cpuacct'),
      `write cpu ${payload}/cpu.cfs_period_us 100000`,
      `write cpu ${payload}/cpu.cfs_quota_us 150000`,
      job('cpu,cpuacct', 'cpu+cpuacct'),
    ]);
  });

  it('of cpuset only for pinning', () => {
    const cgroup = v1({cpuset: 'cpuset'});
    expect(steps(cgroup, {cores: 1})).to.deep.equal([]);
    expect(steps(cgroup, {cores: 1, pinCores: true})).to.deep.equal([
      ...box('cpuset', 'cpuset'),
      'write cpuset /sys/fs/cgroup/cpuset/slot/tare-{id}/payload/cpuset.cpus 2',
      job('cpuset', 'cpuset'),
    ]);
  });

  it('of both versions: each controller where it is', () => {
    const cgroup: Facts['cgroup'] = {
      ...v2([]),
      mode: 'hybrid',
      controllers: {...v2(['pids']).controllers, ...v1({memory: 'memory'}).controllers},
    };
    expect(steps(cgroup, limits)).to.deep.equal([
      ...box('memory', 'memory'),
      `create v2 box ${SLOT}/tare-{id} pids`,
      `enable ${SLOT}/tare-{id} pids`,
      `create v2 engine ${SLOT}/tare-{id}/engine pids`,
      `create v2 payload ${SLOT}/tare-{id}/payload pids`,
      `write memory /sys/fs/cgroup/memory/slot/tare-{id}/payload/memory.limit_in_bytes ${GIB}`,
      `write memory /sys/fs/cgroup/memory/slot/tare-{id}/payload/memory.memsw.limit_in_bytes ${GIB + 4096}`,
      `write pids ${SLOT}/tare-{id}/payload/pids.max 50`,
      job('memory', 'memory'),
      `create v2 job ${SLOT}/tare-{id}/payload/job pids`,
    ]);
  });

  it('without limits are made for weighing, and nothing is written but that there is no swap, where v2 can say so', () => {
    const payload = `${SLOT}/tare-{id}/payload`;
    const nodes: [cgroup: Facts['cgroup'], writes: string[]][] = [
      [v2(['memory', 'cpu', 'pids']), [`write memory ${payload}/memory.swap.max 0`]],
      [v2(['memory', 'cpu', 'pids'], {files: ['memory.oom.group', 'cgroup.kill']}), []],
      [v2(['cpu', 'pids']), []],
      [v1({memory: 'memory,cpu,pids', cpu: 'memory,cpu,pids', pids: 'memory,cpu,pids'}), []],
    ];
    for (const [cgroup, writes] of nodes) {
      const made = steps(cgroup);
      expect(made.filter((step) => step.startsWith('create'))).to.have.length(4);
      expect(made.filter((step) => step.startsWith('write'))).to.deep.equal(writes);
    }
  });

  it('limit swap without a limit on memory on v2; v1 cannot', () => {
    const of = (cgroup: Facts['cgroup']): string[] => steps(cgroup, {swap: '1GiB'}).filter((step) => step.startsWith('write'));
    expect(of(v2(['memory']))).to.deep.equal([`write memory ${SLOT}/tare-{id}/payload/memory.swap.max ${GIB}`]);
    expect(of(v2(['memory'], {files: []}))).to.deep.equal([]);
    expect(of(v1({memory: 'memory'}))).to.deep.equal([]);
  });

  it('that may not be used are not named', () => {
    const {controllers} = v2(['memory', 'cpu']);
    const {cpu, memory} = controllers as Record<Controller, NonNullable<(typeof controllers)['cpu']>>;
    const made = steps({...v2([]), controllers: {memory, cpu: {...cpu, parent: null}}}, limits);
    expect(made.join(' ')).to.not.include('cpu');
    expect(made).to.have.length(8);
  });

  it('hold the payload’s processes in a group without limits, made below the group that has them when the files are written', () => {
    for (const cgroup of [
      v2(['memory', 'cpu', 'pids', 'cpuset']),
      v1({memory: 'memory', cpu: 'cpu,cpuacct', cpuacct: 'cpu,cpuacct', pids: 'pids', cpuset: 'cpuset'}),
    ]) {
      const made = plan({job: {limits: {...limits, pinCores: true}}, facts: {cgroup}});
      const created = stepsOf(made, 'cgroup.create');
      const payloads = created.filter(({group}) => group === 'payload');
      expect(payloads).to.have.length(new Set(Object.values(cgroup.controllers).map(({parent}) => parent)).size);
      expect(created.filter(({group}) => group === 'job')).to.have.length(payloads.length);
      for (const payload of payloads) {
        const own = created.filter(({group, directory}) => group === 'job' && directory === `${payload.directory}/job`);
        expect(own.map(({version, controllers}) => [version, controllers])).to.deep.equal([[payload.version, payload.controllers]]);
        const at = made.steps.indexOf(own[0]!);
        expect(at).to.be.above(made.steps.indexOf(payload));
        for (const write of stepsOf(made, 'cgroup.write')) expect(at).to.be.above(made.steps.indexOf(write));
      }
      // nothing is handed down to it, and nothing is written to it
      expect(stepsOf(made, 'cgroup.write').map(({group, directory}) => `${group} ${directory.endsWith('/payload')}`))
        .to.include('payload true')
        .and.not.include('payload false')
        .and.not.include('job false');
      expect(stepsOf(made, 'cgroup.enable').filter(({directory}) => directory.includes('/payload'))).to.deep.equal([]);
    }
  });

  const last = (...of: Parameters<typeof steps>): string | undefined =>
    steps(...of)
      .filter((step) => step.startsWith('write'))
      .at(-1);

  it('the most processes are what the kernel takes', () => {
    for (const [processes, written] of [
      [4_194_303, 4_194_303],
      [4_194_304, 4_194_304],
      [4_194_305, 4_194_304],
      [1_000_000_000, 4_194_304],
    ] as const) {
      expect(last(v2(['pids']), {processes})).to.equal(`write pids ${SLOT}/tare-{id}/payload/pids.max ${written}`);
      expect(last(v1({pids: 'pids'}), {processes})).to.equal(`write pids /sys/fs/cgroup/pids/slot/tare-{id}/payload/pids.max ${written}`);
    }
  });

  it('the most CPU quota is 8192 cores', () => {
    for (const [cores, quota] of [
      [8191, 819_100_000],
      [8192, 819_200_000],
      [8193, 819_200_000],
      [65_536, 819_200_000],
    ] as const) {
      expect(last(v2(['cpu']), {cores})).to.equal(`write cpu ${SLOT}/tare-{id}/payload/cpu.max ${quota} 100000`);
      expect(last(v1({cpu: 'cpu'}), {cores})).to.equal(`write cpu /sys/fs/cgroup/cpu/slot/tare-{id}/payload/cpu.cfs_quota_us ${quota}`);
    }
  });

  it('the least CPU quota is one millisecond', () => {
    expect(last(v2(['cpu']), {cores: 0.01})).to.equal(`write cpu ${SLOT}/tare-{id}/payload/cpu.max 1000 100000`);
    expect(last(v2(['cpu']), {cores: 7.5})).to.equal(`write cpu ${SLOT}/tare-{id}/payload/cpu.max 750000 100000`);
  });
});
