import {expect} from 'chai';
import {readFileSync} from 'node:fs';
import {TOOL_NAMES} from '../../src/equivalent/table.js';
import {readCases} from './cases.js';
import {equivalentFiles, equivalents, WRITTEN} from './equivalents.js';

describe('plans as texts of other tools', () => {
  let wanted = new Map<string, string>();
  before(async () => {
    wanted = equivalents(await readCases());
  });

  it('are the files of fixtures/equivalents, no more and no less, with every tool', () => {
    expect(equivalentFiles().sort()).to.deep.equal([...wanted.keys()].sort());
    expect(WRITTEN.flatMap(([, tools]) => tools).sort()).to.deep.equal([...TOOL_NAMES].sort());
  });

  for (const file of equivalentFiles())
    it(`are as before: ${file.slice(file.lastIndexOf('/') + 1)}`, () => {
      expect(wanted.get(file), 'read the difference, then: npm run golden:update').to.equal(readFileSync(file, 'utf8'));
    });
});
