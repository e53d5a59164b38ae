/**
 * What a plugin is written against: types only, so that a plugin is a leaf and the core can change behind them.
 * Units: bytes, microseconds, cores, unless a name says otherwise. Unknown is null.
 */

import type {Engine} from './engine.js';

export type * from './engine.js';

/** A plugin: one outside system. */
export interface Plugin {
  name: string;
  /** The version of this contract. */
  api: 1;
  batchSystems?: readonly BatchSystem[];
  /** In the order in which they are tried where the policy names none. */
  engines?: readonly Engine[];
  exporters?: readonly ExporterEntry[];
}

/** A value and where it was read: for people. */
export interface Read<T> {
  value: T;
  at: string;
}

/** How the wrapper was called. */
export interface BatchCall {
  /** `wrapper`: the batch system called `tare-wrap`; `command`: `tare run` was called in a job. */
  role: 'wrapper' | 'command';
  /** The payload's. */
  argv: readonly string[];
  environment: Readonly<Record<string, string>>;
  /** The caller's directory. */
  cwd: string;
  uid: number;
}

/** A batch system that a plugin knows: how its jobs are recognised, and the code that serves them. */
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
  /** Tells how far the payload has come, ever more seldom: of a job that is killed as a whole nothing else is left. May be absent. */
  reportProgress?(job: BatchJob, progress: Progress, effects: Effects): void;
  /** Tells the batch system how the payload ended. The final record is on disk. */
  reportOutcome(job: BatchJob, ended: Ended, settings: BatchSettings, effects: Effects): Promise<Ending>;
  /** Tells the batch system that nothing was run, and whose fault it is. */
  reportFailure(job: BatchJob, failure: Failure, settings: BatchSettings, effects: Effects): Promise<Ending>;
  /** What the batch system holds of a job by itself, for `tare doctor` in that job. May be absent. */
  examine?(call: Pick<BatchCall, 'environment'>, effects: Pick<Effects, 'readText'>): BatchFinding;
  /** Flags of the record by what the batch system does with such a job, for every call of the wrapper in it. May be absent. */
  flags?(call: Pick<BatchCall, 'environment'>, effects: Pick<Effects, 'readText'>): readonly string[];
}

/** What a plugin found of its batch system, for `tare doctor`. */
export interface BatchFinding {
  /** Which job, and what is done about its limits. */
  found: string;
  /** What is to be changed in the batch system's configuration, one sentence; null: nothing. */
  remedy: string | null;
  /** What it costs if it stays; absent: the batch system limits no more than Tare. */
  costs?: string;
}

/** One attempt of a job as the batch system tells it. Plain data: it is kept on disk for a supervisor that takes over. */
export interface BatchJob {
  /** Name of the batch system. */
  system: string;
  lrms: {host: string | null; queue: string | null; localJobId: string | null; globalJobId: string | null; attempt: number};
  slot: Slot;
  about: About;
  /**
   * `job`: an ordinary payload; `container`: the argv is a container runtime's, put there by the batch system: limits, and no namespaces
   * around it; `session`: a session in a live job: it joins the job's box.
   */
  kind: 'job' | 'container' | 'session';
  /** What a core of the node is worth, as the batch system knows it; absent: it does not say. */
  benchmarks?: readonly (Benchmark & {source: string})[];
  /** Why it is of that kind. */
  because: string;
  /** Absolute path of a descriptor that came with the job. */
  descriptor: Read<string> | null;
  /** A pattern that came with the job beside its descriptor; absent: none. */
  pattern?: Read<string> | null;
  /** Absolute path of the policy that the site names for jobs that come this way; absent: the node's own. */
  policy?: Read<string> | null;
  /** Files that the batch system's own script writes to, outside the work directory; absent: none. */
  writable?: readonly Read<string>[];
  /** Variables that the batch system sets for the wrapper, and not for the payload; absent: none. */
  ownVariables?: readonly string[];
  /** Flags of the record that the batch systems of the job are the reason for; absent: none. */
  flags?: readonly string[];
  /** Processes whose exit means that the job was cancelled; absent: a signal says so. */
  callers?: readonly number[];
  /** Ends of the payload after which the batch system calls the wrapper again for the same attempt; absent: there are none. */
  checkpoint?: Checkpoint;
  /** The job's own script calls the wrapper, and can call it again, also at the same time; absent: the batch system does, once an attempt. */
  severalCalls?: true;
  /** The tasks that were started on this node together with this one, and may share a box; absent: this call is alone. */
  together?: Together;
  /** The adapter's own notes for its reports: JSON. */
  own: Record<string, string | number | boolean | null>;
  /** What could not be read or understood: for the log. */
  remarks: string[];
}

/** How a payload ends that has made a checkpoint and is to be called again. */
export interface Checkpoint {
  /** null: it ends by a signal. */
  exitCode: number | null;
  /** Its number; null: it exits. */
  signal: number | null;
  /** Numbers of the signals that end the attempt: to a payload that was sent one and makes a checkpoint, nothing follows. */
  endedBy: readonly number[];
}

/** Processes that a batch system starts on one node as one (MPI), each by a call of the wrapper. */
export interface Together {
  /** The same for all tasks of the step, and for no other, on this node or another. */
  step: string;
  /** Which of them this is, from 0 on. */
  index: number;
  /** For people. */
  name: string;
  /** How many there are on this node. */
  count: number;
  /** Of all of them, in place of this one's own. */
  globalJobId: string;
  slot: Slot;
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

/** Name, VO and owner of the job, for policy rules and the record. */
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

/** How far a payload has come. */
export interface Progress {
  recordId: string;
  wallUs: number | null;
  cpuUserUs: number | null;
  cpuSystemUs: number | null;
  memPeakBytes: number | null;
}

/** The payload ran and is over. */
export interface Ended {
  record: RecordView;
  /** Numbers of the signals that the wrapper was sent and passed on. */
  signals: readonly number[];
}

/** A failure before the payload ran. */
export interface Failure {
  /** `job`: what the user sent is wrong; `policy`: the site refuses; `node`: it would have run elsewhere. */
  fault: 'job' | 'policy' | 'node';
  /** Row of the table of errors. */
  code: string;
  /** The message, one line. */
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

/** The part of a record of which reports are made. */
export interface RecordView {
  recordId: string;
  state: string;
  pattern: string | null;
  mode: string | null;
  time: ExportRecord['time'];
  allocation: Pick<ExportRecord['allocation'], 'cores' | 'memoryLimitBytes'>;
  usage: {
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
  /** Figures are of all of them; absent: there was one. Between two of them the record's state is `started`. */
  phases?: {count: number};
  outcome: ExportRecord['outcome'] & {evidence: string | null; reason: string | null};
  host: {node: string; tareVersion: string};
  flags: readonly string[];
  /** Of a job that was only observed, what would have been; absent or null: it was not. */
  observed?: {
    limits: Readonly<Partial<Record<LimitName, {exceededBy: number | null}>>>;
    refused: {code: string; reason: string} | null;
    boxed: {value: boolean; because: string} | null;
  } | null;
}

/** Limits of a plan, by their keys in `limits`. */
export type LimitName =
  | 'cores'
  | 'pinCores'
  | 'nice'
  | 'memory'
  | 'memoryHigh'
  | 'swap'
  | 'processes'
  | 'wallTime'
  | 'cpuTime'
  | 'openFiles'
  | 'coreSize'
  | 'scratch';

/** What an adapter may do. */
export interface Effects {
  /** Text of a regular file; null when there is none, it cannot be read, or it is longer than 1 MiB. */
  readText(path: string): string | null;
  /** Whether there is anything of that name. @throws Error when that cannot be told */
  exists(path: string): boolean;
  /** Whether a file, and every directory above it, belongs to root and only root can write to it. */
  isRoots(path: string): boolean;
  /** Makes or replaces a file, links not followed. @throws Error */
  writeText(path: string, text: string): void;
  /** Adds to the end of a file that is there, links not followed. @throws Error */
  append(path: string, text: string): void;
  /** Writes over a part of a file that is there, links not followed. @param offset in bytes @throws Error */
  overwrite(path: string, offset: number, text: string): void;
  /** Removes a file, if there is one. @throws Error */
  remove(path: string): void;
  /** Lets others pass through a directory of the caller's own, without letting them look around. @throws Error */
  letPass(directory: string): void;
  /**
   * @param timeoutMs for all that is done with the connection
   * @throws Error when no answer comes in time
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

/** A format and a place that records go to. Only its name is loaded until an export. */
export interface ExporterEntry {
  /** Its key in the policy's `exporters`, and its name on the command line. */
  name: string;
  load(): Promise<ExporterModule>;
}

/** The code of an exporter, loaded only when the policy switches it on. */
export interface ExporterModule {
  /**
   * @param settings what the policy says under its name, checked against the policy's schema
   * @param node what else the conversion needs
   */
  open(settings: ExporterSettings, node: ExportNode): Exporter;
}

/** What the policy says below `exporters.NAME`, as its schema allows; durations are in µs, sizes in bytes. */
export type ExporterSettings = Readonly<Record<string, unknown>>;

/** The part of the policy that holds for every record of this node. */
export interface ExportNode {
  /** What a core is worth, for records that do not say. */
  benchmarks: readonly Benchmark[];
  /** Codes that errors of this version can have (docs/reference/errors.md); absent: none is told from the others. */
  codes?: readonly string[];
}

/** A benchmark of the node: its name as the accounting system spells it, and its result for one core. */
export interface Benchmark {
  name: string;
  valuePerCore: number;
}

/**
 * A format and its target. A record is offered (`select`), converted, delivered together with others, and acknowledged: delivery is at least
 * once, and what is delivered twice must be recognised as the same, by its identity or by the target.
 */
export interface Exporter {
  name: string;
  /** The version of this contract. */
  api: 1;
  /** At most so many records are delivered at once, */
  batchRecords: number;
  /** and so many bytes. */
  batchBytes: number;
  /** A record that was delivered and has a higher revision now: `deliver` it anew, `refuse` and say so, or `ignore` it. */
  corrections: 'deliver' | 'refuse' | 'ignore';
  /** A warning that is printed each time, for the site that switched it on. */
  warnings: readonly string[];
  /** Why a closed record is none of its business; null when it is. Pure. */
  select(record: ExportRecord): string | null;
  /** Pure: the same record gives the same bytes, whatever the time, the zone, and the language. */
  convert(source: ExportSource): Converted;
  /** Several converted records as one document. Pure. */
  join(texts: readonly string[]): string;
  /**
   * Delivers the items. @returns one result for each, in order; what is reported as delivered survives a crash
   * @throws Error when nothing was delivered
   */
  deliver(items: readonly ExportItem[], effects: ExportEffects): Promise<Delivery[]>;
  /** The core has remembered these: they are not delivered again. */
  acknowledge?(items: readonly ExportItem[], effects: ExportEffects): void;
  /** Done at the end of each run, also of one that found no record. @throws Error */
  conclude?(run: ExportRun, effects: ExportEffects): void;
}

/** What a run of the export saw beside the closed records. Unknown is null. */
export interface ExportRun {
  /** Records that are not over. */
  open: number;
  /** Files that are not what a record is. */
  unreadable: number;
  /** Records that no spool took so far, and that a sweep will write. */
  waiting: number | null;
  /** What the last probe of the node found; null: this node is not probed, or the result cannot be believed. */
  health: NodeHealth | null;
}

/** The part of `health.json` that is exported. */
export interface NodeHealth {
  /** When the node was last looked at, µs since 1970. */
  at: number;
  healthy: boolean;
  /** What closes it; absent: not told. */
  faults?: readonly string[];
  closedSince: number | null;
  /** Whether every full probe got the mode that the policy wants. */
  boxed: boolean | null;
  failures: number | null;
  failuresByAccount: readonly {uid: number; count: number}[];
  checks: readonly {name: string; state: string}[];
  /** Jobs of the last day that ran with less than was asked, by flag. */
  degraded: Readonly<Record<string, number>>;
}

/** A record to convert, parsed and as text. */
export interface ExportSource {
  record: ExportRecord;
  /** The whole record, one line of canonical JSON without its end. */
  text: string;
}

/** The text for one record, or the reason for which there is none. */
export type Converted =
  | {
      text: string;
      /** What had to be changed to fit the format. */
      changed: readonly string[];
    }
  /** The format cannot say this, or its reader would be misled. */
  | {refused: string};

/** A converted record that waits for delivery. */
export interface ExportItem {
  id: string;
  revision: number;
  text: string;
}

/** `untried`: the target does not answer, so this one was spared; the exporter is not asked again in this run. */
export type Delivery =
  {is: 'delivered'} | {is: 'failed'; reason: string} | {is: 'refused'; reason: string} | {is: 'untried'; reason: string};

/** What an exporter may do. Files are synced, and whole or not there. */
export interface ExportEffects {
  /** A directory of the exporter's own. */
  own: string;
  /** null when there is none. @throws Error */
  readText(path: string): string | null;
  /** A file that only root can have written and only root can read. @throws Error */
  readSecret(path: string): string;
  /** Makes a directory and those above it. @throws Error */
  makeDirectory(path: string): void;
  /** Makes or replaces. @throws Error */
  replace(path: string, text: string): void;
  /** @throws Error EEXIST when there is a file of that name */
  create(path: string, text: string): void;
  /** A second name for a file. @throws Error EEXIST */
  link(from: string, to: string): void;
  /** @throws Error */
  remove(path: string): void;
  /** Names in a directory become lasting. @throws Error */
  syncDirectory(path: string): void;
  /** Calendar time, µs since 1970. */
  nowUs(): number;
  /** @throws Error when there is no whole answer in time */
  request(request: HttpRequest): Promise<{status: number; body: string}>;
}

/** One request of an exporter. The texts in `tls` are PEM; null: the system's certificates, and no client certificate. */
export interface HttpRequest {
  method: 'GET' | 'POST';
  url: string;
  headers: Readonly<Record<string, string>>;
  body: string;
  /** For connection, request and answer together. */
  timeoutMs: number;
  tls: {certificate: string | null; key: string | null; ca: string | null};
}

/** The part of a closed record that exporters get; docs/reference/record.md explains each figure. */
export interface ExportRecord {
  recordId: string;
  revision: number;
  state: string;
  trust: string;
  /** A root collector has vouched for it. */
  sealed: boolean;
  site: {name: string | null; infrastructure: string | null; description: string | null};
  ce: {id: string | null};
  lrms: {
    type: string;
    host: string | null;
    queue: string | null;
    localJobId: string | null;
    globalJobId: string;
    attempt: number;
  };
  payload: {index: number; name: string | null};
  /** The usage of another record contains this one's. */
  isPart: boolean;
  /** The other one's id; null: it is none, or the other is not known. */
  partOf: string | null;
  user: {
    local: string | null;
    uid: number | null;
    global: string | null;
    issuer: string | null;
    vo: string | null;
    fqan: string | null;
  };
  time: {
    startEpochUs: number | null;
    endEpochUs: number | null;
    wallUs: number | null;
    suspendedUs: number | null;
  };
  allocation: {cores: number | null; nodes: number | null; memoryLimitBytes: number | null; gpus: number | null};
  pattern: string | null;
  mode: string | null;
  /** Enforcement of each limit that has a value. */
  enforcement: Readonly<Record<string, string>>;
  /** `null` where it is not known, and in records of versions that did not have it. */
  usage: Readonly<Record<UsageFigure, number | null>>;
  tare: {
    launchUs: number | null;
    teardownUs: number | null;
    cpuUserUs: number | null;
    cpuSystemUs: number | null;
    privateMemoryBytes: number | null;
  };
  benchmarks: readonly Benchmark[];
  outcome: {
    status: string;
    exitCode: number | null;
    signal: string | null;
    limit: string | null;
    limitScope: string | null;
    code: string | null;
  };
  /** Of a job that was only observed, what would have been; null: it was not. */
  observed: ExportObserved | null;
  host: {node: string; cpuModel: string | null; tareVersion: string};
  flags: readonly string[];
}

/** What enforcement would have done to a payload that was only observed. */
export interface ExportObserved {
  /** Limits that it exceeded. */
  exceeded: readonly string[];
  /** Limits of which it is not known whether it did. */
  unknown: readonly string[];
  /** Code of the refusal that it would have met; null: it would have run. */
  refused: string | null;
}

/** Keys of a record's usage that hold a number; the suffix is the unit, counts have none. */
export type UsageFigure =
  | 'cpuUserUs'
  | 'cpuSystemUs'
  | 'throttledUs'
  | 'memPeakBytes'
  | 'anonPeakBytes'
  | 'rssPeakBytes'
  | 'pssPeakBytes'
  | 'vmemPeakBytes'
  | 'swapPeakBytes'
  | 'rssAverageBytes'
  | 'pssAverageBytes'
  | 'vmemAverageBytes'
  | 'swapAverageBytes'
  | 'ioReadBytes'
  | 'ioWriteBytes'
  | 'pidsPeak'
  | 'oomKills'
  | 'scratchPeakBytes';
