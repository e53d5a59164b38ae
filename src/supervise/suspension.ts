/**
 * Suspended time: a batch system stops a job by its freezer or by SIGSTOP, and the wrapper with it. The kernel counts the time that a
 * group was frozen since Linux 6.18; before, it is seen afterwards, by looks that came too late and not for want of a CPU. So what is shorter
 * than a second is not seen, and up to half a second of each is missed. A payload that is frozen alone is seen to be so.
 */

import {readFileSync} from 'node:fs';
import type {Freeze} from '../cgroup/manager.js';
import {ifPossible} from '../errors.js';
import {monotonicUs} from '../process/clock.js';

/** How often is looked. */
export const LOOK_MS = 500;
/** A look that is later than this, load taken off, was late because everything stood still. */
const LATE_US = 500_000;

/** What the looks of another supervisor go on from. */
export interface KeptSuspension {
  totalUs: number;
  /** As the kernel counted it then; null: it does not. */
  frozenUs: number | null;
}

/** Adds up the time for which one box stood still. `look` has to be called every LOOK_MS. */
export class Suspension {
  private readonly freeze: () => Freeze;
  private readonly ranUs: () => number;
  private lastUs = monotonicUs();
  private last: Freeze;
  private lastRanUs: number;
  private totalUs: number;

  /**
   * @param ranUs time that this process ran or waited for a CPU; the difference between two looks counts
   * @param kept of a supervisor before this one; null: there was none. What went by since then is known only where the kernel counts
   */
  constructor(freeze: () => Freeze, ranUs: () => number = scheduledUs, kept: KeptSuspension | null = null) {
    this.freeze = freeze;
    this.ranUs = ranUs;
    this.last = freeze();
    this.lastRanUs = ranUs();
    const {frozenUs} = this.last;
    const since = frozenUs === null || kept?.frozenUs == null ? 0 : frozenUs - kept.frozenUs;
    this.totalUs = (kept?.totalUs ?? 0) + Math.max(0, since);
  }

  /** All that the looks of a supervisor that follows need. */
  kept(): KeptSuspension {
    return {totalUs: this.totalUs, frozenUs: this.last.frozenUs};
  }

  /** @returns all so far, µs */
  look(): number {
    const nowUs = monotonicUs();
    const now = this.freeze();
    const ranUs = this.ranUs();
    const gapUs = nowUs - this.lastUs;
    const lateUs = gapUs - LOOK_MS * 1000 - (ranUs - this.lastRanUs);
    const counted = Math.max(
      this.last.frozen === true ? gapUs : 0,
      lateUs > LATE_US ? lateUs : 0,
      now.frozenUs === null || this.last.frozenUs === null ? 0 : now.frozenUs - this.last.frozenUs,
    );
    this.totalUs += Math.min(gapUs, counted);
    this.lastUs = nowUs;
    this.last = now;
    this.lastRanUs = ranUs;
    return this.totalUs;
  }

  /** How it is known. */
  get source(): string {
    return this.last.frozenUs === null ? `looks ${String(LOOK_MS)} ms apart` : 'cgroup2:cgroup.stat.local frozen_usec';
  }
}

/** Time on a CPU and time in its queue (proc_pid_schedstat: ns); 0 where the kernel does not count it. */
const scheduledUs = (): number =>
  ifPossible(() => {
    const [ran = 0, waited = 0] = readFileSync('/proc/self/schedstat', 'latin1').split(' ').map(Number);
    return Math.round((ran + waited) / 1000);
  }) ?? 0;
