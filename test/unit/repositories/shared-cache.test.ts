import {expect} from 'chai';
import {existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {trimSharedCaches} from '../../../src/repositories/shared-cache.js';
import {policy} from '../plan/build.js';

const MIB = 2 ** 20;

describe('a cache for all jobs of an account', () => {
  const uid = process.getuid?.() ?? -1;
  let shared: string;
  beforeEach(() => {
    shared = mkdtempSync(join(tmpdir(), 'tare-cache-'));
  });
  afterEach(() => {
    rmSync(shared, {recursive: true});
  });
  const trimTo = (quota: string | null): number =>
    trimSharedCaches(
      policy({cvmfs: {mount: {servers: ['http://s'], proxies: 'DIRECT', cache: {shared, ...(quota === null ? {} : {quota})}}}}),
      uid,
    );
  /** So many files of 20 MiB, the first used longest ago. */
  const fill = (count: number): string[] =>
    Array.from({length: count}, (_, index) => {
      const folder = join(shared, String(uid), `0${String(index)}`);
      mkdirSync(folder, {recursive: true});
      const path = join(folder, 'f'.repeat(38));
      writeFileSync(path, Buffer.alloc(20 * MIB, index));
      utimesSync(path, 1000 + index, 1000 + index);
      return path;
    });

  it('what was used longest ago goes, down to nine tenths of the quota; other files stay', () => {
    const files = fill(5);
    const other = join(shared, String(uid), 'quota');
    writeFileSync(other, 'x');
    expect(trimTo('64 MiB')).to.equal(60 * MIB);
    expect(files.map((path) => existsSync(path))).to.deep.equal([false, false, false, true, true]);
    expect(existsSync(other)).to.equal(true);
    expect(trimTo('64 MiB')).to.equal(0);
  });

  it('without a quota all files stay, and without a cache nothing is done', () => {
    expect(trimTo('64 MiB')).to.equal(0);
    const files = fill(4);
    expect(trimTo(null)).to.equal(0);
    expect(files.every((path) => existsSync(path))).to.equal(true);
  });
});
