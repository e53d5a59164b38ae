import type {OomVerdict} from '../record/outcome.js';
import type {CpuTimes, Throttling} from './cpu.js';
import type {IoUsage} from './io.js';
import type {MemoryCounters, MemoryUsage} from './memory.js';
import type {PidsUsage} from './pids.js';
import type {PressureUsage} from './pressure.js';
import type {StallReading} from './stall.js';

/** A group of the box that is weighed: the engine's, the payload's, and below that one for each of several applications. */
export type Part = 'engine' | 'payload' | `app-${string}`;

/** Cumulative counters and peaks of one part and of all below it, and what it holds now. Unknown is null. */
export interface GroupUsage extends CpuTimes, Throttling, MemoryUsage, PidsUsage, IoUsage, PressureUsage {}

/** What a leaf weighs now, by few and short reads. Unknown is null. */
export interface GroupLevel {
  cpuUs: number | null;
  memoryBytes: number | null;
  memoryPeakBytes: number | null;
  /** Tasks (threads). */
  processes: number | null;
}

/** Files that the kernel changes when a limit is hit; it notifies processes that watch them (cgroup-v2.rst: inotify, IN_MODIFY). */
export interface EventFiles {
  /** memory.events */
  memory: string | null;
  /** pids.events */
  processes: string | null;
  /** cgroup.events: frozen or not. */
  state: string | null;
}

/** Whether the payload is frozen, and since Linux 6.18 for how long it was in all, µs (cgroup.stat.local, also when a group above is frozen). */
export interface Freeze {
  frozen: boolean | null;
  frozenUs: number | null;
}

/** The memory controller's counters of one group. */
export interface GroupEvents extends MemoryCounters {
  directory: string;
  /** Of the directory; null when it is gone. */
  inode: number | null;
  /** `payload` includes groups that the payload made below its leaf; `ancestor`: a group around the box, the nearest first. */
  level: 'payload' | 'engine' | 'box' | 'ancestor';
}

/** Counters of memory kills at one moment; two of them tell whose limit killed (verdict.ts). */
export interface MemoryEvents {
  /** cgroup version of the memory controller, null when the box has none. */
  version: 1 | 2 | null;
  /** Processes of the payload that were killed for memory, at any group's limit. */
  oomKills: number | null;
  groups: GroupEvents[];
}

/** One box's groups: the same contract over v1, v2, both, or none. */
export interface Groups {
  /** Whether there is a group of it. */
  has(part: Part): boolean;
  /** cgroup.procs files to join, one for each hierarchy; of `payload`, none where there are several applications. */
  joins(part: Part): readonly string[];
  /**
   * As `joins`, for a process of a single thread that moves itself, by writing `0`: `tasks` of v1, which takes no lock over all processes of the node
   * (cgroup_procs_write_start of the kernel, 5.6 on). That lock takes 10 to 20 ms where nobody has just had it.
   */
  entries(part: Part): readonly string[];
  usage(part: Part): GroupUsage;
  /** What a part (usually the payload) weighs now, for commands that list many boxes. */
  level(part?: Part): GroupLevel;
  /** CPU time of the payload, user and system together: one short read. */
  cpuUs(): number | null;
  memoryEvents(): MemoryEvents;
  /** Kills for memory in one part, and how often its own limit was hit so that nothing could be dropped (v2) or at all (v1). */
  kills(part: Part): {oomKills: number | null; ownLimit: number | null};
  /** Whose limit killed between two looks; null when nothing was killed for memory. */
  verdict(before: MemoryEvents, after: MemoryEvents): OomVerdict | null;
  /** Process ids in a leaf and in groups below it, in any hierarchy. */
  processes(part: Part): number[];
  /** SIGKILL to all of a part, or of the box. It can take some milliseconds until they are gone: `waitEmpty`. */
  kill(what?: Part | 'box'): void;
  /** Stops or continues the payload. */
  freeze(on: boolean): void;
  frozen(): Freeze;
  /** Of the payload's groups; all null on v1, which tells nobody. */
  eventFiles(): EventFiles;
  /** Forks that the limit on processes refused: one short read. */
  processLimitHits(): number | null;
  /** What tells a stall at the memory limit; null on v1 and without one. */
  stallReading(): StallReading | null;
  /** A process is left in the box, or in one part. */
  populated(what?: Part | 'box'): boolean;
  /** true when empty within the time. */
  waitEmpty(timeoutMs: number, what?: Part | 'box'): Promise<boolean>;
}
