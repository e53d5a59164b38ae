/**
 * The record's figures as attributes of the job, so that `condor_history` shows them: bytes, microseconds, plain numbers. What is not
 * known is left out, never 0. At most 25, as sites set CHIRP_DELAYED_UPDATE_MAX_ATTRS. Pure.
 */

import type {RecordView} from '@tare/contract';

export type Figures = Record<string, number | string | boolean>;

/** @param hold whether the schedd is to hold the job at its end (configs/htcondor: OnExitHold looks at it) */
export function figuresOf({recordId, pattern, mode, time, allocation, net, tare, outcome, host}: RecordView, hold: boolean): Figures {
  const all: Record<string, number | string | boolean | null> = {
    Hold: hold ? true : null,
    Record: recordId,
    Version: host.tareVersion,
    Pattern: pattern,
    Mode: mode,
    Status: outcome.status,
    Limit: outcome.limit,
    Whose: outcome.whose,
    Reason: outcome.reason,
    Evidence: outcome.evidence,
    Code: outcome.code,
    MemoryLimitBytes: allocation.memoryLimitBytes,
    Cores: allocation.cores,
    WallUs: time.wallUs,
    SuspendedUs: time.suspendedUs,
    CpuUserUs: net.cpuUserUs,
    CpuSystemUs: net.cpuSystemUs,
    MemoryPeakBytes: net.memPeakBytes,
    AnonymousPeakBytes: net.anonPeakBytes,
    ProcessesPeak: net.pidsPeak,
    OomKills: net.oomKills,
    ReadBytes: net.ioReadBytes,
    WrittenBytes: net.ioWriteBytes,
    ScratchPeakBytes: net.scratchPeakBytes,
    LaunchUs: tare.launchUs,
  };
  const figures: Figures = {};
  for (const [name, value] of Object.entries(all)) if (value !== null) figures[`ChirpTare${name}`] = value;
  return figures;
}
