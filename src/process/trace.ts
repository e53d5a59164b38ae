/** Where the time of one wrapper goes: what it has come to, and when. A moment costs less than a microsecond, so they are noted whether anybody asks or not. */

import {monotonicUs} from './clock.js';

/** What a wrapper comes to, in the order of a job that runs as it should; how a table calls it. */
export const MOMENTS = {
  process: 'the process of the supervisor has started',
  met: 'its runtime and its program are loaded, and it has met the shim',
  batch: 'the batch system’s description of the job is read',
  policy: 'the policy is read',
  job: 'the job is read',
  facts: 'the node was looked at',
  planned: 'the plan is made',
  stated: 'the state of the box is on disk',
  made: 'its directories and control groups are made',
  launched: 'the engine is told to build it',
  started: 'the first record is on disk',
  ready: 'the box is built',
  executed: 'the payload executes',
  ended: 'the payload has ended',
  gone: 'the box is gone',
  removed: 'its directories and control groups are removed',
  recorded: 'the final record is on disk',
  told: 'the batch system is told',
} as const;

/** A moment by its name. */
export type Moment = keyof typeof MOMENTS;

/** A moment that came. */
export interface Came {
  moment: Moment;
  /** CLOCK_MONOTONIC, µs. */
  us: number;
}

/** A job that is begun again and again notes no more. */
const MOST = 1000;
const came: Came[] = [];

/** Notes that a moment has come. @param us when it was, on the monotonic clock, µs; absent: now */
export function comeTo(moment: Moment, us?: number): void {
  if (came.length < MOST) came.push({moment, us: us ?? monotonicUs()});
}

/**
 * All that came, by time, each with what a table calls it. `executed` and `ended` are by init's clock, all others by the supervisor's, which can be
 * ahead of it by as long as the shim took to read its own (`setClock`).
 */
export function allThatCame(): (Came & {what: string})[] {
  const process = {moment: 'process', us: monotonicUs() - performance.now() * 1000} as const;
  return [process, ...came].map((one) => ({...one, what: MOMENTS[one.moment]})).sort((a, b) => a.us - b.us);
}

/** Of each moment the last time that it came, ms after a moment of the monotonic clock, µs. */
export const momentsMs = (startedUs: number): Partial<Record<Moment, number>> =>
  Object.fromEntries(allThatCame().map(({moment, us}) => [moment, Math.round(us - startedUs) / 1000]));
