/**
 * What a plugin is written against: types only, so that a plugin is a leaf and the core can change behind them.
 * Units: bytes, microseconds, cores, unless a name says otherwise. Unknown is null.
 */

/** A plugin: one outside system. */
export interface Plugin {
  name: string;
  /** The version of this contract. */
  api: 1;
  batchSystems?: readonly BatchSystem[];
}

/** A value and where it was read: for people. */
export interface Read<T> {
  value: T;
  at: string;
}

/** How the wrapper was called. */
export interface BatchCall {
  /** `wrapper`: the batch system called `tare-wrap`; `command`: somebody called `tare run` in a job. */
  role: 'wrapper' | 'command';
  /** The payload's. */
  argv: readonly string[];
  environment: Readonly<Record<string, string>>;
  /** The caller's directory. */
  cwd: string;
  uid: number;
}

export interface BatchSystem {
  /** `lrms.type` of the record. */
  name: string;
  /** By the environment alone, since every call asks. */
  detect(call: BatchCall): boolean;
  /** The rest, loaded only where it is wanted. */
  load(): Promise<BatchAdapter>;
}

/** Translates between one batch system and the core. None of it hangs; what goes wrong is a remark or a line in the log. */
export interface BatchAdapter {
  /** Slot to job. Removes what an attempt before this one left where the batch system would find it. */
  read(call: BatchCall, effects: Effects): BatchJob;
  /** Tells the batch system how the payload ended. The final record is on disk. */
  reportOutcome(job: BatchJob, ended: Ended, settings: BatchSettings, effects: Effects): Promise<Ending>;
  /** Tells the batch system that nothing was run, and whose fault it is. */
  reportFailure(job: BatchJob, failure: Failure, settings: BatchSettings, effects: Effects): Promise<Ending>;
}

/** One attempt of a job as the batch system tells it. Plain data: it is kept on disk for a brain that takes over. */
export interface BatchJob {
  /** Name of the batch system. */
  system: string;
  lrms: {host: string | null; queue: string | null; localJobId: string | null; globalJobId: string | null; attempt: number};
  slot: Slot;
  about: About;
  /**
   * `job`: an ordinary payload; `container`: the argv is a container runtime's, put there by the batch system: limits, and no namespaces
   * around it; `session`: somebody looks into a live job: joins its box.
   */
  kind: 'job' | 'container' | 'session';
  /** Why it is of that kind. */
  because: string;
  /** Absolute path of a descriptor that came with the job. */
  descriptor: Read<string> | null;
  /** The adapter's own notes for its reports: JSON. */
  own: Record<string, string | number | boolean | null>;
  /** What could not be read or understood: for the log. */
  remarks: string[];
}

/** What the batch system granted. */
export interface Slot {
  name: string | null;
  cores: Read<number> | null;
  memoryBytes: Read<number> | null;
  scratchBytes: Read<number> | null;
  gpus: Read<number> | null;
  wallTimeUs: Read<number> | null;
  cpuTimeUs: Read<number> | null;
}

/** Who the job is, for policy rules and the record. */
export interface About {
  name: string | null;
  vo: string | null;
  fqan: string | null;
  /** Identity outside this node: a certificate's subject or a token's. */
  subject: string | null;
  issuer: string | null;
  groups: string[];
}

/** What the site's policy says of batch systems (`batch`). */
export interface BatchSettings {
  /** A payload that was killed for memory: `hold` ends by SIGKILL, so that the batch system treats it as a memory limit; `code` exits. */
  oom: 'hold' | 'code';
}

/** The payload ran and is over. */
export interface Ended {
  record: RecordView;
  /** Numbers of the signals that the wrapper was sent and passed on. */
  signals: readonly number[];
}

/** Nothing was run. */
export interface Failure {
  /** `job`: what the user sent is wrong; `policy`: the site refuses; `node`: it would have run elsewhere. */
  fault: 'job' | 'policy' | 'node';
  /** Row of the table of errors. */
  code: string;
  /** One line for people. */
  message: string;
  /** Exit code of the command line for it. */
  exit: number;
  record: RecordView;
}

/** How the wrapper is to end. */
export interface Ending {
  /** null: as the payload did, or with the failure's exit code. */
  quit: {signal: number} | {code: number} | null;
}

/** Of the record, what reports are made of. */
export interface RecordView {
  recordId: string;
  state: string;
  pattern: string | null;
  mode: string | null;
  time: {wallUs: number | null; suspendedUs: number | null; startEpochUs: number | null; endEpochUs: number | null};
  allocation: {cores: number | null; memoryLimitBytes: number | null};
  net: {
    cpuUserUs: number | null;
    cpuSystemUs: number | null;
    memPeakBytes: number | null;
    anonPeakBytes: number | null;
    ioReadBytes: number | null;
    ioWriteBytes: number | null;
    pidsPeak: number | null;
    oomKills: number | null;
    scratchPeakBytes: number | null;
  };
  tare: {launchUs: number | null; teardownUs: number | null};
  outcome: {
    status: string;
    exitCode: number | null;
    signal: string | null;
    limit: string | null;
    whose: string | null;
    evidence: string | null;
    reason: string | null;
    code: string | null;
  };
  host: {node: string; tareVersion: string};
  flags: readonly string[];
}

/** What an adapter may do. */
export interface Effects {
  /** Text of a regular file; null when there is none, it cannot be read, or it is longer than 1 MiB. */
  readText(path: string): string | null;
  /** Whether there is anything of that name. @throws Error when that cannot be told */
  exists(path: string): boolean;
  /** Whether a file, and every directory above it, is root's and nobody else's to write. */
  isRoots(path: string): boolean;
  /** Makes or replaces a file, links not followed. @throws Error */
  writeText(path: string, text: string): void;
  /** Removes a file, if there is one. @throws Error */
  remove(path: string): void;
  /** Lets others pass through a directory of the caller's own, without letting them look around. @throws Error */
  letPass(directory: string): void;
  /**
   * @param timeoutMs for all that is done with the connection
   * @throws Error when nobody answers in time
   */
  connect(host: string, port: number, timeoutMs: number): Promise<Connection>;
  /** A clock that never steps. */
  monotonicMs(): number;
  log(level: 'debug' | 'info' | 'warn' | 'error', message: string, details?: Record<string, unknown>): void;
}

/** Lines over TCP. */
export interface Connection {
  send(text: string): void;
  /** The next line without its end; null when the other side closed, or the time is over. */
  readLine(): Promise<string | null>;
  close(): void;
}
