/** All that looks at a payload while it runs: what the plan wants watched, and what no counter keeps. */

import type {Groups} from '../cgroup/manager.js';
import type {InitReport, KeeperTotals, Suspended, Weighing} from '../decide/observation.js';
import {readSmapsRollup, readTree} from '../process/tree.js';
import {stepOf} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';
import type {UsageRecord} from '../schema/generated/record-2.js';
import {Holdings} from './held.js';
import {Sampler, type KeptSamples} from './sampler.js';
import {meterFor, type ScratchMeter} from './scratch.js';
import {startWatches, type Answers, type KeptWatches, type Watches} from './watches.js';
import {TARE_VERSION} from '../version.js';
import {weighPayload} from './weigh.js';

/** How far a payload had come. */
export interface Seen {
  wallUs: number;
  suspendedUs: number | null;
  weighing: Weighing;
  /** What the instruments of a supervisor that follows go on from; absent in what 0.1.0 wrote. */
  kept?: Kept;
}

/** What instruments have seen, and no counter of the kernel keeps. */
interface Kept {
  /** Of Tare: another one may keep something else. */
  version: string;
  sampler: KeptSamples | null;
  watches: KeptWatches;
}

/** The payload that instruments look at. */
export interface RunningPayload {
  plan: Plan;
  groups: Groups;
  /** The box's folder on scratch. */
  boxDirectory: string;
  /** Process 1 of the box, or what stands for it. */
  initPid: number;
  /** Inits of tasks that run in the box; null: it is not shared. */
  taskInits: (() => number[]) | null;
  executedUs: number;
  /** CPUs of the node. */
  cpus: number;
  /** What a supervisor before this one noted last; null: nothing. */
  seen: Seen | null;
}

/** What was read, when all is over. */
export interface Readings {
  suspended: Suspended;
  watch: NonNullable<UsageRecord['watch']>;
}

/** Starts all watches with the payload and runs until `end`. Figures are read afterwards, while the groups still exist. */
export class Instruments {
  readonly sampler: Sampler | null;
  private readonly plan: Plan;
  private readonly groups: Groups;
  private readonly scratch: ScratchMeter | null;
  private readonly watches: Watches;
  /** As it was at the payload's end; null: it runs. */
  private suspended: Suspended | null = null;

  constructor({plan, groups, boxDirectory, initPid, taskInits, executedUs, cpus, seen}: RunningPayload, answers: Answers) {
    this.plan = plan;
    this.groups = groups;
    // whatever no controller counts is sampled
    const sampled = groups.cpuUs() === null || isSampled(plan);
    const isWanted = sampled || stepOf(plan, 'weigh.processes') !== undefined;
    const inits = (): number[] => [initPid, ...(taskInits?.() ?? [])];
    const kept = seen?.kept?.version === TARE_VERSION ? seen.kept : null;
    this.sampler = isWanted ? new Sampler(initPid, plan.mode.value === 'box', taskInits ?? undefined, kept?.sampler) : null;
    this.scratch = meterFor(plan, boxDirectory, initPid, inits);
    const holdings = stepOf(plan, 'watch.memory') === undefined ? null : new Holdings(inits);
    const watched = {sampler: this.sampler, holdings, sampled, scratch: this.scratch};
    const earlier = {marks: seen?.weighing.marks ?? null, kept: kept?.watches ?? null};
    this.watches = startWatches(plan, {groups, ...watched, executedUs, cpus, ...earlier}, answers);
  }

  /** How long the box was stopped so far, µs. */
  get suspendedUs(): number {
    return this.watches.suspended().us;
  }

  /**
   * What the sampler and the watches of a supervisor that follows go on from. The meter of scratch and the looks at what is held without being mapped
   * begin anew; the marks of a payload that is only observed are in the weighing.
   */
  kept(): Kept {
    return {version: TARE_VERSION, sampler: this.sampler?.kept() ?? null, watches: this.watches.kept()};
  }

  /** The payload has ended: nothing is looked at any more. May be called again. */
  end(): Readings {
    this.suspended ??= this.watches.suspended();
    this.watches.end();
    return {suspended: this.suspended, watch: this.watches.report()};
  }

  /** @param applications of each of several, what its keepers reported */
  weigh(init: InitReport | null, applications: readonly KeeperTotals[]): Weighing {
    const {plan, groups, sampler, watches} = this;
    return weighPayload(plan, groups, {sampler, levels: watches.levels(), init, applications, observedMarks: watches.observedMarks});
  }

  /** What the payload has had on scratch, once nothing of it runs any more; nothing where scratch has no limit. */
  scratchPeak(): Partial<Weighing['usage']> {
    const {bytes, source} = this.scratch?.peak() ?? {bytes: null, source: null};
    return bytes === null ? {} : {scratchPeakBytes: bytes, scratchPeakSource: source};
  }
}

/** A limit holds, or would hold if the payload were not only observed, by looking at its processes. */
function isSampled(plan: Plan): boolean {
  const {memory, processes} = plan.observed?.limits ?? plan.limits;
  return memory.by === 'watch.memory' || processes.by === 'watch.processes';
}

/** The application whose processes hold most, shared pages counted once; null when none runs. */
export function largestOf(keepers: readonly {index: number; pid: number}[]): number | null {
  const sizes = keepers.map(({index, pid}) => ({
    index,
    bytes: readTree(pid).reduce((sum, process) => sum + (readSmapsRollup(process.pid)?.pssBytes ?? process.rssBytes), 0),
  }));
  return sizes.sort((a, b) => b.bytes - a.bytes)[0]?.index ?? null;
}
