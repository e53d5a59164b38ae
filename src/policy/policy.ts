/** A site's policy: merged from its files, checked, completed with the built-in defaults, in plain units. */

import type {CvmfsMountRule} from './cvmfs-mount.js';
import type {AddressKind, FileSystem, Limits, Pattern, Provenance, Valued} from '../job/job.js';
import type {Pool} from './pools.js';

/** How a limit is enforced: by the kernel, by the supervisor at intervals (`watched`), or not at all. */
export type Enforcement = 'kernel' | 'watched' | 'none';
/** Limits whose enforcement a policy can require. */
export const ENFORCED_NAMES = ['cores', 'memory', 'processes', 'wallTime', 'cpuTime', 'scratch'] as const;
/** Limits whose enforcement a policy can demand. */
export type EnforcedName = (typeof ENFORCED_NAMES)[number];

/** Whether jobs are put in boxes, or a share of them is only observed. */
export type Mode = 'enforce' | 'observe' | {observe: {share: number | null; slots: string[]}};

/** What a rule may set anew for the jobs that it matches. */
export interface Ruled {
  mode: Valued<Mode>;
  patterns: Valued<Pattern[]>;
  defaults: Limits;
  maxima: Limits;
  enforcement: Record<EnforcedName, Valued<Enforcement>>;
  box: Valued<'optional' | 'required'>;
  /** What happens with a job that this node can run only with less than was asked for. */
  degraded: Valued<'allow' | 'alarm' | 'refuse'>;
  graceUs: Valued<number>;
  /** A stall at the memory limit is ended after this; null: never. */
  memoryStallUs: Valued<number | null>;
  /** Whether suspended time counts against the wall time limit. */
  suspendedTime: Valued<'excluded' | 'counted'>;
  /** The least time between two looks at the memory of single processes; null: no look is made. */
  processMemoryUs: Valued<number | null>;
  /** The first is the default. */
  network: Valued<('host' | 'none')[]>;
  /** Patterns with `*`. */
  devices: Valued<string[]>;
  writable: Valued<string[]>;
  /** What a box has of the node’s /run. */
  run: Valued<string[]>;
  /** The first is the default. */
  filesystem: Valued<FileSystem[]>;
  /** Patterns with `*`, and digests. */
  images: Valued<string[]>;
  /** Time in which the services of a small machine must be ready, and again in which they must end. */
  servicesWithinUs: Valued<number>;
  /** Names of engines that may build boxes, in the order in which they are tried; null: all that Tare has, in their own order. */
  engines: Valued<string[] | null>;
  /** Which system calls are denied: `default`, `pilot`, `unconfined`, or a file. */
  seccomp: Valued<string>;
  /** What the limit on scratch covers, and what may enforce it. */
  scratch: Valued<ScratchRule>;
  cvmfs: Valued<CvmfsRule>;
}

/** Repositories of CVMFS. */
export interface CvmfsRule {
  /** Patterns with `*`. */
  allowed: string[];
  required: string[];
  deadlineUs: number;
  /** For how long one look counts. */
  shareUs: number;
  onFailure: {waitUs: number; then: 'refuse' | 'without'};
  /** The first whose pattern fits counts. */
  minimumRevision: {pattern: string; revision: number}[];
  root: string;
  /** null: Tare mounts none. */
  mount: CvmfsMountRule | null;
}

/** Whether the limit on scratch is the slot's, whether the work directory counts against it, and whether scratch may lie in memory. */
export interface ScratchRule {
  fromSlot: boolean;
  workDirectory: boolean;
  inMemory: boolean;
}

/** What one file sets; of limits and enforcement only the names that it has. */
export type Setting = Partial<Omit<Ruled, 'enforcement'>> & {enforcement?: Partial<Ruled['enforcement']>};

/** A part of a policy that holds for some jobs only; null in `match`: any. */
export interface Rule {
  /** Its name, or its place in the policy when it has none. */
  name: string;
  /** File and JSON pointer. */
  at: string;
  match: {vo: string[] | null; user: string[] | null; queue: string[] | null; pattern: Pattern[] | null};
  refuse: Valued<string> | null;
  set: Setting;
}

/** What follows after `failures` of the wrapper in `withinUs` on this node. */
interface BlackHole {
  failures: number;
  withinUs: number;
  then: 'unboxed' | 'drain';
  provenance: Provenance;
}

/** What is kept of the output of payloads when their job has ended. */
export interface LogsRule {
  keep: 'none' | 'failed' | 'all';
  /** Of one job. */
  maxBytes: number;
  /** Of all jobs of one account. */
  totalBytes: number;
  forUs: number;
}

/** The site's policy, in base units, with built-in values filled in. */
export interface Policy extends Ruled {
  site: {name: string | null; infrastructure: string | null; description: string | null};
  reserveBytes: Valued<number>;
  /** Room and inodes that the disks of spool, state and scratch have to have before a job starts; null: any. */
  reserveDisk: {bytes: Valued<number> | null; inodes: Valued<number> | null};
  credentials: Valued<string[]>;
  identity: {
    user: Valued<string>;
    allowRoot: Valued<boolean>;
    /** Template of a box's host name. */
    hostname: Valued<string>;
    /** The first is the default. */
    address: Valued<AddressKind[]>;
    pools: Pool[];
    /** Of the node, for the accounts of root's small machines. */
    machineIds: Valued<{start: number; count: number}>;
  };
  /** `%u` not yet replaced; null: the built-in place, which depends on the caller. */
  directories: Record<'state' | 'scratch' | 'node' | 'exporters' | 'sealed' | 'log', Valued<string> | null> & {
    spools: Valued<string[]> | null;
  };
  log: {level: 'error' | 'warn' | 'info' | 'debug'; format: 'json' | 'human'};
  logs: LogsRule;
  /** `cache`: `%u` not yet replaced; null: the built-in place. `maxBytes` null: what the disk has. */
  imageStore: {places: string[]; cache: Valued<string> | null; maxBytes: number | null};
  killSwitch: Valued<string>;
  batch: {oom: Valued<'hold' | 'code'>; tasks: Valued<'together' | 'apart'>; blackHole: BlackHole | null};
  /** Of the Machine/Job Features, what only the site knows. */
  features: {hs06: number | null; shutdownTime: number | null; graceUs: number | null};
  /** What a core is worth: name and value. */
  benchmarks: {name: string; valuePerCore: number; at: string}[];
  /** By name, what the policy says of each exporter that is on; durations in µs. */
  exporters: Record<string, Record<string, unknown>>;
  rules: Rule[];
  pauseAt: string[];
  /** Files that it was merged from, in order; empty: only the built-in defaults. */
  files: string[];
}
