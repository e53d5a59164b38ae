import {expect} from 'chai';
import {newObservation, type EndedObservation} from '../../../src/decide/observation.js';
import {recordOf, type FoundAfter} from '../../../src/decide/record-of.js';
import {NO_TARE, NO_USAGE, type UsageRecord} from '../../../src/record/record.js';
import {pilot} from '../../support/records.js';
import {plan} from '../plan/build.js';

const started: UsageRecord = {...pilot(), state: 'started'};
const box = {started, plan: plan(), parts: null, phases: null};
const INIT = {payloadUserUs: 0, payloadSystemUs: 0, childrenUserUs: 0, childrenSystemUs: 0, largestProcessBytes: 0, killedProcesses: 0};

const observed = (more: Partial<EndedObservation>, rawStatus = 0): EndedObservation => ({
  ...newObservation({stop: null, supervisorsLost: 0}),
  ...{executedUs: 1000, startEpochUs: 5e15, endedUs: 4000, verdict: null, watch: null, suspended: null},
  ...{processes: [], applications: null, records: null, init: {...INIT, rawStatus, endedUs: 4000}},
  weighing: {usage: {...NO_USAGE, cpuUserUs: 7, memPeakBytes: 8}, applications: [], flags: ['sampled-memory']},
  ...more,
});
const found = (more: Partial<FoundAfter> = {}): FoundAfter => ({
  ...{kills: [], cvmfs: null, left: [], tare: NO_TARE, flags: []},
  now: {us: 9000, epochUs: 5e15 + 8000},
  ...more,
});

describe('the record of a box that is over', () => {
  it('has how the payload ended, when, and what it used', () => {
    const {record, outcome} = recordOf(box, observed({}, 3 << 8), found());
    expect([record.state, outcome.status, outcome.exitCode]).to.deep.equal(['final', 'failed', 3]);
    expect(record.time).to.include({startEpochUs: 5e15, wallUs: 3000, endEpochUs: 5e15 + 3000, clockStepUs: 0});
    expect([record.usage.cpuUserUs, record.flags.includes('sampled-memory')]).to.deep.equal([7, true]);
  });

  it('claims no figure and no time for what was not executed', () => {
    const {record} = recordOf(
      box,
      observed({executedUs: null, startEpochUs: null, init: null, failure: {step: 'engine', errno: 0, text: 'no'}}),
      found(),
    );
    expect([record.outcome.status, record.outcome.code]).to.deep.equal(['wrapper-failure', 'ENGINE_FAILED']);
    expect([record.time.startEpochUs, record.usage.cpuUserUs, record.flags.includes('sampled-memory')]).to.deep.equal([null, null, false]);
  });

  it('names an engine that ended and said nothing, and how', () => {
    const engine = {rawStatus: 9, userUs: 0, systemUs: 0, shimUserUs: 0, shimSystemUs: 0, stderr: '', limited: false};
    const failure = {step: 'engine', errno: 0, text: 'the engine ended before init was started'};
    const {record} = recordOf(box, observed({executedUs: null, init: null, failure, engine}), found());
    const {name, path} = box.plan.engine;
    expect(record.outcome.reason).to.equal(
      `the box was not built: engine: the engine ended before init was started (${name}, ${path ?? ''}, SIGKILL)`,
    );
  });

  it('is the same for a sweep, which cannot say what the calendar did meanwhile', () => {
    const noted = JSON.parse(JSON.stringify(observed({noted: [15]}, 15))) as EndedObservation;
    const {record} = recordOf(box, noted, found({now: null, flags: ['supervisor-lost']}));
    const {record: own} = recordOf(box, observed({noted: [15]}, 15), found());
    expect(record).to.deep.equal({...own, time: {...own.time, clockStepUs: null}, flags: [...own.flags, 'supervisor-lost'].sort()});
  });

  it('stays open after a checkpoint, but not when a signal ends the attempt with it', () => {
    const caller = {pid: 5, startTicks: 6};
    const wrapper = {pidNamespace: 'pid:[1]', shim: caller, supervisor: caller, host: null} as unknown as NonNullable<
      UsageRecord['wrapper']
    >;
    const phased = {...box, started: {...started, wrapper}, phases: {caller, earlier: null}};
    const checkpoint = {exitCode: 85, signal: null, endedBy: [15]};
    const open = recordOf(phased, observed({}, 85 << 8), found({checkpoint})).record;
    expect([open.state, open.wrapper?.caller, open.outcome.status]).to.deep.equal(['started', caller, 'running']);
    const over = recordOf(phased, observed({noted: [15]}, 85 << 8), found({checkpoint})).record;
    expect([over.state, over.outcome.status]).to.deep.equal(['final', 'stopped']);
  });

  it('names what is left, what was killed, and supervisors that died', () => {
    const verdict = {whose: 'slot', evidence: 'a test', certain: false} as const;
    const {record} = recordOf(box, observed({verdict, supervisorsLost: 2}, 9), found({left: ['/x (busy)']}));
    expect(record.flags).to.include.members(['left-behind', 'killed', 'oom-verdict-uncertain', 'supervisor-lost']);
    expect([record.outcome.limit, record.outcome.limitScope]).to.deep.equal(['memory', 'slot']);
  });

  it('of a small machine says what became of its payload, not of its services alone', () => {
    const fault = {name: 'web', reason: 'it ended with SIGKILL'};
    const machine = (applications: Partial<EndedObservation['applications']>, rawStatus: number) =>
      recordOf(
        box,
        observed(
          {
            applications: {
              ...{killedForMemory: [], killedForOwnLimit: [], servicesFault: null, serviceFailure: null, payloadFault: null},
              ...applications,
            },
          },
          rawStatus,
        ),
        found(),
      ).outcome;
    expect(machine({servicesFault: fault, serviceFailure: fault}, 9)).to.include({
      ...{status: 'failed', exitCode: 125, code: 'SERVICES_FAILED'},
      reason: 'the payload was not run: web: it ended with SIGKILL',
    });
    expect(machine({serviceFailure: fault}, 9)).to.include({
      ...{status: 'signalled', signal: 'SIGKILL', code: null},
      reason: 'the service web failed beside it: it ended with SIGKILL',
    });
    expect(machine({payloadFault: 'exec: /x'}, 127 << 8)).to.include({status: 'failed', exitCode: 127, code: 'PAYLOAD_NOT_EXECUTABLE'});
  });
});
