import {expect} from 'chai';
import {parseAd} from '../../../plugins/htcondor/classad.js';

/** Of a line as HTCondor 23.9 writes or reads it. */
const one = (right: string) => parseAd(`A = ${right}`);

describe('an ad', () => {
  const integers: [string, number | null][] = [
    ['0', 0],
    ['-0', 0],
    ['-42', -42],
    ['9007199254740991', 2 ** 53 - 1],
    ['9007199254740992', null],
    ['9223372036854775807', null],
    ['12345678901234567890', null],
    ['010', null],
    ['0x10', null],
    ['1K', null],
    ['1.0', null],
    ['- 5', null],
    ['+5', null],
    ['(5)', null],
    ['5;', null],
    ['true', null],
    ['"5"', null],
    ['', null],
  ];
  for (const [text, value] of integers) {
    it(`has for ${text || 'nothing'} ${value === null ? 'no integer' : `the integer ${value}`}, and the text`, () => {
      expect(one(text).integer('A')).to.equal(value);
      expect(one(text).text('A')).to.equal(text);
    });
  }

  const numbers: [string, number | null][] = [
    ['-5', -5],
    ['0.0', 0],
    ['1.5', 1.5],
    ['.5', 0.5],
    ['1.5E-07', 1.5e-7],
    ['1E+300', 1e300],
    ['9223372036854775807', 2 ** 63],
    ['1E+400', null],
    ['real("NaN")', null],
    ['real("-INF")', null],
    ['Infinity', null],
    ['5.', null],
    ['1e', null],
    ['10 * 60', null],
    ['""', null],
    ['', null],
  ];
  for (const [text, value] of numbers) {
    it(`has for ${text || 'nothing'} ${value === null ? 'no number' : `the number ${value}`}`, () => {
      expect(one(text).number('A')).to.equal(value);
    });
  }

  const strings: [string, string | null][] = [
    [String.raw`""`, ''],
    [String.raw`"a b"`, 'a b'],
    [String.raw`"my \"quoted\" back\slash é name"`, String.raw`my "quoted" back\slash é name`],
    [String.raw`"one\ntwo\t\101\x41"`, String.raw`one\ntwo\t\101\x41`],
    [String.raw`"a\\b"`, String.raw`a\\b`],
    [String.raw`"C:\dir\"`, 'C:\\dir\\'],
    [String.raw`"\""`, '"'],
    [String.raw`"a\""`, 'a"'],
    [String.raw`"a\\"b"`, String.raw`a\"b`],
    [String.raw`"\"`, '\\'],
    ['"a\tb"', 'a\tb'],
    ['"__proto__"', '__proto__'],
    ['"a\0b"', null],
    ['"', null],
    ['"a', null],
    ['a"', null],
    ['"""', null],
    ['"a" + "b"', null],
    ['"a" "b"', null],
    ["'a'", null],
    ['undefined', null],
    ['ERROR', null],
    ['5', null],
    ['{ "a" }', null],
    ['[ a = "b" ]', null],
  ];
  for (const [text, value] of strings) {
    it(`has for ${JSON.stringify(text)} ${value === null ? 'no string' : 'its string'}`, () =>
      expect(one(text).string('A')).to.equal(value));
  }

  const booleans: [string, boolean | null][] = [
    ['true', true],
    ['FALSE', false],
    ['TrUe', true],
    ['t', null],
    ['1', null],
    ['"true"', null],
    ['true || false', null],
    ['undefined', null],
  ];
  for (const [text, value] of booleans) {
    it(`has for ${text} ${value === null ? 'no boolean' : `the boolean ${value}`}`, () => expect(one(text).boolean('A')).to.equal(value));
  }

  it('knows names in any case, and the last of two counts', () => {
    const ad = parseAd('GpusProvisioned = 1\nother = 5\ngpusPROVISIONED = 2\n');
    expect(ad.integer('GPUsProvisioned')).to.equal(2);
    expect(ad.text('OTHER')).to.equal('5');
  });

  it('keeps an expression as text, to its end', () => {
    const text = '(TARGET.Arch == "X86_64") && (TARGET.Cpus >= RequestCpus)';
    expect(parseAd(`Requirements = ${text}\n`).text('Requirements')).to.equal(text);
    expect(one('B =?= "c=d"').text('A')).to.equal('B =?= "c=d"');
  });

  it('leaves out what is no attribute', () => {
    const ad = parseAd("\n# A = 1\n// A = 2\n1A = 3\nA b = 4\n'A' = 5\n*** Offset = 6\nA\n= 7\nA: 8\n\uFEFFB=9\n");
    expect(ad.text('A')).to.equal(null);
    expect(ad.integer('B')).to.equal(9);
  });

  it('may end its lines with CR and LF, and needs no end', () => {
    const ad = parseAd('A = 1\r\nB = "x"\r\nC = TRUE');
    expect([ad.integer('A'), ad.string('B'), ad.boolean('C')]).to.deep.equal([1, 'x', true]);
  });

  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    it(`has no ${name} but one that it was given`, () => {
      expect(parseAd('A = 1').text(name)).to.equal(null);
      expect(parseAd(`${name} = 5`).integer(name)).to.equal(5);
      expect(({} as Record<string, unknown>)['5']).to.equal(undefined);
    });
  }

  it('that is no text of an ad is empty', () => {
    for (const text of ['', '\0', '\0=\0', '=', '====', '\ud800 = 1', '\r\r\r', '"'.repeat(100)]) {
      const ad = parseAd(text);
      expect([ad.text('A'), ad.string('A'), ad.integer(''), ad.text('')]).to.deep.equal([null, null, null, null]);
    }
  });

  const long = 10_000_000;
  const large: [string, string][] = [
    ['a string', `"${'x'.repeat(long)}"`],
    ['a string of quotes', `"${'\\"'.repeat(long / 2)}"`],
    ['a string that does not end', `"${'\\"'.repeat(long / 2)}`],
    ['a number', '9'.repeat(long)],
    ['a number that is none', `${'9'.repeat(long)}x`],
    ['spaces', `${' '.repeat(long)}x`],
  ];
  for (const [what, text] of large) {
    it(`with ${what} of 10 MB is read in time`, () => {
      const ad = one(text);
      expect([ad.integer('A'), ad.boolean('A'), ad.number('A')]).to.deep.equal([null, null, null]);
      ad.string('A');
      expect(parseAd(`${text} = 1`).text('A')).to.equal(null);
    });
  }

  it('of a million lines is read in time, with and without names', () => {
    expect(parseAd('A = 1\n'.repeat(1e6)).integer('A')).to.equal(1);
    expect(parseAd('no name\n'.repeat(1e6)).text('no')).to.equal(null);
  });
});
