/**
 * The life of one box, from the launch to the empty group: it follows what the front reports. A brain that takes over from another enters
 * here too, and is told again what had happened.
 */

import {verdictAround, type Groups, type MemoryEvents, type Verdict} from '../cgroup/manager.js';
import {asTareError, errnoOf} from '../errors.js';
import {launchStrings, type LaunchContext} from '../engine/launch.js';
import {filterOf} from './filter.js';
import type {BubblewrapAbilities} from '../host/facts.js';
import {stepOf, stepsOf} from '../plan/step.js';
import type {Stop} from '../record/outcome.js';
import type {RecordTare} from '../record/record.js';
import {signalName, SIGTERM} from '../record/wait-status.js';
import type {Plan} from '../schema/generated/plan-1.js';
import type {Report} from '../schema/generated/protocol.js';
import type {UsageRecord} from '../schema/generated/record-2.js';
import type {Channel, Frame} from '../process/channel.js';
import {Applications, type Actions} from './applications.js';
import {after, epochUs, monotonicUs, sleep} from '../process/clock.js';
import {endClientsWhenStuck, type Ending} from './clients.js';
import {resumeBox} from './freeze.js';
import {Holdings} from './held.js';
import type {Gathering} from './gathering.js';
import type {Log} from '../process/log.js';
import {pauseAt} from '../process/pause.js';
import {isReady} from './ready.js';
import {readServiceLog} from './service-log.js';
import {isRunning, killProcess, processId, type ProcessId} from '../process/process.js';
import {Sampler} from './sampler.js';
import {meterFor, type ScratchMeter} from './scratch.js';
import type {LevelPeaks} from './levels.js';
import type {Observation} from './observation.js';
import type {Marks} from '../record/observed.js';
import {startWatches, type Suspended, type Watches} from './watches.js';
import {readSmapsRollup, readTree} from '../process/tree.js';
import {weighPayload, weighProcesses, type EngineReport, type InitReport, type Weighing} from './weigh.js';

/** How long the engine may take to build the box: a mount of the node can hang. */
const LAUNCH_DEADLINE_MS = 60_000;
/** From init's report to the reaped engine: the namespace is torn down meanwhile. */
const GONE_DEADLINE_MS = 30_000;
/** From the kill to the empty group. A process in D state can take longer than anybody waits. */
const EMPTY_DEADLINE_MS = 10_000;
/** From the kill to init's report. A process that waits in the kernel for a file server that is gone can take for ever. */
const KILL_DEADLINE_MS = 30_000;
/** The longest time between two notes of how far the payload has come; it begins with a second and doubles. */
const SEEN_MS = 60_000;
/** How often a caller is looked for. */
const CALLER_LOOK_MS = 500;
/** How long an init may take to end when its front is gone. */
const INIT_DEADLINE_MS = 1_000;
/** How long the front may take to pass a kill on. */
const FRONT_DEADLINE_MS = 3_000;

/** A step that enter or init could not do: the payload did not run. */
interface Failure {
  step: string;
  errno: number;
  text: string;
}

/** The step of a box that could not be connected. */
export const NETWORK_STEP = 'network';

/** What happened, without any judgement. */
export interface Life {
  executedUs: number | null;
  startEpochUs: number | null;
  init: InitReport | null;
  engine: EngineReport | null;
  failure: Failure | null;
  stop: Stop | null;
  /** A watched memory limit for which one of several applications was killed, and the others were not. */
  spared: Stop | null;
  verdict: Verdict | null;
  noted: number[];
  /** The front was killed while the payload lived. */
  frontLost: boolean;
  /** The caller was killed while the payload lived, which the batch system says in no other way. */
  callerLost: boolean;
  /** A process of the box could not be killed in time. */
  unkillable: boolean;
  sampler: Sampler | null;
  /** null where scratch has no limit. */
  scratch: ScratchMeter | null;
  watch: UsageRecord['watch'];
  /** null when nothing was watched. */
  suspended: Suspended | null;
  levels: LevelPeaks | null;
  /** null where the payload is not only observed. */
  observation: Observation | null;
  /** null where there is one payload. */
  applications: Applications | null;
  /** null where the payload is executed in the box itself. */
  gathering: Gathering | null;
  processes: RecordTare['processes'];
  /** Brains of this job that died. */
  brainsLost: number;
}

export interface LifeContext {
  channel: Channel;
  plan: Plan;
  groups: Groups;
  log: Log;
  /** The box's folder on scratch. */
  boxDirectory: string;
  frontPid: number;
  cpus: number;
  memoryBefore: MemoryEvents;
  brainsLost: number;
  /** The tasks that the box is held for; null: it is for its payload. */
  gathering: Gathering | null;
  /** Who waits for the front, where the death of one means that the job was cancelled. */
  callers: readonly ProcessId[];
  /** The limit that a brain before this one found exceeded, and when, on the monotonic clock. */
  stop: Stop | null;
  stopUs: number | null;
  onStop: (stop: Stop, us: number) => void;
  /** Of a payload that is only observed, what a brain before this one saw; null: nothing. */
  marks: Marks | null;
  /** Connects the box to its network before its payload runs; null where nothing is to be done. @throws Error */
  connect: ((initPid: number) => Promise<void>) | null;
  /** When the box takes longer than that to be built: what of the node holds it up; null: nothing that is known. */
  holdUp: {afterMs: number; look: () => Promise<string | null>} | null;
  /** Ends clients of file systems that were started for this box alone; null: there are none. */
  endClients: ((because: string) => void) | null;
  /** Done when the payload's process waits for its go: the `started` record goes to disk here. */
  beforeExec: () => void;
  /** Done when the payload runs. */
  afterExec: (startEpochUs: number, initPid: number | null, payloadPid: number | null) => void;
  /** Done whenever one of several applications starts or ends. */
  onApplications: (applications: Applications) => void;
  /** Whether somebody asked from outside for the end of the job (`tare kill`). */
  isKilled: () => boolean;
  /** Done while the payload runs, ever more seldom: what a sweep could still say of it if all were killed. */
  onSeen: (seen: Seen) => void;
}

/** How far a payload had come. */
export interface Seen {
  wallUs: number;
  suspendedUs: number | null;
  weighing: Weighing;
}

/** Sends the launch frame. */
export function launch(
  {channel, plan, groups}: Pick<LifeContext, 'channel' | 'plan' | 'groups'>,
  {id, boxDirectory, mounted}: Pick<LaunchContext, 'id' | 'boxDirectory' | 'mounted'>,
  abilities: BubblewrapAbilities,
  callerArgvIndex: number | null,
): void {
  const joins = {
    engine: groups.joins('engine'),
    payload: groups.joins('payload'),
    applications: stepsOf(plan, 'application.execute').map(({name}) => groups.joins(`app-${name}`)),
  };
  const keys = launchStrings(plan, {boxDirectory, id, mounted, abilities, joins, filter: filterOf(plan), callerArgvIndex});
  channel.send({name: 'launch', keys});
}

/** Follows the box until nothing of it is left. */
export async function follow(context: LifeContext): Promise<Life> {
  const follower = new Follower(context);
  await follower.run();
  return follower.life;
}

class Follower {
  readonly life: Life = {
    executedUs: null,
    startEpochUs: null,
    init: null,
    engine: null,
    failure: null,
    stop: null,
    spared: null,
    verdict: null,
    noted: [],
    frontLost: false,
    callerLost: false,
    unkillable: false,
    sampler: null,
    scratch: null,
    watch: null,
    suspended: null,
    levels: null,
    observation: null,
    applications: null,
    gathering: null,
    processes: [],
    brainsLost: 0,
  };
  private readonly context: LifeContext;
  private initPid: number | null = null;
  /** null where /proc hides it (proc(5), hidepid). */
  private initId: ProcessId | null = null;
  private payloadPid: number | null = null;
  /** When the front was last told that something is to be executed. */
  private goUs: number | null = null;
  private watches: Watches | null = null;
  private deadline: NodeJS.Timeout | null = null;
  private late: ((frame: null) => void) | null = null;
  private gone = false;
  private endGrace: (() => void) | null = null;
  private endGathering: (() => void) | null = null;
  private endClientLooks: (() => void) | null = null;
  /** All of the box has been sent SIGKILL. */
  private killing = false;
  /** The applications are still to be told of the stop of a brain before this one. */
  private stopToTell: boolean;

  constructor(context: LifeContext) {
    this.context = context;
    this.life.brainsLost = context.brainsLost;
    this.life.stop = context.stop;
    this.life.gathering = context.gathering;
    this.stopToTell = context.stop !== null;
    const {plan} = context;
    if (plan.applications !== null)
      this.life.applications = new Applications(stepsOf(plan, 'application.execute'), plan.applications, this.actions());
  }

  async run(): Promise<void> {
    const {channel, plan} = this.context;
    this.setDeadline(LAUNCH_DEADLINE_MS, () => {
      this.life.failure = {step: 'engine', errno: 0, text: `the box was not built within ${String(LAUNCH_DEADLINE_MS / 1000)} s`};
      this.kill();
      this.giveUpIn(GONE_DEADLINE_MS);
    });
    this.askForHoldUp();
    while (!this.gone) {
      const frame = await Promise.race([
        channel.next(),
        new Promise<null>((resolve) => {
          this.late = resolve;
        }),
      ]);
      if (frame === null) break;
      if (frame.name === 'ready') await this.ready(frame.initPid, frame.payloadPid ?? null);
      else this.handle(frame);
      if (channel.isDrained) this.tellStop(Infinity);
    }
    this.clearDeadline();
    if (!this.gone && !this.life.unkillable) this.life.frontLost = this.life.init === null;
    this.life.suspended ??= this.watches?.suspended() ?? null;
    this.endClientLooks?.();
    this.watches?.end();
    this.life.watch = this.watches?.report() ?? null;
    this.life.levels = this.watches?.levels() ?? null;
    pauseAt(plan.pauseAt, 'brain-gone');
    await this.empty();
    this.endGathering?.();
    await this.life.gathering?.settle();
    if (this.life.init !== null) this.life.init = this.life.gathering?.merged(this.life.init) ?? this.life.init;
    const {groups, memoryBefore} = this.context;
    this.life.verdict = groups.verdict(memoryBefore, groups.memoryEvents()) ?? this.verdictAround();
    // a front or an init that is killed in these microseconds cannot tell that the payload was executed: it counts as if it was
    const {executedUs, failure, verdict} = this.life;
    if (executedUs === null && failure === null && verdict === null && this.goUs !== null) this.note(this.goUs);
  }

  /** A payload that ended well, or by a watch, was not ended by whatever else was killed in the slot. */
  private verdictAround(): Verdict | null {
    const {init, stop} = this.life;
    return stop === null && init?.rawStatus !== 0 ? verdictAround(this.context.memoryBefore) : null;
  }

  /** A file system that no longer answers is not waited for as long as a busy node. */
  private askForHoldUp(): void {
    const {holdUp} = this.context;
    if (holdUp === null) return;
    const isWaiting = (): boolean => this.initPid === null && this.life.failure === null && !this.gone;
    setTimeout(() => {
      if (!isWaiting()) return;
      void holdUp.look().then((because) => {
        if (because === null || !isWaiting()) return;
        this.life.failure = {step: 'engine', errno: 0, text: because};
        this.kill();
        this.context.endClients?.(because);
        this.giveUpIn(GONE_DEADLINE_MS);
      });
    }, holdUp.afterMs).unref();
  }

  private handle(frame: Frame): void {
    const {applications} = this.life;
    switch (frame.name) {
      case 'executed': {
        const {atUs, application, keeperPid} = frame;
        this.tellStop(atUs);
        if (this.life.executedUs === null) this.executed(atUs);
        if (application !== undefined && keeperPid !== undefined)
          applications?.executed(application.index, application.start, atUs, keeperPid);
        this.tellApplications();
        break;
      }
      case 'applicationEnded': {
        const {
          application: {index, start},
          report,
        } = frame;
        if (applications !== null && this.context.isKilled()) applications.signalled(SIGTERM);
        this.tellStop(report.endedUs ?? 0);
        this.killOrphans(index);
        applications?.ended(index, start, report);
        this.tellApplications();
        break;
      }
      case 'failed': {
        const {step, errno, text, application} = frame;
        if (application !== undefined) applications?.failed(application.index, application.start, `${step}: ${text}`);
        this.tellApplications();
        this.life.failure ??= {step, errno, text: this.nameOf(application?.index) + text};
        break;
      }
      case 'noted':
        this.life.noted.push(frame.signal);
        applications?.signalled(frame.signal);
        this.context.log.info('signal passed on to the payload', {signal: signalName(frame.signal)});
        break;
      case 'ended':
        this.ended(frame.report);
        break;
      case 'gone': {
        const {name: _, engineErrors, ...engine} = frame;
        this.life.engine = {...engine, stderr: engineErrors.trim()};
        this.gone = true;
        break;
      }
      default:
        this.context.log.warn('the front says something unknown', {tag: frame.name === 'unknown' ? frame.tag : frame.name});
    }
  }

  /** What a guest leaves behind is the image's init's by then, and out of its keeper's reach. */
  private killOrphans(index: number): void {
    const {name = '', system} = stepsOf(this.context.plan, 'application.execute')[index] ?? {};
    if (system?.role === 'payload' && system.guestOf !== null) this.context.groups.kill(`app-${name}`);
  }

  /** To be set before what is about one of several applications. */
  private nameOf(index: number | undefined): string {
    const name = index === undefined ? undefined : stepsOf(this.context.plan, 'application.execute')[index]?.name;
    return name === undefined ? '' : `${name}: `;
  }

  private async ready(initPid: number, payloadPid: number | null): Promise<void> {
    this.initPid = initPid;
    this.initId = processId(initPid);
    this.payloadPid = payloadPid;
    this.clearDeadline();
    this.context.beforeExec();
    pauseAt(this.context.plan.pauseAt, 'brain-ready');
    try {
      await this.context.connect?.(initPid);
    } catch (error) {
      this.life.failure = {step: NETWORK_STEP, errno: 0, text: asTareError(error).message};
      this.kill();
      this.giveUpIn(GONE_DEADLINE_MS);
      return;
    }
    pauseAt(this.context.plan.pauseAt, 'brain-connected');
    if (this.life.applications === null) this.go();
    else this.life.applications.begin();
  }

  private go(application?: {index: number; start: number}): void {
    this.goUs = monotonicUs();
    this.context.channel.send({name: 'go', ...(application === undefined ? {} : {application})});
  }

  private note(executedUs: number): number {
    this.life.executedUs = executedUs;
    return (this.life.startEpochUs = epochUs() - (monotonicUs() - executedUs));
  }

  private executed(executedUs: number): void {
    const {channel, plan, groups, cpus, log, frontPid, boxDirectory} = this.context;
    this.context.afterExec(this.note(executedUs), this.initPid, this.payloadPid);
    pauseAt(plan.pauseAt, 'brain-executed');
    // a brain before this one has sent SIGTERM already
    if (this.life.stop !== null) this.killAfter(plan.grace.us);
    // whatever no controller counts is sampled
    const sampled = groups.cpuUs() === null || isSampled(plan);
    const wanted = sampled || stepOf(plan, 'weigh.processes') !== undefined;
    if (wanted && this.initPid !== null)
      this.life.sampler = new Sampler(this.initPid, plan.mode.value === 'box', this.life.gathering?.inits);
    const inits = (): number[] => [...(this.initPid === null ? [] : [this.initPid]), ...(this.life.gathering?.inits() ?? [])];
    this.life.scratch = meterFor(plan, boxDirectory, this.initPid, inits);
    const holdings = stepOf(plan, 'watch.memory') === undefined || this.initPid === null ? null : new Holdings(inits);
    const watched = {sampler: this.life.sampler, holdings, sampled, scratch: this.life.scratch};
    const box = {groups, ...watched, executedUs, cpus, marks: this.context.marks};
    this.watches = startWatches(plan, box, {
      stop: this.stopPayload,
      overMemory: (over) => {
        const {applications} = this.life;
        const largest = applications === null ? null : largestOf(applications.keepers());
        if (applications === null || largest === null) return false;
        const spares = applications.overMemory(largest);
        if (spares) this.life.spared ??= over;
        return spares;
      },
      oomKilled: () => {
        if (this.life.applications === null) {
          log.warn('the kernel killed a process of the payload for memory; the rest is killed');
          this.kill();
        } else this.life.applications.memoryKilled();
      },
      note: (what, details) => {
        log.warn(what, details);
      },
    });
    this.life.observation = this.watches.observation;
    this.seeIn(1000);
    this.lookForCaller();
    this.lookForClients();
    // init has nobody else to wait for
    this.endGathering =
      this.life.gathering?.watch(() => {
        channel.send({name: 'kill'});
      }, this.context.isKilled) ?? null;
    // not in the way of the payload's first moments
    setTimeout(() => {
      if (this.life.init === null && !this.gone) this.life.processes = weighProcesses(frontPid, this.initPid);
    }, 20).unref();
  }

  private tellApplications(): void {
    if (this.life.applications !== null) this.context.onApplications(this.life.applications);
  }

  private actions(): Actions {
    const {channel, plan, groups, log, boxDirectory} = this.context;
    const steps = stepsOf(plan, 'application.execute');
    return {
      start: (index, start) => {
        this.go({index, start});
      },
      signal: (index, signal) => {
        channel.send({name: 'signal', signal, index});
      },
      stopAll: (because) => {
        log.info('the applications are told to stop', {because});
        channel.send({name: 'signal', signal: SIGTERM});
        this.killAfter(plan.grace.us);
      },
      killAll: (because) => {
        log.warn('all applications are killed', {because});
        this.kill();
      },
      release: (index, signal, withinUs) => {
        const {name} = steps[index] ?? {};
        log.info('a service is told to end', {service: name, signal: signalName(signal)});
        // it may take longer than a payload's grace, but where the job is over a limit
        if (this.life.stop === null) this.endGrace?.();
        channel.send({name: 'signal', signal, index});
        setTimeout(() => {
          if (this.life.init === null && !this.gone) channel.send({name: 'kill', index});
        }, withinUs / 1000).unref();
      },
      logOf: (index) => readServiceLog(boxDirectory, steps[index]?.name ?? ''),
      kill: (index) => {
        channel.send({name: 'kill', index});
      },
      windUp: () => {
        channel.send({name: 'windUp'});
      },
      later: (ms, then) => {
        setTimeout(() => {
          if (this.life.init === null && !this.gone) then();
        }, ms).unref();
      },
      isReady: (application, keeperPid) => isReady(application, {plan, keeperPid, initPid: this.initPid}),
      epochUs: (us) => (this.life.startEpochUs ?? 0) + us - (this.life.executedUs ?? us),
      kills: (index) => {
        const {name = '', limits} = steps[index] ?? {};
        const {oomKills, ownLimit} = groups.kills(`app-${name}`);
        return {oomKills: oomKills ?? 0, ownLimit: limits?.memory?.enforcement === 'kernel' && (ownLimit ?? 0) > 0};
      },
      note: (what, details) => {
        log.info(what, details);
      },
    };
  }

  /** What had happened before the stop is told again before it, so that nothing that ended by itself is said to have been stopped. */
  private tellStop(us: number): void {
    if (!this.stopToTell || us < (this.context.stopUs ?? 0)) return;
    this.stopToTell = false;
    this.life.applications?.stopping();
  }

  private seeIn(ms: number): void {
    setTimeout(() => {
      if (this.life.init !== null || this.gone) return;
      const {groups, onSeen} = this.context;
      const wallUs = monotonicUs() - (this.life.executedUs ?? 0);
      const {sampler, applications} = this.life;
      const {observation} = this.life;
      const witnesses = {
        sampler,
        levels: this.watches?.levels() ?? null,
        init: null,
        applications: applications?.totals() ?? [],
        observation,
      };
      const weighing = weighPayload(this.context.plan, groups, witnesses);
      onSeen({wallUs, suspendedUs: this.watches?.suspended().us ?? null, weighing});
      this.seeIn(Math.min(2 * ms, SEEN_MS));
    }, ms).unref();
  }

  /** A job script that was killed takes nothing with it: what it started would run on. */
  private lookForCaller(): void {
    const {callers, channel, log, plan} = this.context;
    if (callers.length === 0) return;
    const looking = setInterval(() => {
      if (this.life.init !== null || this.gone) clearInterval(looking);
      else if (!callers.every(isRunning)) {
        clearInterval(looking);
        this.life.callerLost = true;
        log.warn('what waits for the job was killed; the payload is told to end');
        this.life.applications?.stopping();
        channel.send({name: 'signal', signal: SIGTERM});
        this.life.gathering?.signal(SIGTERM);
        this.resume();
        this.killAfter(plan.grace.us);
      }
    }, CALLER_LOOK_MS).unref();
  }

  /** What the kernel lets no signal end goes when the clients that it waits for are gone. */
  private lookForClients(): void {
    const {endClients, log} = this.context;
    if (endClients === null) return;
    const roots = (): number[] => [...(this.initPid === null ? [] : [this.initPid]), ...(this.life.gathering?.inits() ?? [])];
    this.endClientLooks = endClientsWhenStuck(
      () => this.ending(),
      roots,
      (waitedUs) => {
        log.warn('a process of the payload waits for a client of Tare’s own, and no signal ends it: the clients are ended', {waitedUs});
        endClients('a process of the payload that was to end waited for it');
      },
    );
  }

  private ending(): Ending | null {
    if (this.life.init !== null || this.gone) return null;
    const {plan, isKilled} = this.context;
    const isPayloadGone = this.life.applications === null && this.life.gathering === null && this.payloadIsGone();
    const all = this.killing || isPayloadGone;
    const signals = [...this.life.noted, ...(this.life.stop !== null || this.life.callerLost ? [SIGTERM] : [])];
    return all || signals.length > 0 || isKilled() ? {all, signals, graceUs: plan.grace.us} : null;
  }

  private payloadIsGone(): boolean {
    return this.payloadPid !== null && this.payloadPid > 0 && processId(this.payloadPid) === null;
  }

  private readonly stopPayload = (stop: Stop, how: 'hard' | 'soft', graceUs: number): void => {
    if (this.life.stop !== null || this.life.init !== null) return;
    this.life.stop = stop;
    this.context.onStop(stop, monotonicUs());
    this.context.log.warn('the payload is over a limit', {...stop});
    this.life.applications?.stopping();
    if (how === 'hard') {
      this.kill();
      return;
    }
    this.context.channel.send({name: 'signal', signal: SIGTERM});
    this.life.gathering?.signal(SIGTERM);
    this.resume();
    this.killAfter(graceUs);
  };

  /** One that was paused could not use its grace. */
  private resume(): void {
    const {groups} = this.context;
    const init = this.initPid === null ? null : processId(this.initPid);
    if (groups.frozen().frozen === true || this.life.sampler?.standsStill === true) resumeBox({init, front: null}, groups);
  }

  private killAfter(graceUs: number): void {
    this.endGrace = after(graceUs / 1000, () => {
      this.kill();
    });
  }

  /** Everything in the box, by its groups and by init. */
  private kill(): void {
    this.killing = true;
    this.context.groups.kill('payload');
    this.context.channel.send({name: 'kill'});
    // a front that is stopped (SIGSTOP) passes nothing on; then the box goes with its init, and its report with it
    setTimeout(() => {
      if (this.life.init === null && !this.gone && this.initPid !== null) killProcess(this.initPid);
    }, FRONT_DEADLINE_MS).unref();
    this.deadline ??= setTimeout(this.giveUp, KILL_DEADLINE_MS);
  }

  private ended(report: Report): void {
    this.life.init = {
      rawStatus: this.life.applications?.rawStatus() ?? report.rawStatus,
      payloadUserUs: report.payloadUserUs ?? 0,
      payloadSystemUs: report.payloadSystemUs ?? 0,
      childrenUserUs: report.childrenUserUs ?? 0,
      childrenSystemUs: report.childrenSystemUs ?? 0,
      largestProcessBytes: report.largestProcessBytes ?? 0,
      killedProcesses: report.killedProcesses ?? 0,
      endedUs: report.endedUs ?? 0,
    };
    this.life.suspended = this.watches?.suspended() ?? null;
    this.watches?.end();
    this.endGrace?.();
    if (this.life.processes.length === 0) this.life.processes = weighProcesses(this.context.frontPid, null);
    pauseAt(this.context.plan.pauseAt, 'brain-ended');
    this.giveUpIn(GONE_DEADLINE_MS);
  }

  /** Kills what is left in the groups, and waits until they are empty: only then are the counters final. */
  private async empty(): Promise<void> {
    const {groups, plan} = this.context;
    if (groups.populated('box')) groups.kill('box');
    if (!(await groups.waitEmpty(this.life.unkillable ? 0 : EMPTY_DEADLINE_MS, 'box'))) this.life.unkillable = true;
    if (this.life.frontLost && !(await this.initEnds())) this.life.unkillable = true;
    pauseAt(plan.pauseAt, 'brain-empty');
  }

  /** Without groups it is all there is to wait for. It ends by itself when the front does; one that does not is killed. */
  private async initEnds(): Promise<boolean> {
    const [pid, id] = [this.initPid, this.initId];
    if (pid === null) return true;
    for (let waited = 0; id === null ? isAlive(pid) : isRunning(id); waited += 20) {
      if (waited === INIT_DEADLINE_MS) killProcess(pid);
      if (waited > EMPTY_DEADLINE_MS) return false;
      await sleep(20);
    }
    return true;
  }

  /** The front has to say soon that nothing is left, or something cannot be killed. */
  private giveUpIn(ms: number): void {
    this.setDeadline(ms, this.giveUp);
  }

  private readonly giveUp = (): void => {
    this.life.unkillable = true;
    this.kill();
    this.late?.(null);
  };

  private setDeadline(ms: number, expired: () => void): void {
    this.clearDeadline();
    this.deadline = setTimeout(expired, ms);
  }

  private clearDeadline(): void {
    if (this.deadline !== null) clearTimeout(this.deadline);
    this.deadline = null;
  }
}

/** A limit holds, or would hold if the payload were not only observed, by looking at its processes. */
function isSampled(plan: Plan): boolean {
  const {memory, processes} = plan.observed?.limits ?? plan.limits;
  return memory.by === 'watch.memory' || processes.by === 'watch.processes';
}

/** The application whose processes hold most, shared pages counted once. */
function largestOf(keepers: readonly {index: number; pid: number}[]): number | null {
  const sizes = keepers.map(({index, pid}) => ({
    index,
    bytes: readTree(pid).reduce((sum, process) => sum + (readSmapsRollup(process.pid)?.pssBytes ?? process.rssBytes), 0),
  }));
  return sizes.sort((a, b) => b.bytes - a.bytes)[0]?.index ?? null;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === 'EPERM';
  }
}
