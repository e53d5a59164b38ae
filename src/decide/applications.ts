/**
 * Which of several applications is started when, and what follows when one ends. Told what happens, it says what is to be done; it touches
 * nothing itself. A brain that takes over is told everything again, and says the same again: what was done already is ignored by the front.
 */

import type {StepOf} from '../plan/step.js';
import {decodeWaitStatus, SIGKILL, signalName, SIGTERM} from '../record/wait-status.js';
import {NO_APPLICATION_USAGE, type RecordApplication} from '../record/record.js';
import type {Plan} from '../schema/generated/plan-1.js';
import type {Report} from '../schema/generated/protocol.js';
import type {ApplicationsEnd, KeeperTotals, MemoryKills, ServiceFault} from './observation.js';

export type Execute = StepOf<'application.execute'>;
export type Fate = NonNullable<Plan['applications']>;

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
  /** Nothing will be started any more. */
  | {do: 'windUp'}
  /** `restart` is to be called after so long, unless all is over. */
  | {do: 'restart'; index: number; start: number; afterMs: number}
  /** The same of `lookedReady`, with what is found then. */
  | {do: 'lookReady'; index: number; start: number; afterMs: number; keeperPid: number | null}
  | {do: 'note'; what: string; details: Readonly<Record<string, unknown>>};

/** What a report needs that is not told here. */
export interface Reporting {
  /** What each used. */
  nets: readonly RecordApplication['usage'][];
  /** The limit that killed, where it was not an application's own. */
  whose: 'payload' | 'slot' | 'node' | null;
  /** Calendar time of a moment of the monotonic clock, both µs. */
  epochUs: (monotonicUs: number) => number;
  /** The end of what a service has said; null when there is nothing. */
  logOf: (index: number) => string | null;
}

/** How one start has ended. Numbers that nobody knows any more are null. */
type KeeperReport = Omit<Report, 'payloadUserUs' | 'payloadSystemUs' | 'killedProcesses'>;

/** How one application stands. */
interface Standing {
  /** The last start that was given. */
  starts: number;
  runs: boolean;
  /** Of the start that runs. */
  executedUs: number | null;
  keeperPid: number | null;
  firstExecutedUs: number | null;
  wallUs: number | null;
  totals: KeeperTotals;
  ready: boolean;
  /** Nothing will be started of it any more. */
  over: boolean;
  /** Of its last start. */
  rawStatus: number | null;
  /** Why it could not be executed, or why it was not. */
  reason: string | null;
  /** It was told to stop before it ended by itself. */
  stopped: boolean;
  /** A service was told to end after the payload. */
  released: boolean;
  /** Kills for memory that are dealt with. */
  oomKills: number;
  oom: 'application' | 'shared' | null;
  /** How long it has been looked at in vain for being ready, by this start, µs. */
  waitedUs: number;
}

/** Before an application is started again. */
const RESTART_MS = 1000;
/** The time between two looks whether one is ready: it begins short, and doubles. */
const READY_MS = {first: 50, most: 1000} as const;
/** Exit status of what could not be executed (sh(1)). */
const NOT_EXECUTED = 127 << 8;
/** Of one that failed in another way than by its own status. */
const FAILED = 1 << 8;
/** Signals by which somebody wants an end: nothing is started after one of them. */
const ENDING_SIGNALS: readonly number[] = [1, 2, 3, 15];

export class Applications {
  private readonly steps: readonly Execute[];
  private readonly fate: Fate;
  private readonly order: (order: Order) => void;
  private readonly standings: Standing[];
  /** Nothing is started any more. */
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
  constructor(steps: readonly Execute[], fate: Fate, order: (order: Order) => void) {
    this.steps = steps;
    this.fate = fate;
    this.order = order;
    this.standings = steps.map(() => ({
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

  /** Starts what needs nobody. */
  begin(): void {
    this.goOn();
  }

  executed(index: number, start: number, us: number, keeperPid: number): void {
    const {step, standing} = this.at(index);
    standing.starts = Math.max(standing.starts, start);
    Object.assign(standing, {runs: true, executedUs: us, keeperPid, rawStatus: null});
    standing.firstExecutedUs ??= us;
    if (step.ready.when === 'started') standing.ready = true;
    standing.waitedUs = 0;
    if ('withinUs' in step.ready) this.lookReady(index, Math.min(READY_MS.first, Math.max(1, step.ready.withinUs / 1000)));
    // the payload ended while it was on its way
    if (standing.released) this.tellToEnd(index);
    this.goOn();
  }

  /** It could not be executed: there is no use in another start. */
  failed(index: number, start: number, reason: string): void {
    const {step, standing} = this.at(index);
    standing.starts = Math.max(standing.starts, start);
    Object.assign(standing, {runs: false, over: true, rawStatus: NOT_EXECUTED, reason});
    this.order({do: 'note', what: 'an application could not be executed', details: {application: step.name, reason}});
    this.noteService(index, `it could not be executed: ${reason}`);
    this.afterFailure(index, NOT_EXECUTED, `${step.name} could not be executed`);
  }

  /** One start has ended, with all that was left of it. */
  ended(index: number, start: number, report: KeeperReport, found: {kills: MemoryKills; isReady: boolean}): void {
    const {step, standing} = this.at(index);
    const {rawStatus, endedUs} = report;
    standing.starts = Math.max(standing.starts, start);
    if (standing.executedUs !== null && endedUs !== null)
      standing.wallUs = (standing.wallUs ?? 0) + Math.max(0, endedUs - standing.executedUs);
    standing.totals = addUp(standing.totals, report);
    Object.assign(standing, {runs: false, executedUs: null, keeperPid: null, rawStatus});
    this.noteKills(index, found.kills);
    const how = {application: step.name, start, ...describe(rawStatus)};
    if (step.ready.when === 'completed') standing.ready = rawStatus === 0;
    else if (step.ready.when === 'file' || step.ready.when === 'port') standing.ready ||= found.isReady;
    this.order({do: 'note', what: 'an application has ended', details: how});
    // what is to run beside the payload has no other end than being told
    const tooSoon = step.system?.role === 'service' && step.ready.when !== 'completed';
    const failure = !standing.released && (rawStatus !== 0 || !standing.ready || tooSoon);
    if (this.mayRestart(index, failure)) {
      this.order({do: 'restart', index, start, afterMs: RESTART_MS});
      return;
    }
    standing.over = true;
    if (index === this.fate.primary) {
      // its end is the job's, however it ended
      if (rawStatus !== 0) this.firstFailure ??= rawStatus;
      this.stopAll(`the primary application ${step.name} has ended`);
    } else if (standing.oom !== null && this.fate.onOom === 'kill-application') {
      this.firstFailure ??= rawStatus;
      this.goOn();
    } else if (failure) {
      if (rawStatus === 0) standing.reason ??= tooSoon && standing.ready ? 'it ended before the payload' : 'it ended before it was ready';
      this.noteService(index, standing.reason ?? `it ended with ${endWords(rawStatus)}`);
      this.afterFailure(index, rawStatus, `${step.name} has failed`);
    } else this.goOn();
  }

  /** The kernel killed a process for memory somewhere in the payload. */
  memoryKilled(kills: readonly MemoryKills[]): void {
    for (const [index, each] of kills.entries()) this.noteKills(index, each);
  }

  /** Its time before another start is over. */
  restart(index: number, start: number): void {
    const {standing} = this.at(index);
    // a brain that took over may have been told meanwhile that it was started
    if (standing.starts === start && !standing.runs && !standing.over) this.start(index);
  }

  /** It was looked at, `afterMs` after the look before. */
  lookedReady(index: number, start: number, afterMs: number, isReady: boolean): void {
    const {step, standing} = this.at(index);
    if (standing.starts !== start || !standing.runs || standing.ready || this.winding || !('withinUs' in step.ready)) return;
    standing.waitedUs += afterMs * 1000;
    standing.ready = isReady;
    const leftUs = step.ready.withinUs - standing.waitedUs;
    if (isReady) this.goOn();
    else if (leftUs <= 0) this.notReady(index);
    else this.lookReady(index, Math.min(2 * afterMs, READY_MS.most, Math.max(1, leftUs / 1000)));
  }

  /**
   * Together they are over a watched memory limit, and this one is the largest.
   * @returns whether it alone is killed for that
   */
  overMemory(largest: number): boolean {
    const {step, standing} = this.at(largest);
    const spares = this.fate.onOom === 'kill-application';
    // another is just being killed
    if (spares && this.standings.some(({runs, oom}) => runs && oom !== null)) return true;
    standing.oom = 'shared';
    this.order({do: 'note', what: 'an application was the largest of those over the memory limit', details: {application: step.name}});
    if (spares) this.order({do: 'kill', index: largest});
    return spares;
  }

  /** The caller sent the wrapper a signal, which all that run have got. */
  signalled(signal: number): void {
    if (!ENDING_SIGNALS.includes(signal)) return;
    // a start and the signal may have crossed on their ways
    for (const [index, {runs, executedUs}] of this.standings.entries())
      if (runs && executedUs === null) this.order({do: 'signal', index, signal});
    this.keepBack(signal);
    this.wind();
    this.goOn();
  }

  /** The whole job is stopped, by whoever calls this. */
  stopping(): void {
    this.told = true;
    this.keepBack(SIGTERM);
    this.wind();
    this.goOn();
  }

  /** A job whose parts were not all run is not one that completed. */
  private keepBack(signal: number): void {
    if (this.standings.some(({starts, over}) => starts === 0 && !over)) this.keptBack ??= signal;
  }

  private wind(): void {
    this.winding = true;
    for (const index of this.runningBeside()) this.at(index).standing.stopped = true;
    for (const index of this.steps.keys()) this.settle(index);
  }

  private isService(index: number): boolean {
    return this.steps[index]?.system?.role === 'service';
  }

  /** Those that run and are no services: the job goes on for them. */
  private runningBeside(): number[] {
    return [...this.steps.keys()].filter((index) => !this.isService(index) && this.standings[index]?.runs === true);
  }

  /** What its end says of the machine's services; not when they were told. */
  private noteService(index: number, reason: string): void {
    const {step, standing} = this.at(index);
    if (step.system === null || step.system.role === 'payload' || standing.stopped || standing.released) return;
    this.failedService ??= {index, reason};
  }

  private payloadRan(): boolean {
    return this.steps.some(({system}, index) => system?.role === 'payload' && this.standings[index]?.firstExecutedUs != null);
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
    const payloads = this.steps.flatMap(({system}, index) => (system?.role === 'payload' ? [this.at(index).standing] : []));
    const [only, ...others] = payloads;
    return only === undefined || others.length > 0 || only.starts === 0 || only.firstExecutedUs !== null ? null : only.reason;
  }

  /** Services end after everything else. */
  private releaseServices(): void {
    for (const [index, {system}] of this.steps.entries()) {
      const {standing} = this.at(index);
      if (system?.role !== 'service' || standing.over || standing.released) continue;
      standing.released = true;
      if (standing.runs && standing.executedUs !== null) this.tellToEnd(index);
      else if (!standing.runs) standing.over = true;
    }
  }

  /** How each stands, for whoever looks into the live box. */
  look(): {name: string; state: string; service: boolean; keeperPid: number | null}[] {
    return this.steps.map(({name, system}, index) => {
      const {standing} = this.at(index);
      const {runs, over, starts, keeperPid} = standing;
      const state = runs ? 'running' : over ? outcomeOf(standing, null).status : starts > 0 ? 'restarting' : 'waiting';
      return {name, state, service: system !== null && system.role !== 'payload', keeperPid};
    });
  }

  /** Pids of the keepers of those that run; with the index of each. */
  keepers(): {index: number; pid: number}[] {
    return this.standings.flatMap(({keeperPid}, index) => (keeperPid === null ? [] : [{index, pid: keeperPid}]));
  }

  totals(): KeeperTotals[] {
    return this.standings.map(({totals}) => totals);
  }

  /**
   * The job's wait status: the primary's; else of the first that failed by itself, else of the first that failed when it was told to stop,
   * else the signal for which some were never started.
   */
  rawStatus(): number {
    const primary = this.fate.primary === null ? undefined : this.standings[this.fate.primary];
    if (primary !== undefined && primary.rawStatus !== null) return primary.rawStatus;
    return this.firstFailure ?? this.firstStopped ?? this.keptBack ?? 0;
  }

  /** What their ends say of the job. */
  end(): ApplicationsEnd {
    const killedForMemory = this.steps.filter((_, index) => this.standings[index]?.oom != null).map(({name}) => name);
    return {
      killedForMemory,
      killedForOwnLimit: this.standings.some(({oom}) => oom === 'shared') ? [] : killedForMemory,
      servicesFault: this.payloadRan() ? null : this.serviceFailure(),
      serviceFailure: this.serviceFailure(),
      payloadFault: this.payloadFault(),
    };
  }

  /** What their records say. */
  report({nets, whose, epochUs, logOf}: Reporting): RecordApplication[] {
    return this.steps.map((step, index): RecordApplication => {
      const {standing} = this.at(index);
      return {
        index,
        name: step.name,
        role: step.system?.role ?? 'application',
        starts: standing.starts,
        startEpochUs: standing.firstExecutedUs === null ? null : epochUs(standing.firstExecutedUs),
        wallUs: standing.wallUs,
        limits: {cores: step.limits.cores?.value ?? null, memory: step.limits.memory?.value ?? null},
        usage: nets[index] ?? NO_APPLICATION_USAGE,
        outcome: outcomeOf(standing, whose),
        log: this.failedService === null || step.system === null ? null : logOf(index),
      };
    });
  }

  private at(index: number): {step: Execute; standing: Standing} {
    const step = this.steps[index];
    const standing = this.standings[index];
    if (step === undefined || standing === undefined) throw new RangeError(`there is no application ${String(index)}`);
    return {step, standing};
  }

  private start(index: number): void {
    const {standing} = this.at(index);
    standing.starts++;
    Object.assign(standing, {runs: true, rawStatus: null});
    this.order({do: 'start', index, start: standing.starts});
  }

  /** Starts what may start now, and ends it all when nothing can any more. */
  private goOn(): void {
    for (const [index, {needs}] of this.steps.entries()) {
      const {standing} = this.at(index);
      if (standing.starts > 0 || standing.over) continue;
      const hopeless = this.hopelessNeed(index);
      if (hopeless !== undefined) {
        this.giveUp(index, neverReady(hopeless));
        return;
      }
      if (!this.winding && needs.every((need) => this.standings[need]?.ready === true)) this.start(index);
    }
    if (this.wound) return;
    if (this.steps.every((_, index) => this.isService(index) || this.isOver(index))) this.releaseServices();
    if (!this.steps.every((_, index) => this.isOver(index))) return;
    this.wound = true;
    this.winding = true;
    this.order({do: 'windUp'});
  }

  private isOver(index: number): boolean {
    const {over, runs} = this.at(index).standing;
    return over && !runs;
  }

  /** What will never be started. Without the primary application there is nothing that the others run for. */
  private giveUp(index: number, reason: string): void {
    const {step, standing} = this.at(index);
    Object.assign(standing, {over: true, reason});
    if (index === this.fate.primary) this.stopAll(`the primary application ${step.name} cannot be started`);
    else this.goOn();
  }

  /** The name of one that it needs and that will never be ready. */
  private hopelessNeed(index: number): string | undefined {
    const {needs} = this.at(index).step;
    const found = needs.find((need) => this.standings[need]?.over === true && !this.standings[need].ready);
    return found === undefined ? undefined : this.at(found).step.name;
  }

  private mayRestart(index: number, failure: boolean): boolean {
    const {step, standing} = this.at(index);
    const {restart} = step;
    if (restart === null || this.winding || standing.released || standing.oom !== null || standing.starts > restart.limit) return false;
    return failure || restart.on === 'always';
  }

  private afterFailure(index: number, rawStatus: number, because: string): void {
    const {standing} = this.at(index);
    if (standing.stopped) this.firstStopped ??= rawStatus;
    else this.firstFailure ??= rawStatus === 0 ? FAILED : rawStatus;
    if (!standing.stopped && this.fate.onFailure === 'stop-all') this.stopAll(because);
    else if (index === this.fate.primary) this.stopAll(because);
    else this.goOn();
  }

  private stopAll(because: string, hard = false): void {
    const first = !this.told;
    this.told = true;
    this.wind();
    // also where the kernel killed but one process, a job over its memory is killed whole
    if (hard ? this.standings.some(({runs}) => runs) : this.runningBeside().length > 0) {
      if (hard) this.order({do: 'killAll', because});
      else if (first) this.order({do: 'stopAll', because});
    }
    this.goOn();
  }

  /** One that does not run, and will not be started. */
  private settle(index: number): void {
    const {standing} = this.at(index);
    if (standing.runs || standing.over) return;
    standing.over = true;
    if (standing.released) return;
    if (standing.starts > 0) {
      // it had failed, and would have been started again
      if (standing.rawStatus !== null && (standing.rawStatus !== 0 || !standing.ready)) this.firstFailure ??= standing.rawStatus || FAILED;
      return;
    }
    const hopeless = this.hopelessNeed(index);
    standing.reason ??= hopeless === undefined ? 'the job ended before' : neverReady(hopeless);
  }

  private noteKills(index: number, {oomKills, ownLimit}: MemoryKills): void {
    const {step, standing} = this.at(index);
    if (oomKills <= standing.oomKills) return;
    standing.oomKills = oomKills;
    const before = standing.oom;
    standing.oom = ownLimit ? 'application' : 'shared';
    if (before !== null) return;
    this.order({do: 'note', what: 'an application was killed for memory', details: {application: step.name, limit: standing.oom}});
    if (standing.runs) this.order({do: 'kill', index});
    if (this.fate.onOom === 'stop-all') {
      this.firstFailure ??= SIGKILL;
      this.stopAll(`${step.name} was killed for memory`, standing.oom === 'shared');
    }
  }

  private lookReady(index: number, afterMs: number): void {
    const {starts, keeperPid} = this.at(index).standing;
    this.order({do: 'lookReady', index, start: starts, afterMs, keeperPid});
  }

  /** Nothing that needs it can start any more. */
  private notReady(index: number): void {
    const {step, standing} = this.at(index);
    standing.reason = 'it was not ready in time';
    this.noteService(index, standing.reason);
    this.order({do: 'note', what: 'an application is not ready in time', details: {application: step.name}});
    this.firstFailure ??= FAILED;
    if (this.fate.onFailure === 'stop-all') {
      this.stopAll(`${step.name} is not ready in time`);
      return;
    }
    for (const [other, {needs}] of this.steps.entries()) {
      const {starts, over} = this.at(other).standing;
      if (needs.includes(index) && starts === 0 && !over) this.giveUp(other, `it needs ${step.name}, which was not ready in time`);
    }
  }
}

const neverReady = (name: string): string => `it needs ${name}, which was never ready`;

function outcomeOf(standing: Standing, whose: 'payload' | 'slot' | 'node' | null): RecordApplication['outcome'] {
  const {rawStatus, firstExecutedUs, oom, stopped, reason, starts} = standing;
  const none = {exitCode: null, signal: null, limit: null, limitScope: null, reason};
  if (rawStatus === null) return {...none, status: starts === 0 || firstExecutedUs === null ? 'not-started' : 'lost'};
  const how = {...none, ...describe(rawStatus)};
  if (oom !== null)
    return {
      ...how,
      status: 'limit',
      limit: 'memory',
      limitScope: oom === 'application' ? 'application' : (whose ?? 'payload'),
      reason: oom === 'application' ? 'it went over its own memory limit' : 'it was killed for a memory limit that it shares',
    };
  if (stopped || standing.released) return {...how, status: 'stopped'};
  if (how.signal !== null) return {...how, status: 'signalled'};
  return {...how, status: rawStatus === 0 && reason === null ? 'completed' : 'failed'};
}

const endWords = (rawStatus: number): string => {
  const {exitCode, signal} = describe(rawStatus);
  return signal ?? `exit status ${String(exitCode)}`;
};

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
