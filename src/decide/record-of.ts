/** From what was observed of a box to its closed record. Pure: the caller has made the looks that are made at the end. */

import {wasLost} from '../cvmfs/classify.js';
import {NO_MARKS} from '../record/observed.js';
import {closedRecordOf, type RecordedBox} from '../record/of-box.js';
import {checkpointOutcome, hasCheckpoint, sentReason, type Kill, type Outcome} from '../record/outcome.js';
import {NO_TIME, NO_USAGE, type RecordTime, type UsageRecord} from '../record/record.js';
import type {PlannedLimit} from '../schema/generated/plan-1.js';
import type {Now} from './command.js';
import type {EndedObservation} from './observation.js';
import {outcomeOf} from './outcome.js';

/** The exit code or signal with which an attempt ends after a checkpoint, and the signals that ask for one. */
interface Checkpoint {
  exitCode: number | null;
  signal: number | null;
  endedBy: readonly number[];
}

/** What was looked for when the payload had ended. */
export interface FoundAfter {
  /** Absent: the attempt makes none. */
  checkpoint?: Checkpoint | undefined;
  kills: readonly Kill[];
  /** Of its repositories; null: not looked at. */
  cvmfs: UsageRecord['cvmfs'] | null;
  /** What of the box could not be removed, each with the reason. */
  left: readonly string[];
  /** null: the caller did not see the end, so it is not known whether the calendar was set meanwhile. */
  now: Now | null;
  /** What Tare itself cost. */
  tare: UsageRecord['tare'];
  /** Remarks on the wrapper's own work. */
  flags: readonly string[];
}

/** `outcome` is that of this phase; in the record of an attempt that goes on after a checkpoint there is none yet. */
export function recordOf(box: RecordedBox, observed: EndedObservation, found: FoundAfter): {record: UsageRecord; outcome: Outcome} {
  const {plan} = box;
  const {checkpoint, cvmfs} = found;
  const {usage, flags, marks} = observed.weighing;
  const {memory, scratch} = plan.limits;
  const figures = {allowedBytes: memory.value, usedBytes: usedMemory(observed, memory.value)};
  const ended = outcomeOf(observed, found.kills, figures, plan);
  const isCheckpoint = hasCheckpoint(ended, observed.init?.rawStatus ?? null, checkpoint);
  const isLast = observed.noted.some((signal) => checkpoint?.endedBy.includes(signal));
  const outcome = isCheckpoint && isLast ? checkpointOutcome(ended, sentReason(observed.noted)) : ended;
  const ran = observed.executedUs !== null;
  // a payload that was over and gone between two looks
  const isOverLimit = isOver(memory, usage.memPeakBytes) || isOver(scratch, usage.scratchPeakBytes ?? null);
  const ofPayload = [...flags, ...(isOverLimit ? ['over-limit'] : []), ...(cvmfs?.some(wasLost) === true ? ['cvmfs-lost'] : [])];
  const record = closedRecordOf(box, {
    time: timeOf(observed, found),
    usage: ran ? usage : NO_USAGE,
    tare: found.tare,
    watch: observed.watch,
    outcome,
    ...(observed.records === null ? {} : {applications: observed.records}),
    ...(cvmfs === null ? {} : {cvmfs}),
    flags: [...(ran ? ofPayload : []), ...flagsOf(observed, outcome, found.left), ...found.flags],
    marks: marks ?? NO_MARKS,
    goesOn: isCheckpoint && !isLast,
  });
  return {record, outcome};
}

/** Whether the usage at the end is over a watched limit. */
const isOver = ({enforcement, value}: PlannedLimit, used: number | null): boolean =>
  enforcement === 'watched' && value !== null && (used ?? 0) > value;

/** The peak; where memory was watched, at least what the watch found at the kill. */
function usedMemory({weighing: {usage}, watch}: EndedObservation, limitBytes: number | null): number | null {
  const {memPeakBytes} = usage;
  const overshoot = watch?.overshootBytes ?? null;
  const found = overshoot === null || limitBytes === null ? null : limitBytes + overshoot;
  return memPeakBytes === null ? found : Math.max(memPeakBytes, found ?? 0);
}

function timeOf({executedUs, startEpochUs, suspended, endedUs}: EndedObservation, {now}: FoundAfter): RecordTime {
  if (executedUs === null || startEpochUs === null) return NO_TIME;
  const wallUs = Math.max(0, endedUs - executedUs);
  const endEpochUs = startEpochUs + wallUs;
  return {
    startEpochUs,
    endEpochUs,
    wallUs,
    suspendedUs: suspended?.us ?? null,
    suspendedSource: suspended?.source ?? null,
    suspendedCounted: suspended?.counted ?? null,
    clockStepUs: now === null ? null : now.epochUs - (now.us - endedUs) - endEpochUs,
  };
}

function flagsOf(
  {unkillable, stop, spared, verdict, supervisorsLost}: EndedObservation,
  {status, killedProcesses}: Outcome,
  left: readonly string[],
): string[] {
  const flags: string[] = [];
  if (unkillable || left.length > 0) flags.push('left-behind');
  if (stop !== null || spared !== null || verdict !== null || status === 'killed' || (killedProcesses ?? 0) > 0) flags.push('killed');
  if (verdict?.certain === false) flags.push('oom-verdict-uncertain');
  if (supervisorsLost > 0) flags.push('supervisor-lost');
  return flags;
}
