import {expect} from 'chai';
import {kindOfFailure, type Circumstances} from '../../../src/node-state/counts.js';
import {job, policy} from '../plan/build.js';

const of = (code: string, change: Partial<Circumstances> = {}): string | null =>
  kindOfFailure(code, {job: job(), policy: policy(), policyByJob: false, unusable: [], ...change});

describe('a failure counts against the node', () => {
  it('when any job would have failed so', () => {
    expect(of('ENGINE_FAILED')).to.equal('failed');
    expect(of('STATE_DIRECTORY', {job: null})).to.equal('failed');
    expect(of('DOCUMENT_INVALID', {job: null, policy: null})).to.equal('failed');
  });

  it('not when only the job named what is wrong', () => {
    expect(of('CVMFS_UNUSABLE', {unusable: ['no.such.repository']})).to.equal(null);
    expect(of('IMAGE_UNUSABLE', {job: job({image: '/images/mine'})})).to.equal(null);
    expect(of('DEVICE_MISSING', {job: job({devices: ['/dev/mine']})})).to.equal(null);
  });

  it('when the policy requires the repository', () => {
    const required = policy({cvmfs: {required: ['atlas.cern.ch']}});
    expect(of('CVMFS_UNUSABLE', {policy: required, unusable: ['atlas.cern.ch', 'no.such.repository']})).to.equal('failed');
    const inRule = policy({rules: [{match: {}, cvmfs: {required: ['atlas.cern.ch']}}]});
    expect(of('CVMFS_UNUSABLE', {policy: inRule, unusable: ['atlas.cern.ch']})).to.equal('failed');
    expect(of('CVMFS_UNUSABLE', {policy: required, unusable: ['no.such.repository']})).to.equal(null);
  });

  it('perhaps, when the job asked for more than a plain one: that wants a probe, and is not counted', () => {
    expect(of('ENGINE_FAILED', {job: job({image: '/images/mine'})})).to.equal('suspected');
    expect(of('ENGINE_FAILED', {job: job({writable: ['/data']})})).to.equal('suspected');
    expect(of('BOX_UNAVAILABLE', {job: job({network: 'none'})})).to.equal('suspected');
    expect(of('FILESYSTEM_UNAVAILABLE', {job: job({filesystem: 'private'})})).to.equal('suspected');
    expect(of('DOCUMENT_INVALID', {job: null, policy: null, policyByJob: true})).to.equal('suspected');
  });
});
