import {expect} from 'chai';
import {chmodSync, chownSync, existsSync, lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync} from 'node:fs';
import {join} from 'node:path';
import {makeAccountCache} from '../../../src/repositories/shared-cache.js';
import {need} from '../../support/need.js';

const OTHER = {uid: 65534, gid: 65534};
const THIRD = 12345;

describe('whose a shared cache is', () => {
  let place: string;
  let shared: string;
  before(function () {
    need(this, process.getuid?.() === 0, 'only root can make what another account has made');
  });
  beforeEach(() => {
    place = mkdtempSync('/var/lib/tare-shared-');
    chmodSync(place, 0o755);
    shared = join(place, 'shared');
  });
  afterEach(() => {
    rmSync(place, {recursive: true});
  });
  const cache = (): string => join(shared, String(OTHER.uid));
  const make = (): void => {
    makeAccountCache(cache(), OTHER);
  };

  it('root makes what is lacking, and the account has a directory in it that is its own', () => {
    make();
    expect(lstatSync(shared)).to.include({uid: 0});
    expect(lstatSync(cache())).to.include({uid: OTHER.uid, gid: OTHER.gid});
    expect(lstatSync(cache()).mode & 0o7777).to.equal(0o700);
    // once more
    make();
  });

  it('a directory that another job has made, and has not yet given to the account, is given to it: an empty one of root alone', () => {
    mkdirSync(shared);
    mkdirSync(cache(), {mode: 0o700});
    make();
    expect(lstatSync(cache())).to.include({uid: OTHER.uid, gid: OTHER.gid});
    rmSync(cache(), {recursive: true});
    mkdirSync(join(cache(), 'root'), {recursive: true, mode: 0o700});
    expect(make).to.throw(/is no directory of uid 65534/);
    rmSync(cache(), {recursive: true});
    mkdirSync(cache(), {mode: 0o755});
    expect(make).to.throw(/is no directory of uid 65534/);
  });

  it('root does not use a directory that an account has made', () => {
    mkdirSync(shared);
    chownSync(shared, THIRD, THIRD);
    expect(make).to.throw(/belongs to uid 12345; allowed: of root/);
    chownSync(shared, OTHER.uid, OTHER.gid);
    expect(make).to.throw(/belongs to uid 65534/);
    expect(existsSync(cache())).to.equal(false);
  });

  it('a directory that others may write to has to be sticky, and so has each above it', () => {
    mkdirSync(shared);
    chmodSync(shared, 0o777);
    expect(make).to.throw(/others may write to it \(mode 777, without the sticky bit\)/);
    chmodSync(shared, 0o1777);
    make();
    chmodSync(place, 0o777);
    expect(make).to.throw(/tare-shared-.* cannot be trusted: others may write/);
  });

  it('a link in the place of the account’s directory is not followed, and its target stays as it was', () => {
    const target = join(place, 'target');
    mkdirSync(target, {mode: 0o755});
    mkdirSync(shared);
    chmodSync(shared, 0o1777);
    symlinkSync(target, cache());
    expect(make).to.throw(/is no directory of uid 65534/);
    expect(lstatSync(target)).to.include({uid: 0});
    rmSync(cache());
    mkdirSync(cache());
    chownSync(cache(), THIRD, THIRD);
    expect(make).to.throw(/is no directory of uid 65534/);
  });
});
