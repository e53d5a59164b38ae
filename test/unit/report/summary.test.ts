import {expect} from 'chai';
import {endedOutcome} from '../../../src/record/outcome.js';
import {finalRecord, hostOf, NO_TARE, NO_TIME, NO_USAGE, startedRecord, type UsageRecord} from '../../../src/record/record.js';
import {formatWait} from '../../../src/report/progress.js';
import {describeOutcome, formatSummary, stopText} from '../../../src/report/summary.js';
import {facts, GIB, MIB, plan, USER, grid, type Parts} from '../plan/build.js';

const outcome = endedOutcome({rawStatus: 0, stop: null, oom: null, noted: [], trouble: null, killedProcesses: 0});

function record(parts: Parts | null, change: Partial<Parameters<typeof finalRecord>[1]> = {}, name: string | null = 'mcsim'): UsageRecord {
  const started = startedRecord(
    {
      lrms: {type: 'none', host: 'wn001', queue: null, localJobId: null, globalJobId: 'x', attempt: 1},
      identity: USER,
      grid: grid(null),
      parent: null,
      name,
      host: hostOf(facts(), '0'),
      trust: 'user',
      site: {name: null, infrastructure: null, description: null},
    },
    parts === null ? null : plan(parts),
  );
  return finalRecord(started, {time: NO_TIME, usage: NO_USAGE, tare: NO_TARE, watch: null, outcome, flags: [], ...change});
}
const row = (text: string, first: string): string[] | undefined =>
  text
    .split('\n')
    .map((line) => line.trim().split(/ {2,}/))
    .find(([cell]) => cell === first);

describe('the summary of a job', () => {
  const full = record(
    {job: {limits: {cores: 2, memory: '1GiB', wallTime: '1h'}}},
    {
      time: {...NO_TIME, wallUs: 10_000_000},
      usage: {...NO_USAGE, cpuUserUs: 12_000_000, cpuSystemUs: 3_000_000, memPeakBytes: 300 * MIB, swapPeakBytes: 0, pidsPeak: 7},
      tare: {...NO_TARE, launchUs: 12_345, teardownUs: 1_234_567, cpuUserUs: 20_000, cpuSystemUs: 5000, privateMemoryBytes: 9 * MIB},
      flags: ['killed'],
    },
  );
  const text = formatSummary(full, '/spool/x.json');

  it('says how it ended, in which box, and where the record lies', () => {
    const lines = text.split('\n');
    expect(lines[0]).to.equal('mcsim: completed (exit code 0)');
    expect(lines[1]).to.equal('pattern ulimit++, mode box, wall time 10s');
    expect(text)
      .to.include('flags: killed, no-benchmark\nrecord: /spool/x.json\n')
      .and.match(/json\n$/);
  });

  it('sets what was allowed beside what was used', () => {
    expect(row(text, 'cores')).to.deep.equal(['cores', '2 cores', '1.50', 'kernel', 'cgroup2:cpu.max', 'job.yaml#/limits/cores']);
    expect(row(text, 'memory')?.slice(0, 4)).to.deep.equal(['memory', '1 GiB', '300 MiB', 'kernel']);
    expect(row(text, 'wall time')?.slice(0, 4)).to.deep.equal(['wall time', '1h', '10s', 'watched']);
    expect(row(text, 'CPU time')?.slice(0, 4)).to.deep.equal(['CPU time', 'none', '15s', 'none']);
    expect(row(text, 'processes')?.slice(0, 4)).to.deep.equal(['processes', 'none', '7', 'none']);
    expect(row(text, 'open files')).to.equal(undefined);
  });

  it('says what the wrapper cost: microseconds only where they matter', () => {
    expect(row(text, 'launch')).to.deep.equal(['launch', '12.345ms']);
    expect(row(text, 'teardown')?.[1]).to.equal('1.235s');
    expect(
      text
        .split('\n')
        .filter((line) => line.startsWith('CPU time'))
        .at(-1)
        ?.split(/ {2,}/)[1],
    ).to.equal('25ms');
    expect(row(text, 'private memory')?.[1]).to.equal('9 MiB');
  });

  it('of which nothing is known has no figures, and no zeros', () => {
    const unknown = formatSummary(record({}), null);
    expect(unknown).to.include('wall time -').and.include('record: could not be written');
    for (const name of ['cores', 'memory', 'swap', 'processes', 'wall time']) expect(row(unknown, name)?.[2], name).to.equal('-');
    for (const name of ['launch', 'teardown', 'private memory']) expect(row(unknown, name), name).to.deep.equal([name, '-']);
  });

  it('of a job without wall time has no number of cores', () => {
    const instant = record(
      {job: {limits: {cores: 1}}},
      {time: {...NO_TIME, wallUs: 0}, usage: {...NO_USAGE, cpuUserUs: 1, cpuSystemUs: 1}},
    );
    expect(row(formatSummary(instant, null), 'cores')?.[2]).to.equal('-');
    expect(row(formatSummary(record({}, {usage: {...NO_USAGE, cpuUserUs: 1}}), null), 'cores')?.[2]).to.equal('-');
  });

  it('of a job that was refused is short', () => {
    const refused = formatSummary(
      record(null, {outcome: {...outcome, status: 'refused', exitCode: null, reason: 'no guests', code: 'POLICY_REFUSED'}}, null),
      '/x',
    );
    expect(refused.split('\n').slice(0, 2)).to.deep.equal(['job: refused (no guests)', 'pattern -, mode -, wall time -']);
  });

  it('lists the wrappers in it, as they told', () => {
    const part = {
      ...{recordId: '74d3ba4a-dd34-5a0c-bf62-54cce09c551f', state: 'final' as const, name: 'pilot', pattern: 'ulimit++' as const},
      ...{
        mode: 'limits-only' as const,
        startEpochUs: 1,
        wallUs: 10_000_000,
        limits: {cores: 1, memory: GIB, wallTime: null, cpuTime: null},
      },
      usage: {cpuUserUs: 4_000_000, cpuSystemUs: 1_000_000, memPeakBytes: 200 * MIB},
      outcome: {status: 'limit' as const, exitCode: null, signal: 'SIGKILL', limit: 'memory' as const},
    };
    const cut = {...part, recordId: 'b6bffb00-fb0f-5d3b-8c9c-2d1ac2ef5811', state: 'started' as const, name: null, wallUs: null};
    const told = formatSummary(record({}, {children: {trust: 'self-reported', list: [part, cut], others: 3}}), null);
    expect(row(told, 'wrapper in it, as it told')?.length).to.equal(7);
    expect(row(told, part.recordId)?.slice(1)).to.deep.equal([
      'pilot',
      'ulimit++',
      '5s',
      '200 MiB',
      '10s',
      'limit (SIGKILL; limit memory)',
    ]);
    expect(row(told, cut.recordId)?.at(-1)).to.equal('not told');
    expect(told).to.include('\nand 3 more\n');
    expect(formatSummary(record({}, {children: {trust: 'self-reported', list: [], others: 0}}), null)).to.equal(
      formatSummary(record({}), null),
    );
    const inner = formatSummary({...record({}), parent: {recordId: part.recordId, how: 'a test'}}, null);
    expect(inner).to.include(`\npart of: ${part.recordId} (a test)\n`);
  });

  it('shows other limits where they are set', () => {
    expect(row(formatSummary(record({job: {limits: {openFiles: 1024, coreSize: '1GiB'}}}), null), 'open files')?.slice(0, 3)).to.deep.equal(
      ['open files', '1024', '-'],
    );
    expect(GIB).to.equal(2 ** 30);
  });
});

describe('a limit that stopped the payload, in one line', () => {
  const stopped = {...outcome, status: 'limit' as const, exitCode: null};
  it('of memory is the reason, with its numbers: the counters are the record’s', () => {
    const reason = 'over its memory limit: 100 MiB allowed, 100 MiB used';
    const evidence = 'memory.failcnt rose by 8 in /sys/fs/cgroup/memory/tare-1';
    expect(stopText({...stopped, limit: 'memory', limitScope: 'payload', reason, evidence})).to.equal(`the payload was stopped: ${reason}`);
  });

  it('of another has the reading that said so', () => {
    const found = {limit: 'wallTime' as const, reason: 'over its limit on wall time', evidence: '1.1s, allowed 1s'};
    expect(stopText({...stopped, ...found})).to.equal('the payload was stopped: over its limit on wall time (1.1s, allowed 1s)');
  });

  it('and a payload that ended by itself was not stopped', () => {
    const reason = 'the slot’s memory limit was reached, above the payload’s own';
    expect(stopText({...stopped, exitCode: 0, limit: 'memory', limitScope: 'slot', reason})).to.equal(
      `a limit was reached, and the payload ended with exit code 0: ${reason}`,
    );
  });
});

describe('a job that waits for its image, in one line', () => {
  const wait = {waitedUs: 12_400_000, image: '/images/el9.tar', byAnother: false, bytes: 310 * MIB, of: 1240 * MIB};
  it('says how much of it is read', () => {
    expect(formatWait(wait)).to.match(/^tare: 12s, unpacking \/images\/el9\.tar: 310 MiB of 1\.2\d* GiB \(25%\)$/);
    expect(formatWait({...wait, of: 0})).to.equal('tare: 12s, unpacking /images/el9.tar: 310 MiB');
  });

  it('says that another job is at it', () => {
    expect(formatWait({...wait, byAnother: true})).to.equal('tare: 12s, waiting for another job that unpacks /images/el9.tar');
  });
});

describe('an outcome in words', () => {
  const rows: [Partial<UsageRecord['outcome']>, string][] = [
    [{status: 'running', exitCode: null}, 'running'],
    [{status: 'completed'}, 'completed (exit code 0)'],
    [{status: 'signalled', exitCode: null, signal: 'SIGSEGV'}, 'signalled (SIGSEGV)'],
    [
      {status: 'limit', exitCode: null, signal: 'SIGKILL', reason: 'too much', limitScope: 'slot', evidence: 'oom_kill +1'},
      'limit (SIGKILL; too much; limit of the slot; oom_kill +1)',
    ],
    [{status: 'wrapper-failure', exitCode: null, reason: 'init was killed'}, 'wrapper-failure (init was killed)'],
  ];
  for (const [change, text] of rows) it(text, () => expect(describeOutcome({...outcome, ...change})).to.equal(text));
});
