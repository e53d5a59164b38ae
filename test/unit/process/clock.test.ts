import {expect} from 'chai';
import {after, monotonicUs, setClock, sleep} from '../../../src/process/clock.js';

const LONGEST = 2 ** 31 - 1;

describe('the monotonic clock', () => {
  it('stays as it is when the shim’s is the same', () => {
    const asked = monotonicUs();
    setClock(monotonicUs(), asked);
    expect(monotonicUs() - asked).to.be.within(0, 50_000);
  });

  it('is the shim’s when the runtime counts from elsewhere', () => {
    const asked = monotonicUs();
    setClock(asked + 5e9, asked);
    expect(monotonicUs() - asked).to.be.within(5e9, 5e9 + 50_000);
    setClock(asked, monotonicUs()); // and back
    expect(monotonicUs() - asked).to.be.within(0, 50_000);
  });
});

describe('a delay', () => {
  it('that is longer than a timer’s longest does not end at once, and can be called off', async () => {
    let fired = 0;
    const callOff = after(2 ** 31 + 10, () => fired++);
    await sleep(50);
    callOff();
    expect(fired).to.equal(0);
  });

  it('that is short ends in its time, once, unless it is called off', async () => {
    const fired: string[] = [];
    const started = performance.now();
    let tookMs = 0;
    after(20, () => {
      fired.push('kept');
      tookMs = performance.now() - started;
    });
    const callOff = after(10, () => fired.push('called off'));
    callOff();
    await sleep(80);
    expect(fired).to.deep.equal(['kept']);
    expect(tookMs).to.be.at.least(18);
    callOff(); // again: does nothing
  });

  describe('by a timer of the test’s', () => {
    const real = {setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout};
    let timers: {ms: number; run: () => void; cleared: boolean}[];
    beforeEach(() => {
      timers = [];
      globalThis.setTimeout = ((run: () => void, ms: number) => timers.push({ms, run, cleared: false})) as unknown as typeof setTimeout;
      globalThis.clearTimeout = ((timer: number) => {
        timers[timer - 1]!.cleared = true;
      }) as typeof clearTimeout;
    });
    afterEach(() => {
      Object.assign(globalThis, real);
    });

    const delays: [ms: number, parts: number[]][] = [
      [0, [0]],
      [LONGEST, [LONGEST]],
      [LONGEST + 1, [LONGEST, 1]],
      [2 ** 31 + 10, [LONGEST, 11]],
      [3 * LONGEST + 5, [LONGEST, LONGEST, LONGEST, 5]],
    ];
    for (const [ms, parts] of delays) {
      it(`of ${ms} ms is waited for in ${parts.length} parts`, () => {
        let fired = 0;
        after(ms, () => fired++);
        for (let index = 0; index < parts.length; index++) {
          expect(fired).to.equal(0);
          expect(timers).to.have.length(index + 1);
          timers[index]!.run();
        }
        expect(fired).to.equal(1);
        expect(timers.map((timer) => timer.ms)).to.deep.equal(parts);
      });
    }

    it('is called off in its second part too', () => {
      const callOff = after(2 ** 31 + 10, () => undefined);
      timers[0]!.run();
      callOff();
      expect(timers.map(({cleared}) => cleared)).to.deep.equal([false, true]);
    });
  });
});
