/** What the batch system and the caller are told of a payload that did not run. */

import {expect} from 'chai';
import {notRunOutcome, RUNNING, type Outcome} from '../../../src/record/outcome.js';
import {failureOf} from '../../../src/run/tell.js';
import {pilot} from '../../support/records.js';

const record = (outcome: Outcome, startEpochUs: number | null) => {
  const made = pilot();
  return {...made, outcome, time: {...made.time, startEpochUs}};
};

describe('a failure that the batch system is told of', () => {
  const absent = notRunOutcome('failed', 'PAYLOAD_NOT_EXECUTABLE', 'the payload could not be executed: exec: /x', 127);
  const unserved = notRunOutcome('failed', 'SERVICES_FAILED', 'the payload was not run: web: it ended', 125);

  it('is one also where services ran, and the payload could not be executed', () => {
    for (const startEpochUs of [null, 5e15])
      expect(failureOf(record(absent, startEpochUs), ['code', 127])).to.deep.equal({
        ...{fault: 'job', code: 'PAYLOAD_NOT_EXECUTABLE', exit: 127},
        message: 'the payload could not be executed: exec: /x',
      });
    expect(failureOf(record(unserved, 5e15), ['code', 125])).to.include({fault: 'job', code: 'SERVICES_FAILED', exit: 125});
  });

  it('is none where the payload ran, or had no memory to', () => {
    expect(failureOf(record({...RUNNING, status: 'failed', exitCode: 127}, 5e15), ['status', 127 << 8])).to.equal(null);
    expect(failureOf(record({...RUNNING, status: 'limit', limit: 'memory'}, null), ['code', 125])).to.equal(null);
  });

  it('is the node’s for what is no payload’s', () => {
    const failed = notRunOutcome('wrapper-failure', 'ENGINE_FAILED', 'no', 125);
    expect(failureOf(record(failed, null), ['code', 125])).to.include({fault: 'node', code: 'ENGINE_FAILED'});
  });
});
