import {expect} from 'chai';
import {isOpen, renderAttacks} from '../../../src/report/attacks.js';
import {verdictOf} from '../../../src/report/doctor-text.js';

const attack = (result: 'held' | 'open' | 'not tried', found: string | null): Parameters<typeof renderAttacks>[0][number] => ({
  ...{name: 'terminal', numbers: ['CVE-2017-5226'], engine: 'crun', tried: 'the payload types', result, found},
});

describe('what doctor says of attacks', () => {
  it('is a line for each, with what got through or why nothing was tried, and their count', () => {
    const text = renderAttacks([attack('held', null), attack('open', 'a\u001B[2Jterminal'), attack('not tried', 'there is none')]);
    expect(text.split('\n').slice(1)).to.deep.equal([
      'held    crun    terminal  CVE-2017-5226  the payload types',
      'OPEN    crun    terminal  CVE-2017-5226  the payload types: a?[2Jterminal',
      '-       crun    terminal  CVE-2017-5226  not tried: there is none',
      '3 attacks, by behaviour and not by version: 1 held, 1 open, 1 not tried',
      '',
    ]);
  });

  it('makes a node unhealthy when one got through, and not when one could not be tried', () => {
    const verdict = (...attacks: Parameters<typeof isOpen>[0]): string => verdictOf(true, {healthy: true, less: false}, isOpen(attacks));
    expect(verdict(attack('held', null), attack('not tried', 'why'))).to.equal('healthy');
    expect(verdict(attack('held', null), attack('open', 'what'))).to.equal('not healthy: an attack got through');
  });
});
