/** The watches of a plan: what the kernel does not enforce, this does, and says how well it watched; what the kernel tells, this hears. */

import type {Freeze, Groups} from '../cgroup/manager.js';
import {stepOf, stepsOf, type StepOf} from '../plan/step.js';
import {formatBytes, formatDuration} from '../job/quantity.js';
import type {Suspended} from '../decide/observation.js';
import type {Stop} from '../record/outcome.js';
import type {Plan} from '../schema/generated/plan-1.js';
import type {UsageRecord} from '../schema/generated/record-2.js';
import {LONGEST_TIMER_MS, monotonicUs} from '../process/clock.js';
import {explainHeld, type HeldReport, type Holdings} from './held.js';
import {Levels, type KeptLevels, type LevelPeaks} from './levels.js';
import {Notices} from './notices.js';
import {ObservedMarks} from './observed-marks.js';
import type {Marks} from '../record/observed.js';
import type {Sampler} from './sampler.js';
import type {ScratchMeter} from './scratch.js';
import {StallDetector, stallLookMs} from './stall.js';
import {LOOK_MS, Suspension, type KeptSuspension} from './suspension.js';

/** Part of a memory limit from which resident memory is looked at more often. */
const NEAR = 0.7;
const NEAR_PERIOD_MS = 50;
/** Part of a memory limit that what is held without being mapped has to be, for it to be weighed. */
const MATTERS = 0.02;
/** Bounds of the time between two looks at CPU time. */
const CPU_PERIOD_MS = {least: 20, most: 1000} as const;

/** What watches look at. The sampler, the meter of scratch and the groups are the caller's, and outlive the watches. */
export interface WatchedBox {
  groups: Groups;
  /** null where control groups count everything, and the plan wants no more. */
  sampler: Sampler | null;
  /** null where memory is not watched. */
  holdings: Holdings | null;
  /** Whether the sampler is all there is for some figure: then it looks often. */
  sampled: boolean;
  /** null where scratch has no limit. */
  scratch: ScratchMeter | null;
  executedUs: number;
  /** CPUs of the node: CPU time cannot grow faster. */
  cpus: number;
  /** Of a payload that is only observed, what a supervisor before this one saw of it; absent: nothing. */
  marks?: Marks | null;
  /** Of a supervisor before this one; absent: there was none. */
  kept?: KeptWatches | null;
}

/** What the watches of another supervisor go on from. */
export interface KeptWatches {
  suspension: KeptSuspension;
  /** null without control groups. */
  levels: KeptLevels | null;
  overshootBytes: number | null;
}

/** `hard`: killed at once; else SIGTERM and a grace come first. */
export type StopPayload = (stop: Stop, how: 'hard' | 'soft', graceUs: number) => void;

/** What watches call, from timers and notices. Each watch calls `stop` at most once. */
export interface Answers {
  stop: StopPayload;
  /** Over a watched memory limit. @returns true when only a part of the payload goes for it, and the rest is watched on */
  overMemory: (stop: Stop) => boolean;
  /** The kernel killed one process of the payload, and spared the rest. */
  oomKilled: () => void;
  /** For the log: something happened that ends nothing. */
  note: (what: string, details: Readonly<Record<string, unknown>>) => void;
}

/** Watches that run until `end`. */
export interface Watches {
  end(): void;
  /** How long the box, or the box and its watcher, were stopped so far. */
  suspended(): Suspended;
  /** What the looks at suspension, levels and a memory limit go on from in a supervisor that follows. */
  kept(): KeptWatches;
  /** Peaks of what the kernel keeps no peak of; null without control groups. */
  levels(): LevelPeaks | null;
  /** null where the payload is not only observed. */
  observedMarks: ObservedMarks | null;
  report(): NonNullable<UsageRecord['watch']>;
}

/** Starts all watches of the plan; each stops by itself when it has fired. */
export function startWatches(plan: Plan, box: WatchedBox, {stop, overMemory, oomKilled, note}: Answers): Watches {
  const timers = new Timers();
  const notices = new Notices();
  const {groups} = box;
  const files = groups.eventFiles();
  const memory = stepOf(plan, 'watch.memory');
  const processes = stepOf(plan, 'watch.processes');
  const kept = box.kept ?? null;
  const suspension = new Suspension(() => freezeOf(box), undefined, kept?.suspension);
  const levels = groups.has('payload') ? new Levels(groups, kept?.levels) : null;
  let overshootBytes = kept?.overshootBytes ?? null;

  timers.repeat(() => {
    suspension.look();
    return LOOK_MS;
  });
  // a payload that is frozen alone: from when to when
  notices.listen(files.state, () => suspension.look());

  if (levels !== null) timers.repeat(() => levels.look());

  const {sampler} = box;
  const weighing = stepOf(plan, 'weigh.processes');
  if (sampler !== null && weighing !== undefined) {
    let periodMs = Math.min(FIRST_WEIGHING_MS, weighing.periodMs);
    timers.after(periodMs, () => {
      sampler.sample();
      sampler.readPssBytes();
      periodMs = Math.min(2 * periodMs, weighing.periodMs);
      return Math.max(periodMs, sampler.leastPssPeriodMs);
    });
  }

  if (sampler !== null && box.sampled) {
    const periodMs = Math.min(memory?.periodMs ?? SAMPLE_PERIOD_MS, processes?.periodMs ?? SAMPLE_PERIOD_MS);
    timers.repeat(() => {
      sampler.sample();
      if (processes !== undefined && sampler.threads > processes.limit) {
        stop(
          {limit: 'processes', evidence: `counted ${String(sampler.threads)} processes and threads, allowed ${String(processes.limit)}`},
          'hard',
          0,
        );
        return null;
      }
      if (weighing !== undefined && sampler.isPssPeakDue) sampler.readPssBytes();
      const near = Math.max(NEAR_PERIOD_MS, sampler.leastPeriodMs);
      if (memory === undefined) return Math.max(periodMs, sampler.leastPeriodMs);
      const {holdings} = box;
      if (holdings?.isDue(holdings.suspects(memory.limitBytes - sampler.rssBytes)) === true)
        void lookAtHeld(memory.limitBytes, holdings, sampler);
      if (sampler.rssBytes + (holdings?.lastBytes ?? 0) < memory.limitBytes * NEAR) return Math.max(periodMs, sampler.leastPeriodMs);
      // the resident sum counts shared pages once per process: only the proportional one can say that the limit is exceeded
      if (sampler.rssBytes <= memory.limitBytes || !sampler.isPssDue(memory.limitBytes)) return near;
      const pss = sampler.readPssBytes();
      if (pss <= memory.limitBytes) return near;
      overshootBytes = Math.max(overshootBytes ?? 0, pss - memory.limitBytes);
      const over: Stop = {limit: 'memory', evidence: `sampled PSS ${formatBytes(pss)}, allowed ${formatBytes(memory.limitBytes)}`};
      return overMemory(over) ? near : null;
    });
  }

  /** The other looks go on meanwhile. */
  async function lookAtHeld(limitBytes: number, holdings: Holdings, taken: Sampler): Promise<void> {
    const held = await holdings.look();
    if (held === null || timers.ended || held.bytes < limitBytes * MATTERS) return;
    taken.sample();
    const weight = taken.weighWith(held.bytes);
    if (weight <= limitBytes) return;
    overshootBytes = Math.max(overshootBytes ?? 0, weight - limitBytes);
    const ways = explainHeld(held);
    const evidence = `sampled PSS ${formatBytes(weight - held.bytes)} and ${ways}, allowed ${formatBytes(limitBytes)}`;
    stop({limit: 'memory', evidence, held: ways}, 'hard', 0);
  }

  if (box.scratch !== null) {
    const {scratch} = box;
    const most = stepOf(plan, 'watch.scratch')?.limitBytes ?? Infinity;
    timers.repeat(() => {
      const nextMs = scratch.look();
      const over = scratch.over(most);
      if (over === null) return nextMs;
      stop({limit: 'scratch', ...over}, 'hard', 0);
      return null;
    });
  }

  const rest = stepOf(plan, 'watch.oom');
  if (rest !== undefined && files.memory === null) {
    timers.repeat(() => {
      if ((groups.memoryEvents().oomKills ?? 0) === 0) return rest.periodMs;
      oomKilled();
      return null;
    });
  }

  const stall = stepOf(plan, 'watch.memoryStall');
  const stalls = stall === undefined ? null : startStallWatch(stall, groups, timers, stop);
  let kills = 0;
  notices.listen(files.memory, () => {
    const {oomKills} = groups.memoryEvents();
    if ((oomKills ?? 0) > kills) {
      kills = oomKills ?? 0;
      if (rest === undefined) note('the kernel killed the payload, or a process of it, for memory', {oomKills});
      else oomKilled();
    }
    stalls?.();
  });
  let refusals = 0;
  notices.listen(files.processes, () => {
    const hits = groups.processLimitHits() ?? 0;
    if (hits > 0 && refusals === 0) note('the limit on processes refused the payload a fork; later ones are only counted', {hits});
    refusals = hits;
  });

  const wallTime = stepOf(plan, 'watch.wallTime');
  const counted = wallTime === undefined ? null : wallTime.suspended === 'counted';
  if (wallTime !== undefined) {
    const {limitUs, graceUs} = wallTime;
    timers.repeat(() => {
      const suspendedUs = suspension.look();
      const usedUs = monotonicUs() - box.executedUs - (counted === true ? 0 : suspendedUs);
      if (usedUs < limitUs) return (limitUs - usedUs) / 1000;
      stop(
        {
          limit: 'wallTime',
          evidence: `${formatDuration(usedUs)} on the monotonic clock, suspended time ${wallTime.suspended}, allowed ${formatDuration(limitUs)}`,
        },
        'soft',
        graceUs,
      );
      return null;
    });
  }

  const observedMarks = observedMarksOf(plan, box, suspension);
  if (observedMarks !== null) timers.repeat(() => observedMarks.look());

  for (const {limitUs, graceUs} of stepsOf(plan, 'watch.cpuTime')) {
    timers.repeat(() => {
      const usedUs = box.groups.cpuUs() ?? box.sampler?.readCpuUs() ?? 0;
      if (usedUs < limitUs) return Math.min(CPU_PERIOD_MS.most, Math.max(CPU_PERIOD_MS.least, (limitUs - usedUs) / 1000 / box.cpus));
      stop({limit: 'cpuTime', evidence: `${formatDuration(usedUs)} of CPU time, allowed ${formatDuration(limitUs)}`}, 'soft', graceUs);
      return null;
    });
  }

  return {
    end: () => {
      timers.end();
      notices.end();
      box.holdings?.end();
      box.scratch?.end();
    },
    suspended: () => ({us: suspension.look(), source: suspension.source, counted}),
    levels: () => levels?.report() ?? null,
    kept: () => ({suspension: suspension.kept(), levels: levels?.kept() ?? null, overshootBytes}),
    observedMarks,
    report: () => {
      const polled = groups.has('payload') && rest !== undefined && files.memory === null;
      const events = notices.by ?? (polled ? 'polled' : null);
      const seen = sampler?.report() ?? null;
      const level = levels?.report() ?? null;
      const lookUs = seen === null && level === null ? null : (seen?.lookUs ?? 0) + (level?.lookUs ?? 0);
      const pss = {pssReads: seen?.pssReads ?? null, pssUs: seen?.pssUs ?? null, pssLongestUs: seen?.pssLongestUs ?? null};
      // what is looked at most often says how well it was watched
      const looked =
        seen !== null && box.sampled
          ? {periodUs: (memory?.periodMs ?? SAMPLE_PERIOD_MS) * 1000, longestGapUs: seen.longestGapUs, samples: seen.samples}
          : {
              periodUs: level === null ? null : level.periodMs * 1000,
              longestGapUs: level?.longestGapUs ?? null,
              samples: level?.samples ?? null,
            };
      return {events, ...looked, overshootBytes, lookUs, ...pss, ...heldOf([box.holdings?.report(), box.scratch?.held()])};
    },
  };
}

/** What was looked at for memory and for scratch, together. */
function heldOf(all: readonly (HeldReport | null | undefined)[]): Pick<Watch, 'heldReads' | 'heldUs' | 'heldPeakBytes' | 'unseen'> {
  const reports = all.filter((one): one is HeldReport => one != null);
  const sum = (of: (one: HeldReport) => number): number | null =>
    reports.length === 0 ? null : reports.reduce((total, one) => total + of(one), 0);
  return {
    heldReads: sum(({reads}) => reads),
    heldUs: sum(({us}) => us),
    heldPeakBytes: reports[0]?.peakBytes ?? null,
    unseen: [...new Set(reports.flatMap(({unseen}) => unseen))].sort(),
  };
}

type Watch = NonNullable<UsageRecord['watch']>;

/** The looks at what would have been; null where the payload is not only observed. */
function observedMarksOf(
  {observed}: Plan,
  {groups, sampler, scratch, executedUs, marks}: WatchedBox,
  suspension: Suspension,
): ObservedMarks | null {
  if (observed === undefined) return null;
  const countedWallUs = (): number => monotonicUs() - executedUs - (observed.suspended === 'counted' ? 0 : suspension.look());
  return new ObservedMarks(observed, {groups, sampler, scratch, executedUs, countedWallUs}, marks ?? null);
}

/** How a payload is paused: by the freezer, else by SIGSTOP, until none of its processes can continue another. */
function freezeOf({groups, sampler}: WatchedBox): Freeze {
  const freeze = groups.frozen();
  return freeze.frozen === null && sampler !== null ? {...freeze, frozen: sampler.standsStill} : freeze;
}

/** A stall is looked for only while the limit is being hit. @returns to be called when it may have been */
function startStallWatch({afterUs, graceUs}: StepOf<'watch.memoryStall'>, groups: Groups, timers: Timers, stop: StopPayload): () => void {
  const periodMs = stallLookMs(afterUs);
  let active: StallDetector | null = null;
  let hits = 0;
  return () => {
    if (active !== null) return;
    const reading = groups.stallReading();
    if (reading === null || reading.limitHits <= hits) return;
    const detector = new StallDetector(afterUs);
    active = detector;
    timers.repeat(() => {
      const now = groups.stallReading();
      hits = now?.limitHits ?? hits;
      const evidence = now === null ? null : detector.look(now, monotonicUs());
      if (evidence !== null) stop({limit: 'memory-stall', evidence}, 'soft', graceUs);
      const goesOn = evidence === null && now !== null && detector.isAtLimit;
      if (!goesOn) active = null;
      return goesOn ? periodMs : null;
    });
  };
}

/** How often a box without control groups is looked at when no limit asks for more. */
const SAMPLE_PERIOD_MS = 250;
/** The first look at the memory of processes for the record; later ones come ever more seldom. */
const FIRST_WEIGHING_MS = 1000;

/** Repeated looks, each saying when the next is due (ms), or null for never. */
class Timers {
  /** null when ended: a look may be what ends them all. */
  private running: Set<NodeJS.Timeout> | null = new Set();

  repeat(look: () => number | null): void {
    const delay = this.running === null ? null : look();
    if (delay !== null) this.after(delay, look);
  }

  after(delay: number, look: () => number | null): void {
    const timer = setTimeout(
      () => {
        this.running?.delete(timer);
        this.repeat(look);
      },
      Math.min(LONGEST_TIMER_MS, Math.max(1, delay)),
    );
    if (this.running === null) clearTimeout(timer);
    else this.running.add(timer);
  }

  get ended(): boolean {
    return this.running === null;
  }

  end(): void {
    for (const timer of this.running ?? []) clearTimeout(timer);
    this.running = null;
  }
}
