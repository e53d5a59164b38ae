import {expect} from 'chai';
import {mkdirSync, mkdtempSync, rmSync, symlinkSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {leadsTo} from '../../../src/files/network-path.js';

describe('paths that lead to repositories', () => {
  let place: string;
  beforeEach(() => {
    place = mkdtempSync(join(tmpdir(), 'tare-leads-'));
    mkdirSync(join(place, 'plain'));
    for (const [name, target] of [
      ['absolute', '/cvmfs/a.b/work'],
      ['relative', `${'../'.repeat(20)}cvmfs/a.b`],
      ['twice', 'absolute'],
      ['round', 'round'],
      ['away', 'plain'],
      ['nowhere', '/does/not/exist'],
    ] as const)
      symlinkSync(target, join(place, name));
  });
  afterEach(() => {
    rmSync(place, {recursive: true});
  });
  it('by themselves or by links, whatever is there', () => {
    const there = (path: string): boolean => leadsTo(path, '/cvmfs');
    for (const path of ['/cvmfs', '/cvmfs/', '/cvmfs/a.b', '/usr/../cvmfs/x']) expect(there(path), path).to.equal(true);
    for (const name of ['absolute', 'absolute/below', 'relative', 'twice/x']) expect(there(join(place, name)), name).to.equal(true);
    for (const name of ['plain', 'away', 'nowhere', 'missing', 'round']) expect(there(join(place, name)), name).to.equal(false);
    for (const path of ['/', '/cvmfsx', '/usr/cvmfs']) expect(there(path), path).to.equal(false);
  });
});
