/**
 * How much a box has on scratch. Where a file system of its own holds it, that tells at once; else all directories are walked through, in
 * short pieces and ever more seldom, so that it never takes more than a hundredth of a CPU; for one walk more, when the disk says that there may
 * be more than is allowed.
 *
 * What is deleted and still open, and what lies in directories that the payload has locked (without root's rights), is looked for beside
 * (held.ts). Files that lie deeper than a path can be long are not seen.
 */

import {lstatSync, opendirSync, statfsSync, type Dir} from 'node:fs';
import {join} from 'node:path';
import {ifPossible} from '../errors.js';
import {formatBytes} from '../job/quantity.js';
import {Holdings, type Held, type HeldReport} from './held.js';
import {inBox, stepOf} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {freeInImage} from './quota.js';
import {monotonicUs} from '../process/clock.js';

/** Part of a CPU; of a walk when there may be too much; and the time, in that of such a walk, to the next one in which there may be a hurry. */
const DUTY = 0.01;
const HURRY_DUTY = 0.2;
const CALM = 10;
/** The longest that one piece of a walk takes. */
const PIECE_US = 5000;
/** The walk at the end, when nothing changes any more. */
const LAST_WALK_US = 100_000;
/** stat(2): st_blocks counts these. */
const BLOCK_UNIT = 512;
/** Files with several names that are remembered, so as to be counted once. */
const MOST_LINKS = 100_000;
/** Most directories that could not be walked and are examined in another way. */
const MOST_LOCKED = 100;
/** A file that is not empty takes a block. So a limit on bytes is one on files too: of empty ones no more than of the smallest, but always some. */
const BYTES_PER_FILE = 4096;
const LEAST_FILES = 1000;
/** Pause between two pieces of a walk, when usage may be over the limit. */
const NEXT_MS = 20;
const STATFS_MS = {first: 100, most: 2000} as const;

/** The most that a payload had on scratch, and by which means that is known. */
export interface ScratchPeak {
  bytes: number | null;
  source: string | null;
}

/** Measures what a box has on scratch, in bytes. */
export interface ScratchMeter {
  /** Looks, or goes on looking. @returns how soon to look again, ms */
  look(): number;
  /** The last complete reading, or what an unfinished one has found already, if that is more. */
  readonly bytes: number;
  /** What says that there is more than allowed; null: nothing does. */
  over(mostBytes: number): {evidence: string; held?: string} | null;
  /** When the payload is over. */
  peak(): ScratchPeak;
  /** Of the looks at what no walk sees; null: there was none. */
  held(): HeldReport | null;
  /** Ends such a look; no other begins. */
  end(): void;
}

/** @returns null where scratch has no limit */
export function meterFor(plan: Plan, boxDirectory: string, initPid: number | null, inits: () => readonly number[]): ScratchMeter | null {
  const quota = stepOf(plan, 'scratch.quota');
  if (quota !== undefined) return new QuotaMeter(initPid, quota.image === null ? null : inBox(quota.image, boxDirectory));
  const watch = stepOf(plan, 'watch.scratch') ?? stepOf(plan, 'weigh.scratch');
  if (watch === undefined) return null;
  const directories = watch.directories.map((path) => inBox(path, boxDirectory));
  const mostBytes = watch.op === 'watch.scratch' ? watch.limitBytes : Infinity;
  return new WalkMeter(directories, watch.periodMs, mostBytes, initPid === null ? null : new Holdings(inits, directories));
}

/** How many files a limit on bytes allows. */
export const mostFiles = (mostBytes: number): number => Math.max(LEAST_FILES, Math.floor(mostBytes / BYTES_PER_FILE));

class QuotaMeter implements ScratchMeter {
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
    ifPossible(() => {
      const {blocks, bfree, bsize} = statfsSync(`/proc/${String(this.initPid)}/root/tmp`);
      this.allBytes = blocks * bsize;
      this.note((blocks - bfree) * bsize);
    }); // the box is gone
    this.periodMs = Math.min(STATFS_MS.most, 2 * this.periodMs);
    return this.periodMs;
  }

  over(mostBytes: number): {evidence: string} | null {
    return this.bytes > mostBytes ? {evidence: tooMuch(this.bytes, mostBytes)} : null;
  }

  held(): null {
    return null;
  }

  end(): void {
    // it has none
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

const tooMuch = (bytes: number, most: number): string => `found ${formatBytes(bytes)} on scratch, allowed ${formatBytes(most)}`;

interface Amount {
  bytes: number;
  files: number;
}

type Looks = Pick<Holdings, 'isDue' | 'look' | 'report' | 'end'>;

/** Measures by walking through directories, where no file system of its own holds the box's scratch. */
export class WalkMeter implements ScratchMeter {
  private readonly roots: readonly string[];
  private readonly periodMs: number;
  private readonly mostBytes: number;
  private readonly holdings: Looks | null;
  private last: Amount = {bytes: 0, files: 0};
  /** What no walk sees, when it was last looked for: at the walk before that look. */
  private beside: Amount & {walked: Amount; words: string} = {...this.last, walked: this.last, words: ''};
  private before: Held | null = null;
  private peakBytes: number | null = null;
  private walk: Walk | null = null;
  /** What the disks had, when the last complete walk began and when what no walk sees was last looked for. */
  private diskAtWalk: Amount;
  private diskAtBegin: Amount;
  private diskAtBeside: Amount;
  private busy = false;
  private calmUntilUs = 0;
  /** There were directories deeper than a path can be long. */
  private isDeep = false;

  constructor(roots: readonly string[], periodMs: number, mostBytes: number, holdings: Looks | null) {
    this.roots = roots;
    this.periodMs = periodMs;
    this.mostBytes = mostBytes;
    this.holdings = holdings;
    this.diskAtWalk = this.diskAtBegin = this.diskAtBeside = this.disk();
  }

  get bytes(): number {
    return Math.max(this.last.bytes, this.walk?.found.bytes ?? 0, this.beside.walked.bytes + this.beside.bytes);
  }

  look(): number {
    if (this.busy) return this.periodMs;
    const costUs = this.go(PIECE_US);
    const hurries = this.walk?.begunUs != null || this.mayHurry();
    return hurries ? Math.max(NEXT_MS, costUs / HURRY_DUTY / 1000) : Math.max(this.periodMs, costUs / DUTY / 1000);
  }

  over(mostBytes: number): {evidence: string; held?: string} | null {
    const {walked, words, ...beside} = this.beside;
    const named = [this.last, this.walk?.found ?? this.last];
    const bytes = Math.max(...named.map((one) => one.bytes));
    const files = Math.max(...named.map((one) => one.files));
    const allowed = mostFiles(mostBytes);
    const tooMany = (count: number): string => `found ${String(count)} files on scratch, allowed ${String(allowed)}, one for each 4 KiB`;
    if (bytes > mostBytes) return {evidence: tooMuch(bytes, mostBytes)};
    if (files > allowed) return {evidence: tooMany(files), held: `${String(files)} files, ${String(allowed)} allowed`};
    if (walked.bytes + beside.bytes > mostBytes)
      return {evidence: `${tooMuch(walked.bytes + beside.bytes, mostBytes)}: ${words}`, held: words};
    if (walked.files + beside.files > allowed) return {evidence: `${tooMany(walked.files + beside.files)}: ${words}`, held: words};
    return null;
  }

  held(): HeldReport | null {
    const report = this.holdings?.report() ?? null;
    return report === null || !this.isDeep ? report : {...report, unseen: [...report.unseen, 'deep-directories']};
  }

  end(): void {
    this.holdings?.end();
  }

  peak(): ScratchPeak {
    this.walk = null;
    this.go(LAST_WALK_US);
    return {bytes: this.peakBytes, source: this.peakBytes === null ? null : 'sampled:walk'};
  }

  /** @returns what it cost, µs */
  private go(us: number): number {
    const startUs = monotonicUs();
    if (this.walk === null) {
      this.diskAtBegin = this.disk();
      this.walk = new Walk(this.roots, this.mayHurry() ? startUs : null);
    }
    const done = this.walk.go(startUs + us);
    this.note(this.walk.found.bytes);
    if (done) this.complete(this.walk);
    return monotonicUs() - startUs;
  }

  private mayHurry(): boolean {
    return monotonicUs() >= this.calmUntilUs && this.mayBeOver(this.last, this.diskAtWalk);
  }

  private complete({found, locked, isDeep, begunUs}: Walk): void {
    this.walk = null;
    this.isDeep ||= isDeep;
    if (begunUs !== null) this.calmUntilUs = monotonicUs() + CALM * (monotonicUs() - begunUs);
    this.last = found;
    this.diskAtWalk = this.diskAtBegin;
    const {holdings} = this;
    const seen = seenBy(this.before);
    const sum = {bytes: seen.bytes + found.bytes, files: seen.files + found.files};
    if (holdings?.isDue(locked.length > 0 || this.mayBeOver(sum, this.diskAtBeside)) === true)
      void this.lookBeside(holdings, found, locked);
  }

  /**
   * A file can be deleted after the walk has counted it, or get a name again: what was deleted before the walk and after it was in none of it.
   * No walk begins meanwhile.
   */
  private async lookBeside(holdings: Looks, walked: Amount, locked: readonly string[]): Promise<void> {
    this.busy = true;
    const disk = this.disk();
    const {before} = this;
    const after = await holdings.look(locked);
    this.busy = false;
    this.before = after;
    if (after === null) return;
    this.diskAtBeside = disk;
    const stayed = [...after.deleted].filter(([name]) => before?.deleted.has(name) === true);
    const deleted = stayed.reduce((sum, [name, bytes]) => sum + Math.min(bytes, before?.deleted.get(name) ?? 0), 0);
    const files = stayed.length + after.lockedFiles;
    const words = [
      ...(deleted > 0 ? [`${formatBytes(deleted)} in deleted files that are open`] : []),
      ...(after.lockedFiles > 0 ? [`${formatBytes(after.lockedBytes)} in directories that are locked`] : []),
    ].join(', ');
    this.beside = {bytes: deleted + after.lockedBytes, files, walked, words};
    this.note(walked.bytes + this.beside.bytes);
  }

  /** What was found, and all that the disks have had more since then, is more than is allowed. */
  private mayBeOver({bytes, files}: Amount, disk: Amount): boolean {
    const now = this.disk();
    return bytes + now.bytes - disk.bytes > this.mostBytes || files + now.files - disk.files > mostFiles(this.mostBytes);
  }

  /** What the file systems have in all, each once. */
  private disk(): Amount {
    const seen = new Set<string>();
    const sum: Amount = {bytes: 0, files: 0};
    for (const root of this.roots) {
      const found = ifPossible(() => statfsSync(root));
      if (found === null) continue; // it is gone
      const {blocks, bfree, bsize, files, ffree, type} = found;
      const key = [blocks, bfree, files, ffree, type].join(' ');
      if (seen.has(key)) continue;
      seen.add(key);
      sum.bytes += (blocks - bfree) * bsize;
      sum.files += files - ffree;
    }
    return sum;
  }

  private note(bytes: number): void {
    this.peakBytes = Math.max(this.peakBytes ?? 0, bytes);
  }
}

/** All that a look has seen, also what another has to confirm. */
const seenBy = (held: Held | null): Amount =>
  held === null
    ? {bytes: 0, files: 0}
    : {
        bytes: [...held.deleted.values()].reduce((sum, bytes) => sum + bytes, held.lockedBytes),
        files: held.deleted.size + held.lockedFiles,
      };

/** A walk through directories that others change meanwhile. Follows no link. */
class Walk {
  readonly found: Amount = {bytes: 0, files: 0};
  /** Directories that are not ours to list or to pass through, though their names are there. */
  readonly locked: string[] = [];
  isDeep = false;
  /** Of a walk in a hurry, when it was begun. */
  readonly begunUs: number | null;
  private readonly open: {path: string; directory: Dir | null}[];
  private readonly links = new Set<string>();

  constructor(roots: readonly string[], begunUs: number | null) {
    this.begunUs = begunUs;
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

  /** Takes the next name. */
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
      this.found.bytes += blocks * BLOCK_UNIT;
      this.found.files++;
    } catch (error) {
      // a name that is gone, or a directory that cannot be opened or read on
      const {syscall, code} = error as NodeJS.ErrnoException;
      if (code === 'EACCES' && this.locked.length < MOST_LOCKED) this.locked.push(current.path);
      this.isDeep ||= code === 'ENAMETOOLONG';
      if (syscall !== 'lstat' || code === 'EACCES') this.leave();
    }
  }

  private isKnown(key: string): boolean {
    if (this.links.has(key)) return true;
    if (this.links.size < MOST_LINKS) this.links.add(key);
    return false;
  }

  private leave(): void {
    ifPossible(() => this.open.pop()?.directory?.closeSync()); // it was not open
  }
}
