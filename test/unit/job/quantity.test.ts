import {expect} from 'chai';
import {TareError} from '../../../src/errors.js';
import {
  formatBytes,
  formatCores,
  formatDuration,
  parseCores,
  parseCount,
  parseDuration,
  parseNice,
  parseSize,
} from '../../../src/job/quantity.js';

/** Numbers of every magnitude, always the same ones. */
function* magnitudes(): Generator<number> {
  let state = 42n;
  for (let round = 0; round < 2000; round++) {
    state = (state * 6364136223846793005n + 1442695040888963407n) % 2n ** 64n;
    yield Number((state >> 11n) >> BigInt(round % 53));
  }
}

const refused = (parse: () => unknown): TareError => {
  try {
    parse();
  } catch (error) {
    if (error instanceof TareError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
};

describe('sizes', () => {
  const good: [string | number, number][] = [
    [0, 0],
    [1, 1],
    ['0', 0],
    ['17', 17],
    ['17B', 17],
    ['17 B', 17],
    [' 2 GiB ', 2 ** 31],
    ['1kB', 1000],
    ['1k', 1024],
    ['1K', 1024],
    ['1KiB', 1024],
    ['3MB', 3e6],
    ['3M', 3 * 2 ** 20],
    ['3MiB', 3 * 2 ** 20],
    ['1.5GB', 1.5e9],
    ['1.5G', 1.5 * 2 ** 30],
    ['1.1GB', 1_100_000_000],
    ['1.1GiB', 1_181_116_006],
    ['16GiB', 17_179_869_184],
    ['2000M', 2_097_152_000],
    ['2TB', 2e12],
    ['2T', 2 ** 41],
    ['2TiB', 2 ** 41],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ];
  for (const [text, bytes] of good) it(`${JSON.stringify(text)} is ${bytes}`, () => expect(parseSize(text)).to.equal(bytes));

  const bad = [
    '',
    ' ',
    'GiB',
    '-1',
    '+1',
    '1e9',
    '0x10',
    '1,5GB',
    '1.',
    '.5GB',
    '1.5',
    '1.5B',
    '16 Gi B',
    '16  GiB',
    '1GiBs',
    '1KB',
    '1Mib',
    '1mb',
    '1PB',
    '١GB',
    '9007199254740992',
    '8192TiB',
    `1${'0'.repeat(400)}`,
    -1,
    1.5,
    2 ** 53,
    Number.NaN,
    Number.POSITIVE_INFINITY,
  ];
  for (const text of bad) {
    it(`${JSON.stringify(text).slice(0, 30)} is refused`, () => {
      const error = refused(() => parseSize(text, 'f#/limits/memory'));
      expect(error.code).to.equal('QUANTITY_INVALID');
      expect(error.details.where).to.equal('f#/limits/memory');
      expect(error.details.found).to.be.a('string').and.not.equal('');
      expect(error.details.allowed).to.include('GiB');
    });
  }

  it('the first number beyond 2^53 is refused for its size, not for its form', () => {
    expect(refused(() => parseSize('8192TiB')).message).to.include('less than 2^53');
    expect(parseSize('8191TiB')).to.equal(8191 * 2 ** 40);
  });

  it('every whole number of every unit is read back as it was written', () => {
    for (const bytes of magnitudes()) {
      expect(parseSize(String(bytes))).to.equal(bytes);
      for (const [unit, factor] of [
        ['KiB', 1024],
        ['MB', 1e6],
        ['G', 2 ** 30],
      ] as const) {
        const count = Math.floor(bytes / factor);
        expect(parseSize(`${count}${unit}`)).to.equal(count * factor);
      }
    }
  });

  const shown: [number, string][] = [
    [0, '0 B'],
    [1, '1 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    [1000, '1000 B'],
    [2 ** 31, '2 GiB'],
    [2e9, '2 GB'],
    [1.5e9, '1.5 GB'],
    [2_097_152_000, '2000 MiB'],
    [2 ** 40, '1 TiB'],
    [5e15, '5000 TB'],
    [2e9 + 1, '1.86 GiB'],
    [2 ** 53 - 1, '8192 TiB'],
    [2 ** 50 - 1, '1024 TiB'],
  ];
  for (const [bytes, text] of shown) it(`${bytes} is shown as ${text}`, () => expect(formatBytes(bytes)).to.equal(text));

  it('what is shown is read back within half a hundredth of its unit', () => {
    for (const bytes of magnitudes()) {
      const text = formatBytes(bytes);
      // 2^53 - 1 and its neighbours round up to a figure that is refused.
      if (text === '8192 TiB') continue;
      expect(Math.abs(parseSize(text) - bytes), `${bytes} as ${text}`).to.be.at.most(1 + bytes * 0.0051);
    }
  });
});

describe('durations', () => {
  const S = 1e6;
  const good: [string | number, number][] = [
    [0, 0],
    [1, S],
    [1.5, 1.5 * S],
    [0.1, 100_000],
    [1.000001, 1_000_001],
    ['90', 90 * S],
    ['0.25', 250_000],
    ['250ms', 250_000],
    ['1.5ms', 1500],
    ['1s', S],
    ['90m', 5400 * S],
    ['90min', 5400 * S],
    ['1h30m', 5400 * S],
    ['1h 30m', 5400 * S],
    ['1 h', 3600 * S],
    ['24h', 86_400 * S],
    ['1d', 86_400 * S],
    ['1.5d', 129_600 * S],
    ['1d12h30m15s250ms', 131_415.25 * S],
    ['0.0000019s', 1],
    ['  2h  ', 7200 * S],
  ];
  for (const [text, us] of good) it(`${JSON.stringify(text)} is ${us} µs`, () => expect(parseDuration(text)).to.equal(us));

  const bad = [
    '',
    'h',
    '1 fortnight',
    '1w',
    '24:00:00',
    '30m1h',
    '1h1h',
    '1m1min',
    '1h30',
    '-1h',
    '1e3',
    '1hh',
    '1 h  30m',
    '1H',
    '300000000000000d',
    -1,
    -0.5,
    1e12,
    1e16,
    1e300,
    Number.NaN,
    Number.POSITIVE_INFINITY,
  ];
  for (const text of bad) {
    it(`${JSON.stringify(text)} (${text}) is refused`, () => {
      const error = refused(() => parseDuration(text, '--wall-time'));
      expect(error.code).to.equal('QUANTITY_INVALID');
      expect(error.message).to.match(/^--wall-time: not a duration; found: .+; allowed: .+/);
    });
  }

  it('hints at a unit that is nearly right, and at none where there is none', () => {
    expect(refused(() => parseDuration('1H')).details.remedy).to.equal('did you mean h?');
    expect(refused(() => parseDuration('24:00:00')).details.remedy).to.equal(undefined);
  });

  const shown: [number, string][] = [
    [0, '0s'],
    [1, '0.001ms'],
    [250_000, '250ms'],
    [S, '1s'],
    [1.5 * S, '1.5s'],
    [5400 * S, '1h30m'],
    [60 * S, '1m'],
    [86_400 * S, '1d'],
    [90_061_000_001, '1d1h1m1.000001s'],
    [3600 * S + 1500, '1h1.5ms'],
  ];
  for (const [us, text] of shown) it(`${us} µs is shown as ${text}`, () => expect(formatDuration(us)).to.equal(text));

  it('what is shown is read back exactly', () => {
    for (const us of magnitudes()) expect(parseDuration(formatDuration(us)), String(us)).to.equal(us);
  });
});

describe('cores and counts', () => {
  for (const [text, cores] of [
    [2, 2],
    ['1.5', 1.5],
    [' 8 ', 8],
    [0.01, 0.01],
    [65_536, 65_536],
  ] as const) {
    it(`${JSON.stringify(text)} cores`, () => expect(parseCores(text)).to.equal(cores));
  }
  for (const text of ['', 'two', '200%', '1,5', '-1', '0', 0, 0.009, 65_537, Number.NaN, '2 cores']) {
    it(`${JSON.stringify(text)} (${text}) cores is refused`, () =>
      expect(refused(() => parseCores(text, 'x')).message).to.include('x: not a number of cores; found: '));
  }
  it('one core, more cores', () => expect([1, 1.5, 2].map(formatCores)).to.deep.equal(['1 core', '1.5 cores', '2 cores']));
  for (const [text, count] of [
    [1, 1],
    ['64', 64],
    [' 4096 ', 4096],
  ] as const)
    it(`${JSON.stringify(text)} processes`, () => expect(parseCount(text)).to.equal(count));
  for (const text of ['', '0', 0, -1, 1.5, '1.5', '1e3', 'many', 2 ** 53, '9007199254740993']) {
    it(`${JSON.stringify(text)} processes is refused`, () => expect(refused(() => parseCount(text)).code).to.equal('QUANTITY_INVALID'));
  }
  for (const [text, nice] of [
    [0, 0],
    ['7', 7],
    [' 19 ', 19],
  ] as const)
    it(`${JSON.stringify(text)} as a nice value`, () => expect(parseNice(text)).to.equal(nice));
  for (const text of ['', '-1', -1, 20, '20', 1.5, '1.5', '1e1', Number.NaN]) {
    it(`${JSON.stringify(text)} (${text}) as a nice value is refused`, () =>
      expect(refused(() => parseNice(text)).code).to.equal('QUANTITY_INVALID'));
  }
});
