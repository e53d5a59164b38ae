/** docs/threat-model.md against the tests and attacks that it names: a promise that nothing tries, or a hole that it does not tell, fails here. */

import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import MarkdownIt from 'markdown-it';
import {attacksOf} from '../attacks/attack.js';
import {KNOWN} from '../attacks/known.js';

const checkout = join(import.meta.dirname, '../..');
const MODEL = 'docs/threat-model.md';
/** In the place of a test's file: the suite of attacks, by their names. */
const ATTACKS = 'test/attacks';
/** So many holes of other sandboxes are told apart at least. */
const LEAST_HOLES = 10;
/** What a reason has at least, in letters. */
const REASON = 40;

const contentOf = (name: string): string => readFileSync(join(checkout, name), 'utf8');

/** The rows of the first table below a heading, without its head; each cell as it is written. */
function tableBelow(heading: string): string[][] {
  const tokens = new MarkdownIt().parse(contentOf(MODEL), {});
  const start = tokens.findIndex(
    ({type, content}, index) => type === 'inline' && content === heading && tokens[index - 1]?.type === 'heading_open',
  );
  expect(start, `${MODEL} has no heading "${heading}"`).to.be.at.least(0);
  const body = tokens.slice(tokens.findIndex(({type}, index) => index > start && type === 'tbody_open'));
  const rows: string[][] = [];
  for (const {type, content} of body.slice(
    0,
    body.findIndex((token) => token.type === 'tbody_close'),
  )) {
    if (type === 'tr_open') rows.push([]);
    else if (type === 'inline') rows.at(-1)?.push(content);
  }
  return rows;
}

/** What a cell has between backticks. */
const codes = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code ?? '');

/** Titles of the tests of a file that are run; `…` stands for what is filled in. */
function titlesOf(file: string): string[] {
  const literals = contentOf(file).matchAll(/\bit\(\s*(?:'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)"|`((?:\\.|[^`\\])*)`)/g);
  return [...literals].map(([, single, double, template]) =>
    (single ?? double ?? template?.replaceAll(/\$\{[^}]*\}/g, '…') ?? '').replaceAll(/\\(.)/g, '$1'),
  );
}

describe(MODEL, () => {
  const promises = tableBelow('What is promised, and what is not').map(([number = '', promised = '']) => ({number, promised}));
  const tried = tableBelow('How each promise is tested').map(([number = '', where = '', what = '']) => ({
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
    const numbers = [...contentOf('src/run/try-attacks.ts').matchAll(/'(CVE-[-0-9]+)'/g)].map(([, number]) => number ?? '');
    expect(numbers.length).to.be.at.least(LEAST_HOLES);
    expect(numbers.filter((number) => !suite.includes(number))).to.deep.equal([]);
  });

  it('says of each attack that gets through where it does, and why', () => {
    const told = tableBelow('What gets through').map(([attack = '', where = '', reason = '']) => ({
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
    expect(contentOf('docs/architecture.md')).to.include('](threat-model.md');
    for (const name of ['README.md', 'CONTRIBUTING.md']) expect(contentOf(name), name).to.include('](SECURITY.md');
  });
});
