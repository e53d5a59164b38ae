import {expect} from 'chai';
import {noGroups, type Groups, type GroupUsage} from '../../../src/cgroup/manager.js';
import {Levels} from '../../../src/supervise/levels.js';
import {plan} from '../plan/build.js';
import {weighPayload} from '../../../src/supervise/weigh.js';

/** Groups whose usage is what `now` says at each look. */
function groups(now: () => Partial<GroupUsage>): Groups {
  return {...noGroups, usage: () => ({...noGroups.usage('payload'), ...now()})};
}

const NOBODY = {sampler: null, levels: null, init: null, applications: []};

describe('peaks that the kernel does not keep', () => {
  it('go on from what a supervisor before saw', () => {
    let memCurrentBytes = 9;
    const old = groups(() => ({memCurrentBytes, pidsNow: 3}));
    const first = new Levels(old);
    first.look();
    memCurrentBytes = 4;
    const next = new Levels(old, JSON.parse(JSON.stringify(first.kept())) as ReturnType<Levels['kept']>);
    next.look();
    expect(next.report()).to.include({memPeakBytes: 9, pidsPeak: 3, samples: 2});
  });

  it('are the largest that was seen, often where memory has no peak', () => {
    let memCurrentBytes = 5;
    const old = groups(() => ({
      memCurrentBytes,
      anonBytes: memCurrentBytes - 1,
      swapBytes: 2,
      pidsNow: 3,
      memNowSource: 'cgroup2:memory.stat',
    }));
    const levels = new Levels(old);
    expect(levels.look()).to.equal(250);
    memCurrentBytes = 9;
    levels.look();
    memCurrentBytes = 4;
    levels.look();
    expect(levels.report()).to.include({memPeakBytes: 9, anonPeakBytes: 8, swapPeakBytes: 2, pidsPeak: 3, samples: 3, periodMs: 250});
    const {usage, flags} = weighPayload(plan(), old, {...NOBODY, levels: levels.report()});
    expect(usage).to.include({
      memPeakBytes: 9,
      memPeakSource: 'sampled:cgroup2:memory.current (page cache included)',
      anonPeakBytes: 8,
      anonPeakSource: 'sampled:cgroup2:memory.stat',
      swapPeakBytes: 2,
      swapPeakSource: 'sampled',
      pidsPeak: 3,
      pidsPeakSource: 'sampled:pids.current',
    });
    expect(flags).to.include('sampled-memory');
  });

  it('are seldom looked for where the kernel keeps all but anonymous memory', () => {
    const kept = {
      memCurrentBytes: 5,
      memPeakBytes: 50,
      memPeakSource: 'cgroup2:memory.peak',
      pidsNow: 1,
      pidsPeak: 7,
      pidsPeakSource: 'cgroup2:pids.peak',
    };
    const now = groups(() => ({...kept, anonBytes: 3, swapPeakBytes: 0, swapPeakSource: 'cgroup2:memory.swap.peak', swapBytes: 0}));
    const levels = new Levels(now);
    expect([0, 1, 2, 3, 4, 5, 6, 7].map(() => levels.look())).to.deep.equal([200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
    const {usage, flags} = weighPayload(plan(), now, {...NOBODY, levels: levels.report()});
    expect(usage).to.include({memPeakBytes: 50, memPeakSource: 'cgroup2:memory.peak', anonPeakBytes: 3, pidsPeak: 7, swapPeakBytes: 0});
    expect(flags).to.not.include('sampled-memory');
  });

  it('are null where nothing was seen', () => {
    const levels = new Levels(noGroups);
    levels.look();
    expect(levels.report()).to.include({memPeakBytes: null, anonPeakBytes: null, swapPeakBytes: null, pidsPeak: null});
  });
});
