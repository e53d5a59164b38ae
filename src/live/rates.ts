/** How many CPUs each live job uses: what its CPU time grew by between two looks, over the time between them. */

import {monotonicUs} from '../process/clock.js';

/** Keeps the last look at each job, to take the difference at the next. */
export class Rates {
  private last = new Map<string, {cpuUs: number; atUs: number}>();

  /** @returns by id; without those that are looked at for the first time */
  look(jobs: readonly {id: string | null; cpuUs: number | null}[], atUs = monotonicUs()): Map<string, number> {
    const now = new Map<string, {cpuUs: number; atUs: number}>();
    const rates = new Map<string, number>();
    for (const {id, cpuUs} of jobs) {
      if (id === null || cpuUs === null) continue;
      const before = this.last.get(id);
      now.set(id, {cpuUs, atUs});
      // sums of samples can become smaller, when a process is missed
      if (before !== undefined && atUs > before.atUs) rates.set(id, Math.max(0, cpuUs - before.cpuUs) / (atUs - before.atUs));
    }
    this.last = now;
    return rates;
  }
}
