import {expect} from 'chai';
import {execFileSync, spawnSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {constants} from 'node:os';
import {endedOutcome, lostOutcome, notRunOutcome, RUNNING, type Ending, type Kill, type Outcome} from '../../../src/record/outcome.js';
import {
  finalRecord,
  hostOf,
  NO_TARE,
  NO_TIME,
  NO_USAGE,
  startedRecord,
  type Attempt,
  type RecordTime,
  type RecordUsage,
  type UsageRecord,
} from '../../../src/record/record.js';
import {recordId, uuid5} from '../../../src/record/uuid.js';
import {decodeWaitStatus, signalName} from '../../../src/record/wait-status.js';
import validateRecord from '../../../src/schema/generated/record-2.validator.js';
import {need} from '../../support/need.js';
import {facts, GIB, no, NO_CGROUP, plan, USER, grid} from '../plan/build.js';

describe('record ids', () => {
  const NAMESPACE = '5a0c8f2e-3d7b-4b6e-9c41-d2f0a7e85b13';

  it('are RFC 9562 version 5', () => {
    // Python: uuid.uuid5(NAMESPACE, '["UKI-EXAMPLE","schedd#123.0#1700000000",2,0]'), which shares nothing with ours
    expect(recordId({site: 'UKI-EXAMPLE', globalJobId: 'schedd#123.0#1700000000', attempt: 2, application: 0})).to.equal(
      'c244fac2-bf51-5365-be61-7837dabf6ada',
    );
    expect(recordId({site: null, globalJobId: 'wn001#ab', attempt: 1, application: 0})).to.equal('83281bbc-5063-5e52-9625-9ce653e397ab');
    expect(uuid5('Zürich')).to.equal('4ef4a37a-0c56-5f6d-9c55-55a6200fbc88');
  });

  it('are what the RFC says, step by step', () => {
    const bytes = createHash('sha1')
      .update(Buffer.from(NAMESPACE.replaceAll('-', ''), 'hex'))
      .update('x')
      .digest()
      .subarray(0, 16);
    const hex = bytes.toString('hex');
    const id = uuid5('x');
    expect(id.replaceAll('-', '').slice(0, 12)).to.equal(hex.slice(0, 12));
    expect(id).to.match(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('differ in each part, and are the same for the same attempt', () => {
    const key = {site: 'a', globalJobId: 'b', attempt: 1, application: 0};
    const ids = [
      key,
      {...key, site: 'c'},
      {...key, globalJobId: 'c'},
      {...key, attempt: 2},
      {...key, application: 1},
      {...key, site: null},
    ].map(recordId);
    expect(new Set(ids)).to.have.property('size', 6);
    expect(recordId({...key})).to.equal(ids[0]);
  });
});

describe('wait statuses', () => {
  it('of every exit code', () => {
    for (let code = 0; code <= 255; code++) expect(decodeWaitStatus(code << 8), String(code)).to.deep.equal({exitCode: code, signal: null});
  });

  it('of every signal, with a core file and without', () => {
    for (let signal = 1; signal <= 64; signal++) {
      for (const core of [0, 0x80]) expect(decodeWaitStatus(signal | core), String(signal)).to.deep.equal({exitCode: null, signal});
    }
  });

  it('as the kernel gives them', function () {
    need(this, spawnSync('python3', ['--version']).status === 0, 'there is no python3');
    const child = (action: string): string => `pid=os.fork()\nif pid==0:\n ${action}\nprint(os.waitpid(pid,0)[1])\n`;
    const code = `import os\n${child('os._exit(37)')}${child('os.kill(os.getpid(),9)')}`;
    const statuses = execFileSync('python3', ['-c', code], {encoding: 'utf8'}).trim().split('\n').map(Number);
    expect(statuses.map(decodeWaitStatus)).to.deep.equal([
      {exitCode: 37, signal: null},
      {exitCode: null, signal: 9},
    ]);
  });

  it('have the names of signals', () => {
    const names: [number, string][] = [
      [1, 'SIGHUP'],
      [2, 'SIGINT'],
      [6, 'SIGABRT'],
      [9, 'SIGKILL'],
      [11, 'SIGSEGV'],
      [15, 'SIGTERM'],
      [24, 'SIGXCPU'],
      [29, 'SIGIO'],
      [31, 'SIGSYS'],
      [32, 'SIGRTMIN+0'],
      [34, 'SIGRTMIN+2'],
      [64, 'SIGRTMIN+32'],
      [0, 'signal 0'],
    ];
    for (const [signal, name] of names) expect(signalName(signal)).to.equal(name);
    for (let signal = 1; signal < 32; signal++) expect(constants.signals[signalName(signal) as NodeJS.Signals]).to.equal(signal);
  });
});

describe('outcomes', () => {
  const ending: Ending = {rawStatus: 0, stop: null, oom: null, noted: [], trouble: null, killedProcesses: 0};
  const oom = {whose: 'slot' as const, evidence: 'oom_kill +1'};
  const stop = {limit: 'wallTime' as const, evidence: '1h1s'};
  const SEGV = 11 | 0x80;
  const rows: [title: string, change: Partial<Ending>, expected: Partial<UsageRecord['outcome']>][] = [
    ['exit 0', {}, {status: 'completed', exitCode: 0, signal: null, reason: null}],
    ['exit 3', {rawStatus: 3 << 8}, {status: 'failed', exitCode: 3, signal: null, reason: null}],
    ['death by a signal', {rawStatus: SEGV}, {status: 'signalled', exitCode: null, signal: 'SIGSEGV', reason: null}],
    ['stopped from outside', {rawStatus: 15, noted: [15]}, {status: 'stopped', signal: 'SIGTERM', reason: 'the wrapper was sent SIGTERM'}],
    [
      'stopped after other signals',
      {rawStatus: 2, noted: [10, 2]},
      {status: 'stopped', signal: 'SIGINT', reason: 'the wrapper was sent SIGUSR1, SIGINT'},
    ],
    [
      'stopped by a storm of signals',
      {rawStatus: 2, noted: [10, ...Array<number>(1000).fill(2), 10]},
      {status: 'stopped', signal: 'SIGINT', reason: 'the wrapper was sent SIGUSR1, SIGINT'},
    ],
    ['a crash after a signal that did no harm', {rawStatus: SEGV, noted: [10]}, {status: 'signalled', signal: 'SIGSEGV', reason: null}],
    ['an exit after a signal', {rawStatus: 1 << 8, noted: [15]}, {status: 'failed', exitCode: 1}],
    ['a clean exit after a signal', {noted: [15]}, {status: 'completed', exitCode: 0}],
    [
      'trouble of ours',
      {rawStatus: null, trouble: 'init was killed'},
      {status: 'wrapper-failure', exitCode: null, signal: null, reason: 'init was killed'},
    ],
    [
      'trouble before a signal that was passed on',
      {rawStatus: 9, trouble: 'x', noted: [9]},
      {status: 'wrapper-failure', signal: 'SIGKILL', reason: 'x'},
    ],
    [
      'a limit before trouble',
      {rawStatus: null, stop, trouble: 'x', noted: [9]},
      {status: 'limit', limit: 'wallTime', limitScope: null, evidence: '1h1s', reason: 'over its limit on wall time'},
    ],
    [
      'out of memory before all',
      {rawStatus: 9, oom, stop, trouble: 'x', noted: [9]},
      {status: 'limit', limit: 'memory', limitScope: 'slot', evidence: 'oom_kill +1', signal: 'SIGKILL'},
    ],
    [
      'the payload’s own memory limit',
      {rawStatus: 9, oom: {...oom, whose: 'payload'}},
      {limitScope: 'payload', reason: 'over its memory limit'},
    ],
    [
      'the payload’s own memory limit, with figures',
      {rawStatus: 9, oom: {...oom, whose: 'payload'}, memory: {allowedBytes: 100 * 2 ** 20, usedBytes: 100 * 2 ** 20}},
      {limitScope: 'payload', reason: 'over its memory limit: 100 MiB allowed, 100 MiB used'},
    ],
    [
      'the slot’s memory limit, with figures',
      {rawStatus: 9, oom, memory: {allowedBytes: 100 * 2 ** 20, usedBytes: null}},
      {limitScope: 'slot', reason: 'the slot’s memory limit was reached, above the payload’s own: 100 MiB allowed'},
    ],
    [
      'watched memory, with figures',
      {rawStatus: 9, stop: {limit: 'memory', evidence: 'PSS'}, memory: {allowedBytes: 100 * 2 ** 20, usedBytes: 159 * 2 ** 20}},
      {limitScope: 'payload', reason: 'over its memory limit: 100 MiB allowed, 159 MiB used'},
    ],
    [
      'no progress at the memory limit',
      {rawStatus: 15, stop: {limit: 'memory-stall', evidence: 'x'}, memory: {allowedBytes: 100 * 2 ** 20, usedBytes: null}},
      {limit: 'memory-stall', reason: 'it made no progress at its memory limit: 100 MiB allowed'},
    ],
    [
      'the slot’s memory limit',
      {rawStatus: 9, oom},
      {limitScope: 'slot', reason: 'the slot’s memory limit was reached, above the payload’s own'},
    ],
    ['the node’s memory', {rawStatus: 9, oom: {...oom, whose: 'node'}}, {limitScope: 'node', reason: 'the node ran out of memory'}],
    [
      'watched memory',
      {rawStatus: 9, stop: {limit: 'memory', evidence: 'PSS'}},
      {status: 'limit', limit: 'memory', limitScope: 'payload', reason: 'over its memory limit'},
    ],
    [
      'processes',
      {rawStatus: 9, stop: {limit: 'processes', evidence: '9'}},
      {status: 'limit', limit: 'processes', limitScope: null, reason: 'over its limit on processes'},
    ],
    [
      'CPU time',
      {rawStatus: 0, stop: {limit: 'cpuTime', evidence: '9'}},
      {status: 'limit', limit: 'cpuTime', exitCode: 0, reason: 'over its limit on CPU time'},
    ],
    ['processes that were left', {killedProcesses: 4}, {status: 'completed', killedProcesses: 4}],
    ['unknown', {rawStatus: null, killedProcesses: null}, {exitCode: null, signal: null, killedProcesses: null}],
  ];
  for (const [title, change, expected] of rows) {
    it(title, () => {
      const outcome = endedOutcome({...ending, ...change});
      expect(outcome).to.include(expected);
      expect(outcome.code).to.equal(null);
      expect(outcome.exitCode !== null && outcome.signal !== null).to.equal(false);
    });
  }

  it('of what did not run', () => {
    expect(notRunOutcome('refused', 'POLICY_REFUSED', 'no', 126)).to.deep.equal({
      ...RUNNING,
      status: 'refused',
      reason: 'no',
      code: 'POLICY_REFUSED',
    });
    expect(notRunOutcome('wrapper-failure', 'ENGINE_FAILED', 'no', 125)).to.include({status: 'wrapper-failure', exitCode: null});
    expect(notRunOutcome('failed', 'PAYLOAD_NOT_EXECUTABLE', 'no', 127)).to.include({
      status: 'failed',
      exitCode: 127,
      code: 'PAYLOAD_NOT_EXECUTABLE',
    });
  });

  it('before the end is running, and knows nothing', () => {
    const {status, ...rest} = RUNNING;
    expect(status).to.equal('running');
    expect(new Set(Object.values(rest))).to.deep.equal(new Set([null]));
  });
});

const attempt: Attempt = {
  lrms: {type: 'none', host: 'wn001', queue: 'long', localJobId: null, globalJobId: 'wn001#ab', attempt: 1},
  identity: USER,
  grid: grid('atlas'),
  parent: null,
  name: 'mcsim',
  host: hostOf(facts(), '0.1.0'),
  trust: 'user',
  site: {name: 'UKI', infrastructure: null, description: null},
};
const valid = (record: UsageRecord): void => {
  expect(validateRecord(record), JSON.stringify(validateRecord.errors)).to.equal(true);
};

describe('the started record', () => {
  it('fits the schema, with a plan of each mode and without', () => {
    for (const made of [
      plan({job: {limits: {cores: 2, memory: '1GiB'}}}),
      plan({facts: {newProc: no, cgroup: NO_CGROUP}}),
      plan({policy: {mode: 'observe'}}),
      null,
    ])
      valid(startedRecord(attempt, made));
  });

  it('has account, node and limits, and null for what is not known yet', () => {
    const made = plan({job: {limits: {cores: 1.5, memory: '1GiB'}}});
    const record = startedRecord(attempt, made);
    expect(record).to.include({
      state: 'started',
      revision: 1,
      trust: 'user',
      pattern: 'ulimit++',
      mode: 'box',
      seccomp: 'default',
      recordId: recordId({site: 'UKI', globalJobId: 'wn001#ab', attempt: 1, application: 0}),
    });
    expect(record.user).to.include({local: 'atlas001', uid: 1001, vo: 'atlas', global: null});
    expect(record.host).to.deep.equal({node: 'wn001', bootId: '5f3c', kernel: '6.1.0', cpuModel: 'a CPU', tareVersion: '0.1.0'});
    expect(record.outcome).to.equal(RUNNING);
    expect(record.landlock).to.deep.equal({abi: 7, because: 'read-only paths stay read-only even where a mount does not protect them'});
    expect(startedRecord(attempt, plan({policy: {mode: 'observe'}})).landlock).to.equal(null);
    for (const part of [record.usage, record.time]) for (const [name, value] of Object.entries(part)) expect(value, name).to.equal(null);
    const {because: _, ...memory} = made.limits.memory;
    expect(record.limits?.memory).to.deep.equal(memory);
    expect(Object.keys(record.limits ?? {})).to.have.length(12);
    expect(record.allocation).to.deep.equal({
      cores: 1.5,
      coresSource: 'job.yaml#/limits/cores',
      cpuQuotaMilli: 1500,
      nodes: 1,
      memoryLimitBytes: GIB,
      gpus: null,
    });
  });

  it('takes cores from the slot where they are not limited, and a quota only where the kernel holds it', () => {
    const slot = {...plan().slot, cores: 4};
    expect(startedRecord(attempt, {...plan(), slot}).allocation).to.include({cores: 4, coresSource: 'slot', cpuQuotaMilli: null});
    expect(startedRecord(attempt, plan()).allocation).to.include({cores: null, coresSource: null, memoryLimitBytes: null});
    expect(startedRecord(attempt, plan({job: {limits: {cores: 2}}, facts: {cgroup: NO_CGROUP}})).allocation).to.include({
      cores: 2,
      cpuQuotaMilli: null,
    });
    expect(startedRecord(attempt, null)).to.deep.include({pattern: null, mode: null, limits: null, flags: []});
  });

  it('has the plan’s flags, in a list of its own', () => {
    const made = plan({facts: {newProc: no}});
    const {flags} = startedRecord(attempt, made);
    expect(flags).to.deep.equal(['unboxed']);
    expect(flags === made.flags).to.equal(false);
  });
});

describe('a job that was ended by tare kill', () => {
  const kill = (signal: string, uid = 7): Kill => ({uid, epochUs: 5, signal});
  const ending = {stop: null, oom: null, noted: [], trouble: null, killedProcesses: 0};
  const by = (rawStatus: number | null, kills: Kill[], more: object = {}): string => {
    const {status, killedBy} = endedOutcome({...ending, rawStatus, kills, ...more});
    return killedBy == null ? status : `${status} ${killedBy.signal} ${killedBy.uid}`;
  };

  it('has the uid that asked, when it ended as was asked for', () => {
    expect(by(9, [kill('SIGKILL')])).to.equal('killed SIGKILL 7');
    expect(by(15, [kill('SIGTERM')])).to.equal('killed SIGTERM 7');
    expect(by(0, [kill('SIGTERM')]), 'it used its grace').to.equal('killed SIGTERM 7');
    expect(by(9, [kill('SIGTERM'), kill('SIGKILL', 0)]), 'the second one').to.equal('killed SIGKILL 0');
    expect(by(10, [kill('SIGUSR1'), kill('SIGUSR2')])).to.equal('killed SIGUSR1 7');
    expect(by(null, [kill('SIGKILL')], {trouble: 'init was killed'})).to.equal('killed SIGKILL 7');
    expect(by(9, [kill('SIGKILL')], {oom: {whose: 'payload', evidence: 'x'}}), 'an earlier one of a child').to.equal('killed SIGKILL 7');
    expect(endedOutcome({...ending, rawStatus: 9, kills: [kill('SIGKILL')]}).reason).to.equal('uid 7 ended it by tare kill (SIGKILL)');
  });

  it('is another’s where it is not', () => {
    expect(by(0, [kill('SIGKILL')]), 'it was faster').to.equal('completed');
    expect(by(0, [kill('SIGUSR1')])).to.equal('completed');
    expect(by(9, [kill('SIGTERM')]), 'another process').to.equal('signalled');
    expect(by(null, [kill('SIGTERM')], {trouble: 'init was killed'})).to.equal('wrapper-failure');
    expect(by(9, [kill('SIGKILL')], {stop: {limit: 'wallTime', evidence: 'x'}}), 'the limit was first').to.equal('limit');
    expect(by(9, [])).to.equal('signalled');
  });

  it('is so too when no wrapper was left that saw it', () => {
    const lost = (...kills: Kill[]): Outcome => lostOutcome('gone', {oom: null, stop: null, kills});
    expect(lost(kill('SIGUSR1'))).to.include({status: 'lost', reason: 'gone'});
    expect(lost(kill('SIGKILL'))).to.deep.include({status: 'killed', killedBy: kill('SIGKILL'), signal: null});
  });

  it('names the limit that was found exceeded when no wrapper was left', () => {
    const stop = {limit: 'wallTime', evidence: '1 s of 1 s'} as const;
    const named = {
      status: 'lost',
      limit: 'wallTime',
      limitScope: null,
      evidence: '1 s of 1 s',
      reason: 'over its limit on wall time; gone',
    };
    expect(lostOutcome('gone', {oom: null, stop, kills: [kill('SIGKILL')]})).to.deep.include({...named, signal: null});
    const oom = {whose: 'payload', evidence: 'oom_kill 1', certain: true} as const;
    expect(lostOutcome('gone', {oom, stop, kills: []}), 'the kernel was first').to.include({limit: 'memory', evidence: 'oom_kill 1'});
  });

  it('has a record that fits the schema', () => {
    const started = startedRecord(attempt, plan());
    const outcome = endedOutcome({...ending, rawStatus: 9, kills: [kill('SIGKILL')]});
    valid(finalRecord(started, {time: NO_TIME, usage: NO_USAGE, tare: NO_TARE, watch: null, outcome, flags: ['killed']}));
  });
});

describe('the final record', () => {
  const started = startedRecord(attempt, plan({job: {limits: {cores: 2}}, facts: {newProc: no}}));
  const time: RecordTime = {
    ...NO_TIME,
    startEpochUs: 1_700_000_000_000_000,
    endEpochUs: 1_700_000_001_000_000,
    wallUs: 1_000_000,
    clockStepUs: 0,
  };
  const usage = (cpuUserUs: number | null, cpuSystemUs: number | null = 0): RecordUsage => ({
    ...NO_USAGE,
    cpuUserUs,
    cpuSystemUs,
    cpuSource: 'cgroup2',
  });
  const outcome = endedOutcome({rawStatus: 0, stop: null, oom: null, noted: [], trouble: null, killedProcesses: 0});
  const final = (change: Partial<Parameters<typeof finalRecord>[1]> = {}, from = started): UsageRecord =>
    finalRecord(from, {time, usage: usage(1_000_000), tare: NO_TARE, watch: null, outcome, flags: [], ...change});

  it('fits the schema, and is the same record', () => {
    const record = final({
      watch: {
        events: null,
        periodUs: 250_000,
        longestGapUs: 260_000,
        samples: 4,
        overshootBytes: null,
        lookUs: 900,
        pssReads: 0,
        pssUs: 0,
        pssLongestUs: 0,
      },
      tare: {...NO_TARE, launchUs: 5, processes: [{name: 'shim', privateBytes: 1, privateDirtyBytes: null}]},
    });
    valid(record);
    expect(record).to.include({state: 'final', recordId: started.recordId, revision: 1});
    expect(record.limits).to.equal(started.limits);
  });

  it('leaves the started one as it was', () => {
    const before = structuredClone(started);
    final({flags: ['killed']});
    expect(started).to.deep.equal(before);
  });

  const flagged: [title: string, change: Partial<Parameters<typeof finalRecord>[1]>, expected: string[]][] = [
    ['nothing to remark', {}, []],
    ['flags of the weighing, once and in order', {flags: ['partial', 'killed', 'unboxed', 'partial']}, ['killed', 'partial']],
    ['a clock that stepped', {time: {...time, clockStepUs: 2_000_001}}, ['clock-step']],
    ['a clock that stepped back', {time: {...time, clockStepUs: -2_000_001}}, ['clock-step']],
    ['a clock that was slewed', {time: {...time, clockStepUs: 2_000_000}}, []],
    ['an unknown step of the clock', {time: {...time, clockStepUs: null}}, []],
    ['just as much CPU time as there can be', {usage: usage(2_000_000, 300_000)}, []],
    ['more CPU time than there can be', {usage: usage(2_000_000, 300_001)}, ['cpu-eff-gt-1.05']],
    ['no wall time', {time: {...time, wallUs: 0}, usage: usage(9e9)}, []],
    ['unknown wall time', {time: NO_TIME, usage: usage(9e9)}, []],
    ['unknown user time', {usage: usage(null, 9e9)}, []],
    ['unknown system time', {usage: usage(9e9, null)}, []],
  ];
  for (const [title, change, expected] of flagged) {
    it(`is flagged: ${title}`, () => {
      expect(final(change).flags).to.deep.equal([...expected, 'no-benchmark', 'unboxed'].sort());
    });
  }

  it('is flagged where the cores are not known, and then has no efficiency', () => {
    expect(final({usage: usage(9e9)}, startedRecord(attempt, plan())).flags).to.deep.equal(['cores-unknown', 'no-benchmark']);
  });
});
