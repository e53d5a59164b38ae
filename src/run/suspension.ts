/**
 * Suspended time: a batch system stops a job by its freezer or by SIGSTOP, and the wrapper's clocks are stopped with it. Seen afterwards,
 * by looks that came much too late; shorter suspensions are not seen.
 */

import {monotonicUs} from './clock.js';

/** How often is looked. */
export const LOOK_MS = 2000;
/** A look that is later than this was not late by load. */
const LATE_US = 2 * LOOK_MS * 1000;

export class Suspension {
  private lastUs = monotonicUs();
  private totalUs = 0;

  /** @returns all so far, µs */
  look(): number {
    const nowUs = monotonicUs();
    const gapUs = nowUs - this.lastUs;
    this.lastUs = nowUs;
    if (gapUs > LATE_US) this.totalUs += gapUs - LOOK_MS * 1000;
    return this.totalUs;
  }
}
