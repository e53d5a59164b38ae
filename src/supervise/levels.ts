/**
 * Peaks that the kernel does not keep for a group, by looking: anonymous memory everywhere; memory, swap and processes where the kernel is
 * too old (memory.peak: Linux 5.19, pids.peak: 6.1, memory.swap.peak: 6.5). Lower bounds, and said to be sampled in the record.
 */

import type {Groups, GroupUsage} from '../cgroup/manager.js';
import {monotonicUs} from '../process/clock.js';

/** Interval of looks without a memory.peak. */
const OFTEN_MS = 250;
/** Interval of looks at anonymous memory, for which the kernel adds up the counters of memory.stat. The first looks come sooner. */
const SELDOM_MS = {first: 100, most: 5000} as const;

/** The highest that looks saw; null: not looked at, since the kernel keeps that peak. */
export interface LevelPeaks {
  memPeakBytes: number | null;
  anonPeakBytes: number | null;
  swapPeakBytes: number | null;
  pidsPeak: number | null;
  samples: number;
  /** The longest that was waited between two looks. */
  longestGapUs: number;
  periodMs: number;
  /** All looks together took so long. */
  lookUs: number;
}

/** What the looks of another supervisor go on from. */
export interface KeptLevels {
  peaks: LevelPeaks;
  periodMs: number;
  lastUs: number;
}

/** Looks at one box's payload group when its owner says so, and keeps the highest of each figure. */
export class Levels {
  private readonly groups: Groups;
  private readonly often: boolean;
  private periodMs: number;
  private lastUs: number;
  private peaks: LevelPeaks;

  /** @param kept of a supervisor before this one; null: there was none */
  constructor(groups: Groups, kept: KeptLevels | null = null) {
    this.groups = groups;
    const now = groups.usage('payload');
    this.often = isMissing(now);
    this.periodMs = kept?.periodMs ?? (this.often ? OFTEN_MS : SELDOM_MS.first);
    this.lastUs = kept?.lastUs ?? monotonicUs();
    const none = {memPeakBytes: null, anonPeakBytes: null, swapPeakBytes: null, pidsPeak: null};
    this.peaks = kept?.peaks ?? {...none, samples: 0, longestGapUs: 0, periodMs: this.often ? OFTEN_MS : SELDOM_MS.most, lookUs: 0};
  }

  /** All that the looks of a supervisor that follows need. */
  kept(): KeptLevels {
    const {peaks, periodMs, lastUs} = this;
    return {peaks, periodMs, lastUs};
  }

  /** @returns when to look again, ms */
  look(): number {
    const startUs = monotonicUs();
    const {peaks} = this;
    const now = this.groups.usage('payload');
    const endUs = monotonicUs();
    this.peaks = {
      memPeakBytes: largest(peaks.memPeakBytes, now.memCurrentBytes),
      anonPeakBytes: largest(peaks.anonPeakBytes, now.anonBytes),
      swapPeakBytes: largest(peaks.swapPeakBytes, now.swapBytes),
      pidsPeak: largest(peaks.pidsPeak, now.pidsNow),
      samples: peaks.samples + 1,
      longestGapUs: Math.max(peaks.longestGapUs, startUs - this.lastUs),
      periodMs: peaks.periodMs,
      lookUs: peaks.lookUs + endUs - startUs,
    };
    this.lastUs = startUs;
    if (!this.often) this.periodMs = Math.min(SELDOM_MS.most, this.periodMs * 2);
    return this.periodMs;
  }

  /** The peaks so far. */
  report(): LevelPeaks {
    return {...this.peaks};
  }
}

/** What is there now has no peak that the kernel keeps. v1 keeps none of swap, and never did. */
const isMissing = ({memCurrentBytes, memPeakBytes, pidsNow, pidsPeak}: GroupUsage): boolean =>
  (memCurrentBytes !== null && memPeakBytes === null) || (pidsNow !== null && pidsPeak === null);

const largest = (a: number | null, b: number | null): number | null => (a === null ? b : b === null ? a : Math.max(a, b));
