/** Events that a box's deciders get, and commands that they answer. The code that performs a command decides nothing. Pure. */

import type {Stop} from '../record/outcome.js';
import type {SupervisorToShim, ShimToSupervisor, UnknownFrame} from '../schema/generated/protocol.js';
import type {MemoryKills} from './observation.js';

type ShimFrame = ShimToSupervisor | UnknownFrame;
type EndedApplication = Extract<ShimFrame, {name: 'applicationEnded'}>;

/** What was found when one of several applications had ended. */
export interface FoundAtEnd {
  kills: MemoryKills;
  /** Its file is there, or its port listens; false where it is ready by something else. */
  isReady: boolean;
  /** `tare kill` was called for the job. */
  isKilled: boolean;
}

/** Something has happened: a frame of the shim's, a watch that found something, or a time that is over. */
export type Input =
  | Exclude<ShimFrame, EndedApplication>
  | (EndedApplication & {found: FoundAtEnd})
  /** The box has its network, or needs none. */
  | {name: 'connected'}
  | {name: 'notConnected'; because: string}
  /** The box takes long to be built, for something of the node that is known. */
  | {name: 'launchStalled'; because: string}
  /** `hard`: killed at once; else SIGTERM and a grace come first. */
  | {name: 'overLimit'; stop: Stop; how: 'hard' | 'soft'; graceUs: number}
  /** Over a watched memory limit. `largest`: of several applications, which one has most; null: there is one payload. */
  | {name: 'overMemory'; stop: Stop; largest: number | null}
  /** The kernel killed one process of the payload, and spared the rest. `kills`: of each of several applications. */
  | {name: 'killedForMemory'; kills: MemoryKills[]}
  /** A process that waited for the wrapper has died. */
  | {name: 'callerLost'}
  /** A process of the payload that is to end waits for a client of Tare's own, and no signal ends it. */
  | {name: 'clientsStuck'; waitedUs: number}
  /** All tasks that share the box have ended. */
  | {name: 'tasksOver'}
  /** The shim has told a supervisor that takes over all that happened before. */
  | {name: 'drained'}
  /** The shim is gone. */
  | {name: 'shimGone'}
  | Due;

/** A time that a command has set is over. */
export type Due =
  | {name: 'launchLate'}
  | {name: 'graceOver'}
  /** The shim passed a kill on in time, or not. */
  | {name: 'killLate'}
  /** The wait is over: nothing more will come. */
  | {name: 'tooLate'}
  /** A service was to have ended by now. */
  | {name: 'releaseLate'; index: number}
  /** An application is to be started again. */
  | {name: 'restart'; index: number; start: number}
  /** Whether an application is ready was looked at, `afterMs` after the look before. */
  | {name: 'lookedReady'; index: number; start: number; afterMs: number; isReady: boolean};

/** When an input came: on the monotonic clock and the calendar, µs. */
export interface Now {
  us: number;
  epochUs: number;
}

/** A time that there is once: setting it anew calls off the one before. */
export type TimerKey = 'deadline' | 'grace';

/** What a decider orders. perform.ts is the only place that carries it out. */
export type Command =
  | {do: 'send'; frame: SupervisorToShim}
  /** `key` null: it is never cancelled. */
  | {do: 'timer'; key: TimerKey | null; ms: number; due: Due}
  | {do: 'cancel'; key: TimerKey}
  /** SIGKILL to everything in a group of the box: the payload's, or that of one application. */
  | {do: 'killGroup'; part: 'payload' | `app-${string}`}
  /** SIGKILL to init, which takes the box with it. */
  | {do: 'killInit'}
  /** A frozen or stopped payload handles no SIGTERM. */
  | {do: 'resume'}
  /** To the wrappers of the tasks that share the box. */
  | {do: 'signalTasks'; signal: number}
  /** Clients of file systems that were started for this box alone are ended. */
  | {do: 'endClients'; because: string}
  /** The `started` record is put on disk: the payload waits for its go. */
  | {do: 'recordStart'; initPid: number}
  | {do: 'connect'; initPid: number}
  /** The payload executes: this is kept on disk, and the onlooker is told. */
  | {do: 'keepExecuted'; startEpochUs: number; payloadPid: number | null}
  | {do: 'keepLimit'; stop: Stop; atUs: number}
  | {do: 'keepApplications'}
  /** Watches begin. */
  | {do: 'watch'; executedUs: number}
  | {do: 'endWatches'}
  /** After so long it is looked whether an application is ready (`lookedReady`). */
  | {do: 'lookReady'; index: number; start: number; afterMs: number; keeperPid: number | null}
  | {do: 'log'; level: 'info' | 'warn'; what: string; details: Readonly<Record<string, unknown>>}
  /** A place at which tests stop the supervisor. */
  | {do: 'pause'; at: string};
