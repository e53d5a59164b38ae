/** Slot to job, and figures and reasons to ARC. */

import {isAbsolute, join} from 'node:path';
import type {BatchAdapter, BatchCall, BatchJob, BatchSettings, Effects, Ended, Ending, Failure, Progress, Read} from '@tare/contract';
import {finalBlock, progressBlock, progressOffset, type Figures} from './diag.js';
import {aboutOf, lrmsOf, parseLines, slotOf, type Told} from './told.js';

/** The exit status that a shell gives for a killed process. */
const KILLED = 128 + 9;
const FAILED = 125;
const DESCRIPTOR = '.tare.yaml';
const VARIABLES = ['TARE_ARC', 'TARE_ARC_JOB'] as const;

/** The adapter of jobs that ARC's A-REX runs with the runtime environment ENV/TARE. */
export const adapter: BatchAdapter = {read, reportProgress, reportOutcome, reportFailure};

function read({argv, environment, cwd, role}: BatchCall, effects: Effects): BatchJob {
  const told = parseLines(environment['TARE_ARC'] ?? '');
  const {arguments: asked, remarks} = argumentsOf(environment['TARE_ARC_JOB'] ?? '');
  const reports = role === 'wrapper';
  const descriptor = reports ? descriptorOf(asked, told, cwd, effects) : null;
  const policy = told.get('policy');
  return {
    system: 'arc',
    lrms: lrmsOf(told, localJobId(environment, effects)),
    slot: slotOf(told),
    about: aboutOf(told),
    ...kindOf(told, argv),
    descriptor,
    pattern: patternOf(asked, told, descriptor),
    policy: policy === undefined ? null : {value: policy, at: 'TARE_POLICY of ENV/TARE'},
    ownVariables: VARIABLES,
    callers: reports ? callersOf(told) : [],
    own: {diag: reports ? (told.get('diag') ?? null) : null},
    remarks,
  };
}

/** What the job wrote after ENV/TARE in its description: an argument a line. */
function argumentsOf(text: string): {arguments: Told; remarks: string[]} {
  const lines = text.split('\n').filter((line) => line !== '');
  const known = lines.filter((line) => /^(?:job|pattern)=/.test(line));
  const remarks = lines
    .filter((line) => !known.includes(line))
    .map((line) => `ENV/TARE knows no argument ${JSON.stringify(line.slice(0, 80))}; there are pattern= and job=`);
  return {arguments: parseLines(known.join('\n')), remarks};
}

/** The job's own, else the site's, else the one that lies in the session directory. */
function descriptorOf(asked: Told, told: Told, cwd: string, effects: Effects): Read<string> | null {
  for (const [from, at] of [
    [asked, 'job= of ENV/TARE in the job’s description'],
    [told, 'TARE_JOB of ENV/TARE'],
  ] as const) {
    const named = from.get('job');
    if (named !== undefined) return {value: isAbsolute(named) ? named : join(cwd, named), at};
  }
  const path = join(cwd, DESCRIPTOR);
  // one that cannot be read is the job's mistake, and not none
  return effects.exists(path) ? {value: path, at: DESCRIPTOR} : null;
}

/** What the job says comes before what its descriptor says, and that before what the site says. */
function patternOf(asked: Told, told: Told, descriptor: Read<string> | null): Read<string> | null {
  const own = asked.get('pattern');
  if (own !== undefined) return {value: own, at: 'pattern= of ENV/TARE in the job’s description'};
  const sites = told.get('pattern');
  return sites === undefined || descriptor !== null ? null : {value: sites, at: 'TARE_PATTERN of ENV/TARE'};
}

/** The kind of call, from what stage 0 of ENV/TARE found in front of the job's executable, where no job can put anything; never from a name alone. */
function kindOf(told: Told, [program = '']: readonly string[]): Pick<BatchJob, 'kind' | 'because'> {
  if (told.get('inFront') === 'yes' && /\/(?:apptainer|singularity)$/.test(program))
    return {
      kind: 'container',
      because:
        'another runtime environment runs the job in a container: its runtime brings its own namespaces, and a setuid one works in no other',
    };
  return {kind: 'job', because: 'a job of ARC'};
}

/**
 * A-REX that runs jobs itself cancels one by killing what waits for the job's script, and no more: its TERM is blocked there, so that nothing
 * is left to kill the script itself (ARC 7.0.0, tried).
 */
function callersOf(told: Told): number[] {
  const parent = told.get('lrms') === 'fork' ? told.get('parent') : undefined;
  return [told.get('script'), parent].map(Number).filter((pid) => Number.isSafeInteger(pid) && pid > 1);
}

/** HTCondor's or Slurm's number, where ARC submits to these. */
function localJobId(environment: BatchCall['environment'], effects: Effects): string | null {
  const slurm = environment['SLURM_JOB_ID'];
  if (slurm !== undefined && /^\d+$/.test(slurm)) return slurm;
  const ad = environment['_CONDOR_JOB_AD'];
  const text = ad === undefined ? null : effects.readText(ad);
  const id = (attribute: string): string | undefined => new RegExp(`^${attribute} *= *(\\d+) *$`, 'm').exec(text ?? '')?.[1];
  const [cluster, proc] = [id('ClusterId'), id('ProcId')];
  return cluster === undefined || proc === undefined ? null : `${cluster}.${proc}`;
}

/** Writes the progress over the earlier one, so that a job of weeks leaves no more lines than one of seconds. */
function reportProgress(job: BatchJob, {recordId, ...figures}: Progress, effects: Effects): void {
  const diag = job.own['diag'];
  if (typeof diag !== 'string') return;
  const offset = progressOffset(effects.readText(diag) ?? '', recordId);
  const block = progressBlock(recordId, figures);
  if (offset === null) effects.append(diag, block);
  else effects.overwrite(diag, offset, block);
}

function reportOutcome(job: BatchJob, {record}: Ended, _: BatchSettings, effects: Effects): Promise<Ending> {
  const {status, limit, reason} = record.outcome;
  const why = limit === null ? reason : `${limit === 'memory' ? 'out of memory' : limit}: ${reason ?? 'over its limit'}`;
  tell(job, record.recordId, {...record.time, ...record.usage}, why, effects);
  if (job.own['diag'] === null) return Promise.resolve({quit: null});
  // init or the shim was killed: how the payload would have ended is not known
  if (status === 'wrapper-failure') return Promise.resolve({quit: {code: FAILED}});
  return Promise.resolve({quit: status === 'limit' && limit === 'memory' ? {code: KILLED} : null});
}

/** ARC starts a job once: whosever the fault is, it has failed. */
function reportFailure(job: BatchJob, {message, record}: Failure, _: BatchSettings, effects: Effects): Promise<Ending> {
  tell(job, record.recordId, {...record.time, ...record.usage}, message, effects);
  return Promise.resolve({quit: null});
}

function tell(job: BatchJob, recordId: string, figures: Figures, reason: string | null, effects: Effects): void {
  const diag = job.own['diag'];
  if (typeof diag !== 'string') return;
  try {
    effects.append(diag, finalBlock(recordId, figures, reason));
  } catch (error) {
    effects.log('error', 'the figures cannot be reported to ARC', {file: diag, error: String(error)});
  }
}
