/** The watches of a plan: what the kernel does not enforce, this does, and says how well it watched. */

import type {Groups} from '../cgroup/manager.js';
import {stepOf, stepsOf} from '../plan/step.js';
import {formatBytes, formatDuration} from '../job/quantity.js';
import type {Stop} from '../record/outcome.js';
import type {Plan} from '../schema/generated/plan-1.js';
import type {UsageRecord} from '../schema/generated/record-1.js';
import {LONGEST_TIMER_MS, monotonicUs} from './clock.js';
import {LOOK_MS, Suspension} from './suspension.js';
import type {Sampler} from './sampler.js';

/** Part of a memory limit from which resident memory is looked at more often. */
const NEAR = 0.7;
const NEAR_PERIOD_MS = 50;
/** Bounds of the time between two looks at CPU time. */
const CPU_PERIOD_MS = {least: 20, most: 1000} as const;

export interface WatchedBox {
  groups: Groups;
  /** null where control groups count everything. */
  sampler: Sampler | null;
  executedUs: number;
  /** CPUs of the node: CPU time cannot grow faster. */
  cpus: number;
}

/** `hard`: killed at once; else SIGTERM and a grace come first. */
export type StopPayload = (stop: Stop, how: 'hard' | 'soft', graceUs: number) => void;

export interface Watches {
  end(): void;
  /** How long the box and its watcher were stopped so far, µs. */
  suspendedUs(): number;
  /** Of a watched memory limit. */
  report(): UsageRecord['watch'];
}

/** Starts all watches of the plan; each stops by itself when it has fired. */
export function startWatches(plan: Plan, box: WatchedBox, stop: StopPayload, oomKilled: () => void): Watches {
  const timers = new Timers();
  const memory = stepOf(plan, 'watch.memory');
  const processes = stepOf(plan, 'watch.processes');
  const suspension = new Suspension();
  let overshootBytes: number | null = null;

  timers.repeat(() => {
    suspension.look();
    return LOOK_MS;
  });

  if (box.sampler !== null) {
    const {sampler} = box;
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
      if (memory === undefined || sampler.rssBytes < memory.limitBytes * NEAR) return periodMs;
      // the resident sum counts shared pages once per process: only the proportional one can say that the limit is exceeded
      const pss = sampler.rssBytes > memory.limitBytes ? sampler.readPssBytes() : 0;
      if (pss <= memory.limitBytes) return NEAR_PERIOD_MS;
      overshootBytes = pss - memory.limitBytes;
      stop({limit: 'memory', evidence: `sampled PSS ${formatBytes(pss)}, allowed ${formatBytes(memory.limitBytes)}`}, 'hard', 0);
      return null;
    });
  }

  // an older kernel keeps no peaks of a group
  timers.repeat(() => (box.groups.look() ? SAMPLE_PERIOD_MS : null));

  for (const {periodMs} of stepsOf(plan, 'watch.oom')) {
    timers.repeat(() => {
      if ((box.groups.memoryEvents().oomKills ?? 0) === 0) return periodMs;
      oomKilled();
      return null;
    });
  }

  for (const {limitUs, graceUs} of stepsOf(plan, 'watch.wallTime')) {
    timers.repeat(() => {
      // a job that its batch system suspended does not use its time
      const usedUs = monotonicUs() - box.executedUs - suspension.look();
      if (usedUs < limitUs) return (limitUs - usedUs) / 1000;
      stop(
        {
          limit: 'wallTime',
          evidence: `${formatDuration(usedUs)} on the monotonic clock without suspensions, allowed ${formatDuration(limitUs)}`,
        },
        'soft',
        graceUs,
      );
      return null;
    });
  }

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
    },
    suspendedUs: () => suspension.look(),
    report: () => {
      if (box.sampler === null) return null;
      const {samples, longestGapUs} = box.sampler.report();
      return {periodUs: (memory?.periodMs ?? SAMPLE_PERIOD_MS) * 1000, longestGapUs, samples, overshootBytes};
    },
  };
}

/** How often a box without control groups, or without their peaks, is looked at when no limit asks for more. */
const SAMPLE_PERIOD_MS = 250;

/** Repeated looks, each saying when the next is due (ms), or null for never. */
class Timers {
  /** null when ended: a look may be what ends them all. */
  private running: Set<NodeJS.Timeout> | null = new Set();

  repeat(look: () => number | null): void {
    const delay = this.running === null ? null : look();
    if (delay === null) return;
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

  end(): void {
    for (const timer of this.running ?? []) clearTimeout(timer);
    this.running = null;
  }
}
