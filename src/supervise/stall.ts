/**
 * Tells a payload that thrashes at its memory limit from one that proceeds. Pure.
 *
 * What it looks for (seen on Linux 6.12, a program of 100 MB text under a limit of 30 MiB, for as long as it was observed): the limit is
 * hit hundreds of times a second, what cannot be dropped fills the limit, page cache is down to a few pages, each major fault brings one
 * piece of the program that was dropped a moment ago, and hardly any time is spent outside the kernel. Nothing is killed, since a page can
 * always be dropped.
 *
 * What also lies at its limit and proceeds, and is told apart: a program that streams through files (plenty of page cache, or pages that
 * come by reading ahead without a fault each), one that still grows (it will be killed), one that computes.
 */

import type {StallReading} from '../cgroup/manager.js';
import {formatBytes, formatDuration} from '../job/quantity.js';

/** Page cache below both is none to speak of: less than the text of a program that runs. */
const CACHE_SHARE = 0.02;
const CACHE_BYTES = 64 * 2 ** 20;
/** Rotating disks give 50 to 100 pages a second. */
const MAJOR_FAULTS_PER_S = 10;
/** Refaults per fault that show a stream: it is read ahead, thousands of pages with one fault, while jumps in a program give one page or a read-around (32). */
const REFAULTS_PER_FAULT = 512;
/** Share of one CPU above which the payload computes. */
const USER_SHARE = 0.05;
/** Anonymous memory that changes by more shows progress: towards a kill, or away from the limit. */
const GROWTH_SHARE = 0.01;
/** Time in which no process of the group could go on for want of memory. */
const FULL_SHARE = 0.1;

const LEAST_LOOKS = 5;
const LOOK_MS = {least: 1000, most: 30_000} as const;

/** How far apart the looks are, ms: ten in the time, within bounds. */
export const stallLookMs = (afterUs: number): number => Math.min(LOOK_MS.most, Math.max(LOOK_MS.least, afterUs / 10_000));

interface Look {
  atUs: number;
  reading: StallReading;
}

/** Compares readings of one group; a stall has to last for the time that it was made with, µs. */
export class StallDetector {
  private readonly afterUs: number;
  private last: Look | null = null;
  /** The look before the first that found no progress; null while there is progress. */
  private since: Look | null = null;
  private looks = 0;

  constructor(afterUs: number) {
    this.afterUs = afterUs;
  }

  /** false when the limit was not hit between the last two looks: until it is hit again there is nothing to look at. */
  isAtLimit = true;

  /** @returns what shows the stall once it has lasted long enough, else null */
  look(reading: StallReading, atUs: number): string | null {
    const {last} = this;
    const look = {atUs, reading};
    this.last = look;
    this.isAtLimit = last === null || reading.limitHits > last.reading.limitHits;
    if (last === null || !isStalled(last, look)) {
      this.since = null;
      this.looks = 0;
      return null;
    }
    this.since ??= last;
    this.looks++;
    const lastedUs = atUs - this.since.atUs;
    return lastedUs >= this.afterUs && this.looks >= LEAST_LOOKS ? evidence(this.since, look) : null;
  }
}

function isStalled({atUs: fromUs, reading: before}: Look, {atUs, reading: after}: Look): boolean {
  const us = atUs - fromUs;
  const {limitBytes} = after;
  const majorFaults = after.majorFaults - before.majorFaults;
  const fullUs = after.fullUs === null || before.fullUs === null ? null : after.fullUs - before.fullUs;
  return (
    us > 0 &&
    after.limitHits > before.limitHits &&
    after.oomKills === before.oomKills &&
    after.fileBytes <= Math.min(limitBytes * CACHE_SHARE, CACHE_BYTES) &&
    majorFaults >= (MAJOR_FAULTS_PER_S * us) / 1e6 &&
    after.refaults - before.refaults <= majorFaults * REFAULTS_PER_FAULT &&
    after.userUs - before.userUs <= USER_SHARE * us &&
    Math.abs(after.anonBytes - before.anonBytes) <= GROWTH_SHARE * limitBytes &&
    (fullUs === null || fullUs >= FULL_SHARE * us)
  );
}

function evidence({atUs: fromUs, reading: before}: Look, {atUs, reading: after}: Look): string {
  const us = atUs - fromUs;
  const rise = (key: 'limitHits' | 'majorFaults' | 'refaults'): string => String(after[key] - before[key]);
  const full = after.fullUs === null || before.fullUs === null ? 'unknown' : `${String(percent(after.fullUs - before.fullUs, us))} %`;
  return (
    `for ${formatDuration(Math.round(us / 1000) * 1000)}: limit hit ${rise('limitHits')} times, ${rise('majorFaults')} major faults, ` +
    `${rise('refaults')} refaults, user time ${String(percent(after.userUs - before.userUs, us))} %, memory pressure full ${full}, ` +
    `${formatBytes(after.fileBytes)} of page cache left, no oom_kill`
  );
}

const percent = (part: number, whole: number): number => Math.round((part / whole) * 100);
