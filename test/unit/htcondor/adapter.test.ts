import {expect} from 'chai';
import type {BatchJob, Effects, RecordView} from '@tare/contract';
import {adapter} from '../../../plugins/htcondor/adapter.js';
import {plainJob} from '../../../src/batch/plain.js';
import {endedOutcome, notRunOutcome, type Outcome} from '../../../src/record/outcome.js';
import {finalRecord, NO_TARE, NO_TIME, NO_USAGE, hostOf, startedRecord} from '../../../src/record/record.js';
import {facts, grid, plan, USER} from '../plan/build.js';

const SCRATCH = '/scratch/dir_7';
const ENVIRONMENT = {
  _CONDOR_SCRATCH_DIR: SCRATCH,
  _CONDOR_JOB_AD: `${SCRATCH}/.job.ad`,
  _CONDOR_MACHINE_AD: `${SCRATCH}/.machine.ad`,
  _CONDOR_WRAPPER_ERROR_FILE: `${SCRATCH}/.job_wrapper_failure`,
};

/** A world of files in memory; there is no Chirp proxy in it. */
function world(files: Record<string, string> = {}, pipes: string[] = []) {
  const log: string[] = [];
  const effects: Effects = {
    readText: (path) => files[path] ?? null,
    exists: (path) => path in files || pipes.includes(path),
    writeText: (path, text) => {
      files[path] = text;
    },
    append: () => undefined,
    overwrite: () => undefined,
    remove: (path) => {
      files[path] = 'removed';
    },
    isRoots: (path) => path.startsWith('/usr/'),
    letPass: (directory) => {
      files[directory] = 'passable';
    },
    connect: () => Promise.reject(new Error('nobody there')),
    monotonicMs: () => 0,
    log: (_, message) => {
      log.push(message);
    },
  };
  return {files, effects, log};
}

const call = (argv = ['/bin/true'], role: 'wrapper' | 'command' = 'wrapper') => ({
  role,
  argv,
  environment: ENVIRONMENT,
  cwd: SCRATCH,
  uid: 1,
});
const ERROR_FILE = ENVIRONMENT._CONDOR_WRAPPER_ERROR_FILE;

describe('HTCondor: from the slot to the job', () => {
  it('reads both ads, and removes a stale error file', () => {
    const {files, effects} = world({
      [`${SCRATCH}/.job.ad`]: 'GlobalJobId = "s#1.0#2"',
      [`${SCRATCH}/.machine.ad`]: 'Cpus = 2',
      [ERROR_FILE]: '',
    });
    const job = adapter.read(call(), effects);
    expect([job.lrms.globalJobId, job.slot.cores?.value, job.kind, job.remarks]).to.deep.equal(['s#1.0#2', 2, 'job', []]);
    expect(files[ERROR_FILE]).to.equal('removed');
  });

  it('does without ads, and says so', () => {
    const job = adapter.read(call(), world().effects);
    expect([job.slot.cores, job.remarks.length, job.descriptor]).to.deep.equal([null, 2, null]);
  });

  it('touches no error file for a session, or for a call of the command line in the job', () => {
    const sshd = ['/usr/sbin/sshd', '-i', '-e', '-f', `${SCRATCH}/.condor_ssh_to_job_1/sshd_config`];
    for (const each of [call(sshd), call(['/bin/true'], 'command')]) {
      const {files, effects} = world({[ERROR_FILE]: 'there'});
      adapter.read(each, effects);
      expect(files[ERROR_FILE]).to.equal('there');
    }
  });

  it('knows by which signals the starter may stop it', () => {
    const of = (ad: string) => adapter.read(call(), world({[`${SCRATCH}/.job.ad`]: ad}).effects).own['stops'];
    expect([of(''), of('KillSig = "SIGUSR2"\nRemoveKillSig = 2\nHoldKillSig = "NONSENSE"')]).to.deep.equal(['15', '15 12 2']);
  });

  it('knows how a job ends that has made a checkpoint, which only the starter’s own wrapper goes on from', () => {
    const of = (ad: string, role: 'wrapper' | 'command' = 'wrapper') =>
      adapter.read(call(['/bin/true'], role), world({[`${SCRATCH}/.job.ad`]: ad}).effects).checkpoint;
    const wants = 'WantFTOnCheckpoint = true\n';
    expect(of('SuccessCheckpointExitCode = 85\n')).to.equal(undefined);
    expect(of(`${wants}SuccessCheckpointExitCode = 85\n`)).to.deep.equal({exitCode: 85, signal: null, endedBy: [15]});
    expect(of(`${wants}SuccessCheckpointExitCode = 85\n`, 'command')).to.equal(undefined);
    expect(of(`${wants}SuccessCheckpointExitBySignal = true\nSuccessCheckpointExitSignal = 12\nKillSig = "SIGINT"\n`)).to.deep.equal({
      exitCode: null,
      signal: 12,
      endedBy: [15, 2],
    });
    // as the starter takes it
    expect(of(wants)).to.deep.equal({exitCode: 0, signal: null, endedBy: [15]});
  });

  it('finds the descriptor that came with the job', () => {
    const of = (files: Record<string, string>) => adapter.read(call(), world(files).effects).descriptor?.value ?? null;
    expect(of({[`${SCRATCH}/.tare.yaml`]: ''})).to.equal(`${SCRATCH}/.tare.yaml`);
    expect(of({[`${SCRATCH}/.tare.yaml`]: '', [`${SCRATCH}/.job.ad`]: 'TareJob = "my.yaml"'})).to.equal(`${SCRATCH}/my.yaml`);
    expect(of({[`${SCRATCH}/.job.ad`]: 'TareJob = "/etc/x"'})).to.equal('/etc/x');
    expect(of({[`${SCRATCH}/.job.ad`]: 'TareJob = 1'})).to.equal(null);
  });

  it('takes a descriptor that cannot be read for one, and none for a command within the job', () => {
    const file = `${SCRATCH}/.tare.yaml`;
    expect(adapter.read(call(), world({}, [file]).effects).descriptor?.value).to.equal(file);
    expect(adapter.read(call(['/bin/true'], 'command'), world({[file]: ''}).effects).descriptor).to.equal(null);
  });
});

describe('HTCondor: from the outcome to the starter', () => {
  const lrms = {type: 'htcondor', host: null, queue: null, localJobId: null, globalJobId: 'x', attempt: 1};
  const record = (outcome: Outcome): RecordView =>
    finalRecord(
      startedRecord(
        {
          lrms,
          identity: USER,
          grid: grid(null),
          parent: null,
          name: null,
          host: hostOf(facts(), '0'),
          trust: 'user',
          site: {name: null, infrastructure: null, description: null},
        },
        plan(),
      ),
      {time: NO_TIME, usage: NO_USAGE, tare: NO_TARE, watch: null, outcome, flags: []},
    );
  const job = (own: BatchJob['own'] = {}): BatchJob => ({
    ...plainJob(),
    own: {reports: true, errorFile: ERROR_FILE, chirp: null, stops: '15 12', ...own},
  });
  const ended = {rawStatus: 9, stop: null, oom: null, noted: [], trouble: null, killedProcesses: null};
  const oom = endedOutcome({...ended, oom: {whose: 'payload', evidence: 'e'}});
  const other = endedOutcome({...ended, stop: {limit: 'wallTime', evidence: 'e'}});

  const outcomes: [title: string, outcome: Outcome, oom: 'hold' | 'code', signals: number[], quit: unknown][] = [
    ['a crash stays one', endedOutcome({...ended, rawStatus: 11}), 'hold', [], null],
    ['another limit ends as the payload did', other, 'hold', [], null],
    ['memory, to be held, dies by SIGKILL', oom, 'hold', [], {signal: 9}],
    ['memory, to be told by code, exits', oom, 'code', [], {code: 137}],
    ['memory while the starter stops the job is no reason to hold', oom, 'hold', [15], {code: 137}],
    ['memory after a signal of the user’s is', oom, 'hold', [10], {signal: 9}],
    ['memory while the starter stops the job by the signal that the job wants is not', oom, 'hold', [12], {code: 137}],
  ];
  for (const [title, outcome, setting, signals, quit] of outcomes) {
    it(title, async () => {
      const {files, effects} = world();
      expect(await adapter.reportOutcome(job(), {record: record(outcome), signals}, {oom: setting}, effects)).to.deep.equal({quit});
      expect(files[ERROR_FILE]).to.equal(undefined);
    });
  }

  it('a killed init is the wrapper’s failure, for a payload that ran too', async () => {
    const {files, effects} = world();
    const outcome = endedOutcome({...ended, rawStatus: null, trouble: 'init was killed'});
    expect(await adapter.reportOutcome(job(), {record: record(outcome), signals: []}, {oom: 'hold'}, effects)).to.deep.equal({
      quit: {code: 125},
    });
    expect(files[ERROR_FILE]).to.equal('tare: init was killed\n');
  });

  const failures: [title: string, fault: 'job' | 'policy' | 'node', own: BatchJob['own'], file: string | undefined, quit: unknown][] = [
    ['the node’s goes back to the queue, in one line', 'node', {}, 'tare: no box | here\n', {code: 125}],
    ['the job’s ends it', 'job', {}, undefined, null],
    ['the policy’s ends it', 'policy', {}, undefined, null],
    ['the node’s ends a job that is removed when it comes back', 'node', {runsOnce: true}, undefined, {code: 125}],
    ['of a call in the job is not reported to the starter', 'node', {reports: false}, undefined, null],
  ];
  for (const [title, fault, own, file, quit] of failures) {
    it(`a failure: ${title}`, async () => {
      const {files, effects} = world();
      const failure = {
        fault,
        code: 'X',
        message: 'no box |\n here',
        exit: 125,
        record: record(notRunOutcome('wrapper-failure', 'ENGINE_FAILED', 'r', 125)),
      };
      expect(await adapter.reportFailure(job(own), failure, {oom: 'hold'}, effects)).to.deep.equal({quit});
      expect([files[ERROR_FILE], files[SCRATCH]]).to.deep.equal([file, file === undefined ? undefined : 'passable']);
    });
  }

  it('an error file that cannot be written, and a proxy that is gone, are logged', async () => {
    const {files, effects, log} = world();
    effects.writeText = () => {
      throw new Error('full');
    };
    const outcome = notRunOutcome('wrapper-failure', 'ENGINE_FAILED', 'r', 125);
    await adapter.reportFailure(
      job({chirp: 'h 1 k'}),
      {fault: 'node', code: 'X', message: 'm', exit: 125, record: record(outcome)},
      {oom: 'hold'},
      effects,
    );
    expect([log.length, files[ERROR_FILE]]).to.deep.equal([2, undefined]);
  });
});
