import {expect} from 'chai';
import {noGroups, type Groups, type GroupUsage} from '../../../src/cgroup/manager.js';
import type {Sampler, Sampled} from '../../../src/supervise/sampler.js';
import {startWatches, type StopPayload, type WatchedBox} from '../../../src/supervise/watches.js';
import type {EngineReport, InitReport} from '../../../src/decide/observation.js';
import {weighPayload, weighProcesses, weighTare} from '../../../src/supervise/weigh.js';
import {monotonicUs} from '../../../src/process/clock.js';
import type {Step} from '../../../src/plan/step.js';
import {MIB, plan} from '../plan/build.js';

const INIT: InitReport = {
  rawStatus: 0,
  payloadUserUs: 1,
  payloadSystemUs: 2,
  childrenUserUs: 300,
  childrenSystemUs: 100,
  largestProcessBytes: 5 * MIB,
  killedProcesses: 0,
  endedUs: 9,
};
const NOBODY = {sampler: null, levels: null, init: null, applications: []};
const PEAKS: Sampled = {
  rssPeakBytes: 20 * MIB,
  pssPeakBytes: null,
  vmemPeakBytes: null,
  swapPeakBytes: null,
  weightPeakBytes: null,
  rssAverageBytes: null,
  pssAverageBytes: null,
  vmemAverageBytes: null,
  swapAverageBytes: null,
  largestProcessBytes: 9 * MIB,
  pidsPeak: 3,
  cpuUs: 200,
  samples: 4,
  longestGapUs: 77,
  lookUs: 9,
  pssReads: 2,
  pssUs: 8,
  pssLongestUs: 5,
};
const sampled = (change: Partial<Sampled> = {}): Sampler => ({report: () => ({...PEAKS, ...change})}) as unknown as Sampler;
const counting = (usage: Partial<GroupUsage>): Groups => ({
  ...noGroups,
  usage: () => ({...noGroups.usage('payload'), ...usage}),
  memoryEvents: () => ({version: 2, oomKills: 1, groups: []}),
});

describe('the payload’s weight', () => {
  it('is what the groups counted', () => {
    const counted = {
      cpuUserUs: 1,
      cpuSystemUs: 2,
      cpuSource: 'cgroup2',
      throttledUs: 3,
      memPeakBytes: 4,
      memPeakSource: 'cgroup2',
      swapPeakBytes: 5,
      ioReadBytes: 6,
      ioWriteBytes: 7,
      pidsPeak: 8,
    };
    const {usage, flags} = weighPayload(plan(), counting(counted), {...NOBODY, init: INIT});
    expect(usage).to.include({...counted, oomKills: 1, rssPeakBytes: null, pssPeakBytes: null, largestProcessBytes: 5 * MIB});
    expect(flags).to.deep.equal([]);
  });

  const cpu: [title: string, init: InitReport | null, cpuUs: number | null, expected: [number | null, number | null, string | null]][] = [
    ['init’s rusage where it is more', INIT, 200, [300, 100, 'rusage']],
    ['init’s rusage where it is the same', INIT, 400, [300, 100, 'rusage']],
    ['what was seen where that is more, split as init’s is', INIT, 1001, [751, 250, 'sampled']],
    ['what was seen where init waited for nothing', {...INIT, childrenUserUs: 0, childrenSystemUs: 0}, 7, [7, 0, 'sampled']],
    ['init’s rusage where nothing was seen', INIT, null, [300, 100, 'rusage']],
    ['what was seen where init is gone', null, 200, [200, 0, 'sampled']],
    ['unknown', null, null, [null, null, null]],
  ];
  for (const [title, init, cpuUs, [user, system, source]] of cpu) {
    it(`of CPU time without groups is ${title}, and flagged`, () => {
      const {usage, flags} = weighPayload(plan(), noGroups, {...NOBODY, sampler: sampled({cpuUs}), init});
      expect([usage.cpuUserUs, usage.cpuSystemUs, usage.cpuSource]).to.deep.equal([user, system, source]);
      expect(flags).to.include('partial');
    });
  }

  const memory: [title: string, peaks: Partial<Sampled> | null, init: InitReport | null, bytes: number | null, source: string | null][] = [
    ['the resident sum', {}, INIT, 20 * MIB, 'sampled:rss'],
    ['the proportional size where it was taken', {pssPeakBytes: 12 * MIB}, INIT, 12 * MIB, 'sampled:pss'],
    [
      'with what is held besides, where that is more',
      {pssPeakBytes: 12 * MIB, weightPeakBytes: 30 * MIB},
      INIT,
      30 * MIB,
      'sampled:pss, and what is held without being mapped',
    ],
    ['the largest process where no sample was taken', null, INIT, 5 * MIB, 'rusage:largest process'],
    ['unknown', null, null, null, null],
  ];
  for (const [title, peaks, init, bytes, source] of memory) {
    it(`of memory without groups is ${title}, and flagged when known`, () => {
      const {usage, flags} = weighPayload(plan(), noGroups, {...NOBODY, sampler: peaks === null ? null : sampled(peaks), init});
      expect([usage.memPeakBytes, usage.memPeakSource, flags.includes('sampled-memory')]).to.deep.equal([bytes, source, bytes !== null]);
    });
  }
});

describe('the wrapper’s own weight', () => {
  const ENGINE: EngineReport = {rawStatus: 0, userUs: 1000, systemUs: 500, shimUserUs: 10, shimSystemUs: 20, stderr: '', limited: false};
  const processes = [
    {name: 'shim', privateBytes: 10, privateDirtyBytes: 1},
    {name: 'supervisor', privateBytes: 20, privateDirtyBytes: 2},
  ];
  const times = {launchUs: 1, teardownUs: 2};

  it('is all of its processes’, without the payload’s, which the engine’s rusage holds', () => {
    const before = process.cpuUsage();
    const {cpuUserUs, cpuSystemUs, ...rest} = weighTare(times, processes, INIT, ENGINE);
    const after = process.cpuUsage();
    expect(cpuUserUs).to.be.within(before.user + 710, after.user + 710);
    expect(cpuSystemUs).to.be.within(before.system + 420, after.system + 420);
    expect(rest).to.deep.equal({...times, privateMemoryBytes: 30, privateDirtyBytes: 3, processes});
    // an engine that was killed has no rusage of its children
    expect(weighTare(times, processes, INIT, {...ENGINE, userUs: 1}).cpuUserUs).to.be.at.least(before.user + 10);
  });

  it('is unknown in part or whole, never 0', () => {
    expect(weighTare(times, [...processes, {name: 'init', privateBytes: null, privateDirtyBytes: null}], null, null)).to.include({
      cpuUserUs: null,
      cpuSystemUs: null,
      privateMemoryBytes: null,
      privateDirtyBytes: null,
    });
    expect(weighTare(times, [], INIT, ENGINE).privateMemoryBytes).to.equal(null);
  });

  it('is of shim, supervisor, engine and init, as far as they are there', () => {
    const self = weighProcesses(process.pid, null);
    expect(self.map(({name}) => name)).to.deep.equal(['shim', 'supervisor']);
    for (const {privateBytes, privateDirtyBytes} of self) expect(privateBytes).to.be.at.least(privateDirtyBytes ?? Infinity);
    expect(weighProcesses(2 ** 30, process.pid).map(({name}) => name)).to.deep.equal(['shim', 'supervisor', 'engine', 'init']);
    expect(weighProcesses(2 ** 30, process.pid)[0]).to.deep.equal({name: 'shim', privateBytes: null, privateDirtyBytes: null});
    // without an engine the shim itself is init's parent
    expect(weighProcesses(process.ppid, process.pid).map(({name}) => name)).to.deep.equal(['shim', 'supervisor', 'init']);
  });
});

describe('watches', () => {
  const because = 'a test';
  const fakeSampler = (change: Partial<Sampler>): Sampler =>
    ({
      sample: () => undefined,
      rssBytes: 0,
      threads: 1,
      leastPeriodMs: 0,
      isPssDue: () => true,
      isPssPeakDue: false,
      leastPssPeriodMs: 0,
      readPssBytes: () => 0,
      readCpuUs: () => 0,
      report: () => PEAKS,
      ...change,
    }) as unknown as Sampler;
  interface Seen {
    stops: Parameters<StopPayload>[];
    oomKills: number;
    watch: ReturnType<ReturnType<typeof startWatches>['report']> | null;
    notes: string[];
  }
  const watch = async (step: Step, box: Partial<WatchedBox>, ms = 30): Promise<Seen> => {
    const seen: Seen = {stops: [], oomKills: 0, watch: null, notes: []};
    const full: WatchedBox = {
      groups: noGroups,
      sampler: null,
      holdings: null,
      sampled: true,
      scratch: null,
      executedUs: monotonicUs(),
      cpus: 2,
      ...box,
    };
    const watches = startWatches({...plan(), steps: [step]}, full, {
      stop: (...stop) => seen.stops.push(stop),
      overMemory: (stop) => {
        seen.stops.push([stop, 'hard', 0]);
        return false;
      },
      oomKilled: () => seen.oomKills++,
      note: (what) => seen.notes.push(what),
    });
    await new Promise((resolve) => setTimeout(resolve, ms));
    seen.watch = watches.report();
    watches.end();
    return seen;
  };
  const MEMORY: Step = {op: 'watch.memory', limitBytes: 100 * MIB, periodMs: 5, because};

  it('stop a payload over its wall time once, softly, and not before', async () => {
    const step: Step = {op: 'watch.wallTime', limitUs: 25_000, graceUs: 7, suspended: 'excluded', because};
    let before: Seen;
    let beganUs: number;
    // a busy machine may take longer than the limit, which then was right to stop it
    do {
      beganUs = monotonicUs();
      before = await watch(step, {}, 10);
    } while (monotonicUs() - beganUs >= 25_000);
    expect(before.stops).to.deep.equal([]);
    const {stops} = await watch(step, {}, 80);
    expect(stops.map(([{limit}, how, graceUs]) => [limit, how, graceUs])).to.deep.equal([['wallTime', 'soft', 7]]);
    expect(stops[0]?.[0].evidence).to.match(/on the monotonic clock, suspended time excluded, allowed 25ms$/);
    // another supervisor that takes over does not begin anew
    expect((await watch(step, {executedUs: monotonicUs() - 25_000}, 5)).stops).to.have.length(1);
  });

  it('stop a payload over its CPU time, by the groups or else by the samples', async () => {
    const step: Step = {op: 'watch.cpuTime', limitUs: 1000, graceUs: 7, because};
    expect(
      (await watch(step, {groups: {...noGroups, cpuUs: () => 1000}, sampler: fakeSampler({readCpuUs: () => 0})})).stops[0]?.slice(1),
    ).to.deep.equal(['soft', 7]);
    expect(
      (await watch(step, {groups: {...noGroups, cpuUs: () => 999}, sampler: fakeSampler({readCpuUs: () => 5000})})).stops,
    ).to.deep.equal([]);
    expect((await watch(step, {sampler: fakeSampler({readCpuUs: () => 1001})})).stops[0]?.[0].limit).to.equal('cpuTime');
    let used = 900;
    const later = await watch(step, {groups: {...noGroups, cpuUs: () => (used += 60)}}, 80);
    expect(later.stops).to.have.length(1);
  });

  it('stop a payload over its memory by the proportional size, never by the resident sum', async () => {
    const pss = (size: number, rssBytes = 150 * MIB): Promise<Seen> =>
      watch(MEMORY, {sampler: fakeSampler({rssBytes, readPssBytes: () => size})});
    expect((await pss(100 * MIB)).stops).to.deep.equal([]);
    const over = await pss(100 * MIB + 1);
    expect(over.stops.map(([{limit}, how]) => [limit, how])).to.deep.equal([['memory', 'hard']]);
    expect(over.watch).to.deep.equal({
      events: null,
      periodUs: 5000,
      longestGapUs: 77,
      samples: 4,
      overshootBytes: 1,
      lookUs: 9,
      pssReads: 2,
      pssUs: 8,
      pssLongestUs: 5,
      heldReads: null,
      heldUs: null,
      heldPeakBytes: null,
      unseen: [],
    });
    // the walk of every mapping is made only when the cheap sum is over
    let walks = 0;
    await watch(MEMORY, {sampler: fakeSampler({rssBytes: 99 * MIB, readPssBytes: () => ++walks})});
    expect(walks).to.equal(0);
    expect((await pss(1)).watch?.overshootBytes).to.equal(null);
  });

  it('stop a payload with too many processes', async () => {
    const step: Step = {op: 'watch.processes', limit: 9, periodMs: 5, because};
    expect((await watch(step, {sampler: fakeSampler({threads: 9})})).stops).to.deep.equal([]);
    const {stops} = await watch(step, {sampler: fakeSampler({threads: 10})});
    expect(stops).to.deep.equal([[{limit: 'processes', evidence: 'counted 10 processes and threads, allowed 9'}, 'hard', 0]]);
  });

  it('tell once of a kill by the kernel', async () => {
    const step: Step = {op: 'watch.oom', directory: '/g', version: 1, periodMs: 2, because};
    let kills: number | null = null;
    const groups: Groups = {...noGroups, memoryEvents: () => ({version: 1, oomKills: kills, groups: []})};
    expect((await watch(step, {groups})).oomKills).to.equal(0);
    kills = 1;
    expect((await watch(step, {groups})).oomKills).to.equal(1);
  });

  it('read the memory of processes for the record, first soon and then at growing intervals, and stop no process', async () => {
    const step: Step = {op: 'weigh.processes', periodMs: 10, because};
    const walks: number[] = [];
    const counted = {sampled: false, groups: {...noGroups, cpuUs: () => 0}};
    const sampler = fakeSampler({readPssBytes: () => walks.push(1)});
    const seen = await watch(step, {...counted, sampler}, 35);
    expect(walks.length).to.be.within(1, 4);
    expect(seen.stops).to.deep.equal([]);
    // what is counted is not sampled; what looking cost is said all the same
    expect(seen.watch).to.include({periodUs: null, samples: null, longestGapUs: null, lookUs: 9, pssReads: 2});
    walks.length = 0;
    await watch(step, {...counted, sampler: fakeSampler({readPssBytes: () => walks.push(1), leastPssPeriodMs: 1e6})}, 60);
    expect(walks).to.have.length(1);
  });

  it('end when they are told, and sample also without a limit', async () => {
    let samples = 0;
    const step: Step = {op: 'oom.adjust', value: 1, because};
    const sampler = fakeSampler({sample: () => samples++});
    const {watch: report} = await watch(step, {sampler}, 5);
    expect(samples).to.equal(1);
    expect(report).to.include({periodUs: 250_000, overshootBytes: null});
    const before = samples;
    // a machine that is busy looks more seldom
    await watch({...MEMORY, periodMs: 1}, {sampler}, 400);
    expect(samples).to.be.above(before + 3);
    const ended = samples;
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(samples).to.equal(ended);
  });
});
