import {existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect} from 'chai';
import {takeBackPrepared} from '../../../src/run/conclude.js';

describe('what a supervisor began that died before it launched anything', () => {
  let base: string;
  let folder: string;
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'tare-take-back-'));
    folder = join(base, '0123456789abcdef');
    mkdirSync(folder);
  });
  afterEach(() => {
    rmSync(base, {recursive: true, force: true});
  });

  for (const [title, names] of [
    ['an empty folder', []],
    ['a folder with half a state', ['box.json.new']],
  ] as const)
    it(`${title} goes: nothing was made yet`, async () => {
      for (const name of names) writeFileSync(join(folder, name), '{"id":');
      await takeBackPrepared(folder);
      expect(existsSync(folder)).to.equal(false);
    });

  it('a state that cannot be read stays for a sweep: it may say what is to be removed', async () => {
    writeFileSync(join(folder, 'box.json'), '{"id":');
    await takeBackPrepared(folder);
    expect(existsSync(join(folder, 'box.json'))).to.equal(true);
  });

  it('no folder at all is no trouble', async () => {
    await takeBackPrepared(join(base, 'none'));
  });
});
