/** How a job ended: from the wait status, the counters and what the watches did. Pure. */

import type {ErrorCode} from '../errors.js';
import {formatBytes} from '../job/quantity.js';
import type {UsageRecord} from '../schema/generated/record-2.js';
import {decodeWaitStatus, signalName} from './wait-status.js';

export type Outcome = UsageRecord['outcome'];

/** A limit that a watch found exceeded. */
export interface Stop {
  limit: 'memory' | 'memory-stall' | 'processes' | 'wallTime' | 'cpuTime' | 'scratch';
  /** The reading that said so. */
  evidence: string;
  /** What of memory or scratch no walk and no size of a process shows, in words; absent: nothing that matters. */
  held?: string;
}

/** Whose memory limit the kernel killed for. */
export interface OomVerdict {
  whose: 'payload' | 'slot' | 'node';
  /** Which counters say so. */
  evidence: string;
  /** false: the counters alone also fit another story, and the kernel's log could not be read. */
  certain: boolean;
}

/** `tare kill` was called for it. */
export interface Kill {
  uid: number;
  /** When it was asked for. */
  epochUs: number;
  /** Name of the signal that was asked for. */
  signal: string;
}

/** Limit and peak in bytes; null: not known, or no limit. */
export interface MemoryFigures {
  allowedBytes: number | null;
  usedBytes: number | null;
}

const NO_FIGURES: MemoryFigures = {allowedBytes: null, usedBytes: null};

/** Everything that an outcome is decided from. */
export interface Ending {
  /** null when it is no longer known, for instance because init was killed. */
  rawStatus: number | null;
  stop: Stop | null;
  /** Whose memory limit the kernel killed for, by its event counters. */
  oom: Omit<OomVerdict, 'certain'> | null;
  /** Signals that the wrapper was sent and passed on. */
  noted: readonly number[];
  /** What `tare kill` was asked for before the end, in order; absent: nothing. */
  kills?: readonly Kill[];
  /** The process that waited for the payload was killed: some batch systems cancel a job in this way. */
  callerLost?: boolean;
  /** The payload's memory limit, and the most that was seen in use; absent: neither is known. */
  memory?: MemoryFigures;
  /** What went wrong with the wrapper itself. */
  trouble: string | null;
  killedProcesses: number | null;
}

const NOTHING: Outcome = {
  status: 'running',
  exitCode: null,
  signal: null,
  limit: null,
  limitScope: null,
  evidence: null,
  reason: null,
  code: null,
  killedProcesses: null,
};

/** The outcome in a record that is written before the payload executes. */
export const RUNNING: Outcome = NOTHING;

/** The payload ran and is over. */
export function endedOutcome(ending: Ending): Outcome {
  const {rawStatus, stop, oom, noted, kills = [], callerLost = false, memory, trouble, killedProcesses} = ending;
  const ended = rawStatus === null ? {exitCode: null, signal: null} : decodeWaitStatus(rawStatus);
  const base: Outcome = {
    ...NOTHING,
    exitCode: ended.exitCode,
    signal: ended.signal === null ? null : signalName(ended.signal),
    killedProcesses,
  };
  // a limit that was found exceeded before has ended it already
  const kill = stop === null ? kills.findLast(({signal}) => explains(signal, base, rawStatus)) : undefined;
  if (kill !== undefined) return {...base, status: 'killed', killedBy: kill, reason: killReason(kill)};
  if (oom !== null)
    return {
      ...base,
      status: 'limit',
      limit: 'memory',
      limitScope: oom.whose,
      evidence: oom.evidence,
      reason: memoryReason(oom.whose, memory),
    };
  if (stop !== null) {
    return {
      ...base,
      status: 'limit',
      ...stopped(stop),
      reason: stopReason(stop, memory),
    };
  }
  if (trouble !== null) return {...base, status: 'wrapper-failure', reason: trouble};
  if (callerLost) return {...base, status: 'stopped', reason: 'what had started it and waited for it was killed'};
  // a SIGUSR1 hours ago does not make a stop of a crash
  if (ended.signal !== null && noted.includes(ended.signal)) {
    return {...base, status: 'stopped', reason: sentReason(noted)};
  }
  if (ended.signal !== null) return {...base, status: 'signalled', reason: null};
  return {...base, status: ended.exitCode === 0 ? 'completed' : 'failed'};
}

const stopped = ({limit, evidence}: Stop): Pick<Outcome, 'limit' | 'limitScope' | 'evidence'> => ({
  limit,
  limitScope: limit === 'memory' || limit === 'memory-stall' ? 'payload' : null,
  evidence,
});

/** Each signal once, in order: a storm of them has no room in a record. */
export const sentReason = (noted: readonly number[]): string => `the wrapper was sent ${[...new Set(noted)].map(signalName).join(', ')}`;

/** Death by it; or for SIGTERM, which asks for an end, any exit. A payload that was killed with its init has left no status. */
function explains(asked: string, {signal, exitCode}: Outcome, rawStatus: number | null): boolean {
  if (rawStatus === null) return asked === 'SIGKILL';
  return asked === signal || (asked === 'SIGTERM' && exitCode !== null);
}

const killReason = ({uid, signal}: Kill): string => `uid ${uid} ended it by tare kill (${signal})`;

/** Allowed and used memory in words; what is not known is left out. */
function memoryReason(whose: OomVerdict['whose'], {allowedBytes, usedBytes} = NO_FIGURES): string {
  const figures = [
    ...(allowedBytes === null ? [] : [`${formatBytes(allowedBytes)} allowed`]),
    ...(usedBytes === null ? [] : [`${formatBytes(usedBytes)} used`]),
  ].join(', ');
  return figures === '' ? MEMORY_REASONS[whose] : `${MEMORY_REASONS[whose]}: ${figures}`;
}

const MEMORY_REASONS = {
  payload: 'over its memory limit',
  slot: 'the slot’s memory limit was reached, above the payload’s own',
  node: 'the node ran out of memory',
} as const;

function stopReason({limit, held}: Stop, memory = NO_FIGURES): string {
  const way = held === undefined ? '' : `, ${held}`;
  if (limit === 'memory') return memoryReason('payload', memory) + way;
  if (limit !== 'memory-stall') return `over its limit on ${LIMIT_WORDS[limit]}${way}`;
  const {allowedBytes} = memory;
  return `it made no progress at its memory limit${allowedBytes === null ? '' : `: ${formatBytes(allowedBytes)} allowed`}`;
}

const LIMIT_WORDS = {processes: 'processes', wallTime: 'wall time', cpuTime: 'CPU time', scratch: 'scratch'} as const;

/** Whether a signal of `tare kill` asks for the end. */
export const asksForEnd = ({signal}: Kill): boolean => signal === 'SIGKILL' || signal === 'SIGTERM';

/** How it ended is not known: the payload was killed with its wrapper, or the node went down. */
export function lostOutcome(
  reason: string,
  {oom, stop, kills}: {oom: OomVerdict | null; stop: Stop | null; kills: readonly Kill[]},
  memory: MemoryFigures = NO_FIGURES,
): Outcome {
  // as of an end that was seen
  const kill = stop === null ? kills.findLast(asksForEnd) : undefined;
  if (kill !== undefined) return {...NOTHING, status: 'killed', killedBy: kill, reason: `${killReason(kill)}; ${reason}`};
  const base: Outcome = {...NOTHING, status: 'lost', reason};
  if (oom === null) return stop === null ? base : {...base, ...stopped(stop), reason: `${stopReason(stop, memory)}; ${reason}`};
  const limited: Outcome = {...base, limit: 'memory', limitScope: oom.whose, evidence: oom.evidence};
  return oom.whose === 'slot' && oom.certain ? {...limited, status: 'killed-by-slot', reason: memoryReason('slot', memory)} : limited;
}

/** Whether a payload ended as one that has made a checkpoint does; absent: such an end is not agreed. */
export function hasCheckpoint(
  {status}: Outcome,
  rawStatus: number | null,
  agreed?: {exitCode: number | null; signal: number | null},
): boolean {
  if (agreed === undefined || rawStatus === null || !['completed', 'failed', 'signalled', 'stopped'].includes(status)) return false;
  const {exitCode, signal} = decodeWaitStatus(rawStatus);
  return exitCode === agreed.exitCode && signal === agreed.signal;
}

/** The outcome of a payload that ended with a checkpoint, after which no phase followed. */
export const checkpointOutcome = (ended: Pick<Outcome, 'exitCode' | 'signal'> & Partial<Outcome>, because: string): Outcome => ({
  ...NOTHING,
  ...ended,
  status: 'stopped',
  reason: `it ended with a checkpoint, and ${because}`,
});

/** Whether an outcome says that the payload was not executed, whatever else of its box was, as services of a small machine. */
export const isUnexecuted = ({code}: Pick<Outcome, 'code'>): boolean => code === 'SERVICES_FAILED' || code === 'PAYLOAD_NOT_EXECUTABLE';

/** The payload did not run. */
export function notRunOutcome(kind: 'refused' | 'wrapper-failure' | 'failed', code: ErrorCode, reason: string, exitCode: number): Outcome {
  return {...NOTHING, status: kind, exitCode: kind === 'failed' ? exitCode : null, reason, code};
}
