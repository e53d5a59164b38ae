import {expect} from 'chai';
import {NO_MARKS} from '../../../src/record/observed.js';
import {closedRecordOf, lostRecordOf, openRecordOf, type RecordedBox} from '../../../src/record/of-box.js';
import {endedOutcome, RUNNING} from '../../../src/record/outcome.js';
import {NO_PARTS} from '../../../src/record/parts.js';
import {NO_USAGE, type UsageRecord} from '../../../src/record/record.js';
import validate from '../../../src/schema/generated/record-2.validator.js';
import {plan} from '../plan/build.js';
import {pilot} from '../../support/records.js';

const CALLER = {pid: 77, startTicks: 5};
const SELF = {pid: 78, startTicks: 6};
const choices = [{choice: 'an empty /run/lock', chose: 'left out', because: 'the node has no directory there'}];
const {time, usage, tare, watch, ...whole} = pilot();
const box: RecordedBox = {
  started: {
    ...{...whole, time, usage: NO_USAGE, tare, watch, choices, state: 'started', outcome: RUNNING},
    wrapper: {pidNamespace: 'pid:[1]', shim: SELF, supervisor: SELF},
  },
  plan: plan(),
  parts: NO_PARTS,
  phases: null,
};
const ended = {rawStatus: 0, stop: null, oom: null, noted: [], trouble: null, killedProcesses: 0};
const end = {...{time, usage, tare, watch, flags: [], marks: NO_MARKS, goesOn: false}, outcome: endedOutcome(ended)};
const valid = (record: UsageRecord): UsageRecord => {
  expect(validate(structuredClone(record)), JSON.stringify(validate.errors)).to.equal(true);
  return record;
};

describe('the record of a box', () => {
  it('has what was decided before it ran, at each of its ends, and what wrappers in it told', () => {
    expect(openRecordOf(box)).to.equal(box.started);
    const closed = valid(closedRecordOf(box, end));
    expect(closed).to.deep.include({state: 'final', wrapper: null, choices, children: NO_PARTS, usage});
    const lost = valid(
      lostRecordOf(box, {
        ...{reason: 'a test', startEpochUs: 5, seen: null, usage, applications: [], flags: [], oom: null, marks: NO_MARKS},
      }),
    );
    expect(lost).to.deep.include({state: 'lost', wrapper: null, choices, children: NO_PARTS, usage});
    expect(lost.flags).to.include.members(['killed', 'partial']);
  });

  it('of an attempt with phases has those before it, and waits for the next one after a checkpoint', () => {
    const first = valid(closedRecordOf({...box, phases: {caller: CALLER, earlier: null}}, {...end, goesOn: true}));
    expect([first.state, first.wrapper?.caller, first.wrapper?.shim, first.phases?.count]).to.deep.equal(['started', CALLER, null, 1]);
    const second = {...box, phases: {caller: CALLER, earlier: first}};
    expect(openRecordOf(second).usage.cpuUserUs).to.equal(usage.cpuUserUs);
    expect(closedRecordOf(second, end).usage.cpuUserUs).to.equal(2 * (usage.cpuUserUs ?? NaN));
    expect(closedRecordOf(second, end)).to.include({state: 'final', wrapper: null});
  });
});
