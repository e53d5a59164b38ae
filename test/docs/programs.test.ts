/** The table of programs in docs/reference/system-calls.md against what is tried in test/node/box: it has these rows, and no other. */

import {expect} from 'chai';
import {PROGRAMS} from '../support/programs.js';
import {tableBelow} from './tables.js';

const PAGE = 'docs/reference/system-calls.md';
/** What a reason has at least, in letters. */
const REASON = 8;

describe(`${PAGE}, what runs in one box`, () => {
  const rows = tableBelow(PAGE, 'What runs in one box');

  it('says of each program that is tried by which profile it works', () => {
    const tried = PROGRAMS.map(({name, by}) => [name, by === 'default' ? 'yes' : 'no', 'yes']);
    expect(rows.map((row) => row.slice(0, 3))).to.deep.equal(tried);
  });

  it('says why', () => {
    expect(rows.filter(([, , , why = '']) => why.length < REASON)).to.deep.equal([]);
  });
});
