import {expect} from 'chai';
import {execFileSync} from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {jobFiles, placeOf, type JobFiles} from '../../../src/files/job-files.js';

describe('files that a job has named', () => {
  let base: string;
  let root: string;
  let outside: string;
  let files: JobFiles;
  beforeEach(() => {
    base = realpathSync(mkdtempSync(join(tmpdir(), 'tare-job-files-')));
    [root, outside] = ['site/job', 'outside'].map((name) => join(base, name)) as [string, string];
    for (const path of [root, outside]) mkdirSync(path, {recursive: true});
    symlinkSync('site', join(base, 'home'));
    files = jobFiles(null, root);
  });
  afterEach(() => {
    rmSync(base, {recursive: true, force: true});
  });

  it('are the site’s way and the job’s, which is looked at without links', () => {
    const parts = (path: string): unknown => {
      const {directory, below, inRoot} = placeOf(path, root);
      return [directory, below, inRoot];
    };
    expect(parts(join(root, 'a/b'))).to.deep.equal([root, 'a/b', true]);
    expect(parts('a/../b')).to.deep.equal([root, 'b', true]);
    expect(parts(join(base, 'home/job/a/b'))).to.deep.equal([join(base, 'home/job'), 'a/b', true]);
    expect(parts(join(outside, 'file'))).to.deep.equal([outside, 'file', false]);
    expect(parts(`${root}.diag`)).to.deep.equal([join(base, 'site'), 'job.diag', false]);
    expect(placeOf('/a/b', '/')).to.deep.equal({directory: '/a', below: 'b', inRoot: false});
  });

  it('are written, changed and removed below the job’s directory, also when a link of the site’s leads to it', () => {
    mkdirSync(join(root, 'a/b'), {recursive: true});
    for (const place of [join(root, 'a/b/file'), join(base, 'home/job/a/b/file')]) {
      files.writeText(place, 'one\n');
      files.append(place, 'two\n');
      files.overwrite(place, 1, 'N');
      expect(files.readText(place)).to.equal('oNe\ntwo\n');
      files.replace(place, 'whole\n');
      expect([files.exists(place), readFileSync(join(root, 'a/b/file'), 'utf8')]).to.deep.equal([true, 'whole\n']);
      files.remove(place);
      files.remove(place);
      expect(files.exists(place)).to.equal(false);
    }
    execFileSync('chmod', ['700', join(root, 'a/b')]);
    files.letPass(join(root, 'a/b'));
    expect(statSync(join(root, 'a/b')).mode & 0o777).to.equal(0o711);
  });

  it('are not reached through a link that the payload has put there', () => {
    mkdirSync(join(root, 'a/b'), {recursive: true});
    writeFileSync(join(outside, 'file'), 'precious');
    renameSync(join(root, 'a'), join(root, 'gone'));
    mkdirSync(join(outside, 'b'));
    writeFileSync(join(outside, 'b/file'), 'precious');
    symlinkSync(outside, join(root, 'a'));
    for (const file of [join(root, 'a/file'), join(root, 'a/b/file'), join(base, 'home/job/a/b/file')]) {
      const acts: (() => void)[] = [
        () => files.writeText(file, 'x'),
        () => files.append(file, 'x'),
        () => files.overwrite(file, 0, 'x'),
        () => files.replace(file, 'x'),
        () => files.remove(file),
      ];
      for (const act of acts) expect(act).to.throw(/ENOTDIR|ELOOP/);
    }
    expect([readFileSync(join(outside, 'file'), 'utf8'), readFileSync(join(outside, 'b/file'), 'utf8')]).to.deep.equal([
      'precious',
      'precious',
    ]);
    const link = join(root, 'link');
    symlinkSync(join(outside, 'file'), link);
    for (const act of [() => files.writeText(link, 'x'), () => files.append(link, 'x'), () => files.overwrite(link, 0, 'x')])
      expect(act).to.throw(/ELOOP/);
    files.replace(link, 'whole');
    expect([lstatSync(link).isFile(), readFileSync(join(outside, 'file'), 'utf8')]).to.deep.equal([true, 'precious']);
  });

  it('are read when they are plain and not too long', () => {
    const file = join(root, 'file');
    writeFileSync(file, '12345');
    expect(files.read(file, 5)).to.equal('12345');
    expect(() => files.read(file, 4)).to.throw(/EFBIG/);
    expect(() => files.read(root, 4)).to.throw(/EINVAL|EISDIR/);
    expect(files.readText(join(root, 'nothing'))).to.equal(null);
  });
});
