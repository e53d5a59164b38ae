import {expect} from 'chai';
import type {BatchCall, Effects, Failure, RecordView} from '@tare/contract';
import {adapter} from '../../../plugins/arc/adapter.js';
import {progressBlock, progressOffset} from '../../../plugins/arc/diag.js';
import {arc} from '../../../plugins/arc/index.js';
import {parseLines, slotOf} from '../../../plugins/arc/told.js';

const DIAG = '/session/abc.diag';
const TOLD = [
  'wrapper=/opt/tare/bin/tare-wrap',
  'policy=/etc/tare/arc.yaml',
  'pattern=quotas++',
  'job=',
  'inFront=no',
  'ce=ce.example.org',
  'id=abc',
  'lrms=fork',
  'queue=grid',
  'count=4',
  'perNode=-1',
  'memory=2000',
  'walltime=3600',
  'cputime=7200',
  'subject=/DC=org/CN=Some One',
  'fqan=/atlas/Role=production',
  'name=a job',
  `diag=${DIAG}`,
  'script=4711',
  'parent=4710',
  'spent=100',
  'policy=/evil',
].join('\n');

function world(files: Record<string, string> = {}) {
  const effects: Effects = {
    readText: (path) => files[path] ?? null,
    exists: (path) => path in files,
    writeText: () => expect.fail(),
    append: (path, text) => {
      if (!(path in files)) throw new Error('ENOENT');
      files[path] = `${files[path] ?? ''}${text}`;
    },
    overwrite: (path, offset, text) => {
      const bytes = Buffer.from(files[path] ?? '');
      bytes.write(text, offset);
      files[path] = bytes.toString();
    },
    remove: () => expect.fail(),
    isRoots: () => false,
    letPass: () => expect.fail(),
    connect: () => expect.fail(),
    monotonicMs: () => 0,
    log: () => undefined,
  };
  return {files, effects};
}

const call = (more: Partial<BatchCall> = {}, variables: Record<string, string> = {}): BatchCall => ({
  role: 'wrapper',
  argv: ['./run.sh'],
  environment: {TARE_ARC: TOLD, ...variables},
  cwd: '/session/abc',
  uid: 1000,
  ...more,
});

const view = (outcome: Partial<RecordView['outcome']>): RecordView => ({
  recordId: 'r',
  state: 'final',
  pattern: 'ulimit++',
  mode: 'box',
  time: {wallUs: 9_600_000, suspendedUs: 0, startEpochUs: 0, endEpochUs: 0},
  allocation: {cores: 1, memoryLimitBytes: null},
  usage: {
    ...{cpuUserUs: 8_400_000, cpuSystemUs: null, memPeakBytes: 1025, anonPeakBytes: null, ioReadBytes: null, ioWriteBytes: null},
    ...{pidsPeak: null, oomKills: null, scratchPeakBytes: null},
  },
  tare: {launchUs: null, teardownUs: null},
  outcome: {
    status: 'completed',
    exitCode: 0,
    signal: null,
    limit: null,
    limitScope: null,
    evidence: null,
    reason: null,
    code: null,
    ...outcome,
  },
  host: {node: 'n', tareVersion: '0'},
  flags: [],
});

describe('ARC: from the slot to the job', () => {
  it('multiplies memory by cores, and counts what the script took of the wall time', () => {
    const slot = slotOf(parseLines(TOLD));
    expect([slot.cores?.value, slot.memoryBytes?.value, slot.wallTimeUs?.value, slot.cpuTimeUs?.value]).to.deep.equal([
      4,
      4 * 2000 * 2 ** 20,
      3500e6,
      7200e6,
    ]);
    expect(slotOf(parseLines('count=8\nperNode=4\nmemory=10')).memoryBytes?.value).to.equal(40 * 2 ** 20);
    expect(slotOf(parseLines('count=\nmemory=1e9\nwalltime=-5\ncputime=99999999999999'))).to.include({
      cores: null,
      memoryBytes: null,
      wallTimeUs: null,
      cpuTimeUs: null,
    });
  });

  it('has name, VO and owner of the job, and takes the first line of a key', () => {
    const {lrms, about, policy, callers, ownVariables} = adapter.read(call(), world().effects);
    expect(lrms).to.deep.equal({host: 'ce.example.org', queue: 'grid', localJobId: 'abc', globalJobId: 'ce.example.org#abc', attempt: 1});
    expect(about).to.include({name: 'a job', vo: 'atlas', fqan: '/atlas/Role=production', subject: '/DC=org/CN=Some One'});
    expect(policy?.value).to.equal('/etc/tare/arc.yaml');
    expect(callers).to.deep.equal([4711, 4710]);
    expect(ownVariables).to.include('TARE_ARC');
  });

  it('prefers what the job says to what its descriptor says, and that to what the site says', () => {
    const read = (asked: string, files = {}) => {
      const {pattern, descriptor, remarks} = adapter.read(call({}, {TARE_ARC_JOB: asked}), world(files).effects);
      return [pattern?.value ?? null, descriptor?.value ?? null, remarks.length];
    };
    expect(read('')).to.deep.equal(['quotas++', null, 0]);
    expect(read('', {'/session/abc/.tare.yaml': ''})).to.deep.equal([null, '/session/abc/.tare.yaml', 0]);
    expect(read('job=my.yaml\npattern=ulimit++\ncolour=red')).to.deep.equal(['ulimit++', '/session/abc/my.yaml', 1]);
  });

  it('takes for a container only what another runtime environment put there', () => {
    const kind = (argv: string, inFront: string) =>
      adapter.read(call({argv: [argv, 'exec']}, {TARE_ARC: `inFront=${inFront}`}), world().effects).kind;
    expect(kind('/usr/bin/singularity', 'yes')).to.equal('container');
    expect(kind('/usr/bin/singularity', 'no')).to.equal('job');
    expect(kind('/usr/bin/other', 'yes')).to.equal('job');
  });

  it('is not used for a wrapper that HTCondor’s starter calls', () => {
    const detect = (environment: Record<string, string>) => arc.batchSystems?.[0]?.detect(call({environment}));
    expect(detect({TARE_ARC: 'x'})).to.equal(true);
    expect(detect({TARE_ARC: 'x', _CONDOR_WRAPPER_ERROR_FILE: '/x'})).to.equal(false);
    expect(detect({})).to.equal(false);
  });
});

describe('ARC: from the outcome to .diag', () => {
  it('writes progress over itself', () => {
    const {files, effects} = world({[DIAG]: 'nodename=ü\n'});
    const job = adapter.read(call(), effects);
    const figures = {recordId: 'r', cpuUserUs: null, cpuSystemUs: 400_000, memPeakBytes: 1024};
    adapter.reportProgress?.(job, {...figures, wallUs: 1e6}, effects);
    const length = files[DIAG]?.length;
    files[DIAG] = `${files[DIAG] ?? ''}others\n`;
    adapter.reportProgress?.(job, {...figures, wallUs: 1234e6}, effects);
    expect(files[DIAG].length).to.equal((length ?? 0) + 7);
    expect(files[DIAG]).to.match(/^nodename=ü\ntare_record=r\nWallTime=1234s\nKernelTime=0s\nMaxResidentMemory=1kB\ntare_WallTime=1234s\n/);
    expect(files[DIAG]).to.match(/\n {0}others\n$/);
  });

  it('has room for the largest figures', () => {
    const most = Number.MAX_SAFE_INTEGER;
    const block = (value: number) =>
      progressBlock('a'.repeat(36), {wallUs: value, cpuUserUs: value, cpuSystemUs: value, memPeakBytes: value});
    expect(block(most)).to.have.length(512).and.equal(block(most));
    expect(block(0)).to.have.length(512);
    expect(progressOffset(`x=tare_record=r\n${block(0)}`, 'r')).to.equal(null);
  });

  it('has the last word in whole seconds and kB, and leaves out what is unknown', async () => {
    const {files, effects} = world({[DIAG]: ''});
    const job = adapter.read(call(), effects);
    expect(await adapter.reportOutcome(job, {record: view({}), signals: []}, {oom: 'hold'}, effects)).to.deep.equal({quit: null});
    expect(files[DIAG]).to.equal(
      'tare_record=r\nWallTime=10s\nUserTime=8s\nMaxResidentMemory=2kB\ntare_WallTime=10s\ntare_UserTime=8s\ntare_MaxResidentMemory=2kB\n',
    );
  });

  it('ends as a kill when memory was the reason, and says so in one line', async () => {
    const {files, effects} = world({[DIAG]: ''});
    const job = adapter.read(call(), effects);
    const record = view({status: 'limit', limit: 'memory', reason: 'too\nmuch'});
    expect(await adapter.reportOutcome(job, {record, signals: []}, {oom: 'hold'}, effects)).to.deep.equal({quit: {code: 137}});
    expect(files[DIAG])
      .to.match(/\ntare_reason=out of memory: too much\n$/)
      .and.not.include('exitcode');
  });

  it('says why nothing was run; a file that is not there costs nothing', async () => {
    const {files, effects} = world({[DIAG]: ''});
    const failure: Failure = {fault: 'node', code: 'X', message: 'no box', exit: 125, record: view({status: 'wrapper-failure'})};
    expect(await adapter.reportFailure(adapter.read(call(), effects), failure, {oom: 'hold'}, effects)).to.deep.equal({quit: null});
    expect(files[DIAG]).to.include('tare_reason=no box\n');
    await adapter.reportFailure(adapter.read(call(), effects), failure, {oom: 'hold'}, world().effects);
  });

  it('reports nothing of a call of the command line in a job', async () => {
    const {files, effects} = world({[DIAG]: ''});
    const job = adapter.read(call({role: 'command'}), effects);
    adapter.reportProgress?.(job, {recordId: 'r', wallUs: 1, cpuUserUs: 1, cpuSystemUs: 1, memPeakBytes: 1}, effects);
    await adapter.reportOutcome(job, {record: view({status: 'limit', limit: 'memory'}), signals: []}, {oom: 'hold'}, effects);
    expect([files[DIAG], job.descriptor, job.callers]).to.deep.equal(['', null, []]);
  });
});
