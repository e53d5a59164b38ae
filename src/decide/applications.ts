/**
 * Which of several applications is started when, and what follows when one ends. Told what happens, it says what is to be done; it touches
 * nothing itself. A supervisor that takes over is told everything again, and says the same again: what was done already is ignored by the
 * shim.
 */

import type {StepOf} from '../plan/step.js';
import {decodeWaitStatus, endText, SIGKILL, signalName, SIGTERM} from '../record/wait-status.js';
import {NO_APPLICATION_USAGE, type RecordApplication} from '../record/record.js';
import type {Plan} from '../schema/generated/plan-1.js';
import type {Report} from '../schema/generated/protocol.js';
import type {ApplicationsEnd, KeeperTotals, MemoryKills, ServiceFault} from './observation.js';

/** A plan's step for one application. */
export type Execute = StepOf<'application.execute'>;
/** What the plan says about several applications: which one is the job, and what follows when one fails. */
export type FailurePolicy = NonNullable<Plan['applications']>;

/** What is to be done to applications; the box's decider says how. */
export type Order =
  /** For the start-th time: 1, 2, … */
  | {do: 'start'; index: number; start: number}
  /** To one that was given its start, and may not have been there yet for what all were sent. */
  | {do: 'signal'; index: number; signal: number}
  /** SIGTERM to all that run, SIGKILL after the grace. */
  | {do: 'stopAll'; because: string}
  /** SIGKILL to all. */
  | {do: 'killAll'; because: string}
  /** A service is told to end, by its own signal; killed when it takes too long. */
  | {do: 'release'; index: number; signal: number; withinUs: number}
  /** SIGKILL to everything of one. */
  | {do: 'kill'; index: number}
  /** Nothing more is started. */
  | {do: 'windUp'}
  /** `restart` is to be called after so long, unless all is over. */
  | {do: 'restart'; index: number; start: number; afterMs: number}
  /** The same of `lookedReady`, with what is found then. */
  | {do: 'lookReady'; index: number; start: number; afterMs: number; keeperPid: number | null}
  | {do: 'note'; what: string; details: Readonly<Record<string, unknown>>};

/** What a report needs that is not told here. */
export interface Reporting {
  /** What each used. */
  usages: readonly RecordApplication['usage'][];
  /** The limit that killed, where it was not an application's own. */
  whose: 'payload' | 'slot' | 'node' | null;
  /** Calendar time of a moment of the monotonic clock, both µs. */
  epochUs: (monotonicUs: number) => number;
  /** The end of what a service has said; null when there is nothing. */
  logOf: (index: number) => string | null;
}

/** How one start has ended. Numbers that are no longer known are null. */
type KeeperReport = Omit<Report, 'payloadUserUs' | 'payloadSystemUs' | 'killedProcesses'>;

/** How one application stands. */
interface AppState {
  /** The last start that was given. */
  starts: number;
  runs: boolean;
  /** Of the start that runs. */
  executedUs: number | null;
  keeperPid: number | null;
  /** null: none of its starts was executed. Of one that may have been, the time of its end. */
  firstExecutedUs: number | null;
  wallUs: number | null;
  totals: KeeperTotals;
  ready: boolean;
  /** It is not started again. */
  over: boolean;
  /** Of its last start. */
  rawStatus: number | null;
  /** Why it could not be executed, or why it was not. */
  reason: string | null;
  /** Whether it was told to stop before it ended by itself. */
  stopped: boolean;
  /** A service was told to end after the payload. */
  released: boolean;
  /** Kills for memory that are dealt with. */
  oomKills: number;
  oom: 'application' | 'shared' | null;
  /** How long it has been looked at in vain for being ready, by this start, µs. */
  waitedUs: number;
}

/** Delay before an application is started again, ms. */
const RESTART_MS = 1000;
/** The time between two looks whether one is ready: it begins short, and grows by half. */
const READY_MS = {first: 10, most: 1000, factor: 1.5} as const;
/** Exit status of what could not be executed (sh(1)). */
const NOT_EXECUTED = 127 << 8;
/** Raw status of an application that failed in another way than by its own status. */
const FAILED = 1 << 8;
/** Signals that ask for the end: nothing is started after one of them. */
const ENDING_SIGNALS: readonly number[] = [1, 2, 3, 15];

/** Decides over the applications of one box. Its caller passes every event in, and performs each order that comes out. */
export class Applications {
  private readonly steps: readonly Execute[];
  private readonly failurePolicy: FailurePolicy;
  private readonly order: (order: Order) => void;
  private readonly apps: AppState[];
  /** Whether starts have ended. */
  private winding = false;
  /** All were told to stop. */
  private told = false;
  private wound = false;
  /** Of the first that failed by itself, and of the first that failed when it was told to stop. */
  private firstFailure: number | null = null;
  private firstStopped: number | null = null;
  /** The signal for which some were never started. */
  private keptBack: number | null = null;
  /** The first service that failed. */
  private failedService: {index: number; reason: string} | null = null;

  /** @param order is called with what is to be done, in its order */
  constructor(steps: readonly Execute[], failurePolicy: FailurePolicy, order: (order: Order) => void) {
    this.steps = steps;
    this.failurePolicy = failurePolicy;
    this.order = order;
    this.apps = steps.map(() => ({
      starts: 0,
      runs: false,
      executedUs: null,
      keeperPid: null,
      firstExecutedUs: null,
      wallUs: null,
      totals: {cpuUserUs: null, cpuSystemUs: null, largestProcessBytes: null},
      ready: false,
      over: false,
      rawStatus: null,
      reason: null,
      stopped: false,
      released: false,
      oomKills: 0,
      oom: null,
      waitedUs: 0,
    }));
  }

  /** Starts the applications that need no other. */
  begin(): void {
    this.goOn();
  }

  /** An application has executed; the times are µs of the monotonic clock. */
  executed(index: number, start: number, us: number, keeperPid: number): void {
    const {step, app} = this.at(index);
    app.starts = Math.max(app.starts, start);
    Object.assign(app, {runs: true, executedUs: us, keeperPid, rawStatus: null});
    app.firstExecutedUs ??= us;
    if (step.ready.when === 'started') app.ready = true;
    app.waitedUs = 0;
    if ('withinUs' in step.ready) this.lookReady(index, Math.min(READY_MS.first, Math.max(1, step.ready.withinUs / 1000)));
    // the payload ended while it was on its way
    if (app.released) this.tellToEnd(index);
    this.goOn();
  }

  /** A start failed at its exec; another start would fail too. */
  failed(index: number, start: number, reason: string): void {
    const {step, app} = this.at(index);
    app.starts = Math.max(app.starts, start);
    Object.assign(app, {runs: false, over: true, rawStatus: NOT_EXECUTED, reason});
    this.order({do: 'note', what: 'an application could not be executed', details: {application: step.name, reason}});
    this.noteService(index, `it could not be executed: ${reason}`);
    this.afterFailure(index, NOT_EXECUTED, `${step.name} could not be executed`);
  }

  /** One start has ended, with all that was left of it. */
  ended(index: number, start: number, report: KeeperReport, found: {kills: MemoryKills; isReady: boolean}): void {
    const {step, app} = this.at(index);
    const {rawStatus, endedUs} = report;
    app.starts = Math.max(app.starts, start);
    // a keeper that was killed could not say that what it kept was executed: it counts as if it was
    if (app.firstExecutedUs === null && endedUs !== null) Object.assign(app, {firstExecutedUs: endedUs, executedUs: endedUs});
    if (app.executedUs !== null && endedUs !== null) app.wallUs = (app.wallUs ?? 0) + Math.max(0, endedUs - app.executedUs);
    app.totals = addUp(app.totals, report);
    Object.assign(app, {runs: false, executedUs: null, keeperPid: null, rawStatus});
    this.noteKills(index, found.kills);
    const how = {application: step.name, start, ...describe(rawStatus)};
    if (step.ready.when === 'completed') app.ready = rawStatus === 0;
    else if (step.ready.when === 'file' || step.ready.when === 'port') app.ready ||= found.isReady;
    this.order({do: 'note', what: 'an application has ended', details: how});
    // what is to run beside the payload has no other end than being told
    const tooSoon = step.system?.role === 'service' && step.ready.when !== 'completed';
    const failure = !app.released && (rawStatus !== 0 || !app.ready || tooSoon);
    if (this.mayRestart(index, failure)) {
      this.order({do: 'restart', index, start, afterMs: RESTART_MS});
      return;
    }
    app.over = true;
    if (index === this.failurePolicy.primary) {
      // its end is the job's, however it ended
      if (rawStatus !== 0) this.firstFailure ??= rawStatus;
      this.stopAll(`the primary application ${step.name} has ended`);
    } else if (app.oom !== null && this.failurePolicy.onOom === 'kill-application') {
      this.firstFailure ??= rawStatus;
      this.goOn();
    } else if (failure) {
      if (rawStatus === 0) app.reason ??= tooSoon && app.ready ? 'it ended before the payload' : 'it ended before it was ready';
      this.noteService(index, app.reason ?? `it ended with ${endText(rawStatus)}`);
      this.afterFailure(index, rawStatus, `${step.name} has failed`);
    } else this.goOn();
  }

  /** The kernel killed a process for memory somewhere in the payload. */
  memoryKilled(kills: readonly MemoryKills[]): void {
    for (const [index, each] of kills.entries()) this.noteKills(index, each);
  }

  /** Its time before another start is over. */
  restart(index: number, start: number): void {
    const {app} = this.at(index);
    // a supervisor that took over may have been told meanwhile that it was started
    if (app.starts === start && !app.runs && !app.over) this.start(index);
  }

  /** Takes the result of a look, `afterMs` after the one before. */
  lookedReady(index: number, start: number, afterMs: number, isReady: boolean): void {
    const {step, app} = this.at(index);
    if (app.starts !== start || !app.runs || app.ready || this.winding || !('withinUs' in step.ready)) return;
    app.waitedUs += afterMs * 1000;
    app.ready = isReady;
    const leftUs = step.ready.withinUs - app.waitedUs;
    if (isReady) this.goOn();
    else if (leftUs <= 0) this.notReady(index);
    else this.lookReady(index, Math.min(Math.ceil(READY_MS.factor * afterMs), READY_MS.most, Math.max(1, leftUs / 1000)));
  }

  /**
   * Together they are over a watched memory limit, and this one is the largest.
   * @returns whether it alone is killed for that
   */
  overMemory(largest: number): boolean {
    const {step, app} = this.at(largest);
    const spares = this.failurePolicy.onOom === 'kill-application';
    // another is just being killed
    if (spares && this.apps.some(({runs, oom}) => runs && oom !== null)) return true;
    app.oom = 'shared';
    this.order({do: 'note', what: 'an application was the largest of those over the memory limit', details: {application: step.name}});
    if (spares) this.order({do: 'kill', index: largest});
    return spares;
  }

  /** The caller sent the wrapper a signal, which all that run have got. */
  signalled(signal: number): void {
    if (!ENDING_SIGNALS.includes(signal)) return;
    // a start and the signal may have crossed on their ways
    for (const [index, {runs, executedUs}] of this.apps.entries())
      if (runs && executedUs === null) this.order({do: 'signal', index, signal});
    this.keepBack(signal);
    this.wind();
    this.goOn();
  }

  /** The caller stops the whole job. */
  stopping(): void {
    this.told = true;
    this.keepBack(SIGTERM);
    this.wind();
    this.goOn();
  }

  /** A job whose parts were not all run is not one that completed. */
  private keepBack(signal: number): void {
    if (this.apps.some(({starts, over}) => starts === 0 && !over)) this.keptBack ??= signal;
  }

  private wind(): void {
    this.winding = true;
    for (const index of this.runningBeside()) this.at(index).app.stopped = true;
    for (const index of this.steps.keys()) this.settle(index);
  }

  private isService(index: number): boolean {
    return this.steps[index]?.system?.role === 'service';
  }

  /** Applications that run and are not services: the job goes on for them. */
  private runningBeside(): number[] {
    return [...this.steps.keys()].filter((index) => !this.isService(index) && this.apps[index]?.runs === true);
  }

  /** What its end says of the machine's services; not when they were told. */
  private noteService(index: number, reason: string): void {
    const {step, app} = this.at(index);
    if (step.system === null || step.system.role === 'payload' || app.stopped || app.released) return;
    this.failedService ??= {index, reason};
  }

  private payloadRan(): boolean {
    return this.steps.some(({system}, index) => system?.role === 'payload' && this.at(index).app.firstExecutedUs !== null);
  }

  private serviceFailure(): ServiceFault | null {
    return this.failedService === null ? null : {name: this.at(this.failedService.index).step.name, reason: this.failedService.reason};
  }

  private tellToEnd(index: number): void {
    const {stopSignal, stopWithinUs} = this.at(index).step.system ?? {};
    this.order({do: 'release', index, signal: stopSignal ?? SIGTERM, withinUs: stopWithinUs ?? 0});
  }

  /** Why the only payload of a small machine could not be executed; null when it was, or never given a start. */
  private payloadFault(): string | null {
    const payloads = this.steps.flatMap(({system}, index) => (system?.role === 'payload' ? [this.at(index).app] : []));
    const [only, ...others] = payloads;
    return only === undefined || others.length > 0 || only.starts === 0 || only.firstExecutedUs !== null ? null : only.reason;
  }

  /** Services end after everything else. */
  private releaseServices(): void {
    for (const [index, {system}] of this.steps.entries()) {
      const {app} = this.at(index);
      if (system?.role !== 'service' || app.over || app.released) continue;
      app.released = true;
      if (app.runs && app.executedUs !== null) this.tellToEnd(index);
      else if (!app.runs) app.over = true;
    }
  }

  /** The state of each application, for commands that look into the live box. */
  look(): {name: string; state: string; service: boolean; keeperPid: number | null}[] {
    return this.steps.map(({name, system}, index) => {
      const {app} = this.at(index);
      const {runs, over, starts, keeperPid} = app;
      const state = runs ? 'running' : over ? outcomeOf(app, null).status : starts > 0 ? 'restarting' : 'waiting';
      return {name, state, service: system !== null && system.role !== 'payload', keeperPid};
    });
  }

  /** Pids of the keepers of those that run; with the index of each. */
  keepers(): {index: number; pid: number}[] {
    return this.apps.flatMap(({keeperPid}, index) => (keeperPid === null ? [] : [{index, pid: keeperPid}]));
  }

  /** What each application's keepers have reported so far, in the plan's order. */
  totals(): KeeperTotals[] {
    return this.apps.map(({totals}) => totals);
  }

  /**
   * The job's wait status: the primary's; else of the first that failed by itself, else of the first that failed when it was told to stop,
   * else the signal for which some were never started.
   */
  rawStatus(): number {
    const primary = this.failurePolicy.primary === null ? undefined : this.apps[this.failurePolicy.primary];
    if (primary !== undefined && primary.rawStatus !== null) return primary.rawStatus;
    return this.firstFailure ?? this.firstStopped ?? this.keptBack ?? 0;
  }

  /** What their ends say of the job. */
  end(): ApplicationsEnd {
    const killedForMemory = this.steps.filter((_, index) => this.apps[index]?.oom != null).map(({name}) => name);
    return {
      killedForMemory,
      killedForOwnLimit: this.apps.some(({oom}) => oom === 'shared') ? [] : killedForMemory,
      servicesFault: this.payloadRan() ? null : this.serviceFailure(),
      serviceFailure: this.serviceFailure(),
      payloadFault: this.payloadFault(),
    };
  }

  /** What their records say. */
  report({usages, whose, epochUs, logOf}: Reporting): RecordApplication[] {
    return this.steps.map((step, index): RecordApplication => {
      const {app} = this.at(index);
      return {
        index,
        name: step.name,
        role: step.system?.role ?? 'application',
        starts: app.starts,
        startEpochUs: app.firstExecutedUs === null ? null : epochUs(app.firstExecutedUs),
        wallUs: app.wallUs,
        limits: {cores: step.limits.cores?.value ?? null, memory: step.limits.memory?.value ?? null},
        usage: usages[index] ?? NO_APPLICATION_USAGE,
        outcome: outcomeOf(app, whose),
        log: this.failedService === null || step.system === null ? null : logOf(index),
      };
    });
  }

  private at(index: number): {step: Execute; app: AppState} {
    const step = this.steps[index];
    const app = this.apps[index];
    if (step === undefined || app === undefined) throw new RangeError(`there is no application ${String(index)}`);
    return {step, app};
  }

  private start(index: number): void {
    const {app} = this.at(index);
    app.starts++;
    Object.assign(app, {runs: true, rawStatus: null});
    this.order({do: 'start', index, start: app.starts});
  }

  /** Starts what may start now, and ends it all when nothing can any more. */
  private goOn(): void {
    for (const [index, {needs}] of this.steps.entries()) {
      const {app} = this.at(index);
      if (app.starts > 0 || app.over) continue;
      const hopeless = this.hopelessNeed(index);
      if (hopeless !== undefined) {
        this.giveUp(index, neverReady(hopeless));
        return;
      }
      if (!this.winding && needs.every((need) => this.apps[need]?.ready === true)) this.start(index);
    }
    if (this.wound) return;
    if (this.steps.every((_, index) => this.isService(index) || this.isOver(index))) this.releaseServices();
    if (!this.steps.every((_, index) => this.isOver(index))) return;
    this.wound = true;
    this.winding = true;
    this.order({do: 'windUp'});
  }

  private isOver(index: number): boolean {
    const {over, runs} = this.at(index).app;
    return over && !runs;
  }

  /** What will never be started. Without the primary application there is nothing that the others run for. */
  private giveUp(index: number, reason: string): void {
    const {step, app} = this.at(index);
    Object.assign(app, {over: true, reason});
    if (index === this.failurePolicy.primary) this.stopAll(`the primary application ${step.name} cannot be started`);
    else this.goOn();
  }

  /** The name of one that it needs and that will never be ready. */
  private hopelessNeed(index: number): string | undefined {
    const {needs} = this.at(index).step;
    const found = needs.find((need) => this.apps[need]?.over === true && !this.apps[need].ready);
    return found === undefined ? undefined : this.at(found).step.name;
  }

  private mayRestart(index: number, failure: boolean): boolean {
    const {step, app} = this.at(index);
    const {restart} = step;
    if (restart === null || this.winding || app.released || app.oom !== null || app.starts > restart.limit) return false;
    return failure || restart.on === 'always';
  }

  private afterFailure(index: number, rawStatus: number, because: string): void {
    const {app} = this.at(index);
    if (app.stopped) this.firstStopped ??= rawStatus;
    else this.firstFailure ??= rawStatus === 0 ? FAILED : rawStatus;
    if (!app.stopped && this.failurePolicy.onFailure === 'stop-all') this.stopAll(because);
    else if (index === this.failurePolicy.primary) this.stopAll(because);
    else this.goOn();
  }

  private stopAll(because: string, hard = false): void {
    const first = !this.told;
    this.told = true;
    this.wind();
    // also where the kernel killed but one process, a job over its memory is killed whole
    if (hard ? this.apps.some(({runs}) => runs) : this.runningBeside().length > 0) {
      if (hard) this.order({do: 'killAll', because});
      else if (first) this.order({do: 'stopAll', because});
    }
    this.goOn();
  }

  /** Marks an application as over that does not run and will not be started. */
  private settle(index: number): void {
    const {app} = this.at(index);
    if (app.runs || app.over) return;
    app.over = true;
    if (app.released) return;
    if (app.starts > 0) {
      // it had failed, and would have been started again
      if (app.rawStatus !== null && (app.rawStatus !== 0 || !app.ready)) this.firstFailure ??= app.rawStatus || FAILED;
      return;
    }
    const hopeless = this.hopelessNeed(index);
    app.reason ??= hopeless === undefined ? 'the job ended before' : neverReady(hopeless);
  }

  private noteKills(index: number, {oomKills, ownLimit}: MemoryKills): void {
    const {step, app} = this.at(index);
    if (oomKills <= app.oomKills) return;
    app.oomKills = oomKills;
    const before = app.oom;
    app.oom = ownLimit ? 'application' : 'shared';
    if (before !== null) return;
    this.order({do: 'note', what: 'an application was killed for memory', details: {application: step.name, limit: app.oom}});
    if (app.runs) this.order({do: 'kill', index});
    if (this.failurePolicy.onOom === 'stop-all') {
      this.firstFailure ??= SIGKILL;
      this.stopAll(`${step.name} was killed for memory`, app.oom === 'shared');
    }
  }

  private lookReady(index: number, afterMs: number): void {
    const {starts, keeperPid} = this.at(index).app;
    this.order({do: 'lookReady', index, start: starts, afterMs, keeperPid});
  }

  /** Handles an application that is not ready in time: others that need it cannot start. */
  private notReady(index: number): void {
    const {step, app} = this.at(index);
    app.reason = 'it was not ready in time';
    this.noteService(index, app.reason);
    this.order({do: 'note', what: 'an application is not ready in time', details: {application: step.name}});
    this.firstFailure ??= FAILED;
    if (this.failurePolicy.onFailure === 'stop-all') {
      this.stopAll(`${step.name} is not ready in time`);
      return;
    }
    for (const [other, {needs}] of this.steps.entries()) {
      const {starts, over} = this.at(other).app;
      if (needs.includes(index) && starts === 0 && !over) this.giveUp(other, `it needs ${step.name}, which was not ready in time`);
    }
  }
}

const neverReady = (name: string): string => `it needs ${name}, which was never ready`;

function outcomeOf(app: AppState, whose: 'payload' | 'slot' | 'node' | null): RecordApplication['outcome'] {
  const {rawStatus, firstExecutedUs, oom, stopped, reason} = app;
  const none = {exitCode: null, signal: null, limit: null, limitScope: null, reason};
  if (rawStatus === null) return {...none, status: firstExecutedUs === null ? 'not-started' : 'lost'};
  const how = {...none, ...describe(rawStatus)};
  if (oom !== null)
    return {
      ...how,
      status: 'limit',
      limit: 'memory',
      limitScope: oom === 'application' ? 'application' : (whose ?? 'payload'),
      reason: oom === 'application' ? 'it went over its own memory limit' : 'it was killed for a memory limit that it shares',
    };
  if (stopped || app.released) return {...how, status: 'stopped'};
  if (how.signal !== null) return {...how, status: 'signalled'};
  return {...how, status: rawStatus === 0 && reason === null ? 'completed' : 'failed'};
}

function describe(rawStatus: number): {exitCode: number | null; signal: string | null} {
  const {exitCode, signal} = decodeWaitStatus(rawStatus);
  return {exitCode, signal: signal === null ? null : signalName(signal)};
}

function addUp(totals: KeeperTotals, report: KeeperReport): KeeperTotals {
  const sum = (a: number | null, b: number | null): number | null => (a === null ? b : b === null ? a : a + b);
  return {
    cpuUserUs: sum(totals.cpuUserUs, report.childrenUserUs),
    cpuSystemUs: sum(totals.cpuSystemUs, report.childrenSystemUs),
    largestProcessBytes:
      totals.largestProcessBytes === null || report.largestProcessBytes === null
        ? (totals.largestProcessBytes ?? report.largestProcessBytes)
        : Math.max(totals.largestProcessBytes, report.largestProcessBytes),
  };
}
