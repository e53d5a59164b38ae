/** What runs beside a payload: its watches, notes of its progress, and looks at the processes that wait for it and the files that it waits for. */

import {readSeen, scratchDirectory, stateDirectory, writeSeen, type BoxState} from '../box/state.js';
import type {BoxDecider} from '../decide/box.js';
import type {Input} from '../decide/command.js';
import {whenCallerLost} from '../supervise/callers.js';
import {endClientsWhenStuck} from '../supervise/clients.js';
import type {StepTasks} from '../supervise/step-tasks.js';
import {Instruments, largestOf, type RunningPayload, type Seen} from '../supervise/instruments.js';
import type {Answers} from '../supervise/watches.js';
import {weighProcesses} from '../supervise/weigh.js';
import {monotonicUs} from '../process/clock.js';
import {processId, type ProcessId} from '../process/process.js';
import type {RecordTare} from '../record/record.js';
import type {Following} from './following.js';
import type {Sight} from './sight.js';

/** The longest time between two notes of how far the payload has come; it begins with a second and doubles. */
const SEEN_MS = {first: 1000, most: 60_000} as const;
/** Delay of the wrapper's own measurement, so that it does not slow the start of the payload. */
const WEIGH_SELF_MS = 20;

/** A note that is not as it should be ends no supervisor: the next one would read it, too. */
function newInstruments(payload: RunningPayload, answers: Answers): Instruments {
  try {
    return new Instruments(payload, answers);
  } catch (error) {
    if (payload.seen === null) throw error;
    answers.note('what the supervisor before had noted of the payload cannot be used: its figures begin anew', {error: String(error)});
    return new Instruments({...payload, seen: null}, answers);
  }
}

/** The payload that is watched, and what is told of it. */
export interface Watched {
  state: BoxState;
  following: Following;
  decider: BoxDecider;
  /** The tasks that the box is held for; null: it is for its payload. */
  tasks: StepTasks | null;
  /** Tells the batch system how far the payload has come. */
  progress: (seen: Seen) => void;
  sight: Sight;
  /** Processes that wait for the wrapper; when one dies, the job was cancelled. */
  callers: readonly ProcessId[];
  initPid: number;
  payloadPid: number | null;
  executedUs: number;
}

/** Watches one payload from its exec until `end`; what it finds becomes inputs of the decider. */
export class Watching {
  readonly instruments: Instruments;
  /** The wrapper's own processes, once they were weighed. */
  processes: RecordTare['processes'] = [];
  private readonly watched: Watched;
  private readonly take: (input: Input) => void;
  private readonly ends: (() => void)[];

  /** @param take is told what is found */
  constructor(watched: Watched, take: (input: Input) => void) {
    const {state, following, tasks, callers, sight, initPid, executedUs} = watched;
    const {groups, hello} = following;
    const {plan, id, cpus} = state;
    this.watched = watched;
    this.take = take;
    const payload = {
      ...{plan, groups, initPid, executedUs, cpus},
      boxDirectory: scratchDirectory(plan, id),
      taskInits: tasks?.inits ?? null,
      seen: hello.supervisor > 1 ? readSeen(stateDirectory(plan, id)) : null,
    };
    this.instruments = newInstruments(payload, this.answers());
    this.noteSeen(SEEN_MS.first);
    const lost = whenCallerLost(callers, () => {
      take({name: 'callerLost'});
    });
    // init has no other process to wait for
    const over = tasks?.watch(() => {
      take({name: 'tasksOver'});
    }, sight.isKilled);
    this.ends = [lost, this.lookForClients(), ...(over === undefined ? [] : [over])];
    setTimeout(() => {
      if (this.isLive) this.processes = weighProcesses(hello.shimPid, initPid);
    }, WEIGH_SELF_MS).unref();
  }

  /** The payload has ended. May be called again. */
  end(): void {
    for (const end of this.ends.splice(0)) end();
    this.instruments.end();
    if (this.processes.length === 0) this.processes = weighProcesses(this.watched.following.hello.shimPid, null);
  }

  private answers(): Answers {
    const {decider, sight, following} = this.watched;
    return {
      stop: (stop, how, graceUs) => {
        this.take({name: 'overLimit', stop, how, graceUs});
      },
      overMemory: (stop) => {
        const {applications, observed} = decider;
        this.take({name: 'overMemory', stop, largest: applications === null ? null : largestOf(applications.keepers())});
        return observed.stop === null;
      },
      oomKilled: () => {
        this.take({name: 'killedForMemory', kills: sight.kills()});
      },
      note: (what, details) => {
        following.log.warn(what, details);
      },
    };
  }

  private get isLive(): boolean {
    const {decider} = this.watched;
    return decider.observed.init === null && !decider.over;
  }

  /** How far the payload has come, ever more seldom: what a sweep could still say of it if all were killed. */
  private noteSeen(ms: number): void {
    const {decider, state, progress, executedUs} = this.watched;
    setTimeout(() => {
      if (!this.isLive) return;
      const weighing = this.instruments.weigh(null, decider.applications?.totals() ?? []);
      const seen = {wallUs: monotonicUs() - executedUs, suspendedUs: this.instruments.suspendedUs, weighing, kept: this.instruments.kept()};
      writeSeen(state, seen);
      progress(seen);
      this.noteSeen(Math.min(2 * ms, SEEN_MS.most));
    }, ms).unref();
  }

  /** What the kernel lets no signal end goes when the clients that it waits for are gone. */
  private lookForClients(): () => void {
    const {state, decider, sight, tasks, initPid} = this.watched;
    if (state.looked?.some(({own}) => own !== undefined) !== true) return () => undefined;
    return endClientsWhenStuck(
      () => decider.ending({isKilled: sight.isKilled(), isPayloadGone: this.isPayloadGone()}),
      () => [initPid, ...(tasks?.inits() ?? [])],
      (waitedUs) => {
        this.take({name: 'clientsStuck', waitedUs});
      },
    );
  }

  private isPayloadGone(): boolean {
    const {decider, tasks, payloadPid} = this.watched;
    if (decider.applications !== null || tasks !== null) return false;
    return payloadPid !== null && payloadPid > 0 && processId(payloadPid) === null;
  }
}
