import {expect} from 'chai';
import {nextProbe, type Schedule} from '../../../src/node-state/due.js';
import type {Report} from '../../../src/node-state/report.js';

const NOW = 1_800_000_000_000_000;
const MINUTE = 60e6;
type Probe = Schedule['probes'][number];
const probe = (uid: number, at: number, healthy: boolean | null = true): Probe => ({
  ...{uid, user: null, at, healthy, timeouts: 0, tookUs: 1, got: null, wanted: null, because: null},
});
const failed = (uid: number, atUs: number): Report => ({uid, epochMs: atUs / 1000, kind: 'failed', code: 'X', id: 'a'});
const next = (change: Partial<Schedule>): number | null =>
  nextProbe({nowUs: NOW, accounts: [1, 2, 3], probes: [], reports: [], changed: false, ...change});

describe('the next full probe', () => {
  it('is of who was never tried, or not for longest, every ten minutes', () => {
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

  it('is of the account whose job failed since, once a minute at most', () => {
    const probes = [1, 2, 3].map((uid) => probe(uid, NOW - 2 * MINUTE));
    expect(next({probes, reports: [failed(2, NOW - MINUTE)]})).to.equal(2);
    expect(next({probes, reports: [failed(2, NOW - 3 * MINUTE)]})).to.equal(null);
    const tried = [probe(1, NOW - 2 * MINUTE), probe(2, NOW - MINUTE / 2), probe(3, NOW - 2 * MINUTE)];
    expect(next({probes: tried, reports: [failed(2, NOW)]})).to.equal(null);
    expect(next({probes: tried, reports: [failed(2, NOW), failed(3, NOW)]})).to.equal(3);
  });

  it('is of a faulty one again, so that a node that is mended opens', () => {
    const probes = [probe(1, NOW - 20 * MINUTE), probe(2, NOW - 1, false), probe(3, NOW - 2, null)];
    expect(next({probes})).to.equal(3);
    expect(next({probes: probes.slice(0, 2)})).to.equal(2);
  });
});
