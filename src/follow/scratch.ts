/**
 * How much a box has on scratch. Where a file system of its own holds it, that tells at once; else all directories are walked through, in
 * short pieces and ever more seldom, so that it never takes more than a hundredth of a CPU.
 *
 * A walk does not see what is deleted and still open, what lies in directories that the payload has locked (without root's rights), nor what
 * is deeper than a path can be long.
 */

import {lstatSync, opendirSync, statfsSync, type Dir} from 'node:fs';
import {join} from 'node:path';
import {inBox, stepOf} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {freeInImage} from './contain.js';
import {monotonicUs} from '../process/clock.js';

/** Part of a CPU. */
const DUTY = 0.01;
/** The longest that one piece of a walk takes. */
const PIECE_US = 5000;
/** The walk at the end, when nothing changes any more. */
const LAST_WALK_US = 100_000;
/** stat(2): st_blocks counts these. */
const BLOCK_UNIT = 512;
/** Files with several names that are remembered, so as to be counted once. */
const MOST_LINKS = 100_000;
const STATFS_MS = {first: 100, most: 2000} as const;

export interface ScratchPeak {
  bytes: number | null;
  source: string | null;
}

export interface ScratchMeter {
  /** Looks, or goes on looking. @returns how soon to look again, ms */
  look(): number;
  /** The last complete reading, or what an unfinished one has found already, if that is more. */
  readonly bytes: number;
  /** When the payload is over. */
  peak(): ScratchPeak;
}

/** @returns null where scratch has no limit */
export function meterFor(plan: Plan, boxDirectory: string, initPid: number | null): ScratchMeter | null {
  const contain = stepOf(plan, 'scratch.contain');
  if (contain !== undefined) return new ContainedMeter(initPid, contain.image === null ? null : inBox(contain.image, boxDirectory));
  const watch = stepOf(plan, 'watch.scratch') ?? stepOf(plan, 'weigh.scratch');
  return watch === undefined
    ? null
    : new WalkMeter(
        watch.directories.map((path) => inBox(path, boxDirectory)),
        watch.periodMs,
      );
}

class ContainedMeter implements ScratchMeter {
  bytes = 0;
  private readonly initPid: number | null;
  private readonly image: string | null;
  /** The file system's size, once it was seen. */
  private allBytes: number | null = null;
  private peakBytes: number | null = null;
  private periodMs: number = STATFS_MS.first;

  constructor(initPid: number | null, image: string | null) {
    this.initPid = initPid;
    this.image = image;
  }

  look(): number {
    try {
      const {blocks, bfree, bsize} = statfsSync(`/proc/${String(this.initPid)}/root/tmp`);
      this.allBytes = blocks * bsize;
      this.note((blocks - bfree) * bsize);
    } catch {
      // the box is gone
    }
    this.periodMs = Math.min(STATFS_MS.most, 2 * this.periodMs);
    return this.periodMs;
  }

  peak(): ScratchPeak {
    const free = this.image === null ? null : freeInImage(this.image);
    if (free !== null && this.allBytes !== null) this.note(this.allBytes - free);
    if (this.peakBytes === null) return {bytes: null, source: null};
    return {bytes: this.peakBytes, source: this.image === null ? 'sampled:statfs' : 'sampled:statfs, and the superblock at the end'};
  }

  private note(bytes: number): void {
    this.bytes = bytes;
    this.peakBytes = Math.max(this.peakBytes ?? 0, bytes);
  }
}

class WalkMeter implements ScratchMeter {
  private readonly roots: readonly string[];
  private readonly periodMs: number;
  private lastBytes = 0;
  private peakBytes: number | null = null;
  private walk: Walk | null = null;

  constructor(roots: readonly string[], periodMs: number) {
    this.roots = roots;
    this.periodMs = periodMs;
  }

  get bytes(): number {
    return Math.max(this.lastBytes, this.walk?.bytes ?? 0);
  }

  look(): number {
    const costUs = this.go(PIECE_US);
    return Math.max(this.periodMs, costUs / DUTY / 1000);
  }

  peak(): ScratchPeak {
    this.walk = null;
    this.go(LAST_WALK_US);
    return {bytes: this.peakBytes, source: this.peakBytes === null ? null : 'sampled:walk'};
  }

  /** @returns what it cost, µs */
  private go(us: number): number {
    const startUs = monotonicUs();
    this.walk ??= new Walk(this.roots);
    const done = this.walk.go(startUs + us);
    this.peakBytes = Math.max(this.peakBytes ?? 0, this.walk.bytes);
    if (done) {
      this.lastBytes = this.walk.bytes;
      this.walk = null;
    }
    return monotonicUs() - startUs;
  }
}

/** A walk through directories that others change meanwhile. Follows no link. */
class Walk {
  bytes = 0;
  private readonly open: {path: string; directory: Dir | null}[];
  private readonly links = new Set<string>();

  constructor(roots: readonly string[]) {
    this.open = roots.map((path) => ({path, directory: null}));
  }

  /** @returns whether it is complete */
  go(untilUs: number): boolean {
    for (let count = 0; this.open.length > 0; count++) {
      if (count % 16 === 0 && monotonicUs() > untilUs) return false;
      this.next();
    }
    return true;
  }

  /** One name further. */
  private next(): void {
    const current = this.open.at(-1);
    if (current === undefined) return;
    try {
      current.directory ??= opendirSync(current.path);
      const entry = current.directory.readSync();
      if (entry === null) {
        this.leave();
        return;
      }
      const path = join(current.path, entry.name);
      const {blocks, nlink, dev, ino} = lstatSync(path);
      if (entry.isDirectory()) this.open.push({path, directory: null});
      else if (nlink > 1 && this.isKnown(`${String(dev)}/${String(ino)}`)) return;
      this.bytes += blocks * BLOCK_UNIT;
    } catch (error) {
      // a name that is gone, or a directory that cannot be opened or read on
      if ((error as NodeJS.ErrnoException).syscall !== 'lstat') this.leave();
    }
  }

  private isKnown(key: string): boolean {
    if (this.links.has(key)) return true;
    if (this.links.size < MOST_LINKS) this.links.add(key);
    return false;
  }

  private leave(): void {
    try {
      this.open.pop()?.directory?.closeSync();
    } catch {
      // it was not open
    }
  }
}
