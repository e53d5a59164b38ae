import {expect} from 'chai';
import {fieldOf} from '../../../src/live/inspect.js';

describe('a field of what tare inspect tells', () => {
  const job = {id: 'ab', record: {outcome: {exitCode: 7, signal: null}, flags: ['killed']}};
  const found: [string, unknown][] = [
    ['id', 'ab'],
    ['record.outcome.exitCode', 7],
    ['record.outcome.signal', null],
    ['record.flags.0', 'killed'],
    ['record.outcome', {exitCode: 7, signal: null}],
  ];
  for (const [path, value] of found)
    it(path, () => {
      expect(fieldOf(job, path)).to.deep.equal({found: value});
    });

  it('what is not there is said, with what is', () => {
    expect(fieldOf(job, 'record.exitCode')).to.equal('no record.exitCode; allowed there: outcome, flags');
    expect(fieldOf(job, 'id.x')).to.equal('no id.x; allowed there: nothing, it has no parts');
    for (const path of ['', 'constructor', '__proto__', 'record..outcome', 'record.flags.1'])
      expect(fieldOf(job, path), path).to.match(/^no /);
  });
});
