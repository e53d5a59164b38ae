/** A job: what was asked for, loaded, checked and in plain units (bytes, microseconds, cores). */

import type {Provenance} from '../schema/generated/plan-1.js';

export type {Provenance};

export type Pattern = 'ulimit++' | 'quotas++' | 'vm-lite';

/** What a payload finds at `/`: the node's files, or a copy-on-write view for the box, or for each application. */
export type FileSystem = 'node' | 'shared' | 'private';

/** Every limit, in the order in which people are shown them. */
export const LIMIT_NAMES = [
  'cores',
  'pinCores',
  'memory',
  'memoryHigh',
  'swap',
  'processes',
  'wallTime',
  'cpuTime',
  'openFiles',
  'coreSize',
  'scratch',
] as const;
export type LimitName = (typeof LIMIT_NAMES)[number];

export type LimitUnit = 'bytes' | 'us' | 'cores' | 'count' | 'flag';

/** The unit of each limit's number; a flag is 0 or 1. */
export const LIMIT_UNITS: Readonly<Record<LimitName, LimitUnit>> = {
  cores: 'cores',
  pinCores: 'flag',
  memory: 'bytes',
  memoryHigh: 'bytes',
  swap: 'bytes',
  processes: 'count',
  wallTime: 'us',
  cpuTime: 'us',
  openFiles: 'count',
  coreSize: 'bytes',
  scratch: 'bytes',
};

/** A value and where it came from. */
export interface Valued<T> {
  value: T;
  provenance: Provenance;
}

export type Limits = Partial<Record<LimitName, Valued<number>>>;

/** When those that need an application may start. */
export type Ready =
  | {when: 'completed' | 'started'}
  /** `path` is absolute, in the box. */
  | {when: 'file'; path: string; withinUs: number}
  | {when: 'port'; port: number; withinUs: number};

/** One of several applications of a job. */
export interface Application {
  name: string;
  /** File and JSON pointer. */
  at: string;
  /** Executable and arguments. */
  command: string[];
  /** Absolute. */
  workDirectory: string;
  /** Over the job's: variables to set, or to take away (null). */
  environment: Record<string, Valued<string | null>>;
  /** Limits of its own, below the shared ones. */
  cores: Valued<number> | null;
  memory: Valued<number> | null;
  needs: Valued<string>[];
  ready: Ready;
  restart: {on: 'failure' | 'always'; limit: number} | null;
}

export interface Applications {
  list: Application[];
  /** Its end is the job's. */
  primary: Valued<string> | null;
  onFailure: 'stop-all' | 'continue';
  onOom: 'stop-all' | 'kill-application';
  output: 'prefixed' | 'files';
}

export interface Job {
  name: string | null;
  pattern: Valued<Pattern | 'auto'>;
  /** Executable and arguments; empty where there are applications. */
  command: string[];
  /** Several in one box, instead of the command. */
  applications: Applications | null;
  /** Absolute. */
  workDirectory: Valued<string>;
  /** Variables to set, or to take away (null). */
  environment: Record<string, Valued<string | null>>;
  /** What was asked for; absent: nothing. */
  limits: Limits;
  network: Valued<'host' | 'none'> | null;
  devices: Valued<string>[];
  writable: Valued<string>[];
  filesystem: Valued<FileSystem> | null;
  /** Unpacked image, absolute; only with a view of it. */
  image: Valued<string> | null;
  /** Repositories of CVMFS; empty: whatever the node has. */
  cvmfs: Valued<string>[];
  user: Valued<string> | null;
  vo: string | null;
  queue: string | null;
}
