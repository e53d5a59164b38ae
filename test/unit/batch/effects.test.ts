import {expect} from 'chai';
import {execFileSync} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {effects} from '../../../src/batch/effects.js';
import {jobFiles} from '../../../src/files/job-files.js';

describe('what plugins may do to files', () => {
  let base: string;
  before(() => {
    base = mkdtempSync(join(tmpdir(), 'tare-effects-'));
  });
  after(() => {
    rmSync(base, {recursive: true, force: true});
  });
  const files = effects(jobFiles(null, '/'), () => undefined);

  it('does not block on a named pipe in the file’s place', () => {
    const pipe = join(base, 'pipe');
    execFileSync('mkfifo', [pipe]);
    expect(files.readText(pipe)).to.equal(null);
    expect(files.exists(pipe)).to.equal(true);
    expect(() => {
      files.writeText(pipe, 'x');
    }).to.throw(/ENXIO/);
  });

  it('writes through no link', () => {
    const [victim, link] = [join(base, 'victim'), join(base, 'link')];
    writeFileSync(victim, 'mine');
    symlinkSync(victim, link);
    expect(() => {
      files.writeText(link, 'x');
    }).to.throw(/ELOOP/);
    expect(readFileSync(victim, 'utf8')).to.equal('mine');
    expect([files.exists(link), files.exists(join(base, 'nothing'))]).to.deep.equal([true, false]);
  });
});
