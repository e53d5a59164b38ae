import {expect} from 'chai';
import type {RecordView} from '@tare/contract';
import {figuresOf} from '../../../plugins/htcondor/figures.js';

const RECORD: RecordView = {
  recordId: '6b056ee4-6b05-5f15-8c12-f76b056ee4aa',
  state: 'final',
  pattern: 'pilot',
  mode: 'enforce',
  time: {wallUs: 7200e6, suspendedUs: 0, startEpochUs: 1, endEpochUs: 2},
  allocation: {cores: 1.5, memoryLimitBytes: 2 ** 31},
  usage: {
    cpuUserUs: 25_000_000_001,
    cpuSystemUs: 1_000_000,
    memPeakBytes: 2 ** 31,
    anonPeakBytes: 2 ** 30,
    ioReadBytes: 4096,
    ioWriteBytes: 0,
    pidsPeak: 12,
    oomKills: 1,
    scratchPeakBytes: 8192,
  },
  tare: {launchUs: 41_000, teardownUs: 3000},
  outcome: {
    status: 'limit',
    exitCode: null,
    signal: 'SIGKILL',
    limit: 'memory',
    limitScope: 'payload',
    evidence: 'oom_kill 1',
    reason: 'over its memory limit: 2 GiB allowed, 2 GiB used',
    code: 'OOM',
  },
  host: {node: 'wn01', tareVersion: '0.1.0'},
  flags: [],
};
const OBSERVED: RecordView = {
  ...RECORD,
  mode: 'observe',
  observed: {
    limits: {memory: {exceededBy: 164 * 2 ** 20}, cpuTime: {exceededBy: null}, wallTime: {exceededBy: 1}, processes: {exceededBy: 0}},
    refused: {code: 'POLICY_REFUSED', reason: 'x'},
    boxed: {value: false, because: 'x'},
  },
};
const UNKNOWN: RecordView = {
  ...RECORD,
  pattern: null,
  mode: null,
  time: {wallUs: null, suspendedUs: null, startEpochUs: null, endEpochUs: null},
  allocation: {cores: null, memoryLimitBytes: null},
  usage: {
    cpuUserUs: null,
    cpuSystemUs: null,
    memPeakBytes: null,
    anonPeakBytes: null,
    ioReadBytes: null,
    ioWriteBytes: null,
    pidsPeak: null,
    oomKills: null,
    scratchPeakBytes: null,
  },
  tare: {launchUs: null, teardownUs: null},
  outcome: {status: 'refused', exitCode: null, signal: null, limit: null, limitScope: null, evidence: null, reason: null, code: null},
};

describe('the figures for HTCondor', () => {
  it('are the record’s, in microseconds, bytes and thousandths of a core', () => {
    expect(figuresOf(RECORD, 1, true)).to.deep.equal({
      ChirpTareAttempt: 1,
      ChirpTareHold: true,
      ChirpTareRecordId: '6b056ee4-6b05-5f15-8c12-f76b056ee4aa',
      ChirpTareVersion: '0.1.0',
      ChirpTarePattern: 'pilot',
      ChirpTareMode: 'enforce',
      ChirpTareStatus: 'limit',
      ChirpTareLimit: 'memory',
      ChirpTareWhose: 'payload',
      ChirpTareReason: 'over its memory limit: 2 GiB allowed, 2 GiB used',
      ChirpTareEvidence: 'oom_kill 1',
      ChirpTareCode: 'OOM',
      ChirpTareWallUsec: 7_200_000_000,
      ChirpTareSuspendedUsec: 0,
      ChirpTareCpuUserUsec: 25_000_000_001,
      ChirpTareCpuSystemUsec: 1_000_000,
      ChirpTareLaunchUsec: 41_000,
      ChirpTareMillicores: 1500,
      ChirpTareMemoryLimitBytes: 2_147_483_648,
      ChirpTareMemoryPeakBytes: 2_147_483_648,
      ChirpTareAnonPeakBytes: 1_073_741_824,
      ChirpTareScratchPeakBytes: 8192,
      ChirpTareReadBytes: 4096,
      ChirpTareWriteBytes: 0,
      ChirpTareProcessesPeak: 12,
    });
  });

  it('are not more than are sent', () => expect(Object.keys(figuresOf(OBSERVED, 1, true))).to.have.length.at.most(32));

  it('say of an observed job what would have been', () => {
    expect(figuresOf(OBSERVED, 1, false)).to.include({
      ChirpTareWouldExceed: 'memory wallTime',
      ChirpTareWouldExceedMemoryBytes: 171_966_464,
      ChirpTareWouldRefuse: 'POLICY_REFUSED',
      ChirpTareWouldBox: false,
    });
    const held = {...OBSERVED, observed: {limits: {memory: {exceededBy: 0}}, refused: null, boxed: {value: true, because: 'x'}}};
    expect(figuresOf(held, 1, false)).to.include({ChirpTareWouldExceedMemoryBytes: 0, ChirpTareWouldBox: true});
    expect(figuresOf(held, 1, false)).not.to.have.any.keys('ChirpTareWouldExceed', 'ChirpTareWouldRefuse');
  });

  it('leave out what is unknown', () => {
    expect(figuresOf(UNKNOWN, 1, false)).to.deep.equal({
      ChirpTareAttempt: 1,
      ChirpTareRecordId: RECORD.recordId,
      ChirpTareVersion: '0.1.0',
      ChirpTareStatus: 'refused',
    });
  });

  it('take back what an earlier attempt said and this one does not know', () => {
    const figures = figuresOf(UNKNOWN, 2, false);
    expect(Object.keys(figures)).to.deep.equal(Object.keys(figuresOf(OBSERVED, 2, true)));
    expect(figures).to.include({ChirpTareWouldExceed: null, ChirpTareWouldBox: null});
    expect(figures).to.include({ChirpTareAttempt: 2, ChirpTareHold: null, ChirpTareReason: null, ChirpTareMemoryPeakBytes: null});
  });
});
