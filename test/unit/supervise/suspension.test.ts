import {expect} from 'chai';
import type {Freeze} from '../../../src/cgroup/manager.js';
import {setClock, monotonicUs} from '../../../src/process/clock.js';
import {LOOK_MS, Suspension} from '../../../src/supervise/suspension.js';

describe('suspended time', () => {
  /** As the clock is after the process was stopped. */
  const pass = (ms: number): void => {
    setClock(monotonicUs() + ms * 1000, monotonicUs());
  };
  const unknown: Freeze = {frozen: null, frozenUs: null};

  it('is what a look was late by, and only when that was more than load', () => {
    const suspension = new Suspension(
      () => unknown,
      () => 0,
    );
    pass(LOOK_MS);
    expect(suspension.look()).to.equal(0);
    pass(2 * LOOK_MS - 100);
    expect(suspension.look()).to.equal(0);
    pass(60_000);
    const once = suspension.look();
    expect(once / 1000).to.be.closeTo(60_000 - LOOK_MS, 50);
    expect(suspension.look()).to.equal(once);
    pass(3000);
    expect(suspension.look() / 1000).to.be.closeTo(63_000 - 2 * LOOK_MS, 50);
    expect(suspension.source).to.equal(`looks ${String(LOOK_MS)} ms apart`);
  });

  it('goes on from what a supervisor before saw, and what the kernel has counted since', () => {
    const none = (): number => 0;
    const first = new Suspension(() => unknown, none);
    pass(60_000);
    const us = first.look();
    // nobody knows of the time between the two
    pass(10_000);
    expect(new Suspension(() => unknown, none, first.kept()).look()).to.equal(us);
    const counting = {frozen: false, frozenUs: 700};
    const second = new Suspension(() => ({...counting}), none, {totalUs: us, frozenUs: 400});
    expect(second.look()).to.equal(us + 300);
    expect(second.kept()).to.deep.equal({totalUs: us + 300, frozenUs: 700});
  });

  it('is not the time that a look waited for a CPU', () => {
    let ranUs = 0;
    const suspension = new Suspension(
      () => unknown,
      () => ranUs,
    );
    pass(5000);
    ranUs = 4_300_000;
    expect(suspension.look()).to.equal(0);
    pass(5000);
    expect(suspension.look() / 1000).to.be.closeTo(5000 - LOOK_MS, 50);
  });

  it('is all of the time in which the payload alone was frozen', () => {
    let frozen = false;
    const suspension = new Suspension(
      () => ({frozen, frozenUs: null}),
      () => 0,
    );
    frozen = true;
    expect(suspension.look()).to.be.below(10_000);
    pass(400);
    expect(suspension.look() / 1000).to.be.closeTo(400, 20);
    frozen = false;
    pass(300);
    expect(suspension.look() / 1000).to.be.closeTo(700, 20);
    pass(300);
    expect(suspension.look() / 1000).to.be.closeTo(700, 20);
  });

  it('is what the kernel counts, where it does', () => {
    let frozenUs = 5_000_000;
    const suspension = new Suspension(
      () => ({frozen: false, frozenUs}),
      () => 0,
    );
    pass(3200);
    frozenUs += 3_000_000;
    expect(suspension.look()).to.equal(3_000_000);
    expect(suspension.source).to.match(/frozen_usec/);
  });
});
