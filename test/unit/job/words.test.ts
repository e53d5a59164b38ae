import {expect} from 'chai';
import {at, below, parentOf} from '../../../src/job/at.js';
import {explain} from '../../../src/job/explain.js';
import {Problems} from '../../../src/job/problems.js';
import {either, show, typeWord} from '../../../src/job/show.js';
import {suggest} from '../../../src/job/suggest.js';
import {TareError, TareErrors} from '../../../src/errors.js';

describe('suggest', () => {
  const limits = ['cores', 'memory', 'swap', 'processes', 'wallTime', 'cpuTime', 'openFiles'];
  const rows: [string, string | null][] = [
    ['memroy', 'memory'],
    ['Memory', 'memory'],
    ['wall_time', 'wallTime'],
    ['wall-time', 'wallTime'],
    ['walltime', 'wallTime'],
    ['cpuTimes', 'cpuTime'],
    ['core', 'cores'],
    ['proceses', 'processes'],
    ['disk', null],
    ['ram', null],
    ['', null],
    ['x'.repeat(100_000), null],
  ];
  for (const [word, expected] of rows) it(`${word.slice(0, 20)}: ${expected}`, () => expect(suggest(word, limits)).to.equal(expected));
  it('takes the nearest, not the first', () => expect(suggest('observ', ['observed', 'observe'])).to.equal('observe'));
  it('has nothing to say where nothing is allowed', () => expect(suggest('a', [])).to.equal(null));
});

describe('words', () => {
  it('values on one short line', () => {
    expect([undefined, null, Number.NaN, 1.5, 'a\nb', [1], {a: 1}].map(show)).to.deep.equal([
      'nothing',
      'null',
      'NaN',
      '1.5',
      '"a\\nb"',
      '[1]',
      '{"a":1}',
    ]);
    expect(show('😀'.repeat(500))).to.equal(`"${'😀'.repeat(58)}…`);
  });
  it('alternatives', () => expect([[], ['a'], ['a', 'b'], ['a', 'b', 'c']].map(either)).to.deep.equal(['', 'a', 'a or b', 'a, b or c']));
  it('types, known or not', () => expect(['array', 'integer', 'tuple'].map(typeWord)).to.deep.equal(['a list', 'a whole number', 'tuple']));
  it('places', () => {
    expect([at('f', ''), at('f', '/a'), below('/a', 'b/~'), below('', 0)]).to.deep.equal(['f', 'f#/a', '/a/b~1~0', '/0']);
    expect([parentOf(''), parentOf('/a'), parentOf('/a/b')]).to.deep.equal([null, '', '/a']);
  });
  it("ajv's own words where we have none, its keyword where it has none", () => {
    const base = {instancePath: '/x', schemaPath: '', params: {}, data: 3};
    expect(explain({...base, keyword: 'multipleOf', message: 'must be multiple of 2'})).to.include({
      message: 'must be multiple of 2',
      found: '3',
    });
    expect(explain({...base, keyword: 'if'})).to.include({message: 'if'});
    expect(explain({...base, keyword: 'pattern', params: {pattern: '^a'}}).allowed).to.equal('text that matches ^a');
    expect(explain({...base, keyword: 'const', params: {allowedValue: 1}})).to.include({message: 'not the expected value', allowed: '1'});
    expect(explain({...base, keyword: 'minLength'}).allowed).to.equal('one character or more');
  });
});

describe('Problems', () => {
  const error = new TareError('QUANTITY_INVALID', {message: 'm'});
  it('none, one, several', () => {
    const problems = new Problems();
    expect(() => problems.throwIfAny()).to.not.throw();
    problems.add(error);
    expect(() => problems.throwIfAny()).to.throw(TareError);
    problems.add(error);
    expect(() => problems.throwIfAny()).to.throw(TareErrors);
  });
  it('a defect of ours is not a problem of the document', () => {
    const problems = new Problems();
    expect(problems.attempt(() => 5)).to.equal(5);
    expect(
      problems.attempt(() => {
        throw error;
      }),
    ).to.equal(null);
    expect(() =>
      problems.attempt(() => {
        throw new RangeError('ours');
      }),
    ).to.throw(RangeError);
  });
});
