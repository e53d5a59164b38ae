import {expect} from 'chai';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {belowReserve, requireReserve} from '../../../src/box/reserve.js';
import {policy, thrown} from '../plan/build.js';

describe('the reserve of the disks', () => {
  let base: string;
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'tare-reserve-'));
  });
  afterEach(() => {
    rmSync(base, {recursive: true, force: true});
  });
  const directories = () => ({state: join(base, 'state'), scratch: join(base, 'scratch'), spool: join(base, 'spool')});

  it('is absent where the policy names none', () => {
    expect(belowReserve(policy({directories: directories()}), 1001)).to.deep.equal([]);
  });

  it('is kept where there is room, also of places that are not there yet', () => {
    expect(belowReserve(policy({directories: directories(), reserve: {disk: '1B', inodes: 1}}), 1001)).to.deep.equal([]);
  });

  it('is short of where there is less: said for each place, with what is free, allowed and where that is said', () => {
    const found = belowReserve(policy({directories: directories(), reserve: {disk: '1000TiB'}}), 1001);
    expect(found.map(({place, what}) => [place, what])).to.deep.equal(
      ['spool', 'state', 'scratch'].map((name) => [join(base, name), 'bytes']),
    );
    expect(found[0]?.allowed).to.equal(1000 * 2 ** 40);
    expect(found[0]?.at).to.equal('policy.yaml#/reserve/disk');
    const error = thrown(() => {
      requireReserve(policy({directories: directories(), reserve: {disk: '1000TiB'}}), 1001);
    });
    expect([error.code, error.exit, error.kind]).to.deep.equal(['RESERVE_LOW', 125, 'node']);
  });

  it('is kept by one of several spools', () => {
    const spool = ['/proc/no/such', join(base, 'spool')];
    const found = belowReserve(policy({directories: {...directories(), spool}, reserve: {disk: '1B'}}), 1001);
    expect(found).to.deep.equal([]);
  });
});
