import {expect} from 'chai';
import {existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {TareError} from '../../../src/errors.js';
import {
  brokenIn,
  free,
  halfMadeIn,
  leasePlace,
  leasesIn,
  leasesOf,
  makeLeasePlace,
  takeAddress,
  takeNumber,
} from '../../../src/network/leases.js';

describe('leases', () => {
  let state: string;
  let place: string;
  beforeEach(() => {
    state = mkdtempSync(join(tmpdir(), 'tare-leases-'));
    place = leasePlace(state);
    makeLeasePlace(state);
  });
  afterEach(() => {
    rmSync(state, {recursive: true, force: true});
  });
  const owner = (box: string) => ({box, bootId: 'b', pidNamespace: null, pid: 7, startTicks: 8, pool: 'p', connection: null});
  const four = {
    family: 4 as const,
    prefix: 29,
    ranges: [
      {first: '10.0.0.2', last: '10.0.0.3'},
      {first: '10.0.0.5', last: '10.0.0.5'},
    ],
    gateway: null,
  };

  it('the smallest free number, and the first free address', () => {
    expect(['a', 'b', 'c'].map((box) => takeNumber(place, owner(box)))).to.deep.equal([0, 1, 2]);
    free(place, 'n1');
    expect(takeNumber(place, owner('d'))).to.equal(1);
    expect(['a', 'b', 'c'].map((box) => takeAddress(place, four, owner(box)))).to.deep.equal(['10.0.0.2', '10.0.0.3', '10.0.0.5']);
    expect(
      leasesOf(place, 'a')
        .map(({name}) => name)
        .sort(),
    ).to.deep.equal(['10.0.0.2', 'n0']);
  });

  it('none is left: said with the pool and how many are in use', () => {
    for (const box of ['a', 'b', 'c']) takeAddress(place, four, owner(box));
    expect(() => takeAddress(place, four, owner('d')))
      .to.throw(TareError, /no address of IPv4 is free in the pool p; found: 3 in use/)
      .with.property('code', 'ADDRESSES_EXHAUSTED');
    expect(leasesIn(place)).to.have.length(3);
  });

  it('of a large network only what is taken is looked at', () => {
    const six = {family: 6 as const, prefix: 64, ranges: [{first: 'fd00::2', last: 'fd00::ffff:ffff:ffff:ffff'}], gateway: null};
    const got = Array.from({length: 50}, (_, index) => takeAddress(place, six, owner(`b${index}`)));
    expect(new Set(got).size).to.equal(50);
    expect(got.at(-1)).to.equal('fd00::33');
  });

  it('files that are no leases do not count: broken ones are found, strange ones left alone', () => {
    writeFileSync(join(place, '10.0.0.2'), '');
    writeFileSync(join(place, 'n0'), '{"box": 7}');
    writeFileSync(join(place, 'lock'), '{}');
    writeFileSync(join(place, '.ab12.new'), '');
    expect(halfMadeIn(place, (box) => box === 'ab12')).to.deep.equal([]);
    expect(halfMadeIn(place, () => false)).to.deep.equal(['.ab12.new']);
    free(place, '.ab12.new');
    expect(leasesIn(place)).to.deep.equal([]);
    expect(brokenIn(place).sort()).to.deep.equal(['10.0.0.2', 'n0']);
    expect(takeAddress(place, four, owner('a'))).to.equal('10.0.0.3');
    expect(readdirSync(place).filter((name) => name.startsWith('.'))).to.deep.equal([]);
    expect(existsSync(join(place, 'lock'))).to.equal(true);
  });
});
