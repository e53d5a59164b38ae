/** A job: what was asked for, loaded, checked and in plain units (bytes, microseconds, cores). */

import type {Provenance} from '../schema/generated/plan-1.js';

export type {Provenance};

/** The patterns of a box, from the least isolation to the most. */
export type Pattern = 'ulimit++' | 'quotas++' | 'vm-lite';

/** What a payload finds at `/`: the node's files, or a copy-on-write view for the box, or for each application. */
export type FileSystem = 'node' | 'shared' | 'private';

/** Every limit, in the order in which people are shown them. */
export const LIMIT_NAMES = [
  'cores',
  'pinCores',
  'nice',
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

/** Units of limits; `us` are microseconds. */
export type LimitUnit = 'bytes' | 'us' | 'cores' | 'count' | 'flag' | 'nice';

/** The unit of each limit's number; a flag is 0 or 1, a nice value from 0 to 19. */
export const LIMIT_UNITS: Readonly<Record<LimitName, LimitUnit>> = {
  cores: 'cores',
  pinCores: 'flag',
  nice: 'nice',
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

/** Limits in the units of LIMIT_UNITS, each with its place. */
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

/** Several programs of one job, and what follows when one ends. */
export interface Applications {
  list: Application[];
  /** Its end is the job's. */
  primary: Valued<string> | null;
  onFailure: 'stop-all' | 'continue';
  onOom: 'stop-all' | 'kill-application';
  output: 'prefixed' | 'files';
}

/** The init that starts the services of a small machine: the wrapper's own, or one of the image. */
export type Init = 'tare' | 'systemd' | 'sysvinit' | 'openrc' | 'busybox';

/** What runs beside the payload. */
export interface Service {
  name: string;
  /** File and JSON pointer. */
  at: string;
  /** null: the image's init knows it by its name. */
  command: string[] | null;
  /** The box's own root, or the payload's user. */
  user: 'root' | 'job';
  ready: Ready;
  restart: Application['restart'];
}

/** How a box is connected. */
export type AddressKind = 'bridge' | 'macvlan' | 'user' | 'none' | 'host';

/** A host name and an address of the box's own; null: as the policy has it. */
export interface JobIdentity {
  hostname: Valued<string> | null;
  address: Valued<AddressKind> | null;
  pool: Valued<string> | null;
  /** File and JSON pointer. */
  at: string;
}

/** A job as it was asked for, before the policy: checked, in base units, each choice with where it was made. */
export interface Job {
  name: string | null;
  pattern: Valued<Pattern | 'auto'>;
  /** Executable and arguments; empty where there are applications. */
  command: string[];
  /** Several in one box, instead of the command. */
  applications: Applications | null;
  /** The payload is process 1 of a PID namespace of its own; absent: it is not. */
  firstProcess?: Valued<true>;
  /** Absolute. */
  workDirectory: Valued<string>;
  /** Variables to set, or to take away (null). */
  environment: Record<string, Valued<string | null>>;
  /** What was asked for; absent: nothing. */
  limits: Limits;
  network: Valued<'host' | 'none'> | null;
  /** null: the node's. */
  identity: JobIdentity | null;
  devices: Valued<string>[];
  writable: Valued<string>[];
  filesystem: Valued<FileSystem> | null;
  /** Unpacked image, absolute; only with a view of it. */
  image: Valued<string> | null;
  init: Valued<Init> | null;
  services: Service[];
  /** Repositories of CVMFS; empty: whatever the node has. */
  cvmfs: Valued<string>[];
  user: Valued<string> | null;
  vo: string | null;
  queue: string | null;
}
