import {expect} from 'chai';
import type {StallReading} from '../../../src/cgroup/manager.js';
import {StallDetector, stallLookMs} from '../../../src/supervise/stall.js';

const MIB = 2 ** 20;
const AFTER_US = 60e6;
/** What one second adds, and what is there then: a program of 100 MB text under 30 MiB, Linux 6.12, measured. */
const THRASHING = {hits: 650, kills: 0, faults: 600, refaults: 20_000, userUs: 20_000, fullUs: 550_000, anon: 29 * MIB, file: 0.13 * MIB};
type Second = Omit<typeof THRASHING, 'fullUs'> & {fullUs: number | null};

/** Looks every second while each adds what `second` says, and tells when a stall was found, in seconds. */
function classify(
  second: Second | ((at: number) => Second),
  limitBytes = 30 * MIB,
  seconds = 120,
): {at: number | null; evidence: string | null} {
  const judging = new StallDetector(AFTER_US);
  let reading: StallReading = {
    limitBytes,
    limitHits: 1,
    oomKills: 0,
    anonBytes: 29 * MIB,
    fileBytes: 0,
    majorFaults: 0,
    refaults: 0,
    userUs: 0,
    fullUs: 0,
  };
  for (let at = 0; at <= seconds; at++) {
    const {hits, kills, faults, refaults, userUs, fullUs, anon, file} = typeof second === 'function' ? second(at) : second;
    reading = {
      limitBytes,
      limitHits: reading.limitHits + hits,
      oomKills: reading.oomKills + kills,
      anonBytes: anon,
      fileBytes: file,
      majorFaults: reading.majorFaults + faults,
      refaults: reading.refaults + refaults,
      userUs: reading.userUs + userUs,
      fullUs: fullUs === null || reading.fullUs === null ? null : reading.fullUs + fullUs,
    };
    const evidence = judging.look(reading, at * 1e6);
    if (evidence !== null) return {at, evidence};
  }
  return {at: null, evidence: null};
}

describe('a stall at the memory limit', () => {
  it('is found once it has lasted for the time, and not before', () => {
    const {at, evidence} = classify(THRASHING);
    expect(at).to.equal(60);
    expect(evidence).to.equal(
      'for 1m: limit hit 39000 times, 36000 major faults, 1200000 refaults, user time 2 %, memory pressure full 55 %, 133.12 KiB of page cache left, no oom_kill',
    );
  });

  it('is found where the kernel counts no pressure', () => {
    const {at, evidence} = classify({...THRASHING, fullUs: null});
    expect(at).to.equal(60);
    expect(evidence).to.match(/memory pressure full unknown/);
  });

  it('begins anew after any progress', () => {
    expect(classify((at) => (at === 30 ? {...THRASHING, userUs: 60_000} : THRASHING)).at).to.equal(90);
  });

  const others: [title: string, second: Second | ((at: number) => Second), limitBytes?: number][] = [
    ['computes', {...THRASHING, userUs: 51_000}],
    ['is not at its limit', {...THRASHING, hits: 0}],
    ['reads files through the page cache', {...THRASHING, faults: 0}],
    // measured: mmap, one byte of each page, 190 MiB of 200 MiB taken
    ['streams through a mapping', {...THRASHING, faults: 10, refaults: 37_000, anon: 191 * MIB, file: 8 * MIB}, 200 * MIB],
    ['streams, faster', {...THRASHING, faults: 200, refaults: 250_000}],
    ['jumps about in a mapping with cache left', {...THRASHING, faults: 6500, refaults: 6500, anon: 191 * MIB, file: 8 * MIB}, 200 * MIB],
    ['has 65 MiB of page cache under a large limit', {...THRASHING, file: 65 * MIB}, 64 * 2 ** 30],
    ['grows', (at) => ({...THRASHING, anon: (at / 2) * MIB}), 30 * MIB],
    ['is killed now and then, and starts again', (at) => ({...THRASHING, kills: at % 10 === 0 ? 1 : 0})],
    ['waits for memory a little', {...THRASHING, fullUs: 90_000}],
  ];
  for (const [title, second, limitBytes] of others) {
    it(`is none where the payload ${title}`, () => {
      expect(classify(second, limitBytes).at).to.equal(null);
    });
  }

  it('tells when there is nothing to look at any more', () => {
    const judging = new StallDetector(AFTER_US);
    const reading: StallReading = {
      limitBytes: MIB,
      limitHits: 5,
      oomKills: 0,
      anonBytes: 0,
      fileBytes: 0,
      majorFaults: 0,
      refaults: 0,
      userUs: 0,
      fullUs: 0,
    };
    judging.look(reading, 0);
    expect(judging.isAtLimit).to.equal(true);
    judging.look({...reading, limitHits: 6}, 1e6);
    expect(judging.isAtLimit).to.equal(true);
    judging.look({...reading, limitHits: 6}, 2e6);
    expect(judging.isAtLimit).to.equal(false);
  });

  it('is looked for ten times in its time, within bounds', () => {
    expect([1e6, 60e6, 600e6].map(stallLookMs)).to.deep.equal([1000, 6000, 30_000]);
  });
});
