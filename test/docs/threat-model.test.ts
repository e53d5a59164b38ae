/** docs/explanation/threat-model.md against the tests and attacks that it names: a promise that nothing tries, or a hole that it does not tell, fails here. */

import {existsSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {attacksOf} from '../attacks/attack.js';
import {KNOWN} from '../attacks/known.js';
import {checkout, codes, contentOf, tableBelow} from './tables.js';

const MODEL = 'docs/explanation/threat-model.md';
/** In the place of a test's file: the suite of attacks, by their names. */
const ATTACKS = 'test/attacks';
/** So many holes of other sandboxes are told apart at least. */
const LEAST_HOLES = 10;
/** What a reason has at least, in letters. */
const REASON = 40;

/** Titles of the tests of a file that are run; `…` stands for what is filled in. */
function titlesOf(file: string): string[] {
  const literals = contentOf(file).matchAll(/\bit\(\s*(?:'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)"|`((?:\\.|[^`\\])*)`)/g);
  return [...literals].map(([, single, double, template]) =>
    (single ?? double ?? template?.replaceAll(/\$\{[^}]*\}/g, '…') ?? '').replaceAll(/\\(.)/g, '$1'),
  );
}

describe(MODEL, () => {
  const promises = tableBelow(MODEL, 'What is promised, and what is not').map(([number = '', promised = '']) => ({number, promised}));
  const tried = tableBelow(MODEL, 'How each promise is tested').map(([number = '', where = '', what = '']) => ({
    number,
    file: codes(where)[0] ?? '',
    what,
  }));

  it('has promises with numbers, and each is tried by a test or an attack', () => {
    expect(promises.length).to.be.at.least(10);
    expect(promises.map(({number}) => number)).to.deep.equal(promises.map((_, index) => String(index + 1)));
    expect([...new Set(tried.map(({number}) => number))]).to.deep.equal(promises.map(({number}) => number));
  });

  it('names tests that are there', () => {
    const tests = tried.filter(({file}) => file !== ATTACKS);
    const missing = tests.filter(({file, what}) => !existsSync(join(checkout, file)) || !titlesOf(file).includes(what));
    expect(tests.length).to.be.at.least(promises.length);
    expect(missing.map(({number, file, what}) => `${number}: ${file}: ${what}`)).to.deep.equal([]);
  });

  it('names every attack of the suite, and no other', () => {
    const named = tried.filter(({file}) => file === ATTACKS).flatMap(({what}) => codes(what));
    const attacks = [...attacksOf('payload'), ...attacksOf('outside')].map(({name}) => name);
    expect([...new Set(named)].sort()).to.deep.equal(attacks.sort());
  });

  it('has an attack of the class of each hole that doctor tries the node’s engines for', () => {
    const suite = [...attacksOf('payload'), ...attacksOf('outside')].map((attack) => attack.class ?? '').join(' ');
    const numbers = [...contentOf('src/run/attack-classes.ts').matchAll(/'(CVE-[-0-9]+)'/g)].map(([, number]) => number ?? '');
    expect(numbers.length).to.be.at.least(LEAST_HOLES);
    expect(numbers.filter((number) => !suite.includes(number))).to.deep.equal([]);
  });

  it('says of each attack that gets through where it does, and why', () => {
    const told = tableBelow(MODEL, 'What gets through').map(([attack = '', where = '', reason = '']) => ({
      attack: codes(attack)[0] ?? '',
      where,
      reason,
    }));
    const line = ({attack, where}: {attack: string; where: string}): string => `${attack}, ${where}`;
    expect(told.map(line).sort()).to.deep.equal(KNOWN.map(line).sort());
    expect(told.filter(({reason}) => reason.length < REASON).map(line)).to.deep.equal([]);
  });

  it('is found from README.md, CONTRIBUTING.md, SECURITY.md and the architecture', () => {
    for (const name of ['README.md', 'CONTRIBUTING.md', 'SECURITY.md']) expect(contentOf(name), name).to.include(`](${MODEL}`);
    expect(contentOf('docs/explanation/architecture.md')).to.include('](threat-model.md');
    for (const name of ['README.md', 'CONTRIBUTING.md']) expect(contentOf(name), name).to.include('](SECURITY.md');
  });
});
