import {expect} from 'chai';
import {chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {removePrivate} from '../../../src/box/trees.js';
import {need} from '../../support/need.js';

describe('a private tree of the account’s own', () => {
  let place: string;
  let tree: string;
  let victim: string;
  beforeEach(() => {
    place = mkdtempSync(join(tmpdir(), 'tare-trees-'));
    tree = join(place, 'tree');
    victim = join(place, 'victim');
    mkdirSync(join(victim, 'empty'), {recursive: true});
    writeFileSync(join(victim, 'file'), 'mine');
  });
  afterEach(() => {
    rmSync(place, {recursive: true});
  });
  const isWhole = (): void => {
    expect(readdirSync(victim).sort()).to.deep.equal(['empty', 'file']);
  };

  it('goes with all that is in it: mount points, files, what nobody can read, and links, but not what these lead to', () => {
    mkdirSync(join(tree, 'home/alice/work'), {recursive: true});
    expect(removePrivate(tree, null, null)).to.equal(null);
    expect(existsSync(tree)).to.equal(false);
    mkdirSync(join(tree, 'a/b'), {recursive: true});
    writeFileSync(join(tree, 'a/b/file'), '');
    symlinkSync(victim, join(tree, 'a/link'));
    symlinkSync(join(victim, 'file'), join(tree, 'link'));
    mkdirSync(join(tree, 'locked/x'), {recursive: true, mode: 0o700});
    expect(removePrivate(tree, null, null)).to.equal(null);
    expect(existsSync(tree)).to.equal(false);
    isWhole();
  });

  it('with a name that is no text', () => {
    mkdirSync(tree);
    writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0xff, 0xfe])]), '');
    expect(removePrivate(tree, null, null)).to.equal(null);
    expect(existsSync(tree)).to.equal(false);
  });

  it('deeper than any mount point lies', () => {
    mkdirSync(join(tree, ...Array.from({length: 40}, () => 'd')), {recursive: true});
    expect(removePrivate(tree, null, null)).to.equal(null);
    expect(existsSync(tree)).to.equal(false);
  });

  it('is left where a link is in its place, and what that leads to stays', () => {
    symlinkSync(victim, tree);
    expect(removePrivate(tree, null, null)).to.equal('ENOTDIR');
    isWhole();
    rmSync(join(victim, 'file'));
    expect(removePrivate(tree, null, null)).to.equal('ENOTDIR');
    expect(readdirSync(victim)).to.deep.equal(['empty']);
    writeFileSync(join(victim, 'file'), 'mine');
  });

  it('a link at a directory in it is not followed', () => {
    mkdirSync(tree);
    symlinkSync(victim, join(tree, 'tmp'));
    rmSync(join(victim, 'file'));
    expect(removePrivate(tree, null, null)).to.equal(null);
    expect(readdirSync(victim)).to.deep.equal(['empty']);
  });

  it('of another account is not emptied as if it were ours', function () {
    need(this, process.getuid?.() === 0, 'only root can make what another account has made');
    mkdirSync(join(tree, 'x'), {recursive: true});
    chownSync(tree, 12345, 12345);
    expect(removePrivate(tree, {uid: 12345, gid: 12345}, null)).to.equal('ENOTEMPTY');
    expect(existsSync(join(tree, 'x'))).to.equal(true);
  });
});
