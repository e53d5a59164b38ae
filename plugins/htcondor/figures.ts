/** What of a record is told to HTCondor, as attributes of the job: they are in `condor_history` and in what reads it. Pure. */

import type {RecordView} from '@tare/contract';
import type {Attributes, Value} from './chirp.js';

/**
 * Times are in microseconds (`Usec`), sizes in bytes (`Bytes`), the cores in thousandths, since only whole numbers are sent. What is unknown is
 * left out, never 0; but after the first attempt or phase it is null, since what the one before this said is still in the queue.
 * `ChirpTareAttempt` is the job's NumJobStarts while these attributes are this attempt's: an expression that acts on them should ask.
 * `ChirpTareWould*` are of jobs that were only observed. 30 attributes, no more than are sent.
 *
 * @param attempt the first is 1
 * @param hold whether the schedd is to hold the job at its end (configs/htcondor/schedd.conf)
 */
export function figuresOf(record: RecordView, attempt: number, hold: boolean): Attributes {
  const {allocation, host, usage, outcome, tare, time} = record;
  const all: Record<string, Value> = {
    Attempt: attempt,
    Phases: record.phases?.count ?? null,
    Hold: hold ? true : null,
    RecordId: record.recordId,
    Version: host.tareVersion,
    Pattern: record.pattern,
    Mode: record.mode,
    Status: outcome.status,
    Limit: outcome.limit,
    Whose: outcome.limitScope,
    Reason: outcome.reason,
    Evidence: outcome.evidence,
    Code: outcome.code,
    WallUsec: time.wallUs,
    SuspendedUsec: time.suspendedUs,
    CpuUserUsec: usage.cpuUserUs,
    CpuSystemUsec: usage.cpuSystemUs,
    LaunchUsec: tare.launchUs,
    Millicores: allocation.cores === null ? null : Math.round(allocation.cores * 1000),
    MemoryLimitBytes: allocation.memoryLimitBytes,
    MemoryPeakBytes: usage.memPeakBytes,
    AnonPeakBytes: usage.anonPeakBytes,
    ScratchPeakBytes: usage.scratchPeakBytes,
    ReadBytes: usage.ioReadBytes,
    WriteBytes: usage.ioWriteBytes,
    ProcessesPeak: usage.pidsPeak,
    ...wouldBe(record.observed ?? null),
  };
  const isFirst = attempt === 1 && (record.phases?.count ?? 1) === 1;
  const known: Record<string, Value> = {};
  for (const [name, value] of Object.entries(all)) if (value !== null || !isFirst) known[`ChirpTare${name}`] = value;
  return known;
}

/** What would have been: the limits by name, with spaces between, since accounting tools split at commas. */
function wouldBe(observed: NonNullable<RecordView['observed']> | null): Record<string, Value> {
  const exceeded = Object.entries(observed?.limits ?? {}).filter(([, {exceededBy}]) => (exceededBy ?? 0) > 0);
  return {
    WouldExceed: exceeded.length === 0 ? null : exceeded.map(([name]) => name).join(' '),
    WouldExceedMemoryBytes: observed?.limits.memory?.exceededBy ?? null,
    WouldRefuse: observed?.refused?.code ?? null,
    WouldBox: observed?.boxed?.value ?? null,
  };
}
