import {expect} from 'chai';
import {readFileSync} from 'node:fs';
import {configuration, PARTS} from '../../../plugins/htcondor/configuration.js';
import {renderedAd, healthAd} from '../../../plugins/htcondor/health.js';

describe('the configuration for HTCondor', () => {
  for (const part of PARTS) {
    it(`is the file in configs/: ${part}`, () => {
      const name = {node: 'node.conf', schedd: 'schedd.conf', cron: 'tare-health.sh'}[part];
      const file = readFileSync(new URL(`../../../configs/htcondor/${name}`, import.meta.url), 'utf8');
      expect(configuration(part, '/opt/tare')).to.equal(file);
    });
  }

  it('names the place where Tare lies', () => {
    expect(configuration('node', '/cvmfs/site/$&/tare/'))
      .to.include('USER_JOB_WRAPPER = /cvmfs/site/$&/tare/bin/tare-wrap')
      .and.not.include('/opt');
  });
});

describe('a node’s health', () => {
  const fine = {healthy: true, boxed: true, failures: 0, degraded: {}, reason: null, spool: '/var/spool/tare'};

  it('is an ad', () => {
    expect(healthAd(fine, 1_700_000_000_999_999)).to.equal(
      'TareHealthy = True\nTareBoxed = True\nTareFailures = 0\nTareDegraded = undefined\nTareFault = undefined\nTareReason = undefined\nTareHealthTime = 1700000000\n-',
    );
    expect(
      renderedAd({
        healthy: false,
        boxed: null,
        failures: null,
        degraded: {unboxed: 2, odd: 0},
        reason: 'a "b"\nc\\ root’s é',
        faults: ['spool', 'box'],
        spool: null,
      }),
    ).to.equal(
      `TareHealthy = False\nTareBoxed = undefined\nTareFailures = undefined\nTareDegraded = "unboxed 2"\nTareFault = "spool box"\nTareReason = "a 'b' c' root's ?"\n`,
    );
  });

  it('warns of a spool that HTCondor gives to each job alone', () => {
    const of = (spool: string) => renderedAd({...fine, spool});
    expect(of('/var/tmp/tare-1/spool')).to.include('TareHealthy = True').and.include('records would be lost');
    for (const fine of ['/var/spool/tare', '/var/tmpfiles', '/tmpx']) expect(of(fine)).to.include('TareReason = undefined');
  });
});
