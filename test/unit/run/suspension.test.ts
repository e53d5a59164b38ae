import {expect} from 'chai';
import {setClock, monotonicUs} from '../../../src/run/clock.js';
import {LOOK_MS, Suspension} from '../../../src/run/suspension.js';

describe('suspended time', () => {
  /** As the clock is after the process was stopped. */
  const pass = (ms: number): void => {
    setClock(monotonicUs() + ms * 1000, monotonicUs());
  };

  it('is what a look was late by, and only when that was more than load', () => {
    const suspension = new Suspension();
    pass(LOOK_MS);
    expect(suspension.look()).to.equal(0);
    pass(2 * LOOK_MS - 100);
    expect(suspension.look()).to.equal(0);
    pass(60_000);
    const once = suspension.look();
    expect(once / 1000).to.be.closeTo(60_000 - LOOK_MS, 50);
    expect(suspension.look()).to.equal(once);
    pass(30_000);
    expect(suspension.look() / 1000).to.be.closeTo(90_000 - 2 * LOOK_MS, 50);
  });
});
