import {expect} from 'chai';
import {nextDueUs, nextProbe, type Schedule} from '../../../src/node-state/due.js';
import type {Report} from '../../../src/node-state/report.js';

const NOW = 1_800_000_000_000_000;
const MINUTE = 60e6;
type Probe = Schedule['probes'][number];
const probe = (uid: number, at: number, healthy: boolean | null = true, more: Partial<Probe> = {}): Probe => ({
  ...{uid, user: null, at, healthy, timeouts: 0, tookUs: 1, got: null, wanted: null, because: null},
  ...more,
});
const failed = (uid: number, atUs: number): Report => ({uid, epochMs: atUs / 1000, kind: 'failed', code: 'X', id: 'a'});
const next = (change: Partial<Schedule>): number | null =>
  nextProbe({nowUs: NOW, accounts: [1, 2, 3], probes: [], reports: [], explainedAt: null, changed: false, ...change});

describe('the next full probe', () => {
  it('is of the account that was never tried, or not for longest, every ten minutes', () => {
    expect(next({})).to.equal(1);
    const probes = [probe(1, NOW - 20 * MINUTE), probe(2, NOW - 30 * MINUTE)];
    expect(next({probes})).to.equal(3);
    expect(next({probes: [...probes, probe(3, NOW - 10 * MINUTE)]})).to.equal(2);
    expect(next({probes: [...probes, probe(3, NOW - 9 * MINUTE)]})).to.equal(null);
  });

  it('comes at once when the policy or Tare has changed, and after the clock was set back', () => {
    expect(next({probes: [probe(1, NOW - MINUTE)], changed: true})).to.equal(2);
    expect(next({probes: [1, 2, 3].map((uid) => probe(uid, NOW + 60 * MINUTE))})).to.equal(1);
  });

  it('is at once of the account whose job failed since, also when it was tried just before', () => {
    const probes = [1, 2, 3].map((uid) => probe(uid, NOW - MINUTE / 6));
    expect(next({probes, reports: [failed(2, NOW)]})).to.equal(2);
    expect(next({probes, reports: [{...failed(2, NOW), kind: 'suspected'}]})).to.equal(2);
    expect(next({probes, reports: [{...failed(2, NOW), kind: 'started'}]})).to.equal(null);
    expect(next({probes, reports: [failed(2, NOW - MINUTE)]})).to.equal(null);
  });

  it('is of an account whose jobs ask in vain once a minute at most', () => {
    const probes = [probe(1, NOW - MINUTE / 2), probe(2, NOW - MINUTE / 2, true, {vainAt: NOW - MINUTE / 2}), probe(3, NOW - MINUTE / 2)];
    expect(next({probes, reports: [failed(2, NOW)]})).to.equal(null);
    expect(next({probes, reports: [failed(2, NOW), failed(3, NOW)]})).to.equal(3);
    expect(next({probes, reports: [failed(2, NOW)], nowUs: NOW + MINUTE / 2})).to.equal(2);
    const reports = [failed(2, NOW)];
    expect(nextDueUs({nowUs: NOW, accounts: [1, 2, 3], probes, reports, explainedAt: null})).to.equal(NOW + MINUTE / 2);
  });

  it('is not asked for by what a fault explains that is mended', () => {
    const probes = [1, 2, 3].map((uid) => probe(uid, NOW - 2 * MINUTE));
    expect(next({probes, reports: [failed(2, NOW - MINUTE)]})).to.equal(2);
    expect(next({probes, reports: [failed(2, NOW - MINUTE)], explainedAt: NOW - MINUTE / 2})).to.equal(null);
  });

  it('is of a faulty one again, so that a node that is mended opens', () => {
    const probes = [probe(1, NOW - 20 * MINUTE), probe(2, NOW - 1, false), probe(3, NOW - 2, null)];
    expect(next({probes})).to.equal(3);
    expect(next({probes: probes.slice(0, 2)})).to.equal(2);
  });
});
