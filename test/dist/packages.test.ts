/** Tarball, deb and RPM, each unpacked in a root of its own. */
import {execFileSync} from 'node:child_process';
import {chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {expect} from 'chai';
import {TARE_VERSION} from '../../src/version.js';
import {FOLDER} from '../support/folder.js';
import {need} from '../support/need.js';
import {isRoot, program} from '../support/tare.js';

const dist = dirname(FOLDER);
/** Where a package has the folder. */
const INSIDE = `usr/lib/tare/${TARE_VERSION}`;

describe('packages', function () {
  this.timeout(300_000);
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(dist, 'root-'));
    chmodSync(root, 0o755);
  });
  afterEach(() => {
    rmSync(root, {recursive: true, force: true});
  });

  /** What is unpacked is the folder, and runs where it is. */
  function check(folder: string, command: string): void {
    const files = (place: string): string[] => (readdirSync(place, {recursive: true}) as string[]).sort();
    expect(files(folder)).to.deep.equal(files(FOLDER));
    expect(readFileSync(join(folder, 'libexec/tare')).equals(readFileSync(join(FOLDER, 'libexec/tare')))).to.be.true;
    const schema = JSON.parse(execFileSync(command, ['schema', 'job'], {encoding: 'utf8', env: {}})) as object;
    expect(schema).to.have.property('$id');
  }

  it('the tarball', () => {
    execFileSync('tar', ['--extract', '--file', join(dist, `tare-${TARE_VERSION}-x86_64.tar.gz`), '--directory', root]);
    check(join(root, `tare-${TARE_VERSION}-x86_64`), join(root, `tare-${TARE_VERSION}-x86_64/bin/tare`));
  });

  it('the deb', function () {
    need(this, program('dpkg-deb') !== null, 'dpkg is not installed');
    const file = join(dist, `tare_${TARE_VERSION}_amd64.deb`);
    execFileSync('dpkg-deb', ['--extract', file, root]);
    const inside = join(root, INSIDE);
    check(inside, join(inside, 'bin/tare'));
    expect(execFileSync('dpkg-deb', ['--contents', file], {encoding: 'utf8'})).not.to.match(/^\S+ (?!root\/root)/m);
  });

  it('the RPM', function () {
    need(this, program('rpmbuild') !== null, 'rpmbuild is not installed');
    need(this, isRoot, 'only root can install into another root');
    const file = join(dist, `tare-${TARE_VERSION}-1.x86_64.rpm`);
    // an empty root has no shell for its scripts: installed.test.ts runs them
    execFileSync('rpm', ['--install', '--nodeps', '--noscripts', '--root', root, file], {stdio: 'ignore'});
    const inside = join(root, INSIDE);
    check(inside, join(inside, 'bin/tare'));
  });
});
