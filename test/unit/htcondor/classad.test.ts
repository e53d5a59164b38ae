import {expect} from 'chai';
import {parseAd} from '../../../plugins/htcondor/classad.js';

describe('an ad', () => {
  const ad = parseAd(
    [
      'Cpus = 4',
      'Memory = 2048.5',
      'Huge = 9223372036854775807',
      'Owner = "atlas001"',
      'Quoted = "say \\"hi\\""',
      'Windows = "C:\\dir\\"',
      'Want = TRUE',
      'Not = false',
      'Nothing = undefined',
      'Requirements = (Cpus >= 4) && (TARGET.Name == "a\\"b")',
      'List = { 1, "a" }',
      'Two = "a" + "b"',
      'cpus = 8',
      '__proto__ = 1',
      'constructor = "x"',
      'not a line',
      'Same == 5',
      '= 3',
      'Empty = ',
      'CR = 7\r',
      'Spaces   =    "  kept  "   ',
    ].join('\n'),
  );

  it('gives literals as what they are', () => {
    expect([ad.integer('CPUS'), ad.integer('Memory'), ad.number('memory'), ad.number('Cpus')]).to.deep.equal([8, null, 2048.5, 8]);
    expect([ad.string('owner'), ad.string('Quoted'), ad.string('Spaces')]).to.deep.equal(['atlas001', 'say "hi"', '  kept  ']);
    expect([ad.boolean('want'), ad.boolean('NOT'), ad.boolean('Cpus'), ad.boolean('absent')]).to.deep.equal([true, false, null, null]);
    expect([ad.integer('CR'), ad.string('Windows')]).to.deep.equal([7, 'C:\\dir\\']);
  });

  it('keeps a number that is not exact as text only', () => {
    expect([ad.integer('Huge'), ad.text('Huge')]).to.deep.equal([null, '9223372036854775807']);
  });

  it('evaluates nothing', () => {
    expect(ad.text('Requirements')).to.equal('(Cpus >= 4) && (TARGET.Name == "a\\"b")');
    for (const name of ['Requirements', 'List', 'Two', 'Nothing', 'Empty', 'Same', 'absent'])
      expect([ad.integer(name), ad.number(name), ad.string(name), ad.boolean(name)], name).to.deep.equal([null, null, null, null]);
  });

  it('has no attribute that nobody wrote', () => {
    expect([ad.text('toString'), ad.boolean('toString'), ad.integer('__proto__'), ad.string('constructor')]).to.deep.equal([
      null,
      null,
      1,
      'x',
    ]);
    expect(parseAd('').text('constructor')).to.equal(null);
  });

  it('of any size is read in its time', () => {
    expect(parseAd(`A = "${'x'.repeat(5e6)}"`).string('A')).to.have.length(5e6);
    expect(parseAd('A = 1\n'.repeat(300_000)).integer('A')).to.equal(1);
    expect(parseAd(`${' '.repeat(1e6)}x${' '.repeat(1e6)}`).text('x')).to.equal(null);
    expect(parseAd(`A =${' '.repeat(1e6)}1`).integer('A')).to.equal(1);
  });
});
