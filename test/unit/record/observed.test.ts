import {expect} from 'chai';
import {LIMIT_NAMES} from '../../../src/job/job.js';
import {NO_MARKS, withObserved, type Marks} from '../../../src/record/observed.js';
import {NO_TIME, NO_USAGE, type UsageRecord} from '../../../src/record/record.js';
import type {Plan} from '../../../src/schema/generated/plan-1.js';
import {GIB, MIB, plan, type Parts} from '../plan/build.js';

interface Told {
  parts?: Parts;
  usage?: Partial<UsageRecord['usage']>;
  time?: Partial<UsageRecord['time']>;
  marks?: Partial<Marks>;
  cvmfs?: unknown[];
  planned?: Plan;
}

function told({parts = {}, usage, time, marks, cvmfs = [], planned}: Told): UsageRecord {
  const made = planned ?? plan({...parts, policy: {...parts.policy, mode: 'observe'}});
  const record = {flags: ['observe'], cvmfs, usage: {...NO_USAGE, ...usage}, time: {...NO_TIME, ...time}} as unknown as UsageRecord;
  return withObserved(record, made, {...NO_MARKS, ...marks});
}

const limits = (asked: object): Parts => ({job: {limits: asked}});

describe('what would have been', () => {
  it('nothing of it in the record of an enforced job', () => {
    const record = told({planned: plan({})});
    expect(record).not.to.have.property('observed');
    expect(record.flags).to.deep.equal(['observe']);
  });

  const memory = (usage: Partial<UsageRecord['usage']>, marks: Partial<Marks> = {}) => {
    const record = told({parts: limits({memory: '236MiB'}), usage, marks, time: {wallUs: 9e6}});
    const limit = record.observed?.limits.memory;
    return [limit?.exceededBy, limit?.sinceUs, limit?.source, record.flags.includes('would-exceed')];
  };
  const PEAK = {memPeakBytes: 400 * MIB, memPeakSource: 'peak'};

  it('of memory, the kernel’s peak where it is below the limit', () =>
    expect(memory({memPeakBytes: 200 * MIB, memPeakSource: 'peak'})).to.deep.equal([0, null, 'peak', false]));
  it('of memory, exactly the limit is no excess', () => expect(memory({memPeakBytes: 236 * MIB, memPeakSource: 'p'})[0]).to.equal(0));
  it('of memory, what was seen without page cache where the peak is above', () => {
    expect(memory(PEAK, {memoryBytes: 400 * MIB, memorySource: 'seen', sinceUs: {memory: 5}})).to.deep.equal([164 * MIB, 5, 'seen', true]);
    expect(memory(PEAK, {memoryBytes: 100 * MIB, memorySource: 'seen'})).to.deep.equal([0, null, 'seen', false]);
  });
  it('of memory it is not known where only a peak is known that may contain page cache', () =>
    expect(memory(PEAK)).to.deep.equal([null, null, null, false]));
  it('of memory, what was found at the end only was first seen then', () =>
    expect(memory(PEAK, {memoryBytes: 300 * MIB, memorySource: 'end'})[1]).to.equal(9e6));

  it('of wall time, with or without the time that it was suspended, as the policy counts', () => {
    const time = {wallUs: 10e6, suspendedUs: 4e6};
    const of = (suspendedTime: 'excluded' | 'counted') =>
      told({parts: {...limits({wallTime: '7s'}), policy: {suspendedTime}}, time}).observed?.limits.wallTime?.exceededBy;
    expect([of('excluded'), of('counted')]).to.deep.equal([0, 3e6]);
    const even = told({parts: limits({wallTime: '7s'}), time: {wallUs: 10e6, suspendedUs: 0}}).observed?.limits.wallTime;
    expect([even?.exceededBy, even?.sinceUs]).to.deep.equal([3e6, 7e6]);
  });

  it('of CPU time, processes, swap, scratch and cores', () => {
    const {observed} = told({
      parts: {job: {limits: {cpuTime: '2s', processes: 4, swap: '1MiB', scratch: '1GiB', cores: 2}}},
      usage: {cpuUserUs: 2e6, cpuSystemUs: 1e6, cpuSource: 'c', pidsPeak: 9, swapPeakBytes: 3 * MIB, scratchPeakBytes: 3 * GIB},
      marks: {cores: 3.5, sinceUs: {cores: 7}},
    });
    const names = ['cpuTime', 'processes', 'swap', 'scratch', 'cores'] as const;
    expect(names.map((name) => observed?.limits[name]?.exceededBy)).to.deep.equal([1e6, 5, 2 * MIB, 2 * GIB, 1.5]);
  });

  it('a little more than the cores is how a quota is kept, and no excess', () => {
    const cores = told({parts: limits({cores: 2}), marks: {cores: 2.09}}).observed?.limits.cores;
    expect([cores?.peak, cores?.exceededBy]).to.deep.equal([2.09, 0]);
  });

  it('what was not weighed, or did not run, is null in each limit, never 0', () => {
    const {observed, flags} = told({
      parts: limits({memory: '1GiB', cpuTime: '1h', wallTime: '1h', processes: 9, openFiles: 5, nice: 5, cores: 1}),
    });
    for (const name of LIMIT_NAMES) {
      const limit = observed?.limits[name];
      if (limit !== undefined)
        expect([limit.peak, limit.exceededBy, limit.sinceUs, limit.source], name).to.deep.equal([null, null, null, null]);
    }
    expect(flags).to.deep.equal(['observe']);
  });

  it('a repository that cannot be used, where the policy refuses without', () => {
    const parts: Parts = {job: {cvmfs: ['atlas.cern.ch']}, policy: {cvmfs: {allowed: ['*.cern.ch']}}};
    const found = (state: string) =>
      told({parts, cvmfs: [{repository: 'atlas.cern.ch', state, reason: state === 'ok' ? null : 'no answer'}]});
    expect(found('ok').observed?.refused).to.equal(null);
    expect(found('hung').observed?.refused?.reason).to.equal('the repository atlas.cern.ch cannot be used: no answer');
    expect(found('hung').flags).to.include('would-refuse');
  });
});
