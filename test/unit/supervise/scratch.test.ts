import {expect} from 'chai';
import type {Held} from '../../../src/supervise/held.js';
import {WalkMeter} from '../../../src/supervise/scratch.js';

const MIB = 2 ** 20;
const MOST = 64 * MIB;

/** Looks that see one deleted file, of so many bytes each time; calm looks are due too. */
function looks(...sizes: number[]) {
  const suspicions: boolean[] = [];
  const held = (bytes: number): Held => ({
    ways: {tmpfs: 0, memfd: 0, sysv: 0, sockets: 0, pipes: 0, tables: 0},
    ...{bytes: 0, deleted: new Map([['file', bytes]]), lockedBytes: 0, lockedFiles: 0, unseen: [], cpuUs: 0},
  });
  return {
    suspicions,
    isDue: (suspicion: boolean) => suspicions.push(suspicion) > 0,
    look: () => Promise.resolve(held(sizes.shift() ?? 0)),
    report: () => ({reads: 0, us: 0, peakBytes: null, unseen: []}),
    end: () => undefined,
  };
}

/** Nothing is walked there, and no disk tells anything. */
const meterWith = (holdings: ReturnType<typeof looks>): WalkMeter => new WalkMeter(['/nowhere/at/all'], 1000, MOST, holdings);

async function look(meter: WalkMeter): Promise<void> {
  meter.look();
  await new Promise(setImmediate);
}

describe('deleted files on watched scratch', () => {
  it('a look that has seen too much is confirmed at once, whatever the disk says: others may free there what one takes', async () => {
    const holdings = looks(300 * MIB, 300 * MIB);
    const meter = meterWith(holdings);
    await look(meter);
    expect(meter.over(MOST)).to.equal(null);
    await look(meter);
    expect(holdings.suspicions).to.deep.equal([false, true]);
    expect(meter.over(MOST)?.held).to.equal('300 MiB in deleted files that are open');
  });

  it('usage that grew between two looks is looked at once more', async () => {
    const holdings = looks(10 * MIB, 300 * MIB, 300 * MIB);
    const meter = meterWith(holdings);
    for (let count = 0; count < 3; count++) await look(meter);
    expect(holdings.suspicions).to.deep.equal([false, false, true]);
    expect(meter.over(MOST)).to.not.equal(null);
  });

  it('usage within the limit does not shorten the interval', async () => {
    const holdings = looks(10 * MIB, 10 * MIB, 10 * MIB);
    const meter = meterWith(holdings);
    for (let count = 0; count < 3; count++) await look(meter);
    expect(holdings.suspicions).to.deep.equal([false, false, false]);
    expect(meter.over(MOST)).to.equal(null);
  });
});
