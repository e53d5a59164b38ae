/** The record of an attempt that no wrapper ended: closed later, with what can still be told. Pure. */

import {lostOutcome, type Kill, type OomVerdict, type Stop} from './outcome.js';
import {finalRecord, NO_TARE, NO_TIME, NO_USAGE, type RecordApplication, type RecordUsage, type UsageRecord} from './record.js';

/** What the wrapper and the kernel left. */
export interface Remains {
  /** In words: why no wrapper ended it. */
  reason: string;
  /** Calendar time of the payload's exec, µs; null when it did not execute, or that was not noted. */
  startEpochUs: number | null;
  /** What the wrapper noted last: lower bounds. null when it noted nothing. */
  seen: {wallUs: number; suspendedUs: number | null} | null;
  usage: RecordUsage;
  /** What the wrapper knew of each of several applications; absent: nothing. */
  noted?: readonly RecordApplication[];
  /** What each of several applications used. */
  applications: readonly RecordApplication['usage'][];
  /** Wrappers in the box, as they told. */
  children?: UsageRecord['children'];
  /** Remarks on the usage. */
  flags: readonly string[];
  /** Whose memory limit killed, as far as counters still tell. */
  oom: OomVerdict | null;
  /** The limit that a watch of the wrapper had found exceeded; absent: none. */
  stop?: Stop | null;
  /** What `tare kill` was asked for; absent: nothing. */
  kills?: readonly Kill[];
}

const NOTHING_TOLD = {oom: null, stop: null, kills: []};

/** The same bytes, whichever sweep closes it and whenever: nothing of the sweep itself is in it. */
export function lostRecord(
  started: UsageRecord,
  {reason, startEpochUs, seen, noted = [], usage, applications, children, flags, oom, stop = null, kills = []}: Remains,
): UsageRecord {
  const executed = startEpochUs !== null;
  const wallUs = executed && seen !== null ? seen.wallUs : null;
  const time = executed
    ? {...NO_TIME, startEpochUs, wallUs, endEpochUs: wallUs === null ? null : startEpochUs + wallUs, suspendedUs: seen?.suspendedUs ?? null}
    : NO_TIME;
  const record = finalRecord(started, {
    time,
    usage: executed ? usage : NO_USAGE,
    tare: NO_TARE,
    watch: null,
    outcome: lostOutcome(reason, executed ? {oom, stop, kills} : NOTHING_TOLD, {
      allowedBytes: started.limits?.memory.value ?? null,
      usedBytes: usage.memPeakBytes,
    }),
    applications: started.applications.map((one, index) => ({
      ...one,
      outcome: {...one.outcome, status: executed ? 'lost' : 'not-started'},
      ...noted[index],
      usage: executed ? (applications[index] ?? one.usage) : one.usage,
    })),
    ...(children === undefined ? {} : {children}),
    flags: executed ? [...flags, 'killed', 'partial', ...(oom?.certain === false ? ['oom-verdict-uncertain'] : [])] : [],
  });
  return {...record, state: 'lost'};
}
