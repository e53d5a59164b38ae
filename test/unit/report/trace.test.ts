import {expect} from 'chai';
import {formatTrace} from '../../../src/report/trace.js';

describe('where the time went', () => {
  const came = [
    {what: 'the process of the supervisor has started', us: 1_001_500},
    {what: 'its runtime and its program are loaded', us: 1_004_000},
    {what: 'the batch system is told', us: 1_020_250},
  ];

  it('is a line for each moment: when, how long, what', () => {
    expect(formatTrace(came, 1_000_000, true).split('\n')).to.deep.equal([
      '   at, ms      took',
      '     0.00            the wrapper started',
      '     1.50      1.50  the process of the supervisor has started',
      '     4.00      2.50  its runtime and its program are loaded',
      '    20.25     16.25  the batch system is told',
    ]);
  });

  it('says that a supervisor before has died', () => {
    expect(formatTrace(came, 1_000_000, false).split('\n')[0]).to.equal('a supervisor died: what came before the last one is not known');
  });
});
