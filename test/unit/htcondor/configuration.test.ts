import {expect} from 'chai';
import {readFileSync} from 'node:fs';
import {configuration, PARTS} from '../../../plugins/htcondor/configuration.js';
import {healthAd} from '../../../plugins/htcondor/health.js';

describe('the configuration for HTCondor', () => {
  for (const part of PARTS) {
    it(`is the file in configs/: ${part}`, () => {
      const file = readFileSync(new URL(`../../../configs/htcondor/${part}.conf`, import.meta.url), 'utf8');
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
  it('is an ad', () => {
    expect(healthAd({healthy: true, failures: 0, reason: null, spool: '/var/spool/tare'})).to.equal(
      'TareHealthy = True\nTareFailures = 0\nTareReason = undefined\n-',
    );
    expect(healthAd({healthy: false, failures: null, reason: 'a "b"\nc\\', spool: null})).to.equal(
      `TareHealthy = False\nTareFailures = undefined\nTareReason = "a 'b' c'"\n-`,
    );
  });

  it('warns of a spool that HTCondor gives to each job alone', () => {
    const of = (spool: string) => healthAd({healthy: true, failures: 0, reason: null, spool});
    expect(of('/var/tmp/tare-1/spool')).to.include('TareHealthy = True').and.include('records would be lost');
    for (const fine of ['/var/spool/tare', '/var/tmpfiles', '/tmpx']) expect(of(fine)).to.include('TareReason = undefined');
  });
});
