/**
 * Figures of the payload's processes, sampled: what control groups do not tell (address space, proportional sizes, averages), and where there
 * are none, all of it. Lower bounds for CPU time and peaks, and said to be so in the record.
 *
 * CPU time: init's rusage misses processes for which no parent waits (children of a parent that ignores SIGCHLD, and of a nested PID namespace whose
 * init died first); the sum of the last seen times of all processes misses what was shorter than a period. The larger of the two is used.
 */

import {statfsSync} from 'node:fs';
import {ifPossible} from '../errors.js';
import {monotonicUs} from '../process/clock.js';
import {TimeMean, type KeptMean} from './mean.js';
import {readProcess, readSmapsRollup, readTree, standsStill, type ProcessSample} from '../process/tree.js';

/** What the looks saw, in bytes unless the name says otherwise; null: never seen. */
export interface Sampled {
  rssPeakBytes: number | null;
  pssPeakBytes: number | null;
  vmemPeakBytes: number | null;
  swapPeakBytes: number | null;
  /** Over the time from the beginning to the last look, each look standing for the time before it. */
  rssAverageBytes: number | null;
  pssAverageBytes: number | null;
  vmemAverageBytes: number | null;
  swapAverageBytes: number | null;
  /** Proportional sizes, and what is held without being mapped. */
  weightPeakBytes: number | null;
  largestProcessBytes: number | null;
  pidsPeak: number | null;
  /** Sum over all processes ever seen of their own CPU time when last seen. */
  cpuUs: number | null;
  samples: number;
  longestGapUs: number;
  /** All looks together took so long, µs. */
  lookUs: number;
  /** Readings of smaps_rollup, one for each process; the time that they took, and the longest. */
  pssReads: number;
  pssUs: number;
  pssLongestUs: number;
}

type Figure = 'rss' | 'pss' | 'vmem' | 'swap';

/** What the sampler of another supervisor goes on from. */
export interface KeptSamples {
  /** Last seen CPU time of each living process, µs. */
  lastSeen: [string, number][];
  goneCpuUs: number;
  means: Record<Figure, KeptMean>;
  peaks: Omit<Sampled, `${string}AverageBytes`>;
  lastAtUs: number;
  rssAtPssPeak: number;
}

/** Part of the time that may go into looking for the sake of a limit, where looking takes long: many processes, or much memory. */
const DUTY = 0.05;
/** The share of a CPU for looks that only the record needs. */
const RECORD_DUTY = 0.001;
/** Growth of resident memory since proportional sizes were last read, from which on they are read again for the record. */
const WORTH_READING = 1.1;

/** Adds up the processes of a box at each `sample`; peaks and CPU time are lower bounds. */
export class Sampler {
  private readonly initPid: number;
  private readonly ownShm: boolean;
  private readonly joined: () => readonly number[];
  /** Last seen CPU time of each living process. */
  private lastSeen: Map<string, number>;
  /** CPU time of processes that are gone. */
  private goneCpuUs: number;
  private readonly means: Record<Figure, TimeMean>;
  private peaks: Omit<Sampled, `${string}AverageBytes`> = {
    rssPeakBytes: null,
    pssPeakBytes: null,
    vmemPeakBytes: null,
    swapPeakBytes: null,
    weightPeakBytes: null,
    largestProcessBytes: null,
    pidsPeak: null,
    cpuUs: null,
    samples: 0,
    longestGapUs: 0,
    lookUs: 0,
    pssReads: 0,
    pssUs: 0,
    pssLongestUs: 0,
  };
  private lastAtUs: number;
  private processes: ProcessSample[] = [];
  private lastCostUs = 0;
  /** Resident sum at the largest proportional size. */
  private rssAtPssPeak: number;
  /** The last proportional size, when it was taken, how long that took, and the resident sum then. */
  private lastPss: {bytes: number; mappedBytes: number; rssBytes: number; atUs: number; costUs: number} | null = null;

  /**
   * @param ownShm whether the box has a /dev/shm of its own; the node's is everybody's
   * @param joined the inits of wrappers that have joined the box: processes of these are below them and not below the box's own init
   * @param kept of a supervisor before this one; null: there was none
   */
  constructor(initPid: number, ownShm: boolean, joined: () => readonly number[] = () => [], kept: KeptSamples | null = null) {
    this.initPid = initPid;
    this.joined = joined;
    this.ownShm = ownShm;
    const now = monotonicUs();
    const meanOf = (figure: Figure): TimeMean => new TimeMean(kept?.means[figure] ?? now);
    this.lastAtUs = kept?.lastAtUs ?? now;
    this.lastSeen = new Map(kept?.lastSeen);
    this.goneCpuUs = kept?.goneCpuUs ?? 0;
    this.rssAtPssPeak = kept?.rssAtPssPeak ?? 0;
    this.peaks = {...this.peaks, ...kept?.peaks};
    this.means = {rss: meanOf('rss'), pss: meanOf('pss'), vmem: meanOf('vmem'), swap: meanOf('swap')};
  }

  /** All that the sampler of a supervisor that follows needs. */
  kept(): KeptSamples {
    const {lastSeen, goneCpuUs, peaks, lastAtUs, rssAtPssPeak, means} = this;
    const kept = {rss: means.rss.kept(), pss: means.pss.kept(), vmem: means.vmem.kept(), swap: means.swap.kept()};
    return {lastSeen: [...lastSeen], goneCpuUs, peaks, lastAtUs, rssAtPssPeak, means: kept};
  }

  /** Looks once. */
  sample(): void {
    const now = monotonicUs();
    this.take(now);
    this.lastCostUs = monotonicUs() - now;
    this.peaks = {...this.peaks, lookUs: this.peaks.lookUs + this.lastCostUs};
  }

  /** How soon to look again, ms, for looking not to take too much of a CPU. */
  get leastPeriodMs(): number {
    return this.lastCostUs / DUTY / 1000;
  }

  private take(now: number): void {
    this.processes = [this.initPid, ...this.joined()].flatMap((init) => readTree(init));
    const living = new Map(this.processes.map((sample) => [keyOf(sample), sample.cpuUs]));
    for (const [key, cpuUs] of this.lastSeen) {
      if (living.has(key)) continue;
      // a walk misses a process whose parent dies meanwhile; it is not gone for that
      const missed = readProcess(Number(key.split('/')[0]));
      if (missed !== null && keyOf(missed) === key) living.set(key, missed.cpuUs);
      else this.goneCpuUs += cpuUs;
    }
    this.lastSeen = living;
    const {peaks} = this;
    this.peaks = {...peaks, samples: peaks.samples + 1, longestGapUs: Math.max(peaks.longestGapUs, now - this.lastAtUs)};
    this.lastAtUs = now;
    if (this.processes.length === 0) return; // not yet, or not any more: nothing was seen, which is not nothing
    const rss = this.rssBytes;
    const vmem = sum(this.processes, ({vmemBytes}) => vmemBytes);
    this.means.rss.add(rss, now);
    this.means.vmem.add(vmem, now);
    this.peaks = {
      ...this.peaks,
      rssPeakBytes: Math.max(peaks.rssPeakBytes ?? 0, rss),
      vmemPeakBytes: Math.max(peaks.vmemPeakBytes ?? 0, vmem),
      largestProcessBytes: Math.max(peaks.largestProcessBytes ?? 0, ...this.processes.map(({rssBytes}) => rssBytes)),
      pidsPeak: Math.max(peaks.pidsPeak ?? 0, this.threads),
    };
  }

  /** Sum of resident sizes at the last look: never less than the proportional one, so below a limit it settles the matter. */
  get rssBytes(): number {
    return sum(this.processes, ({rssBytes}) => rssBytes) + this.unmappedSharedBytes(0);
  }

  /** All were stopped at the last look. */
  get standsStill(): boolean {
    return standsStill(this.processes);
  }

  /** Processes and threads at the last look. */
  get threads(): number {
    return sum(this.processes, ({threads}) => threads);
  }

  /**
   * Whether to take the proportional size again: it costs a walk of every mapping, in which the process cannot change its mappings. So as
   * much later as the last took long, but sooner when the resident sum has risen by half of what was left.
   */
  isPssDue(limitBytes: number): boolean {
    const last = this.lastPss;
    if (last === null || monotonicUs() - last.atUs >= last.costUs / DUTY) return true;
    return this.rssBytes - last.rssBytes >= (limitBytes - last.bytes) / 2;
  }

  /** Whether the payload has become so much larger that its proportional size would be a new peak, and reading it would cost little. */
  get isPssPeakDue(): boolean {
    const last = this.lastPss;
    if (last === null) return false; // the first reading is not in the way of the payload's first moments
    return this.rssBytes > this.rssAtPssPeak * WORTH_READING && monotonicUs() - last.atUs >= last.costUs / RECORD_DUTY;
  }

  /** How soon to read proportional sizes for the record again, ms. */
  get leastPssPeriodMs(): number {
    return (this.lastCostUs + (this.lastPss?.costUs ?? 0)) / RECORD_DUTY / 1000;
  }

  /** Proportional set size of the whole tree now, shared pages counted once; costs a walk of every mapping. */
  readPssBytes(): number {
    const startUs = monotonicUs();
    let longestUs = 0;
    let pss = 0;
    let shared = 0;
    let swap = 0;
    let readings = 0;
    for (const {pid} of this.processes) {
      const atUs = monotonicUs();
      const memory = readSmapsRollup(pid);
      longestUs = Math.max(longestUs, monotonicUs() - atUs);
      pss += memory?.pssBytes ?? 0;
      shared += memory?.pssShmemBytes ?? 0;
      swap += memory?.swapBytes ?? 0;
      if (memory !== null) readings++;
    }
    const total = pss + this.unmappedSharedBytes(shared);
    const atUs = monotonicUs();
    const costUs = atUs - startUs;
    const {peaks} = this;
    const rssBytes = this.rssBytes;
    this.lastPss = {bytes: total, mappedBytes: pss, rssBytes, atUs, costUs};
    // of a process that is gone, or that is not ours to read, nothing is known
    const known = readings > 0;
    if (known) {
      this.means.pss.add(total, atUs);
      this.means.swap.add(swap, atUs);
      if (total >= (peaks.pssPeakBytes ?? 0)) this.rssAtPssPeak = rssBytes;
    }
    this.peaks = {
      ...peaks,
      pssPeakBytes: known ? Math.max(peaks.pssPeakBytes ?? 0, total) : peaks.pssPeakBytes,
      swapPeakBytes: known ? Math.max(peaks.swapPeakBytes ?? 0, swap) : peaks.swapPeakBytes,
      lookUs: peaks.lookUs + costUs,
      pssReads: peaks.pssReads + this.processes.length,
      pssUs: peaks.pssUs + costUs,
      pssLongestUs: Math.max(peaks.pssLongestUs, longestUs),
    };
    return total;
  }

  /**
   * The whole weight now; costs a walk of every mapping.
   * @param heldBytes what is held without being mapped, files of the box's /dev/shm among it
   */
  weighWith(heldBytes: number): number {
    this.readPssBytes();
    const weight = (this.lastPss?.mappedBytes ?? 0) + heldBytes;
    this.peaks = {...this.peaks, weightPeakBytes: Math.max(this.peaks.weightPeakBytes ?? 0, weight)};
    return weight;
  }

  /** CPU time now: what init has waited for, and what lives. */
  readCpuUs(): number {
    const waited = [this.initPid, ...this.joined()].map((init) => readProcess(init)?.waitedUs ?? 0);
    return Math.max(sum(waited, (us) => us) + sum(this.processes, ({cpuUs, waitedUs}) => cpuUs + waitedUs), this.seenCpuUs());
  }

  /** Peaks, averages and CPU time of all looks so far. */
  report(): Sampled {
    const {rss, pss, vmem, swap} = this.means;
    return {
      ...this.peaks,
      rssAverageBytes: rss.value,
      pssAverageBytes: pss.value,
      vmemAverageBytes: vmem.value,
      swapAverageBytes: swap.value,
      cpuUs: this.seenCpuUs(),
    };
  }

  private seenCpuUs(): number {
    return sum([...this.lastSeen.values()], (cpuUs) => cpuUs) + this.goneCpuUs;
  }

  /** Files in the box's /dev/shm are memory too, whether a process has mapped them or not. */
  private unmappedSharedBytes(mapped: number): number {
    if (!this.ownShm) return 0;
    const found = ifPossible(() => statfsSync(`/proc/${String(this.initPid)}/root/dev/shm`));
    return found?.type === TMPFS_MAGIC ? Math.max(0, (found.blocks - found.bfree) * found.bsize - mapped) : 0;
  }
}

/** Names one process, and not a later one with the same pid. */
const keyOf = ({pid, startTicks}: ProcessSample): string => `${String(pid)}/${String(startTicks)}`;

const TMPFS_MAGIC = 0x01021994;

const sum = <T>(items: readonly T[], value: (item: T) => number): number => items.reduce((total, item) => total + value(item), 0);
