import {expect} from 'chai';
import {plainJob} from '../../../src/batch/plain.js';
import {TareError} from '../../../src/errors.js';
import {jobFiles} from '../../../src/files/job-files.js';
import {newAttemptContext} from '../../../src/prepare/attempt-context.js';
import {faultOf} from '../../../src/prepare/refusal.js';
import {policy} from '../plan/build.js';

describe('whose fault it is that nothing ran', () => {
  const fault = (code: 'BOX_UNAVAILABLE' | 'DOCUMENT_INVALID', kind: 'job' | 'container', read = true) =>
    faultOf(new TareError(code, {message: 'm'}), {
      ...newAttemptContext({...plainJob(), kind}, 'wrapper', jobFiles(null, '/')),
      policy: read ? policy() : null,
    });

  it('a node without bubblewrap is at fault; a container job that wants a box around it is itself, or every node would fail in turn', () => {
    expect([fault('BOX_UNAVAILABLE', 'job'), fault('BOX_UNAVAILABLE', 'container')]).to.deep.equal(['node', 'job']);
  });

  it('before the policy is read nothing is the job’s', () => {
    expect([fault('DOCUMENT_INVALID', 'job'), fault('DOCUMENT_INVALID', 'job', false)]).to.deep.equal(['job', 'node']);
  });
});
