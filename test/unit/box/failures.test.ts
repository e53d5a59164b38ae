import {expect} from 'chai';
import {chmodSync, chownSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {nodeFailures, noteFailure, ownFailures} from '../../../src/box/failures.js';
import {need} from '../../support/need.js';
import {policy} from '../plan/build.js';

const UID = process.getuid?.() ?? 0;

describe('failures of the wrapper on a node', () => {
  let base: string;
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'tare-failures-'));
  });
  afterEach(() => {
    rmSync(base, {recursive: true, force: true});
  });
  const made = () => policy({directories: {state: join(base, 'tare-%u')}, batch: {blackHole: {failures: 3, within: '10m', then: 'drain'}}});
  const hole = {failures: 3, withinUs: 600e6, then: 'drain', provenance: {source: 'policy', at: 'x'}} as const;

  it('are noted and counted, each once, for their time', () => {
    for (const id of ['a1', 'a2', 'a3']) noteFailure(made(), UID, id, 'ENGINE_FAILED');
    for (const found of [ownFailures(made(), UID, hole), nodeFailures(made(), hole)])
      expect(found.map(({code}) => code)).to.deep.equal(['ENGINE_FAILED', 'ENGINE_FAILED', 'ENGINE_FAILED']);
    expect(ownFailures(made(), UID, {...hole, withinUs: -1e6})).to.deep.equal([]);
  });

  it('of long ago are forgotten', () => {
    noteFailure(made(), UID, 'a1', 'X');
    const folder = join(base, `tare-${String(UID)}`, 'failures');
    writeFileSync(join(folder, `${String(Date.now() - 3 * 86_400_000)}-bb`), 'X');
    writeFileSync(join(folder, 'notes'), 'mine');
    noteFailure(made(), UID, 'a2', 'X');
    expect(readdirSync(folder)).to.have.length(3).and.to.include('notes');
  });

  it('that somebody else made up do not count, and are not followed', function () {
    need(this, UID === 0, 'only root can give files away');
    const folder = join(base, 'tare-1234', 'failures');
    mkdirSync(folder, {recursive: true});
    const name = (id: string): string => join(folder, `${String(Date.now())}-${id}`);
    writeFileSync(name('aa'), 'STATE_DIRECTORY'); // root's, in a user's folder
    symlinkSync('/etc/shadow', name('bb'));
    const theirs = name('cc');
    writeFileSync(theirs, 'x'.repeat(99));
    chownSync(theirs, 1234, 1234);
    expect(nodeFailures(made(), hole).map(({uid, code}) => [uid, code])).to.deep.equal([[1234, 'UNKNOWN']]);
  });

  it('are not noted where somebody else could have put links in the way', () => {
    const state = join(base, `tare-${String(UID)}`);
    const elsewhere = join(base, 'elsewhere');
    mkdirSync(elsewhere);
    mkdirSync(state);
    chmodSync(state, 0o777);
    noteFailure(made(), UID, 'a1', 'X');
    chmodSync(state, 0o755);
    symlinkSync(elsewhere, join(state, 'failures'));
    noteFailure(made(), UID, 'a2', 'X');
    expect([readdirSync(elsewhere), lstatSync(join(state, 'failures')).isSymbolicLink()]).to.deep.equal([[], true]);
  });

  it('on a node where nothing can be written cost nothing', () => {
    writeFileSync(join(base, `tare-${String(UID)}`), '');
    noteFailure(made(), UID, 'a1', 'X');
    expect(ownFailures(made(), UID, hole)).to.deep.equal([]);
  });
});
