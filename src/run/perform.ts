/** What the decider of a box orders is done here, and nowhere else; what is seen of the box meanwhile is told to it. */

import {stateDirectory, type BoxState} from '../box/state.js';
import type {BoxDecider} from '../decide/box.js';
import type {Command, FoundAtEnd, Input, TimerKey} from '../decide/command.js';
import {asTareError} from '../errors.js';
import {resumeBox} from '../supervise/freeze.js';
import type {StepTasks} from '../supervise/step-tasks.js';
import type {Seen} from '../supervise/instruments.js';
import type {Frame} from '../process/channel.js';
import {after, epochUs, monotonicUs} from '../process/clock.js';
import {pauseAt} from '../process/pause.js';
import {comeTo} from '../process/trace.js';
import {killProcess, processId, type ProcessId} from '../process/process.js';
import {findFinal} from '../record/journal.js';
import {openRecordOf} from '../record/of-box.js';
import {killClients} from '../repositories/own.js';
import {writeNote} from '../step/folder.js';
import {recordStart} from './begin.js';
import {connectBox, keep, onlookOf, type Following} from './following.js';
import {Sight} from './sight.js';
import {Watching} from './watching.js';

/** What a performer works with beside the box. */
export interface Performing {
  following: Following;
  /** The tasks that the box is held for; null: it is for its payload. */
  tasks: StepTasks | null;
  /** Tells the batch system how far the payload has come. */
  progress: (seen: Seen) => void;
}

/** Passes inputs to the decider of one box, and performs the commands that it answers with. */
export class Performer {
  /** null until the payload executes. */
  watching: Watching | null = null;
  /** Process 1 of the box; null until it is there. `id` is null where /proc hides it (proc(5), hidepid). */
  init: {pid: number; id: ProcessId | null} | null = null;
  /** What a command waits for before the next frame is taken. */
  waiting: Promise<void> | null = null;
  readonly sight: Sight;
  private readonly state: BoxState;
  private readonly decider: BoxDecider;
  private readonly following: Following;
  private readonly tasks: StepTasks | null;
  private readonly progress: (seen: Seen) => void;
  private readonly timers = new Map<TimerKey, () => void>();
  /** What ends what goes on while the payload runs. */
  private readonly ends: (() => void)[] = [];
  private readonly whenOver: () => void;
  /** Processes that wait for the wrapper; when one dies, the job was cancelled. */
  private readonly callers: readonly ProcessId[];
  private payloadPid: number | null = null;

  /** @param whenOver called when nothing more will come of the box */
  constructor(state: BoxState, decider: BoxDecider, {following, tasks, progress}: Performing, whenOver: () => void) {
    this.state = state;
    this.decider = decider;
    this.following = following;
    this.tasks = tasks;
    this.progress = progress;
    this.whenOver = whenOver;
    this.sight = new Sight(state, following.groups);
    this.callers = (state.batch.callers ?? []).map(processId).filter((caller) => caller !== null);
  }

  /** @throws TareError when the record cannot be written before the payload executes */
  take(input: Input): void {
    for (const command of this.decider.take(input, {us: monotonicUs(), epochUs: epochUs()})) this.perform(command);
    if (this.decider.over) this.whenOver();
  }

  /** Takes a frame of the shim, with the sight at that moment. */
  takeFrame(frame: Frame | null): void {
    if (frame === null) this.take({name: 'shimGone'});
    else if (frame.name === 'applicationEnded') this.take({...frame, found: this.foundAtEnd(frame.application.index)});
    else this.take(frame);
  }

  /** Ends all looks. */
  end(): void {
    for (const cancel of this.timers.values()) cancel();
    for (const end of this.ends.splice(0)) end();
    this.watching?.end();
  }

  /** Performs one command. @throws TareError when `recordStart` cannot write the record */
  perform(command: Command): void {
    (this.how[command.do] as (command: Command) => void)(command);
  }

  private readonly how: {[D in Command['do']]: (command: Extract<Command, {do: D}>) => void} = {
    send: ({frame}) => {
      this.following.channel.send(frame);
    },
    timer: (command) => {
      this.setTimer(command);
    },
    cancel: ({key}) => {
      this.timers.get(key)?.();
      this.timers.delete(key);
    },
    killGroup: ({part}) => {
      this.following.groups.kill(part);
    },
    killInit: () => {
      if (this.init !== null) killProcess(this.init.pid);
    },
    resume: () => {
      this.resume();
    },
    signalTasks: ({signal}) => {
      this.tasks?.signal(signal);
    },
    endClients: ({because}) => {
      this.endClients(because);
    },
    recordStart: ({initPid}) => {
      this.recordStart(initPid);
    },
    connect: ({initPid}) => {
      this.connect(initPid);
    },
    keepExecuted: (command) => {
      this.keepExecuted(command);
    },
    keepLimit: ({stop, atUs}) => {
      keep(this.state, {type: 'limit', stop, atUs}, this.following.log);
    },
    keepApplications: () => {
      this.keepApplications();
    },
    watch: ({executedUs}) => {
      this.watch(executedUs);
    },
    endWatches: () => {
      this.watching?.end();
    },
    lookReady: (command) => {
      this.lookReady(command);
    },
    log: ({level, what, details}) => {
      this.following.log[level](what, details);
    },
    pause: ({at}) => {
      pauseAt(this.state.plan.pauseAt, at);
    },
  };

  private setTimer({key, ms, due}: Extract<Command, {do: 'timer'}>): void {
    if (key === null) {
      this.afterwards(ms, () => {
        this.take(due);
      });
      return;
    }
    this.timers.get(key)?.();
    this.timers.set(
      key,
      after(ms, () => {
        this.take(due);
      }),
    );
  }

  /** Calls `then` after a time; the process does not wait for it when all else is over. */
  private afterwards(ms: number, then: () => void): void {
    setTimeout(then, ms).unref();
  }

  private resume(): void {
    const {groups} = this.following;
    const init = this.init === null ? null : processId(this.init.pid);
    if (groups.frozen().frozen === true || this.watching?.instruments.sampler?.standsStill === true) resumeBox({init, shim: null}, groups);
  }

  private endClients(because: string): void {
    const {looked = []} = this.state;
    if (looked.some(({own}) => own !== undefined))
      keep(this.state, {type: 'clients-ended', looked: killClients(looked, because)}, this.following.log);
  }

  private recordStart(initPid: number): void {
    comeTo('ready');
    this.init = {pid: initPid, id: processId(initPid)};
    const {plan, started} = this.state;
    const {hello, log} = this.following;
    // the supervisor before may have died before it wrote it, or after it wrote the final one
    if (hello.supervisor > 1 && findFinal(plan.directories.spools, started.recordId) === null)
      recordStart(plan, openRecordOf(this.state), log);
  }

  private connect(initPid: number): void {
    if (this.state.connection === null || this.state.connected) {
      this.take({name: 'connected'});
      return;
    }
    const {groups, log} = this.following;
    this.waiting = connectBox(this.state, groups, initPid, log).then(
      () => {
        this.take({name: 'connected'});
      },
      (error: unknown) => {
        this.take({name: 'notConnected', because: asTareError(error).message});
      },
    );
  }

  private keepExecuted({startEpochUs, payloadPid}: Extract<Command, {do: 'keepExecuted'}>): void {
    const {request, channel, groups, hello, log} = this.following;
    const {plan, id} = this.state;
    if (!request.usesStdout) channel.send({name: 'close', descriptor: 1}); // a reader sees when the payload closes its own
    this.payloadPid = payloadPid;
    const payload = payloadPid === null ? null : processId(payloadPid);
    keep(this.state, {type: 'executed', startEpochUs, init: this.init === null ? null : processId(this.init.pid), payload}, log);
    const {stepDirectory} = request;
    if (stepDirectory !== undefined) writeNote(stepDirectory, 'box', {directory: stateDirectory(plan, id), cwd: hello.cwd});
    const end = request.onlooker?.running(onlookOf(this.state, groups));
    if (end !== undefined) this.ends.push(end);
  }

  /** For commands that look into the box, and for a supervisor that takes over. */
  private keepApplications(): void {
    const applications = (this.decider.applications?.look() ?? []).map(({name, state, service, keeperPid}) => ({
      name,
      state,
      service,
      keeper: keeperPid === null ? null : processId(keeperPid),
    }));
    const noted = this.decider.report({usages: [], whose: null, logOf: this.sight.logOf}) ?? [];
    keep(this.state, {type: 'applications', applications, noted}, this.following.log);
  }

  private watch(executedUs: number): void {
    const {state, following, decider, tasks, progress, sight, callers, payloadPid} = this;
    const initPid = this.init?.pid ?? 0;
    comeTo('executed', executedUs);
    this.watching = new Watching({state, following, decider, tasks, progress, sight, callers, payloadPid, initPid, executedUs}, (input) => {
      this.take(input);
    });
  }

  private foundAtEnd(index: number): FoundAtEnd {
    const keeperPid = this.decider.applications?.keepers().find((keeper) => keeper.index === index)?.pid ?? null;
    return {kills: this.sight.killsOf(index), isReady: this.isReady(index, keeperPid), isKilled: this.sight.isKilled()};
  }

  private lookReady({index, start, afterMs, keeperPid}: Extract<Command, {do: 'lookReady'}>): void {
    this.afterwards(afterMs, () => {
      if (!this.decider.over) this.take({name: 'lookedReady', index, start, afterMs, isReady: this.isReady(index, keeperPid)});
    });
  }

  private isReady(index: number, keeperPid: number | null): boolean {
    return this.sight.isReady(index, {keeperPid, initPid: this.init?.pid ?? null});
  }
}
