/** Looks at a payload that is only observed: when it was first over what it would have been allowed, and by how much memory and CPU. */

import type {Groups, GroupUsage} from '../cgroup/manager.js';
import type {LimitName} from '../job/job.js';
import {monotonicUs} from '../process/clock.js';
import type {Marks} from '../record/observed.js';
import type {Plan} from '../schema/generated/plan-1.js';
import type {Sampler} from './sampler.js';
import type {ScratchMeter} from './scratch.js';

/** The time between two looks, in ms: the first come sooner. */
const PERIOD_MS = {first: 50, most: 1000} as const;
/** A rate of CPU time needs that long to be told. */
const RATE_US = 1_000_000;

/** What is looked at. */
export interface Observable {
  groups: Groups;
  sampler: Sampler | null;
  scratch: ScratchMeter | null;
  executedUs: number;
  /** Wall time so far that counts, µs. */
  countedWallUs: () => number;
}

/** Compares a payload that nothing holds back with the limits that it would have had. */
export class ObservedMarks {
  private readonly limits: NonNullable<Plan['observed']>['limits'];
  private readonly box: Observable;
  /** What can be told without groups is the sampler's. */
  private readonly counted: boolean;
  private readonly sinceUs: Marks['sinceUs'];
  private seenBytes: number | null;
  private seenSource: string | null;
  /** The most page cache that was seen: what the kernel's peak may have of it. */
  private cacheBytes = 0;
  private cores: number | null;
  private rate: {us: number; cpuUs: number} | null = null;
  private periodMs: number = PERIOD_MS.first;

  /** @param before what another supervisor had seen; null: no look was made yet */
  constructor({limits}: NonNullable<Plan['observed']>, box: Observable, before: Marks | null) {
    this.limits = limits;
    this.box = box;
    this.counted = box.groups.usage('payload').memCurrentBytes !== null;
    this.sinceUs = {...before?.sinceUs};
    this.seenBytes = before?.memoryBytes ?? null;
    this.seenSource = before?.memorySource ?? null;
    this.cores = before?.cores ?? null;
  }

  /** @returns when to look again, ms */
  look(): number {
    const usage = this.box.groups.usage('payload');
    this.note(usage);
    this.periodMs = Math.min(PERIOD_MS.most, this.periodMs * 2);
    return this.periodMs;
  }

  /**
   * The marks at the end, before the groups are removed: the processes are gone, but their page cache still counts.
   * @param largestProcessBytes as init's rusage has it
   */
  marks(largestProcessBytes: number | null): Marks {
    const usage = this.box.groups.usage('payload');
    this.noteCache(usage);
    const spike = this.spikeOf(usage, largestProcessBytes);
    const isSpike = spike !== null && spike > (this.seenBytes ?? 0);
    const spikeSource = this.counted ? 'the kernel’s peak less page cache, as far as one process had it' : 'rusage:largest process';
    return {
      memoryBytes: isSpike ? spike : this.seenBytes,
      memorySource: isSpike ? spikeSource : this.seenSource,
      cores: this.cores,
      sinceUs: {...this.sinceUs},
    };
  }

  private note(usage: GroupUsage): void {
    const {sampler, scratch, executedUs, countedWallUs} = this.box;
    const nowUs = monotonicUs();
    const cpuUs = this.box.groups.cpuUs() ?? sampler?.readCpuUs() ?? null;
    const memory = this.counted ? unreclaimable(usage) : this.sampledBytes();
    const source = this.counted ? `sampled:${usage.memNowSource ?? 'memory.stat'} (anonymous and shared memory)` : 'sampled:pss';
    this.noteCache(usage);
    if (memory !== null && memory >= (this.seenBytes ?? 0)) {
      this.seenBytes = memory;
      this.seenSource = source;
    }
    this.noteRate(nowUs, cpuUs);
    const levels: Partial<Record<LimitName, number | null>> = {
      memory,
      memoryHigh: memory,
      swap: usage.swapBytes,
      processes: usage.pidsNow ?? sampler?.threads ?? null,
      wallTime: countedWallUs(),
      cpuTime: cpuUs,
      scratch: scratch?.bytes ?? null,
      cores: this.cores,
    };
    for (const [name, level] of Object.entries(levels) as [LimitName, number | null][]) {
      const {value} = this.limits[name];
      if (value !== null && level !== null && level > value) this.sinceUs[name] ??= Math.max(0, nowUs - executedUs);
    }
  }

  private noteCache({fileBytes, shmemBytes}: GroupUsage): void {
    this.cacheBytes = Math.max(this.cacheBytes, (fileBytes ?? 0) - (shmemBytes ?? 0));
  }

  private noteRate(nowUs: number, cpuUs: number | null): void {
    if (cpuUs === null) return;
    const before = this.rate;
    if (before !== null && nowUs - before.us < RATE_US) return;
    this.rate = {us: nowUs, cpuUs};
    if (before === null) return;
    const cores = Math.round(((cpuUs - before.cpuUs) / (nowUs - before.us)) * 1000) / 1000;
    this.cores = Math.max(this.cores ?? 0, cores);
  }

  /** Shared pages are counted once, which costs a walk of all mappings: only where the resident sum is over the limit. */
  private sampledBytes(): number | null {
    const {sampler} = this.box;
    const {value} = this.limits.memory;
    if (sampler === null) return null;
    const rss = sampler.rssBytes;
    if (value === null || rss <= value) return null;
    return sampler.isPssDue(value) ? sampler.readPssBytes() : null;
  }

  /** What came and went between two looks: the kernel's peak less all cache that was ever seen, and not more than one process ever had. */
  private spikeOf({memPeakBytes}: GroupUsage, largestProcessBytes: number | null): number | null {
    if (!this.counted || largestProcessBytes === null) return largestProcessBytes;
    return memPeakBytes === null ? null : Math.max(0, Math.min(memPeakBytes - this.cacheBytes, largestProcessBytes));
  }
}

const unreclaimable = ({anonBytes, shmemBytes}: GroupUsage): number | null => (anonBytes === null ? null : anonBytes + (shmemBytes ?? 0));
