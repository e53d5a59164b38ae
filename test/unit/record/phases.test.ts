import {expect} from 'chai';
import {endedOutcome, hasCheckpoint, RUNNING} from '../../../src/record/outcome.js';
import {afterPhases, atCheckpoint, closedBetweenPhases, isBetweenPhases} from '../../../src/record/phases.js';
import {hostOf, NO_TARE, NO_TIME, NO_USAGE, startedRecord, type UsageRecord} from '../../../src/record/record.js';
import validateRecord from '../../../src/schema/generated/record-2.validator.js';
import {facts, plan, USER} from '../plan/build.js';

const CALLER = {pid: 77, startTicks: 5};
const WRAPPER = {pidNamespace: 'pid:[4026531836]', shim: null, supervisor: null, caller: CALLER};
const MIB = 1024 ** 2;

describe('phases of an attempt', () => {
  const started = startedRecord(
    {
      lrms: {type: 'htcondor', host: 'schedd', queue: null, localJobId: '7.0', globalJobId: 'schedd#7.0#1', attempt: 1},
      identity: USER,
      grid: {global: null, issuer: null, vo: null, fqan: null, groups: []},
      parent: null,
      name: 'phased',
      host: hostOf(facts(), '0.2.0'),
      trust: 'user',
      site: {name: 'TEST', infrastructure: null, description: null},
    },
    plan(),
  );
  /** A phase of its own, that began at a second and took some. */
  const phase = (second: number, seconds: number, usage: Partial<UsageRecord['usage']> = {}, exitCode = 85): UsageRecord => ({
    ...started,
    state: 'final',
    time: {...NO_TIME, startEpochUs: second * 1e6, endEpochUs: (second + seconds) * 1e6, wallUs: seconds * 1e6, clockStepUs: 3},
    usage: {...NO_USAGE, cpuUserUs: 100, cpuSystemUs: 10, memPeakBytes: 5 * MIB, memPeakSource: 'cgroup', ...usage},
    tare: {...NO_TARE, launchUs: 50, privateMemoryBytes: 7},
    outcome: endedOutcome({rawStatus: exitCode << 8, stop: null, oom: null, noted: [], trouble: null, killedProcesses: 0}),
  });
  const valid = (record: UsageRecord): UsageRecord => {
    expect(
      validateRecord(structuredClone(record)),
      JSON.stringify(validateRecord.errors?.map(({instancePath, message}) => [instancePath, message])),
    ).to.equal(true);
    return record;
  };

  it('a record without phases before it stays as it is', () => {
    const one = phase(1, 2);
    expect(afterPhases(null, one)).to.equal(one);
  });

  it('sums, peaks, and averages by wall time; unknown figures stay unknown', () => {
    const first = valid(atCheckpoint(null, phase(10, 2, {rssAverageBytes: 100, ioReadBytes: 4}), WRAPPER));
    const all = valid(afterPhases(first, phase(20, 6, {rssAverageBytes: 500, memPeakBytes: 3 * MIB, ioReadBytes: null}, 0)));
    expect(all.time).to.deep.include({startEpochUs: 10e6, endEpochUs: 26e6, wallUs: 8e6, clockStepUs: 6});
    expect(all.usage).to.deep.include({
      ...{cpuUserUs: 200, cpuSystemUs: 20, memPeakBytes: 5 * MIB, memPeakSource: 'cgroup'},
      ...{rssAverageBytes: 400, ioReadBytes: 4, ioWriteBytes: null, oomKills: null},
    });
    expect(all.tare).to.deep.include({launchUs: 100, privateMemoryBytes: 7, teardownUs: null});
    expect(all.phases?.list.map(({status, exitCode, wallUs}) => [status, exitCode, wallUs])).to.deep.equal([
      ['checkpoint', 85, 2e6],
      ['completed', 0, 6e6],
    ]);
    expect([all.state, all.outcome.status, all.phases?.count]).to.deep.equal(['final', 'completed', 2]);
  });

  it('between two of them the record is open for the next call of the wrapper; without one it ends as stopped', () => {
    const between = atCheckpoint(null, phase(10, 2), WRAPPER);
    expect([between.state, between.outcome, between.wrapper?.caller]).to.deep.equal(['started', RUNNING, CALLER]);
    expect([isBetweenPhases(between), isBetweenPhases(started), isBetweenPhases(phase(1, 1))]).to.deep.equal([true, false, false]);
    const closed = valid(closedBetweenPhases(between));
    expect([closed.state, closed.outcome.status, closed.outcome.exitCode, closed.wrapper]).to.deep.equal(['final', 'stopped', 85, null]);
    expect([closed.time, closed.usage]).to.deep.equal([between.time, between.usage]);
  });

  it('while the next one runs, the record has the figures so far', () => {
    const running = valid(afterPhases(atCheckpoint(null, phase(10, 2), WRAPPER), started));
    expect([running.state, running.outcome.status, running.phases?.count, running.usage.cpuUserUs]).to.deep.equal([
      'started',
      'running',
      1,
      100,
    ]);
  });

  it('a phase without CPU time makes the sum partial', () => {
    const all = afterPhases(atCheckpoint(null, phase(10, 2), WRAPPER), phase(20, 1, {cpuUserUs: null, cpuSystemUs: null}, 0));
    expect([all.usage.cpuUserUs, all.flags.includes('partial')]).to.deep.equal([100, true]);
    expect(afterPhases(atCheckpoint(null, phase(10, 2), WRAPPER), phase(20, 1)).flags).not.to.include('partial');
  });

  it('the last hundred are listed, and all are counted', () => {
    let record: UsageRecord | null = null;
    for (let index = 0; index < 130; index++) record = atCheckpoint(record, phase(index, 1), WRAPPER);
    const all = valid(afterPhases(record, phase(130, 1, {}, 0)));
    expect([all.phases?.count, all.phases?.list.length, all.usage.cpuUserUs, all.time.wallUs]).to.deep.equal([131, 100, 13_100, 131e6]);
    expect(all.phases?.list[0]?.startEpochUs).to.equal(31e6);
  });

  it('what ended otherwise is no checkpoint', () => {
    const agreed = {exitCode: 85, signal: null};
    const ended = (rawStatus: number, more: object = {}) =>
      endedOutcome({rawStatus, stop: null, oom: null, noted: [], trouble: null, killedProcesses: 0, ...more});
    const limit = ended(85 << 8, {oom: {whose: 'payload', evidence: 'oom_kill +1'}});
    expect([
      hasCheckpoint(ended(85 << 8), 85 << 8, agreed),
      hasCheckpoint(ended(0), 0, agreed),
      hasCheckpoint(ended(9), 9, agreed),
      hasCheckpoint(ended(85 << 8), 85 << 8),
      hasCheckpoint(limit, 85 << 8, agreed),
      hasCheckpoint(ended(12), 12, {exitCode: null, signal: 12}),
    ]).to.deep.equal([true, false, false, false, false, true]);
  });
});
