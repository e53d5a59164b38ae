import {expect} from 'chai';
import {hasSignal, LongWaits, pendingIn} from '../../../src/supervise/stuck.js';

describe('processes that wait in the kernel', () => {
  it('pending signals are those of the thread and of its process', () => {
    const status = 'Name:\tpython3\nSigQ:\t0/95000\nSigPnd:\t0000000000000100\nShdPnd:\t0000000000004000\nSigBlk:\tffffffffffffffff\n';
    const pending = pendingIn(status);
    expect([9, 15, 2, 0, 64].map((signal) => hasSignal(pending, signal))).to.deep.equal([true, true, false, false, false]);
    expect(pendingIn('Name:\tx\n')).to.equal(0n);
    expect(hasSignal(pendingIn('SigPnd:\t8000000000000000\n'), 64)).to.equal(true);
  });

  it('a wait is as long as the same thread was seen waiting without a break', () => {
    const waits = new LongWaits();
    expect(waits.longestUs([], 0)).to.equal(0);
    expect(waits.longestUs(['1:10'], 1000)).to.equal(0);
    expect(waits.longestUs(['1:10', '2:20'], 2500)).to.equal(1500);
    expect(waits.longestUs(['2:20'], 3000)).to.equal(500);
    // the same number, another thread
    expect(waits.longestUs(['2:99'], 4000)).to.equal(0);
    expect(waits.longestUs([], 5000)).to.equal(0);
    expect(waits.longestUs(['2:99'], 6000)).to.equal(0);
  });
});
