import {expect} from 'chai';
import {EXIT} from '../../../src/errors.js';
import {chooseCpus} from '../../../src/plan/cpus.js';
import {chooseEngine} from '../../../src/plan/engine.js';
import {ENGINES} from '../../../src/plugins.js';
import {selectPattern} from '../../../src/plan/pattern.js';
import {stepOf, stepsOf} from '../../../src/plan/step.js';
import {LIMIT_NAMES} from '../../../src/job/job.js';
import type {Facts} from '../../../src/host/facts.js';
import {asUser, BUBBLEWRAP, facts, no, NO_CGROUP, notListed, plan, policy, ROOT, thrown, USER, WORK, type Parts, NO_SLOT} from './build.js';

describe('pattern', () => {
  it('is ulimit++ where nothing else is asked for, and says why', () => {
    expect(plan().pattern).to.deep.equal({
      value: 'ulimit++',
      because: 'one application, and neither services nor an identity of its own are asked for',
    });
    expect(plan({job: {pattern: 'auto'}}).pattern.value).to.equal('ulimit++');
    expect(plan({job: {pattern: 'ulimit++'}}).pattern.because).to.equal('asked for by job.yaml#/pattern');
  });

  it('that is asked for is taken as it is', () => {
    for (const value of ['ulimit++', 'quotas++', 'vm-lite'] as const) {
      expect(
        selectPattern({
          pattern: {value, provenance: {source: 'flag', at: '--pattern'}},
          applications: null,
          init: null,
          services: [],
          identity: null,
        }),
      ).to.deep.equal({
        value,
        because: 'asked for by --pattern',
      });
    }
  });

  const refused: [string, Parts, string, number, string][] = [
    [
      'with applications, but of one payload',
      {job: {pattern: 'ulimit++', applications: [{name: 'a', command: ['x']}]}},
      'PATTERN_UNAVAILABLE',
      EXIT.failure,
      'job.yaml#/pattern',
    ],
    ['vm-lite without an image', {job: {pattern: 'vm-lite'}}, 'PATTERN_UNAVAILABLE', EXIT.failure, 'job.yaml#/pattern'],
    [
      'that the policy forbids',
      {job: {pattern: 'vm-lite'}, policy: {patterns: ['ulimit++']}},
      'PATTERN_FORBIDDEN',
      EXIT.refused,
      'job.yaml#/pattern',
    ],
    ['that was selected and is forbidden', {policy: {patterns: ['quotas++']}}, 'PATTERN_FORBIDDEN', EXIT.refused, 'builtin'],
  ];
  for (const [title, parts, code, exit, where] of refused) {
    it(`is refused, never another run instead: ${title}`, () => {
      const error = thrown(() => plan(parts));
      expect([error.code, error.exit, error.details.where]).to.deep.equal([code, exit, where]);
    });
  }

  it('is what rules are matched by', () => {
    const rules = [{name: 'big', match: {pattern: ['quotas++' as const]}, refuse: 'not today'}];
    expect(thrown(() => plan({job: {pattern: 'quotas++'}, policy: {rules}})).message).to.equal(
      'policy.yaml#/rules/0/refuse: the rule "big" refuses the job: not today',
    );
    expect(plan({policy: {rules}}).rule).to.equal(null);
  });
});

describe('rules', () => {
  it('are chosen by VO, queue and the payload’s account, and named in the plan', () => {
    const rules = [
      {name: 'other account', match: {user: ['cms*']}, grace: '1s'},
      {name: 'mine', match: {vo: ['atlas'], queue: ['long'], user: ['atlas*']}, grace: '2s', defaults: {memory: '1GiB'}},
      {name: 'later', match: {vo: ['*']}, grace: '3s'},
    ];
    const made = plan({job: {vo: 'atlas', queue: 'long'}, policy: {rules}});
    expect([made.rule, made.grace.us, made.limits.memory.value]).to.deep.equal(['mine', 2e6, 2 ** 30]);
    expect(made.grace.provenance.at).to.equal('policy.yaml#/rules/1/grace');
    expect(made.job).to.deep.equal({name: null, vo: 'atlas', queue: 'long', user: 'atlas001'});
    expect(plan({job: {vo: 'atlas', queue: 'short'}, policy: {rules}}).rule).to.equal('later');
    expect(plan({policy: {rules}}).rule).to.equal(null);
  });
});

describe('a stall and a suspension', () => {
  const watches = (policy: object, job: object = {}) =>
    plan({job: {limits: {memory: '1GiB', wallTime: '1h'}, ...job}, policy}).steps.filter(
      ({op}) => op === 'watch.memoryStall' || op === 'watch.wallTime',
    );

  it('are watched as the policy, or the rule for the job, says', () => {
    const [stall, wall] = watches({memoryStall: '5m', suspendedTime: 'counted', grace: '3s'});
    expect(stall).to.deep.equal({
      op: 'watch.memoryStall',
      afterUs: 300e6,
      graceUs: 3e6,
      because: 'no progress at the memory limit without a kill (policy.yaml#/memoryStall)',
    });
    expect(wall).to.include({suspended: 'counted'});
    const rules = [{name: 'slow', match: {vo: ['slow']}, memoryStall: '1h', suspendedTime: 'counted'}];
    const [ruled, ruledWall] = watches({memoryStall: '5m', rules}, {vo: 'slow'});
    expect(ruled).to.include({afterUs: 3600e6});
    expect(ruledWall).to.include({suspended: 'counted'});
  });

  it('are watched by default, and the first not at all where the policy says never', () => {
    const [stall, wall] = watches({});
    expect(stall).to.include({op: 'watch.memoryStall', afterUs: 600e6});
    expect(wall).to.include({suspended: 'excluded'});
    expect(watches({memoryStall: 'never'}).map(({op}) => op)).to.deep.equal(['watch.wallTime']);
  });

  it('of a memory limit that no v2 group has is not watched', () => {
    expect(stepsOf(plan({job: {limits: {memory: '1GiB'}}, facts: {cgroup: NO_CGROUP}}), 'watch.memoryStall')).to.deep.equal([]);
  });

  it('need a duration, or never', () => {
    expect(thrown(() => plan({policy: {memoryStall: 'soon'}})).message).to.match(/policy\.yaml#\/memoryStall/);
  });
});

describe('mode', () => {
  const slot = (name: string | null) => ({...NO_SLOT, name});
  const observe = (share?: number, slots?: [string, ...string[]]) =>
    ({mode: {observe: {...(share === undefined ? {} : {share}), ...(slots === undefined ? {} : {slots})}}}) as Parts['policy'];
  const rows: [string, Parts, 'box' | 'observe', RegExp][] = [
    ['enforce', {policy: {mode: 'enforce'}}, 'box', /^bubblewrap and the namespaces/],
    ['observe', {policy: {mode: 'observe'}}, 'observe', /^mode observe \(policy\.yaml#\/mode\)$/],
    ['below the share', {policy: observe(0.1), call: {sample: 0.0999}}, 'observe', /^in the observed share of 0\.1 /],
    ['at the share', {policy: observe(0.1), call: {sample: 0.1}}, 'box', /./],
    ['a share of all', {policy: observe(1), call: {sample: 0.9999999}}, 'observe', /./],
    ['no slot name', {policy: observe(undefined, ['slot*'])}, 'box', /./],
    ['another slot', {policy: observe(undefined, ['slot*@wn1']), call: {slot: slot('slot1@wn2')}}, 'box', /./],
    [
      'that slot',
      {policy: observe(undefined, ['x', 'slot*@wn1']), call: {slot: slot('slot1_1@wn1')}},
      'observe',
      /^slot slot1_1@wn1 is observed \(policy\.yaml#\/mode\)$/,
    ],
    ['that slot, beyond the share', {policy: observe(0.1, ['slot1']), call: {slot: slot('slot1'), sample: 0.9}}, 'observe', /slot1/],
    ['another slot, in the share', {policy: observe(0.6, ['slot2']), call: {slot: slot('slot1')}}, 'observe', /share/],
  ];
  for (const [title, parts, value, because] of rows) {
    it(`${value}: ${title}`, () => {
      const {mode} = plan(parts);
      expect(mode.value).to.equal(value);
      expect(mode.because).to.match(because);
    });
  }

  it('observe does nothing to the payload: no limit, no namespace, no mount, no watch; its groups only weigh', () => {
    const {steps, engine, limits, flags} = plan({
      job: {
        limits: {
          cores: 2,
          memory: '1GiB',
          processes: 9,
          wallTime: '1h',
          cpuTime: '2h',
          pinCores: true,
          nice: 3,
          openFiles: 10,
          coreSize: 0,
        },
      },
      policy: {mode: 'observe', enforcement: {cores: 'kernel', memory: 'kernel'}},
      facts: {cgroup: NO_CGROUP},
    });
    expect(steps.map(({op}) => op).filter((op) => op !== 'environment.set')).to.deep.equal(['weigh.processes', 'payload.execute']);
    expect(engine.name).to.equal('none');
    expect(flags).to.deep.equal(['observe']);
    for (const name of LIMIT_NAMES) expect([limits[name].enforcement, limits[name].by]).to.deep.equal(['none', null]);
    expect(limits.memory.because).to.equal('asked for 1 GiB; only observed');
    const weighed = plan({job: {limits: {memory: '1GiB'}}, policy: {mode: 'observe'}}).steps.map(({op}) => op);
    expect(weighed).to.deep.equal([
      'cgroup.create',
      'cgroup.enable',
      'cgroup.create',
      'cgroup.create',
      'cgroup.create',
      'weigh.processes',
      'payload.execute',
    ]);
  });

  const obstacles: [string, Partial<Facts>, string | null][] = [
    ['everything is here', {}, null],
    ['no bubblewrap', {engines: [{...BUBBLEWRAP, path: null}]}, `bubblewrap cannot be used (a test); ${notListed('ulimit++')}`],
    ['no user namespace', {namespaces: {...facts().namespaces, user: no}}, 'no user namespace (a test says no)'],
    [
      'no user namespace, setuid bubblewrap',
      {namespaces: {...facts().namespaces, user: no}, engines: [{...BUBBLEWRAP, setuid: true}]},
      null,
    ],
    ['no cgroup namespace, which is not needed', {namespaces: {...facts().namespaces, cgroup: no}}, null],
    ['no new /proc', {newProc: no}, 'no new /proc can be mounted (a test says no)'],
    ...(['pid', 'mount', 'ipc', 'uts'] as const).map((kind): [string, Partial<Facts>, string] => [
      `no ${kind} namespace`,
      {namespaces: {...facts().namespaces, [kind]: no}},
      `no ${kind} namespace (a test says no)`,
    ]),
  ];
  it('no box where the call wants none, unless the policy or the job requires one', () => {
    const mode = (always: boolean, box: 'required' | 'optional', job = {}) => {
      const {value, because} = plan({call: {unboxed: {because: 'a test', always}}, policy: {box}, job}).mode;
      return value === 'box' ? value : because;
    };
    expect([mode(true, 'optional'), mode(true, 'required')]).to.deep.equal(['a test', 'a test']);
    expect([mode(false, 'optional'), mode(false, 'required')]).to.deep.equal(['a test', 'box']);
    expect(mode(false, 'optional', {network: 'none'})).to.equal('box');
    expect(thrown(() => mode(true, 'optional', {network: 'none'})).code).to.equal('BOX_UNAVAILABLE');
  });

  it('in a box already, keeps no network from the payload but where there is none', () => {
    const within = {recordId: null, how: 'a test'};
    const nested = (network: 'host' | 'none', offline: boolean) =>
      plan({job: {network}, facts: {within: {...within, ...(offline ? {offline: true as const} : {})}}}).mode;
    expect(nested('host', false)).to.include({value: 'limits-only'});
    expect(nested('none', true)).to.deep.equal({
      value: 'limits-only',
      because: 'in a box already, which isolates (a test): this one only subdivides, and there is no network in it',
    });
    const error = thrown(() => nested('none', false));
    expect([error.code, error.message]).to.deep.equal([
      'BOX_UNAVAILABLE',
      'network none, which only a box can keep: the box cannot be built: in a box already (a test); have the box around it made with network none, or ask for no network none in it',
    ]);
  });

  for (const [title, change, obstacle] of obstacles) {
    it(`with a box or without: ${title}`, () => {
      const choice = chooseEngine(
        {facts: facts(change), policy: policy(), engines: ENGINES, only: null},
        {pattern: 'ulimit++', network: 'host', userProgram: false},
      );
      expect(typeof choice === 'string' ? choice : null).to.equal(obstacle);
      const {mode, engine, flags, steps} = plan({facts: change});
      expect(mode.value).to.equal(obstacle === null ? 'box' : 'limits-only');
      expect(engine.name).to.equal(obstacle === null ? 'bubblewrap' : 'none');
      expect(flags.includes('unboxed')).to.equal(obstacle !== null);
      expect(steps.some(({op}) => op === 'namespace.unshare')).to.equal(obstacle === null);
      expect(steps.some(({op}) => op === 'mount.bind')).to.equal(obstacle === null);
      if (obstacle === null) return;
      expect(mode.because).to.equal(`${obstacle}; the policy lets the payload run unboxed (builtin)`);
      const error = thrown(() => plan({facts: change, policy: {box: 'required'}}));
      expect([error.code, error.exit, error.details.where]).to.deep.equal(['BOX_UNAVAILABLE', EXIT.failure, 'policy.yaml#/box']);
      expect(error.message).to.include(obstacle);
    });
  }
});

describe('namespaces', () => {
  it('are made by a user namespace, but with a setuid bubblewrap', () => {
    expect(stepOf(plan(), 'namespace.unshare')?.namespaces).to.deep.equal(['user', 'pid', 'mount', 'ipc', 'uts']);
    expect(stepOf(plan({facts: {engines: [{...BUBBLEWRAP, setuid: true}]}}), 'namespace.unshare')?.namespaces).to.deep.equal([
      'pid',
      'mount',
      'ipc',
      'uts',
    ]);
  });

  const networks: [string | null, ('host' | 'none')[] | null, boolean | 'refused'][] = [
    [null, null, false],
    ['host', null, false],
    ['none', null, true],
    [null, ['none', 'host'], true],
    ['host', ['none', 'host'], false],
    [null, ['none'], true],
    ['host', ['none'], 'refused'],
    ['none', ['host'], 'refused'],
  ];
  for (const [wish, allowed, own] of networks) {
    it(`of the network: the job wants ${wish ?? 'nothing'}, the policy allows ${allowed?.join(', ') ?? 'both'}`, () => {
      const parts = {
        job: wish === null ? {} : {network: wish as 'host' | 'none'},
        policy: allowed === null ? {} : {network: allowed as ['host' | 'none']},
      };
      if (own === 'refused') {
        const error = thrown(() => plan(parts));
        expect([error.code, error.exit, error.details.where, error.details.found]).to.deep.equal([
          'NETWORK_FORBIDDEN',
          EXIT.refused,
          'job.yaml#/network',
          wish,
        ]);
        return;
      }
      const step = stepOf(plan(parts), 'namespace.unshare');
      expect(step?.namespaces.includes('network')).to.equal(own);
      expect(step?.because).to.match(own ? /processes and network$/ : /the network is the node’s$/);
    });
  }
});

describe('identity', () => {
  const pool = {...USER, uid: 5001, gid: 5000, groups: [5000, 5100], name: null};
  it('is taken by root, and only where it is another', () => {
    expect(stepsOf(plan(), 'identity.take')).to.deep.equal([]);
    const [step] = stepsOf(plan({facts: {caller: ROOT}, call: asUser(pool)}), 'identity.take');
    expect(step).to.deep.equal({op: 'identity.take', uid: 5001, gid: 5000, groups: [5000, 5100], because: '5001 (job.yaml#/user)'});
    expect(stepsOf(plan({facts: {caller: ROOT}, call: asUser(USER)}), 'identity.take')[0]?.because).to.equal('atlas001 (job.yaml#/user)');
  });

  it('of another account is refused to a user', () => {
    const error = thrown(() => plan({call: asUser(pool)}));
    expect([error.code, error.exit, error.details.found, error.details.allowed]).to.deep.equal([
      'USER_FORBIDDEN',
      EXIT.refused,
      '5001',
      'atlas001',
    ]);
    expect(thrown(() => plan({call: asUser(ROOT)})).details.found).to.equal('root');
    expect(thrown(() => plan({facts: {caller: {...USER, name: null}}, call: asUser(pool)})).details.allowed).to.equal('1001');
  });

  it('of root is refused unless the policy allows it', () => {
    const error = thrown(() => plan({facts: {caller: ROOT}, call: asUser(ROOT)}));
    expect([error.code, error.exit]).to.deep.equal(['USER_FORBIDDEN', EXIT.refused]);
    expect(error.message).to.include('identity.allowRoot');
    const allowed = plan({facts: {caller: ROOT}, call: asUser(ROOT), policy: {identity: {allowRoot: true}}});
    expect(stepsOf(allowed, 'identity.take')).to.deep.equal([]);
  });
});

describe('CPUs', () => {
  const rows: [pinned: number[], count: number, chosen: number[]][] = [
    [[], 2, [2, 3]],
    [[2, 3], 2, [4, 5]],
    [[2, 3, 4], 2, [2, 5]],
    [[2, 2, 3, 4, 5], 3, [3, 4, 5]],
    [[0, 1, 7], 1, [2]],
    [[5], 99, [2, 3, 4, 5]],
    [[], 0, []],
  ];
  for (const [pinned, count, chosen] of rows) {
    it(`${count} with ${pinned.join(',') || 'none'} taken: ${chosen.join(',') || 'none'}`, () => {
      const node = facts();
      expect(chooseCpus({...node, cpu: {...node.cpu, allowed: [5, 2, 4, 3], pinned}}, count)).to.deep.equal(chosen);
    });
  }

  it('are pinned when the job asks, by whole CPUs, and all that are allowed where cores have no limit', () => {
    const cpus = (limits: {cores?: number; pinCores: boolean}) => stepOf(plan({job: {limits}}), 'affinity.set');
    expect(cpus({cores: 1.5, pinCores: true})).to.deep.equal({op: 'affinity.set', cpus: [2, 3], because: 'pinned to 2 of 4 CPUs'});
    expect(cpus({pinCores: true})?.cpus).to.deep.equal([2, 3, 4, 5]);
    expect(cpus({cores: 2, pinCores: false})).to.equal(undefined);
    expect(stepOf(plan({job: {limits: {cores: 1}}, policy: {maxima: {pinCores: true}}}), 'affinity.set')?.cpus).to.deep.equal([2]);
  });
});

describe('plan', () => {
  it('has the job’s command and work directory as its last step', () => {
    const {steps} = plan({job: {command: ['a', '', 'b c'], workDirectory: 'sub'}});
    expect(steps.at(-1)).to.deep.equal({
      op: 'payload.execute',
      argv: ['a', '', 'b c'],
      workDirectory: `${WORK}/sub`,
      because: 'job.yaml#/workDirectory',
    });
  });

  it('lets the payload die before the wrapper, but where it only observes', () => {
    expect(stepOf(plan(), 'oom.adjust')?.value).to.equal(500);
    expect(stepOf(plan({policy: {mode: 'observe'}}), 'oom.adjust')).to.equal(undefined);
  });

  it('takes directories, log and site from the policy', () => {
    const made = plan({
      policy: {
        site: {name: 'UKI'},
        directories: {state: '/s/%u', log: '/l/%u.log'},
        log: {level: 'debug', format: 'json'},
        debug: {pauseAt: ['supervisor-made']},
      },
    });
    expect(made.directories).to.deep.equal({state: '/s/1001', spools: ['/s/1001/spool'], scratch: '/s/1001/scratch', log: '/l/1001.log'});
    expect(made.log).to.deep.equal({level: 'debug', format: 'json'});
    expect(made.site.name).to.equal('UKI');
    expect(made.pauseAt).to.deep.equal(['supervisor-made']);
  });

  it('says which inputs it is from', () => {
    const {inputs} = plan();
    for (const digest of Object.values(inputs)) expect(digest).to.match(/^[0-9a-f]{64}$/);
    const changed = (parts: Parts): string[] => {
      const other = plan(parts).inputs;
      return Object.entries(inputs).flatMap(([name, digest]) => (other[name as keyof typeof inputs] === digest ? [] : [name]));
    };
    expect(changed({})).to.deep.equal([]);
    expect(changed({job: {name: 'x'}})).to.deep.equal(['job']);
    expect(changed({call: {environment: {A: '1'}}})).to.deep.equal(['job']);
    expect(changed({policy: {grace: 1}})).to.deep.equal(['policy']);
    expect(changed({facts: {devices: []}})).to.deep.equal(['facts']);
  });
});
