import {expect} from 'chai';
import {printable} from '../../../src/errors.js';
import {renderTable, wrapWords} from '../../../src/report/table.js';

const COLUMNS = [{header: 'name'}, {header: 'n', align: 'right'}, {header: 'what', wrap: true}] as const;

describe('a plain-text table', () => {
  it('is as wide as its cells', () => {
    expect(
      renderTable(COLUMNS, [
        ['a', '10', 'one two'],
        ['bcdef', '9', ''],
      ]),
    ).to.equal('name    n  what\na      10  one two\nbcdef   9\n');
  });

  it('breaks the columns that may be broken at the width that there is', () => {
    const table = renderTable(COLUMNS, [['a', '1', 'some words that are many more than fit']], {width: 30});
    expect(Math.max(...table.split('\n').map((line) => line.length))).to.be.at.most(30);
    expect(table.replaceAll(/\s+/g, ' ')).to.equal('name n what a 1 some words that are many more than fit ');
  });

  it('shares what is too much between the broken columns', () => {
    const columns = [
      {header: 'a', wrap: true},
      {header: 'b', wrap: true},
    ];
    const widths = renderTable(columns, [['x'.repeat(60), 'y'.repeat(30)]], {width: 50})
      .split('\n')[1]
      ?.split('  ')
      .map((cell) => cell.length);
    expect(widths).to.deep.equal([24, 24]);
  });

  it('would rather be too wide than unreadable', () => {
    expect(() => renderTable(COLUMNS, [['a'.repeat(50), '1', 'b'.repeat(50)]], {width: 10})).not.to.throw();
  });

  it('is bold only when asked', () => {
    expect(renderTable(COLUMNS, [])).not.to.include('\u001B');
    expect(renderTable(COLUMNS, [], {colour: true})).to.include('\u001B[1mname');
  });

  it('lets no control character through', () => {
    expect(printable('a\u001B[31m\n\u202Eb')).to.equal('a?[31m??b');
    expect(renderTable(COLUMNS, [['\u001B]0;x\u0007', '', '']])).to.include('?]0;x?');
  });

  it('cuts words that are longer than a line', () => {
    expect(wrapWords('ab cdefghij k', 4)).to.deep.equal(['ab', 'cdef', 'ghij', 'k']);
    expect(wrapWords('', 4)).to.deep.equal(['']);
  });
});
