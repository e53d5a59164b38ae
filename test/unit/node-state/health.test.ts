import {expect} from 'chai';
import {chmodSync, chownSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {readHealth, writeHealth, type HealthResult} from '../../../src/node-state/health.js';
import type {NodePlaces} from '../../../src/policy/places.js';
import {need} from '../../support/need.js';

const UID = process.getuid?.() ?? 0;
const HEALTH: HealthResult = {
  ...{schema: 'tare/health/v1', at: 1, bootId: null, version: '1', healthy: true, reason: null, closedSince: null, boxed: null},
  ...{failures: 0, failuresByAccount: [], probes: [], checks: [], degraded: {}, resetAt: null, forgivenAt: null},
};

describe('health.json', () => {
  let base: string;
  let places: NodePlaces;
  let file: string;
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'tare-health-'));
    places = {uid: UID, shared: join(base, 'node'), own: join(base, 'state/node')};
    file = join(UID === 0 ? places.shared : places.own, 'health.json');
  });
  afterEach(() => {
    rmSync(base, {recursive: true, force: true});
  });

  it('is read as it was written, by every account, with the time at which it was last looked at', () => {
    const umask = process.umask(0o077);
    try {
      writeHealth(places, HEALTH);
    } finally {
      process.umask(umask);
    }
    expect((statSync(file).mode & 0o777).toString(8)).to.equal('644');
    expect(readdirSync(join(file, '..'))).to.deep.equal(['health.json']);
    utimesSync(file, 1_800_000_000, 1_800_000_000);
    expect(readHealth(places)).to.deep.equal({...HEALTH, at: 1_800_000_000e6});
  });

  it('is not believed when others could have written it, or it is something else', function () {
    expect(readHealth(places)).to.equal(null);
    writeHealth(places, HEALTH);
    chmodSync(file, 0o666);
    expect(readHealth(places)).to.equal(null);
    chmodSync(file, 0o644);
    for (const text of ['', '{}', 'null', JSON.stringify({...HEALTH, healthy: 'yes'}), '{"schema": "tare/health/v1"}']) {
      writeFileSync(file, text);
      expect(readHealth(places), text).to.equal(null);
    }
    rmSync(file);
    writeFileSync(join(base, 'other'), JSON.stringify(HEALTH));
    symlinkSync(join(base, 'other'), file);
    expect(readHealth(places)).to.equal(null);
    need(this, UID === 0, 'only root can give files away');
    rmSync(file);
    writeFileSync(file, JSON.stringify(HEALTH));
    chownSync(file, 1234, 1234);
    expect(readHealth(places)).to.equal(null);
  });

  it('of root counts for an account more than its own', function () {
    need(this, UID === 0, 'only root writes one for all');
    writeHealth(places, {...HEALTH, reason: 'of root'});
    expect(readHealth({...places, uid: 1234})?.reason).to.equal('of root');
  });
});
