import type {CpuTimes} from './cpu.js';
import type {IoUsage} from './io.js';
import type {MemoryCounters, MemoryUsage} from './memory.js';
import type {PidsUsage} from './pids.js';

export type Leaf = 'engine' | 'payload';

/** Cumulative counters and peaks of one leaf and of all below it, and what it holds now. Unknown is null. */
export interface GroupUsage extends CpuTimes, MemoryUsage, PidsUsage, IoUsage {
  /** By the leaf's and the box's own quotas. */
  throttledUs: number | null;
}

/** The memory controller's counters of one group. */
export interface GroupEvents extends MemoryCounters {
  directory: string;
  /** `payload` includes groups that the payload made below its leaf; `ancestor`: a group around the box, the nearest first. */
  level: 'payload' | 'engine' | 'box' | 'ancestor';
}

export interface MemoryEvents {
  /** cgroup version of the memory controller, null when the box has none. */
  version: 1 | 2 | null;
  /** Processes of the payload that were killed for memory, whoever's limit it was. */
  oomKills: number | null;
  groups: GroupEvents[];
}

/** Whose memory limit killed. */
export interface Verdict {
  whose: 'payload' | 'slot' | 'node';
  /** Which counters say so, for the record. */
  evidence: string;
  /** false: the counters alone also fit another story, and the kernel's log could not be read. */
  certain: boolean;
}

/** The most that was seen of what an older kernel keeps no peak of: lower bounds. null: the kernel keeps it, or nothing was seen. */
export interface SeenPeaks {
  memoryBytes: number | null;
  pids: number | null;
}

/** One box's groups: the same contract over v1, v2, both, or none. */
export interface Groups {
  /** cgroup.procs files to join, one for each hierarchy. */
  readonly joins: Readonly<Record<Leaf, readonly string[]>>;
  usage(leaf: Leaf): GroupUsage;
  /** Looks once at what the kernel keeps no peak of (memory before Linux 5.19, processes before 6.1). false: it keeps all, no look is needed. */
  look(): boolean;
  seen(): SeenPeaks;
  /** CPU time of the payload, user and system together: one short read. */
  cpuUs(): number | null;
  memoryEvents(): MemoryEvents;
  /** Whose limit killed between two looks; null when nothing was killed for memory. */
  verdict(before: MemoryEvents, after: MemoryEvents): Verdict | null;
  /** Process ids in a leaf and in groups below it, in any hierarchy. */
  processes(leaf: Leaf): number[];
  /** SIGKILL to all of the payload, or of the box. It can take some milliseconds until they are gone: `waitEmpty`. */
  kill(what?: 'payload' | 'box'): void;
  /** Stops or continues the payload. */
  freeze(on: boolean): void;
  /** A process is left in the box, or in one leaf. */
  populated(what?: Leaf | 'box'): boolean;
  /** true when empty within the time. */
  waitEmpty(timeoutMs: number, what?: Leaf | 'box'): Promise<boolean>;
  /** Removes all groups of the box, those that the payload made too; returns the directories that are left. */
  remove(): Promise<string[]>;
}
