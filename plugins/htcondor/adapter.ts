/** Slot to job, and outcome to HTCondor. */

import {constants} from 'node:os';
import {dirname, isAbsolute, join} from 'node:path';
import type {BatchAdapter, BatchCall, BatchFinding, BatchJob, BatchSettings, Effects, Ended, Ending, Failure} from '@tare/contract';
import {readChirpConfig, setJobAttributes} from './chirp.js';
import {parseAd, type Ad} from './classad.js';
import {figuresOf} from './figures.js';
import {kindOf} from './kind.js';
import {comparedBy, groupOf} from './memory-count.js';
import {aboutOf, benchmarksOf, lrmsOf, slotOf} from './slot.js';

const SIGKILL = 9;
const SIGTERM = 15;
/** The exit status of a shell for SIGKILL, which ARC and others take for a kill. */
const KILLED = 128 + SIGKILL;
const DESCRIPTOR = '.tare.yaml';

/** The adapter of jobs that HTCondor's starter runs. */
export const adapter: BatchAdapter = {read, reportOutcome, reportFailure, examine, flags};

function read(call: BatchCall, effects: Effects): BatchJob {
  const {environment, cwd, role} = call;
  const remarks: string[] = [];
  const readAd = (variable: string): Ad => {
    const path = environment[variable];
    const text = path === undefined ? null : effects.readText(path);
    if (text === null) remarks.push(`${variable}: ${path ?? 'not set'} cannot be read`);
    return parseAd(text ?? '');
  };
  const ads = {job: readAd('_CONDOR_JOB_AD'), machine: readAd('_CONDOR_MACHINE_AD')};
  const {kind, because} = kindOf(call, ads.job, (program) => effects.isRoots(program));
  const benchmarks = benchmarksOf(ads.machine);
  const errorFile = environment['_CONDOR_WRAPPER_ERROR_FILE'] ?? null;
  // only a wrapper's outcome is the starter's business
  const reports = role === 'wrapper' && kind !== 'session';
  if (reports && errorFile !== null) removeStale(errorFile, effects, remarks);
  return {
    system: 'htcondor',
    lrms: lrmsOf(ads),
    slot: slotOf(ads, environment),
    about: aboutOf(ads.job),
    ...(benchmarks.length > 0 && {benchmarks}),
    ...(reports && checkpointOf(ads.job)),
    kind,
    because,
    // in the job it would take the place of what was asked for
    descriptor: reports ? descriptorOf(ads.job, cwd, effects) : null,
    writable: reports ? arcsFile(ads.job, cwd, effects) : [],
    own: {
      errorFile: reports ? errorFile : null,
      // read before the payload can change it
      chirp: readChirpConfig(environment, effects),
      reports,
      runsOnce: runsOnce(ads.job),
      stops: stopSignals(ads.job),
    },
    remarks,
  };
}

type Asked = [call: Pick<BatchCall, 'environment'>, effects: Pick<Effects, 'readText'>];

const jobOf = (...[{environment}, effects]: Asked): Ad => parseAd(effects.readText(environment['_CONDOR_JOB_AD'] ?? '') ?? '');
const ownGroup = (effects: Asked[1]): string | null => groupOf(effects.readText('/proc/self/cgroup') ?? '');

/** The job may be removed although it is within its memory: what its processes share, the wrapper's too, is counted for each of them. */
function flags(...asked: Asked): string[] {
  // nearly every job has a group: its ad need not be read once more
  return ownGroup(asked[1]) === null && comparedBy(jobOf(...asked)).length > 0 ? ['memory-misjudged'] : [];
}

/** Examines a job that has no control group of HTCondor. */
export function examine(...asked: Asked): BatchFinding {
  const job = jobOf(...asked);
  const [group, compared] = [ownGroup(asked[1]), comparedBy(job)];
  const id = `job ${String(job.integer('ClusterId') ?? '?')}.${String(job.integer('ProcId') ?? '?')} of HTCondor`;
  if (group !== null) return {found: `${id} in ${group}`, remedy: null};
  return {
    found: `${id}, in no control group of its own${compared.length === 0 ? '' : `; it is judged by ${compared.join(', ')}`}`,
    costs: `HTCondor adds up the memory of the job's processes and counts what they share for each, some 80 MB for a wrapper: ${
      compared.length === 0
        ? 'what compares MemoryUsage or ResidentSetSize ends healthy jobs'
        : 'it may remove this job while it is healthy'
    }`,
    remedy:
      'start condor_master as root where it can make control groups (BASE_CGROUP; condor.service does); else let the expressions allow for it, as docs/howto/htcondor.md says',
  };
}

/** The starter takes a file that is there for a failure, whatever is in it. */
function removeStale(path: string, effects: Effects, remarks: string[]): void {
  try {
    effects.remove(path);
  } catch (error) {
    remarks.push(`a stale ${path} cannot be removed: ${String(error)}`);
  }
}

function descriptorOf(jobAd: Ad, cwd: string, effects: Effects): BatchJob['descriptor'] {
  const named = jobAd.string('TareJob');
  if (named !== null && named !== '') return {value: isAbsolute(named) ? named : join(cwd, named), at: 'TareJob of the job'};
  const path = join(cwd, DESCRIPTOR);
  // one that cannot be read is the job's mistake, and not none
  return effects.exists(path) ? {value: path, at: DESCRIPTOR} : null;
}

/** A job script of ARC writes what it measures beside its session directory (A-REX's submit-condor-job names its queue so). */
function arcsFile(jobAd: Ad, cwd: string, effects: Effects): NonNullable<BatchJob['writable']> {
  const path = `${cwd}.diag`;
  return jobAd.string('NordugridQueue') !== null && effects.exists(path) ? [{value: path, at: 'ARC’s measurements'}] : [];
}

/**
 * The starter starts a job again, in the same sandbox, that ends as its ad says of a checkpoint (HTCondor manual, Self-Checkpointing Applications;
 * computeDesiredExitStatus of the starter: an exit code is 0 unless it is named).
 */
function checkpointOf(jobAd: Ad): Pick<BatchJob, 'checkpoint'> {
  if (jobAd.boolean('WantFTOnCheckpoint') !== true) return {};
  const bySignal = jobAd.boolean('SuccessCheckpointExitBySignal') === true;
  const endedBy = stopSignals(jobAd).split(' ').map(Number);
  const [exitCode, signal] = [jobAd.integer('SuccessCheckpointExitCode') ?? 0, jobAd.integer('SuccessCheckpointExitSignal')];
  return {checkpoint: bySignal ? {exitCode: null, signal, endedBy} : {exitCode, signal: null, endedBy}};
}

/** Numbers of the signals that the starter may stop this job with (HTCondor manual, condor_submit: kill_sig, remove_kill_sig, hold_kill_sig). */
function stopSignals(jobAd: Ad): string {
  const named = ['KillSig', 'RemoveKillSig', 'HoldKillSig'].map(
    (name) => jobAd.integer(name) ?? constants.signals[(jobAd.string(name) ?? '') as NodeJS.Signals],
  );
  return [SIGTERM, ...named.filter((signal) => (signal as number | undefined) !== undefined)].join(' ');
}

/** Whether a second start removes the job, as ARC submits it: such a job must not go back to the queue. */
const runsOnce = (jobAd: Ad): boolean => /NumJobStarts\s*>\s*0/i.test(jobAd.text('PeriodicRemove') ?? '');

async function reportOutcome(job: BatchJob, {record, signals}: Ended, {oom}: BatchSettings, effects: Effects): Promise<Ending> {
  if (job.own['reports'] !== true) return {quit: null};
  const {status, limit, reason} = record.outcome;
  const outOfMemory = status === 'limit' && limit === 'memory';
  // a starter that is stopping the job takes no notice of a memory limit any more
  const hold = outOfMemory && oom === 'hold' && !signals.some((signal) => String(job.own['stops']).split(' ').includes(String(signal)));
  await tellAttributes(job, record, hold, effects);
  // init or the shim was killed: how the payload would have ended is not known
  if (status === 'wrapper-failure') return tellFailed(job, reason ?? 'the wrapper was killed', 125, effects);
  if (!outOfMemory) return {quit: null};
  return {quit: hold ? {signal: SIGKILL} : {code: KILLED}};
}

/** A failure of the node goes back to the queue; whatever would fail anywhere ends the job, held where the schedd is configured so. */
async function reportFailure(job: BatchJob, {fault, message, exit, record}: Failure, _: BatchSettings, effects: Effects): Promise<Ending> {
  if (job.own['reports'] !== true) return {quit: null};
  await tellAttributes(job, record, fault !== 'node', effects);
  return fault === 'node' ? tellFailed(job, message, exit, effects) : {quit: null};
}

/** One line in the file that makes the starter give the job back (HTCondor manual, USER_JOB_WRAPPER). */
function tellFailed(job: BatchJob, message: string, exit: number, effects: Effects): Ending {
  const file = job.own['errorFile'];
  if (typeof file === 'string' && job.own['runsOnce'] !== true) {
    try {
      effects.writeText(file, `tare: ${message.replaceAll(/\s+/g, ' ')}\n`);
      // the starter looks for it as another user, and by default nobody else can enter the scratch directory (JOB_EXECDIR_PERMISSIONS)
      effects.letPass(dirname(file));
    } catch (error) {
      effects.log('error', 'the failure cannot be reported to the starter', {file, error: String(error)});
    }
  }
  return {quit: {code: exit}};
}

async function tellAttributes(job: BatchJob, record: Ended['record'], hold: boolean, effects: Effects): Promise<void> {
  const config = job.own['chirp'];
  if (typeof config !== 'string') return;
  for (const remark of await setJobAttributes(config, figuresOf(record, job.lrms.attempt, hold), effects)) effects.log('warn', remark);
}
