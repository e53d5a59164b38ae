import {expect} from 'chai';
import {mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {outerBoxOf, notifyOuter} from '../../../src/box/outer-box.js';
import {pilot} from '../../support/records.js';

const ID = '74d3ba4a-dd34-5a0c-bf62-54cce09c551f';

describe('the box around', () => {
  let base: string;
  before(() => {
    base = mkdtempSync(join(tmpdir(), 'tare-around-'));
    mkdirSync(join(base, 'features'));
    writeFileSync(join(base, 'features/box.json'), JSON.stringify({id: 'x', recordId: ID}));
  });
  after(() => {
    rmSync(base, {recursive: true});
  });
  const unboxed = {recordId: null, how: 'a test'};
  const of = (JOBFEATURES: string, uid = 1001): unknown => outerBoxOf(unboxed, {JOBFEATURES}, uid);

  it('is not assumed without a proof, whatever a variable says', () => {
    expect(outerBoxOf(null, {JOBFEATURES: join(base, 'features/jobfeatures')}, 1001)).to.equal(null);
  });

  it('that is proved by its mount is told there', () => {
    expect(outerBoxOf({recordId: ID, how: 'a test'}, {JOBFEATURES: '/elsewhere/x'}, 0)).to.deep.equal({
      recordId: ID,
      how: 'a test',
      pipe: '/dev/tare/parts',
    });
  });

  it('without one is found by a variable, which root does not follow', () => {
    const place = join(base, 'features/jobfeatures');
    expect(of(place)).to.deep.equal({
      recordId: ID,
      how: 'a test',
      pipe: join(base, 'features/parts'),
    });
    const unknown = {...unboxed, pipe: null};
    expect(of(place, 0)).to.deep.equal(unknown);
    expect(of(join(base, 'nowhere/jobfeatures'))).to.deep.equal(unknown);
    expect(of('features/jobfeatures')).to.deep.equal(unknown);
    writeFileSync(join(base, 'box.json'), '{"recordId": "../../x"}');
    expect(of(join(base, 'jobfeatures'))).to.deep.equal(unknown);
  });

  it('is told nothing through what is no pipe', async () => {
    const file = join(base, 'file');
    writeFileSync(file, '');
    symlinkSync(file, join(base, 'link'));
    for (const name of ['file', 'link', 'absent', '.']) await notifyOuter({...unboxed, pipe: join(base, name)}, pilot());
    expect(readFileSync(file, 'utf8')).to.equal('');
  });
});
