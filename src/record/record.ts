/** The record of one attempt (`tare/record/v2`). Pure: everything measured is an argument. */

import type {Facts, IdentityFacts} from '../host/facts.js';
import {LIMIT_NAMES} from '../job/job.js';
import {stepOf, stepsOf, type StepOf} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';
import type {UsageRecord} from '../schema/generated/record-2.js';
import {RUNNING, type Outcome} from './outcome.js';
import {recordId} from './uuid.js';

export type {UsageRecord};
export type RecordUsage = UsageRecord['usage'];
export type RecordTare = UsageRecord['tare'];
export type RecordTime = UsageRecord['time'];
export type RecordApplication = UsageRecord['applications'][number];
type RecordLrms = UsageRecord['lrms'];

/** Usage of which nothing is known: an unknown figure is null, never 0. */
export const NO_USAGE: RecordUsage = {
  cpuUserUs: null,
  cpuSystemUs: null,
  cpuSource: null,
  throttledUs: null,
  quotaPeriods: null,
  throttledPeriods: null,
  memPeakBytes: null,
  memPeakSource: null,
  anonPeakBytes: null,
  anonPeakSource: null,
  rssPeakBytes: null,
  pssPeakBytes: null,
  vmemPeakBytes: null,
  rssAverageBytes: null,
  pssAverageBytes: null,
  vmemAverageBytes: null,
  swapAverageBytes: null,
  swapPeakBytes: null,
  swapPeakSource: null,
  largestProcessBytes: null,
  ioReadBytes: null,
  ioWriteBytes: null,
  ioReadOps: null,
  ioWriteOps: null,
  ioSource: null,
  pidsPeak: null,
  pidsPeakSource: null,
  pidsLimitHits: null,
  oomKills: null,
  memLimitHits: null,
  memMajorFaults: null,
  memRefaults: null,
  pressure: null,
  pressureSource: null,
  scratchPeakBytes: null,
  scratchPeakSource: null,
};

/** Usage of an application that never ran. */
export const NO_APPLICATION_USAGE: RecordApplication['usage'] = {
  cpuUserUs: null,
  cpuSystemUs: null,
  cpuSource: null,
  memPeakBytes: null,
  memPeakSource: null,
  largestProcessBytes: null,
  ioReadBytes: null,
  ioWriteBytes: null,
  pidsPeak: null,
  oomKills: null,
};

/** The wrapper's own costs while they are unknown. */
export const NO_TARE: RecordTare = {
  launchUs: null,
  teardownUs: null,
  cpuUserUs: null,
  cpuSystemUs: null,
  privateMemoryBytes: null,
  privateDirtyBytes: null,
  processes: [],
};

/** Times of a job that never ran. */
export const NO_TIME: RecordTime = {
  startEpochUs: null,
  endEpochUs: null,
  wallUs: null,
  suspendedUs: null,
  suspendedSource: null,
  suspendedCounted: null,
  clockStepUs: null,
};

/** A clock that stepped by more than this during the job is flagged (accounting pitfalls: time zones and clocks). */
const CLOCK_STEP_FLAG_US = 2_000_000;
const EFFICIENCY_FLAG = 1.05;
/** CPU time beyond that is no sign of anything: a quota is kept per period, and a short job has few. */
const EFFICIENCY_SLACK_US = 200_000;

/** What is known of an attempt before anything is run. */
export interface Attempt {
  /** Of the box; absent: not given. */
  boxId?: string;
  lrms: RecordLrms;
  identity: IdentityFacts;
  /** Identity outside this node, as far as the batch system tells. */
  grid: Omit<UsageRecord['user'], 'local' | 'uid'>;
  /** The record of a probe: a box that is only tried, without a job. */
  probe?: boolean;
  /** The box around. */
  parent: UsageRecord['parent'];
  name: string | null;
  host: UsageRecord['host'];
  trust: 'root' | 'user';
  site: UsageRecord['site'];
  /** What a core of this node is worth; absent: not given. */
  benchmarks?: UsageRecord['benchmarks'];
  /** What was found of its repositories; absent: it needs none, or none was looked at. */
  cvmfs?: UsageRecord['cvmfs'];
  /** By what the batch system does; absent: none. */
  flags?: readonly string[];
}

/** The record's part about the node. */
export function hostOf(facts: Facts, tareVersion: string): UsageRecord['host'] {
  return {node: facts.node.hostname, bootId: facts.node.bootId, kernel: facts.kernel.release, cpuModel: facts.cpu.model, tareVersion};
}

/** The record as it is on disk before the payload executes. `plan` is null when there was none: refused, or the input was wrong. */
export function startedRecord(attempt: Attempt, plan: Plan | null): UsageRecord {
  const {lrms, identity, site} = attempt;
  return {
    schema: 'tare/record/v2',
    recordId: recordId({site: site.name, globalJobId: lrms.globalJobId, attempt: lrms.attempt, application: 0}),
    revision: 1,
    state: 'started',
    trust: attempt.trust,
    sealed: null,
    ...(attempt.probe === true ? {probe: true as const} : {}),
    ...(attempt.boxId === undefined || plan === null ? {} : {boxId: attempt.boxId}),
    site,
    ce: {id: null},
    lrms,
    payload: {index: 0, id: null, name: attempt.name},
    parent: attempt.parent,
    wrapper: null,
    user: {local: identity.name, uid: identity.uid, ...attempt.grid},
    identity: null,
    time: NO_TIME,
    allocation: allocation(plan),
    pattern: plan?.pattern.value ?? null,
    mode: plan?.mode.value ?? null,
    engine: plan === null || plan.engine.name === 'none' ? null : {name: plan.engine.name, version: plan.engine.version},
    seccomp: plan === null ? null : (stepOf(plan, 'seccomp.load')?.profile ?? null),
    landlock: plan?.landlock === undefined ? null : {abi: plan.landlock.abi, because: plan.landlock.because},
    image: imageOf(plan),
    choices: plan?.resolved ?? null,
    limits: plan === null ? null : limitsOf(plan),
    usage: NO_USAGE,
    tare: NO_TARE,
    watch: null,
    applications: plan === null ? [] : stepsOf(plan, 'application.execute').map(runningApplication),
    cvmfs: attempt.cvmfs ?? [],
    benchmarks: attempt.benchmarks ?? [],
    outcome: RUNNING,
    host: attempt.host,
    flags: [...(plan?.flags ?? []), ...(attempt.flags ?? [])],
  };
}

function imageOf(plan: Plan | null): NonNullable<UsageRecord['image']> | null {
  const taken = plan === null ? undefined : stepOf(plan, 'image.take');
  return taken === undefined ? null : {path: taken.path, kind: taken.kind, digest: taken.digest};
}

function runningApplication({index, name, limits}: StepOf<'application.execute'>): RecordApplication {
  return {
    index,
    name,
    starts: 0,
    startEpochUs: null,
    wallUs: null,
    limits: {cores: limits.cores?.value ?? null, memory: limits.memory?.value ?? null},
    usage: NO_APPLICATION_USAGE,
    outcome: {status: 'running', exitCode: null, signal: null, limit: null, limitScope: null, reason: null},
  };
}

function allocation(plan: Plan | null): UsageRecord['allocation'] {
  const none = {cores: null, coresSource: null, cpuQuotaMilli: null, nodes: 1, memoryLimitBytes: null, gpus: null};
  if (plan === null) return none;
  const {cores, memory} = plan.limits;
  return {
    ...none,
    cores: cores.value ?? plan.slot.cores,
    coresSource: cores.value === null ? (plan.slot.cores === null ? null : 'slot') : cores.provenance.at,
    cpuQuotaMilli: cores.value !== null && cores.enforcement === 'kernel' ? Math.round(cores.value * 1000) : null,
    memoryLimitBytes: memory.value,
    gpus: plan.slot.gpus,
  };
}

function limitsOf(plan: Plan): NonNullable<UsageRecord['limits']> {
  const limits = {} as NonNullable<UsageRecord['limits']>;
  for (const name of LIMIT_NAMES) {
    const {because: _, ...limit} = plan.limits[name];
    limits[name] = limit;
  }
  return limits;
}

/** What a final record has beside the started one. */
export interface Weighed {
  time: RecordTime;
  usage: RecordUsage;
  tare: RecordTare;
  watch: UsageRecord['watch'];
  outcome: Outcome;
  /** Absent: as they were when it started. */
  applications?: RecordApplication[];
  /** Wrappers in the box, as they told; null: they were not listened to. */
  children?: UsageRecord['children'];
  /** Absent: as they were when it started. */
  cvmfs?: UsageRecord['cvmfs'];
  flags: readonly string[];
}

/** The final record: id and revision stay, so that writing it twice is writing it once. */
export function finalRecord(
  started: UsageRecord,
  {time, usage, tare, watch, outcome, applications, children, cvmfs, flags}: Weighed,
): UsageRecord {
  return {
    ...started,
    state: 'final',
    wrapper: null,
    time,
    usage,
    tare,
    watch,
    outcome,
    applications: applications ?? started.applications,
    ...(children === undefined ? {} : {children}),
    cvmfs: cvmfs ?? started.cvmfs,
    flags: [...new Set([...started.flags, ...flags, ...remarks(started, time, usage)])].sort(),
  };
}

/** User and system; null: one of them is not known. */
export const cpuTimeOf = ({cpuUserUs, cpuSystemUs}: Pick<RecordUsage, 'cpuUserUs' | 'cpuSystemUs'>): number | null =>
  cpuUserUs === null || cpuSystemUs === null ? null : cpuUserUs + cpuSystemUs;

/** Flags are remarks, never corrections. */
function remarks({allocation: {cores}, benchmarks}: UsageRecord, {clockStepUs, wallUs}: RecordTime, usage: RecordUsage): string[] {
  const flags: string[] = benchmarks.length === 0 ? ['no-benchmark'] : [];
  if (clockStepUs !== null && Math.abs(clockStepUs) > CLOCK_STEP_FLAG_US) flags.push('clock-step');
  const cpuUs = cpuTimeOf(usage);
  if (cores === null) flags.push('cores-unknown');
  else if (wallUs !== null && wallUs > 0 && cpuUs !== null && cpuUs > wallUs * cores * EFFICIENCY_FLAG + EFFICIENCY_SLACK_US)
    flags.push('cpu-eff-gt-1.05');
  return flags;
}
