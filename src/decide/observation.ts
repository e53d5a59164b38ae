/** What is known of a box from its launch on, and of what was told of it: data without any judgement. Pure. */

import type {Marks} from '../record/observed.js';
import type {OomVerdict, Stop} from '../record/outcome.js';
import type {RecordApplication, RecordTare, RecordUsage, UsageRecord} from '../record/record.js';

/** A step that enter or init could not do: the payload did not run. */
interface Failure {
  step: string;
  errno: number;
  text: string;
}

/** The step of a box that could not be connected. */
export const NETWORK_STEP = 'network';

/** Init's report, with 0 for times and bytes that are not known; times in µs. */
export interface InitReport {
  rawStatus: number;
  payloadUserUs: number;
  payloadSystemUs: number;
  /** Usage of all children that init waited for: of processes for which every parent waited, and of orphans. */
  childrenUserUs: number;
  childrenSystemUs: number;
  largestProcessBytes: number;
  /** null: not known, of a payload that was process 1 of a PID namespace of its own. */
  killedProcesses: number | null;
  endedUs: number;
}

/** What is known of the engine when it was reaped. */
export interface EngineReport {
  rawStatus: number;
  userUs: number;
  systemUs: number;
  shimUserUs: number;
  shimSystemUs: number;
  stderr: string;
  /** Init found its limit on CPU time, at which the kernel kills it, lowered. */
  limited: boolean;
  /** Processes that the kernel in a virtual machine killed for memory. Absent: none. */
  memoryKills?: number;
}

/** Sums over all starts of one application; null as long as none has ended. */
export interface KeeperTotals {
  cpuUserUs: number | null;
  cpuSystemUs: number | null;
  largestProcessBytes: number | null;
}

/** Kills for memory of one application, so far. */
export interface MemoryKills {
  oomKills: number;
  /** The limit that was hit is the application's own. */
  ownLimit: boolean;
}

/** Figures of the payload at its end, before its groups are removed. */
export interface Weighing {
  usage: RecordUsage;
  /** Of each of several applications, in their order. */
  applications: RecordApplication['usage'][];
  flags: string[];
  /** Of a payload that is only observed, what was seen while it ran; absent: it is not. */
  marks?: Marks;
}

/** How long the payload stood still, µs, and how that is known. */
export interface Suspended {
  us: number;
  source: string;
  /** Whether it counts against the wall time limit; null without one. */
  counted: boolean | null;
}

/** What the ends of several applications mean for the job. */
export interface ApplicationsEnd {
  /** Names of those that were killed for memory. */
  killedForMemory: string[];
  /** The same, when for none of them was it a limit that all share. */
  killedForOwnLimit: string[];
  /** Of services that failed before any payload was executed, the first. */
  servicesFault: ServiceFault | null;
  /** The first service that failed, also beside a payload. */
  serviceFailure: ServiceFault | null;
  /** Why the only payload of a small machine could not be executed. */
  payloadFault: string | null;
}

/** Which service failed, and why. */
export interface ServiceFault {
  name: string;
  reason: string;
}

/** What the deciders know. */
export interface Observation {
  executedUs: number | null;
  startEpochUs: number | null;
  init: InitReport | null;
  engine: EngineReport | null;
  failure: Failure | null;
  stop: Stop | null;
  /** A watched memory limit for which one of several applications was killed, and the others were not. */
  spared: Stop | null;
  /** Signals that the wrapper was sent and passed on, in their order. */
  noted: number[];
  /** The shim was killed while the payload lived. */
  shimKilled: boolean;
  /** The caller was killed while the payload lived, which the batch system says in no other way. */
  callerLost: boolean;
  /** A process of the box could not be killed in time. */
  unkillable: boolean;
  /** Supervisors of this job that died. */
  supervisorsLost: number;
}

/** What was observed of a box that is over, with what was read of the box before its groups go. */
export interface EndedObservation extends Observation {
  /** When the payload ended, or was last known of; on the monotonic clock, µs. */
  endedUs: number;
  verdict: OomVerdict | null;
  weighing: Weighing;
  /** How well it was watched; null when nothing was. */
  watch: UsageRecord['watch'];
  suspended: Suspended | null;
  /** The wrapper's own processes. */
  processes: RecordTare['processes'];
  /** null where there is one payload. */
  applications: ApplicationsEnd | null;
  /** What the records of several applications, or of the tasks that shared the box, say; null where there is one payload. */
  records: RecordApplication[] | null;
}

/** The observation of a box of which nothing is seen yet but what earlier supervisors kept. */
export function newObservation(before: Pick<Observation, 'stop' | 'supervisorsLost'>): Observation {
  return {
    executedUs: null,
    startEpochUs: null,
    init: null,
    engine: null,
    failure: null,
    spared: null,
    noted: [],
    shimKilled: false,
    callerLost: false,
    unkillable: false,
    ...before,
  };
}
