import {expect} from 'chai';
import {ambiguous, choose} from '../../../src/live/choose.js';

const job = (id: string, record: string, name: string | null): {ids: string[]; name: string | null} => ({ids: [id, record], name});
const jobs = [
  job('ab12', 'e8975800-0000-5000-8000-000000000001', 'simulate'),
  job('ab34', 'e8975811-0000-5000-8000-000000000002', 'merge'),
  job('cd', 'ff000000-0000-5000-8000-000000000003', 'ab12'),
  job('cdef', 'ff111111-0000-5000-8000-000000000004', 'merge'),
  job('1234', '11111111-0000-5000-8000-000000000005', 'cafe'),
  job('cafe', '22222222-0000-5000-8000-000000000006', null),
  job('beef', '33333333-0000-5000-8000-000000000007', '12'),
];

describe('which jobs a word means', () => {
  const cases: [string, string[]][] = [
    // an exact id wins over a longer one that begins so, and over a name
    ['cd', ['cd']],
    ['ab12', ['ab12']],
    ['cafe', ['cafe']],
    ['e8975800-0000-5000-8000-000000000001', ['ab12']],
    // the beginning of an id, of the box or of the record
    ['ab1', ['ab12']],
    ['e8975811', ['ab34']],
    ['ab', ['ab12', 'ab34']],
    ['e89758', ['ab12', 'ab34']],
    // names, whole
    ['simulate', ['ab12']],
    ['merge', ['ab34', 'cdef']],
    ['simul', []],
    ['Simulate', []],
    // the beginning of one's id and the name of another: no guess
    ['12', ['1234', 'beef']],
    ['', []],
    ['-', []],
    ['..', []],
    ['AB12', []],
  ];
  for (const [word, ids] of cases)
    it(`${JSON.stringify(word)}: ${ids.join(', ') || 'none'}`, () => {
      expect(choose(jobs, word).map(({ids: [id]}) => id)).to.deep.equal(ids);
    });

  it('a word in the form of a whole id is never a name', () => {
    const digits = '0123456789abcdef';
    const uuid = 'e8975800-0000-5000-8000-0000000000ff';
    for (const word of [digits, uuid, digits.toUpperCase(), uuid.toUpperCase()]) {
      expect(choose([job('ab12', '77777777-0000-5000-8000-000000000001', word)], word), word).to.deep.equal([]);
    }
    const meant = job(digits, uuid, null);
    const other = job('cd34', '77777777-0000-5000-8000-000000000002', digits);
    expect(choose([other, meant], digits)).to.deep.equal([meant]);
    expect(choose([other, meant], uuid)).to.deep.equal([meant]);
    const short = digits.slice(1);
    expect(choose([job('cd34', '77777777-0000-5000-8000-000000000002', short)], short), 'one digit less').to.have.length(1);
  });

  it('several are listed, no more than a line holds', () => {
    const shown = [...Array(10).keys()].map((index) => `a${index}`);
    expect(ambiguous('a', 'live boxes', shown).message).to.equal(
      'several live boxes have an id that begins with a, or that name; found: a0, a1, a2, a3, a4, a5, a6, a7 and 2 more; give more of the id',
    );
  });
});
