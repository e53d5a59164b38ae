/**
 * What is done about one box from its launch to its end. Told what happens, it says what is to be done; it touches and reads nothing itself.
 * A supervisor that takes over is told everything again, and says the same again: what was done already is ignored by the shim.
 */

import {stepsOf} from '../plan/step.js';
import type {Stop} from '../record/outcome.js';
import type {RecordApplication} from '../record/record.js';
import {signalName, SIGTERM} from '../record/wait-status.js';
import type {Plan} from '../schema/generated/plan-1.js';
import type {Report} from '../schema/generated/protocol.js';
import {Applications, type Execute, type Order, type Reporting} from './applications.js';
import type {Command, Due, Input, Now, TimerKey} from './command.js';
import {NETWORK_STEP, newObservation, type Observation} from './observation.js';

/** How long the engine may take to build the box: a mount of the node can hang. */
const LAUNCH_DEADLINE_MS = 60_000;
/** Deadline from init's report to the end of the engine; the kernel tears the namespace down meanwhile. */
const GONE_DEADLINE_MS = 30_000;
/** Deadline from the kill to init's report. A process that waits in the kernel for a file server that is gone can take for ever. */
const KILL_DEADLINE_MS = 30_000;
/** How long the shim may take to pass a kill on. */
const SHIM_DEADLINE_MS = 3_000;

/** What is known before the first input. */
export interface Before {
  /** The limit that a supervisor before this one found exceeded, and when, on the monotonic clock, µs. */
  stop: Stop | null;
  stopUs: number | null;
  /** When such a supervisor knew that the payload executes. */
  startEpochUs: number | null;
  supervisorsLost: number;
}

/** What a payload that is to end was told, and by when it may do so. */
export interface Ending {
  /** Nothing of the box is to go on: the payload is killed, or gone. */
  all: boolean;
  /** Signals that were passed on to the payload. */
  signals: readonly number[];
  /** How long the payload has after such a signal, µs. */
  graceUs: number;
}

type Handlers = {[N in Input['name']]?: (input: Extract<Input, {name: N}>) => void};

/** Decides over one box. `take` is given what happened, `begin` nothing; both return commands to perform in their order. */
export class BoxDecider {
  readonly observed: Observation;
  /** null where there is one payload. */
  readonly applications: Applications | null;
  private readonly plan: Plan;
  private readonly steps: readonly Execute[];
  private readonly before: Before;
  private commands: Command[] = [];
  private now: Now = {us: 0, epochUs: 0};
  private initPid: number | null = null;
  private payloadPid: number | null = null;
  /** When the shim was last told that something is to be executed. */
  private goUs: number | null = null;
  private gone = false;
  /** The shim is gone, or is not waited for any longer. */
  private left = false;
  private hasDeadline = false;
  /** When the payload's grace is over; null: it is not told to end. */
  private graceEndUs: number | null = null;
  /** All of the box has been sent SIGKILL. */
  private killing = false;
  /** The applications are still to be told of the stop of a supervisor before this one. */
  private stopToTell: boolean;

  constructor(plan: Plan, before: Before) {
    this.plan = plan;
    this.before = before;
    this.steps = stepsOf(plan, 'application.execute');
    this.observed = newObservation(before);
    this.stopToTell = before.stop !== null;
    this.applications =
      plan.applications === null
        ? null
        : new Applications(this.steps, plan.applications, (order) => {
            this.obey(order);
          });
  }

  /** Whether nothing more will come of the box. */
  get over(): boolean {
    return this.gone || this.left;
  }

  /** The box was launched. */
  begin(): Command[] {
    this.setDeadline(LAUNCH_DEADLINE_MS, {name: 'launchLate'});
    return this.taken();
  }

  /** Takes one input at one moment. @returns the commands that follow from it */
  take(input: Input, now: Now): Command[] {
    this.now = now;
    const handler = this.handlers[input.name] as ((input: Input) => void) | undefined;
    if (handler !== undefined) handler(input);
    else this.log('warn', 'the shim says something unknown', {tag: input.name === 'unknown' ? input.tag : input.name});
    return this.taken();
  }

  /** null while the box is to go on. */
  ending({isKilled, isPayloadGone}: {isKilled: boolean; isPayloadGone: boolean}): Ending | null {
    if (!this.isLive) return null;
    const {noted, stop, callerLost} = this.observed;
    const all = this.killing || isPayloadGone;
    const signals = [...noted, ...(stop !== null || callerLost ? [SIGTERM] : [])];
    return all || signals.length > 0 || isKilled ? {all, signals, graceUs: this.plan.grace.us} : null;
  }

  /** What the records of several applications say now; null where there is one payload. */
  report(about: Omit<Reporting, 'epochUs'>): RecordApplication[] | null {
    const {startEpochUs, executedUs} = this.observed;
    const epochUs = (us: number): number => (startEpochUs ?? 0) + us - (executedUs ?? us);
    return this.applications?.report({...about, epochUs}) ?? null;
  }

  /**
   * A shim or an init that is killed in the microseconds after it was told to go cannot tell that the payload was executed: it counts as if
   * it was.
   */
  assumeExecuted(): void {
    if (this.observed.executedUs === null && this.observed.failure === null && this.goUs !== null) this.note(this.goUs);
  }

  private readonly handlers: Handlers = {
    ready: ({initPid, payloadPid}) => {
      this.initPid = initPid;
      this.payloadPid = payloadPid ?? null;
      this.cancelDeadline();
      this.order({do: 'recordStart', initPid});
      this.pause('supervisor-ready');
      this.order({do: 'connect', initPid});
    },
    connected: () => {
      this.pause('supervisor-connected');
      if (this.applications === null) this.go();
      else this.applications.begin();
    },
    notConnected: ({because}) => {
      this.fail(NETWORK_STEP, because);
    },
    launchLate: () => {
      this.fail('engine', `the box was not built within ${String(LAUNCH_DEADLINE_MS / 1000)} s`);
    },
    launchStalled: ({because}) => {
      if (this.initPid !== null || this.observed.failure !== null || this.gone) return;
      this.order({do: 'endClients', because});
      this.fail('engine', because);
    },
    executed: ({atUs, application, keeperPid}) => {
      this.tellStop(atUs);
      if (this.observed.executedUs === null) this.executed(atUs);
      if (application !== undefined && keeperPid !== undefined)
        this.applications?.executed(application.index, application.start, atUs, keeperPid);
      this.keepApplications();
    },
    applicationEnded: ({application: {index, start}, report, found}) => {
      if (found.isKilled) this.applications?.signalled(SIGTERM);
      this.tellStop(report.endedUs ?? 0);
      this.killOrphans(index);
      this.applications?.ended(index, start, report, found);
      this.keepApplications();
    },
    failed: ({step, errno, text, application}) => {
      if (application !== undefined) this.applications?.failed(application.index, application.start, `${step}: ${text}`);
      this.keepApplications();
      const name = application === undefined ? undefined : this.steps[application.index]?.name;
      this.observed.failure ??= {step, errno, text: (name === undefined ? '' : `${name}: `) + text};
    },
    noted: ({signal}) => {
      this.observed.noted.push(signal);
      this.applications?.signalled(signal);
      this.log('info', 'signal passed on to the payload', {signal: signalName(signal)});
    },
    ended: ({report}) => {
      this.ended(report);
    },
    gone: ({name: _, engineErrors, ...engine}) => {
      this.observed.engine = {...engine, stderr: engineErrors.trim()};
      this.gone = true;
      // a machine runs one payload
      if (engine.memoryKills !== undefined) this.applications?.memoryKilled([{oomKills: engine.memoryKills, ownLimit: false}]);
      this.cancelDeadline();
    },
    shimGone: () => {
      this.leave();
      if (!this.gone && !this.observed.unkillable) this.observed.shimKilled = this.observed.init === null;
    },
    drained: () => {
      this.tellStop(Infinity);
    },
    overLimit: ({stop, how, graceUs}) => {
      this.stop(stop, how, graceUs);
    },
    overMemory: ({stop, largest}) => {
      if (this.observed.stop !== null) return;
      if (largest !== null && this.applications?.overMemory(largest) === true) this.observed.spared ??= stop;
      else this.stop(stop, 'hard', 0);
    },
    killedForMemory: ({kills}) => {
      if (this.applications !== null) {
        this.applications.memoryKilled(kills);
        return;
      }
      this.log('warn', 'the kernel killed a process of the payload for memory; the rest is killed', {});
      this.kill();
    },
    callerLost: () => {
      if (!this.isLive) return;
      this.observed.callerLost = true;
      this.log('warn', 'what waits for the job was killed; the payload is told to end', {});
      this.applications?.stopping();
      this.tellToEnd(this.plan.grace.us);
    },
    clientsStuck: ({waitedUs}) => {
      this.log('warn', 'a process of the payload waits for a client of Tare’s own, and no signal ends it: the clients are ended', {
        waitedUs,
      });
      this.order({do: 'endClients', because: 'a process of the payload that was to end waited for it'});
    },
    tasksOver: () => {
      this.send({name: 'kill'});
    },
    graceOver: () => {
      if (this.isLive) this.kill();
    },
    killLate: () => {
      if (this.isLive && this.initPid !== null) this.order({do: 'killInit'});
    },
    tooLate: () => {
      this.observed.unkillable = true;
      this.kill();
      this.leave();
    },
    releaseLate: ({index}) => {
      if (this.isLive) this.send({name: 'kill', index});
    },
    restart: ({index, start}) => {
      if (this.isLive) this.applications?.restart(index, start);
    },
    lookedReady: ({index, start, afterMs, isReady}) => {
      if (this.isLive) this.applications?.lookedReady(index, start, afterMs, isReady);
    },
  };

  /** The payload has not ended, as far as is known. */
  private get isLive(): boolean {
    return this.observed.init === null && !this.gone;
  }

  private taken(): Command[] {
    const {commands} = this;
    this.commands = [];
    return commands;
  }

  private order(command: Command): void {
    this.commands.push(command);
  }

  private send(frame: Extract<Command, {do: 'send'}>['frame']): void {
    this.order({do: 'send', frame});
  }

  private log(level: 'info' | 'warn', what: string, details: Readonly<Record<string, unknown>>): void {
    this.order({do: 'log', level, what, details});
  }

  private pause(at: string): void {
    this.order({do: 'pause', at});
  }

  private timer(key: TimerKey | null, ms: number, due: Due): void {
    this.order({do: 'timer', key, ms, due});
  }

  private setDeadline(ms: number, due: Due): void {
    this.hasDeadline = true;
    this.timer('deadline', ms, due);
  }

  private cancelDeadline(): void {
    this.hasDeadline = false;
    this.order({do: 'cancel', key: 'deadline'});
  }

  private keepApplications(): void {
    if (this.applications !== null) this.order({do: 'keepApplications'});
  }

  /** The box cannot be used: nothing was executed in it. */
  private fail(step: string, text: string): void {
    this.observed.failure = {step, errno: 0, text};
    this.kill();
    this.setDeadline(GONE_DEADLINE_MS, {name: 'tooLate'});
  }

  private leave(): void {
    this.left = true;
    this.cancelDeadline();
  }

  private go(application?: {index: number; start: number}): void {
    this.goUs = this.now.us;
    this.send({name: 'go', ...(application === undefined ? {} : {application})});
  }

  private note(executedUs: number): number {
    this.observed.executedUs = executedUs;
    return (this.observed.startEpochUs = this.before.startEpochUs ?? this.now.epochUs - (this.now.us - executedUs));
  }

  private executed(executedUs: number): void {
    this.order({do: 'keepExecuted', startEpochUs: this.note(executedUs), payloadPid: this.payloadPid});
    this.pause('supervisor-executed');
    // a supervisor before this one has sent SIGTERM already
    if (this.observed.stop !== null) this.killAfter(this.plan.grace.us);
    this.order({do: 'watch', executedUs});
  }

  private ended(report: Report): void {
    this.observed.init = {
      rawStatus: this.applications?.rawStatus() ?? report.rawStatus,
      payloadUserUs: report.payloadUserUs ?? 0,
      payloadSystemUs: report.payloadSystemUs ?? 0,
      childrenUserUs: report.childrenUserUs ?? 0,
      childrenSystemUs: report.childrenSystemUs ?? 0,
      largestProcessBytes: report.largestProcessBytes ?? 0,
      killedProcesses: report.killedProcesses,
      endedUs: report.endedUs ?? 0,
    };
    this.order({do: 'endWatches'});
    this.cancelGrace();
    this.pause('supervisor-ended');
    this.setDeadline(GONE_DEADLINE_MS, {name: 'tooLate'});
  }

  /** What had happened before the stop is told again before it, so that nothing that ended by itself is said to have been stopped. */
  private tellStop(us: number): void {
    if (!this.stopToTell || us < (this.before.stopUs ?? 0)) return;
    this.stopToTell = false;
    this.applications?.stopping();
  }

  private stop(stop: Stop, how: 'hard' | 'soft', graceUs: number): void {
    if (this.observed.stop !== null || this.observed.init !== null) return;
    this.observed.stop = stop;
    this.order({do: 'keepLimit', stop, atUs: this.now.us});
    this.log('warn', 'the payload is over a limit', {...stop});
    this.applications?.stopping();
    if (how === 'hard') this.kill();
    else this.tellToEnd(graceUs);
  }

  private tellToEnd(graceUs: number): void {
    this.send({name: 'signal', signal: SIGTERM});
    this.order({do: 'signalTasks', signal: SIGTERM});
    this.order({do: 'resume'});
    this.killAfter(graceUs);
  }

  /** Sets the time at which the payload is killed. A later call only shortens it: a payload that is told to end again gets no more time. */
  private killAfter(graceUs: number): void {
    const endUs = this.now.us + graceUs;
    if (this.graceEndUs !== null && this.graceEndUs <= endUs) return;
    this.graceEndUs = endUs;
    this.timer('grace', graceUs / 1000, {name: 'graceOver'});
  }

  private cancelGrace(): void {
    this.graceEndUs = null;
    this.order({do: 'cancel', key: 'grace'});
  }

  /** Everything in the box, by its groups and by init. */
  private kill(): void {
    this.killing = true;
    this.order({do: 'killGroup', part: 'payload'});
    this.send({name: 'kill'});
    // a shim that is stopped (SIGSTOP) passes nothing on; then the box goes with its init, and its report with it
    this.timer(null, SHIM_DEADLINE_MS, {name: 'killLate'});
    if (!this.hasDeadline) this.setDeadline(KILL_DEADLINE_MS, {name: 'tooLate'});
  }

  /** What a guest leaves behind is the image's init's by then, and out of its keeper's reach. */
  private killOrphans(index: number): void {
    const {name = '', system} = this.steps[index] ?? {};
    if (system?.role === 'payload' && system.guestOf !== null) this.order({do: 'killGroup', part: `app-${name}`});
  }

  private obey(order: Order): void {
    switch (order.do) {
      case 'start':
        this.go({index: order.index, start: order.start});
        break;
      case 'signal':
        this.send({name: 'signal', signal: order.signal, index: order.index});
        break;
      case 'stopAll':
        this.log('info', 'the applications are told to stop', {because: order.because});
        this.send({name: 'signal', signal: SIGTERM});
        this.killAfter(this.plan.grace.us);
        break;
      case 'killAll':
        this.log('warn', 'all applications are killed', {because: order.because});
        this.kill();
        break;
      case 'release':
        this.release(order);
        break;
      case 'kill':
        this.send({name: 'kill', index: order.index});
        break;
      case 'windUp':
        this.send({name: 'windUp'});
        break;
      case 'restart': {
        const {index, start, afterMs} = order;
        this.timer(null, afterMs, {name: 'restart', index, start});
        break;
      }
      case 'lookReady':
        this.order(order);
        break;
      case 'note':
        this.log('info', order.what, order.details);
    }
  }

  private release({index, signal, withinUs}: Extract<Order, {do: 'release'}>): void {
    this.log('info', 'a service is told to end', {service: this.steps[index]?.name, signal: signalName(signal)});
    // it may take longer than a payload's grace, but where the job is over a limit
    if (this.observed.stop === null) this.cancelGrace();
    this.send({name: 'signal', signal, index});
    this.timer(null, withinUs / 1000, {name: 'releaseLate', index});
  }
}
