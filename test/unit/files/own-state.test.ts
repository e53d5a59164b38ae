import {expect} from 'chai';
import {chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {userPlaces, userSpools} from '../../../src/box/user-places.js';
import {OTHER_NAMES, withOwnState} from '../../../src/files/own-state.js';
import {placesOf} from '../../../src/policy/places.js';
import {need} from '../../support/need.js';
import {policy} from '../plan/build.js';

const OWN = 1001;
const OTHER = 1002;

describe('the state directory of an account', () => {
  let base: string;
  beforeEach(function () {
    need(this, process.getuid?.() === 0, 'only root can give directories away');
    base = mkdtempSync(join(tmpdir(), 'tare-own-'));
    chmodSync(base, 0o1777);
  });
  afterEach(() => {
    rmSync(base, {recursive: true, force: true});
  });
  const made = () => policy({directories: {state: join(base, 'tare-%u')}});
  const chosen = (uid = OWN): string => placesOf(withOwnState(made(), uid), uid).state.slice(base.length + 1);
  const make = (name: string, uid: number): void => {
    mkdirSync(join(base, name));
    chownSync(join(base, name), uid, uid);
  };

  it('has the policy’s name while that is its own or free', () => {
    expect(chosen()).to.equal('tare-1001');
    make('tare-1001', OWN);
    expect(chosen()).to.equal('tare-1001');
    expect(chosen(0)).to.equal('tare-0');
  });

  it('has the next name where another account has taken it, and stays there', () => {
    make('tare-1001', OTHER);
    expect(chosen()).to.equal('tare-1001.1');
    make('tare-1001.1', OTHER);
    make('tare-1001.2', OWN);
    expect(chosen()).to.equal('tare-1001.2');
    rmSync(join(base, 'tare-1001'), {recursive: true});
    expect(chosen()).to.equal('tare-1001.2');
  });

  it('is an error of the site where only the site makes names, and when all are taken', () => {
    make('tare-1001', OTHER);
    chmodSync(base, 0o755);
    expect(chosen()).to.equal('tare-1001');
    chmodSync(base, 0o1777);
    for (let n = 1; n <= OTHER_NAMES; n++) make(`tare-1001.${String(n)}`, OTHER);
    expect(chosen()).to.equal('tare-1001');
  });

  it('is found by root under its other name, with the spool in it', () => {
    make('tare-1001', OTHER);
    make('tare-1001.1', OWN);
    make('tare-1001.x', OWN);
    const found = userPlaces(made()).map(({state, uid}) => [state.slice(base.length + 1), uid]);
    expect(found.sort()).to.deep.equal([
      ['tare-0', 0],
      ['tare-1001', OWN],
      ['tare-1001.1', OWN],
    ]);
    expect([...userSpools(made())])
      .to.include(join(base, 'tare-1001.1/spool'))
      .and.not.include(join(base, 'tare-1001/spool'));
  });
});
