import {expect} from 'chai';
import {accountsIn, classify, NO_HOLE, type Evidence, type Hole, type Classification} from '../../../src/node-state/classify.js';
import type {Report} from '../../../src/node-state/report.js';
import type {HealthResult} from '../../../src/schema/generated/health-1.js';

type Probe = HealthResult['probes'][number];

const NOW = 1_800_000_000_000_000;
const MINUTE = 60e6;
const DRAIN: Hole = {failures: 5, withinUs: 10 * MINUTE, drains: true};
const BOX = {mode: 'box', flags: [], limits: {memory: 'kernel'}};

const probe = (change: Partial<Probe> = {}): Probe => ({
  ...{uid: 1001, user: 'a', at: NOW - MINUTE, healthy: true, timeouts: 0, tookUs: 1000, got: BOX, wanted: BOX, because: null},
  ...change,
});
const failures = (uid: number, count: number, atUs = NOW - 2 * MINUTE, change: Partial<Report> = {}): Report[] =>
  Array.from({length: count}, () => ({uid, epochMs: atUs / 1000, kind: 'failed' as const, code: 'ENGINE_FAILED', id: 'ab', ...change}));
const look = (change: Partial<Evidence> = {}): Classification =>
  classify({nowUs: NOW, hole: DRAIN, checks: [], probes: [probe()], reports: [], before: null, ...change});
/** What the next look finds written. */
const after = (made: Classification, change: Partial<HealthResult> = {}): HealthResult => ({
  ...{schema: 'tare/health/v1', at: NOW, bootId: null, version: '1', probes: [], checks: [], resetAt: null},
  ...made,
  ...change,
});

describe('the judgement of a node', () => {
  it('is that it is healthy when nothing is wrong', () => {
    expect(look()).to.deep.equal({
      healthy: true,
      reason: null,
      faults: [],
      closedSince: null,
      boxed: true,
      failures: 0,
      failuresByAccount: [],
      degraded: {},
      forgivenAt: null,
      explainedAt: null,
    });
    expect(look({probes: []}).boxed).to.equal(null);
    expect(look({probes: [probe({got: null, wanted: null, because: 'refused'})]}).boxed).to.equal(null);
  });

  it('closes at once on a fault that was seen', () => {
    const missing = look({checks: [{name: 'engine', state: 'missing', because: '/usr/bin/bwrap is gone'}]});
    expect([missing.healthy, missing.reason, missing.closedSince]).to.deep.equal([false, 'engine: /usr/bin/bwrap is gone', NOW]);
    expect(missing.faults).to.deep.equal(['engine']);
    const failed = look({probes: [probe({healthy: false, got: null, because: 'ENGINE_FAILED'})]});
    expect([failed.healthy, failed.reason, failed.boxed]).to.deep.equal([false, 'a box as a: ENGINE_FAILED', false]);
    expect(failed.faults).to.deep.equal(['box']);
  });

  it('closes when something was not answered twice in a row, and not before', () => {
    const checks = [{name: 'spool', state: 'unknown' as const, because: 'no answer in 5 s'}];
    const first = look({checks});
    expect([first.healthy, first.reason]).to.deep.equal([true, 'spool: no answer in 5 s']);
    const second = look({checks, before: after(first, {checks})});
    expect([second.healthy, second.reason]).to.deep.equal([false, 'spool: no answer in 5 s, twice in a row']);
    const late = (timeouts: number) => look({probes: [probe({healthy: null, timeouts, because: 'no end in 60 s'})]});
    expect([late(1).healthy, late(2).healthy, late(2).reason]).to.deep.equal([true, false, 'a box as a: no end in 60 s, 2 times in a row']);
  });

  it('says what is less than wanted, and stays open', () => {
    const less = look({
      checks: [{name: 'clock', state: 'limited', because: 'not synchronised'}],
      probes: [probe({got: {...BOX, mode: 'limits-only'}, because: 'limits-only, wanted: box'})],
    });
    expect([less.healthy, less.boxed, less.reason]).to.deep.equal([
      true,
      false,
      'clock: not synchronised; a box as a: limits-only, wanted: box',
    ]);
  });

  it('never closes on the word of one account', () => {
    const one = look({reports: failures(1001, 100)});
    expect([one.healthy, one.failures, one.failuresByAccount]).to.deep.equal([
      true,
      100,
      [{uid: 1001, count: 100, codes: ['ENGINE_FAILED']}],
    ]);
  });

  it('closes on the word of two accounts, when they say it as often as the policy has it', () => {
    const few = look({reports: [...failures(1001, 3), ...failures(1002, 1)]});
    expect(few.healthy).to.equal(true);
    const many = look({reports: [...failures(1001, 4), ...failures(1002, 1, NOW - MINUTE, {code: 'BOX_UNAVAILABLE'})]});
    expect([many.healthy, many.reason]).to.deep.equal([
      false,
      '5 failures of the wrapper in 10 min, of 2 accounts: BOX_UNAVAILABLE ENGINE_FAILED',
    ]);
  });

  it('counts no failure that is old, suspected, or of a policy that does not drain', () => {
    const two = [...failures(1001, 5), ...failures(1002, 5)];
    expect(look({reports: two, hole: {...DRAIN, drains: false}})).to.include({healthy: true, failures: 10});
    expect(look({reports: two, hole: NO_HOLE}).healthy).to.equal(true);
    const old = [...failures(1001, 5, NOW - 11 * MINUTE), ...failures(1002, 5)];
    expect(look({reports: old})).to.include({healthy: true, failures: 5});
    const suspected = [...failures(1001, 5, undefined, {kind: 'suspected'}), ...failures(1002, 5)];
    expect(look({reports: suspected})).to.include({healthy: true, failures: 5});
    expect(look({reports: null}).failures).to.equal(null);
  });

  it('forgets failures before a reset, and counts those after it', () => {
    const before = after(look(), {resetAt: NOW - MINUTE});
    expect(look({reports: [...failures(1001, 5), ...failures(1002, 5)], before})).to.include({healthy: true, failures: 0});
    const again = [...failures(1001, 5, NOW - 1e6), ...failures(1002, 5, NOW - 1e6)];
    const closed = look({reports: again, before});
    expect(closed).to.include({healthy: false, failures: 10});
    expect(closed.faults).to.deep.equal(['jobs']);
  });

  it('opens again as soon as the cause is gone', () => {
    const closed = look({checks: [{name: 'engine', state: 'missing', because: null}]});
    const open = look({before: after(closed)});
    expect([open.healthy, open.closedSince]).to.deep.equal([true, null]);
    const still = look({nowUs: NOW + MINUTE, checks: [{name: 'engine', state: 'missing', because: null}], before: after(closed)});
    expect(still.closedSince).to.equal(NOW);
  });

  it('that reports of jobs closed opens when boxes of all accounts that reported succeed afterwards, once in the time for which failures count', () => {
    const reports = [...failures(1001, 5), ...failures(1002, 5)];
    const closed = look({reports});
    const before = after(closed);
    const later = NOW + MINUTE;
    const both = [probe({at: later - 1e6}), probe({uid: 1002, at: later - 1e6})];
    expect(look({reports, before, nowUs: later, probes: both.slice(0, 1)}).healthy).to.equal(false);
    expect(look({reports, before, nowUs: later, probes: [probe(), probe({uid: 1002})]}).healthy).to.equal(false);
    const open = look({reports, before, nowUs: later, probes: both});
    expect([open.healthy, open.failures, open.forgivenAt]).to.deep.equal([true, 0, later]);
    // no probe sees what is wrong: then only time helps
    const again = [...reports, ...failures(1001, 5, later + 1e6), ...failures(1002, 5, later + 1e6)];
    const second = look({reports: again, before: after(open), nowUs: later + 2e6, probes: both});
    expect(second.healthy).to.equal(false);
    const fresh = [probe({at: later + 3e6}), probe({uid: 1002, at: later + 3e6})];
    expect(look({reports: again, before: after(second), nowUs: later + 4e6, probes: fresh}).healthy).to.equal(false);
    expect(look({reports: again, before: after(second), nowUs: later + 11 * MINUTE, probes: fresh}).healthy).to.equal(true);
  });

  it('that a fault closed opens when that is mended, as often as it may be: what jobs reported meanwhile is explained', () => {
    const checks = [{name: 'policy', state: 'missing' as const, because: null}];
    let before = after(look(), {forgivenAt: NOW - MINUTE});
    for (const nowUs of [NOW + MINUTE, NOW + 3 * MINUTE]) {
      const reports = [...failures(1001, 5, nowUs - 1e6), ...failures(1002, 5, nowUs - 1e6)];
      const closed = look({nowUs, checks, reports, before});
      expect([closed.healthy, closed.faults]).to.deep.equal([false, ['policy', 'jobs']]);
      const open = look({nowUs: nowUs + 1e6, reports, before: after(closed)});
      expect([open.healthy, open.failures, open.forgivenAt, open.explainedAt]).to.deep.equal([true, 0, NOW - MINUTE, nowUs + 1e6]);
      before = after(open);
    }
    // what nothing explains closes it as ever
    const more = [...failures(1001, 5, NOW + 4 * MINUTE), ...failures(1002, 5, NOW + 4 * MINUTE)];
    expect(look({nowUs: NOW + 4 * MINUTE, reports: more, before}).faults).to.deep.equal(['jobs']);
  });

  it('counts what ran with less, by flag', () => {
    const reports = failures(1001, 2, undefined, {kind: 'degraded', code: 'unboxed'});
    expect(look({reports: [...reports, ...failures(1002, 1, undefined, {kind: 'degraded', code: 'limits-only'})]}).degraded).to.deep.equal({
      'limits-only': 1,
      unboxed: 2,
    });
  });

  it('knows the accounts that have jobs', () => {
    expect(accountsIn([...failures(1002, 2), ...failures(1001, 1)])).to.deep.equal([1001, 1002]);
  });
});
