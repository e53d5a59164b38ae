import type {BatchJob, BatchSettings} from '@tare/contract';
import type {ProbeResult} from '../cvmfs/classify.js';
import type {EndedObservation, Weighing} from '../decide/observation.js';
import type {NodePlaces} from '../policy/places.js';
import type {LogsRule} from '../policy/policy.js';
import type {ProcessId} from '../process/process.js';
import type {OomVerdict, Stop} from '../record/outcome.js';
import type {RecordChildren} from '../record/parts.js';
import type {RecordApplication, UsageRecord} from '../record/record.js';
import type {Plan} from '../schema/generated/plan-1.js';
import type {Undo} from '../steps/def.js';
import type {OuterBox} from './outer-box.js';
import type {BoxNetwork} from '../network/identity.js';
import type {OutputFile} from './output-file.js';

/** What is known of a live box: on disk as it was made (`box.json`), and what has happened since (`events.jsonl`). */
export interface BoxState {
  schema: 'tare/box/v1';
  /** Number of the last event that is in it. */
  seq: number;
  id: string;
  plan: Plan;
  started: UsageRecord;
  /** The attempt as its batch system tells it, and how that is told of the end. */
  batch: BatchJob;
  settings: BatchSettings;
  /** What was found of the repositories before the payload ran; absent: none was looked at. */
  looked?: ProbeResult[];
  /** Process 1 of the box, or what stands for it, as the shim's namespace sees it; null until it is there. */
  init: ProcessId | null;
  /** The payload's first process, of the same namespace; null until it is there. */
  payload: ProcessId | null;
  /** Of several applications, how each stands, and its keeper while it runs. */
  applications: {name: string; state: string; service: boolean; keeper: ProcessId | null}[];
  /** What their records would say now, without what they used: after the wrapper is killed they are known from here only. */
  noted: RecordApplication[];
  /**
   * The files that the caller gave as standard output and error, where the lines of several applications go, or where the policy keeps what the
   * payload writes; null: neither, or no files.
   */
  output: {stdout: OutputFile | null; stderr: OutputFile | null} | null;
  /** Host name and addresses; null: the node's, or not leased yet. */
  connection: BoxNetwork | null;
  /** The box was connected, which must not be done again. */
  connected: boolean;
  /** What takes away what the box has on the node. */
  undo: Undo[];
  /** Event counters of the memory groups before the payload ran. */
  memoryBefore: unknown;
  /** CLOCK_MONOTONIC µs of the shim's start. */
  shimStartedUs: number;
  cpus: number;
  /** What the caller wants to be told at the end. */
  recordCopy: string | null;
  /** Calendar time of the payload's exec, µs; null until then. */
  startEpochUs: number | null;
  /** The limit that was found exceeded; null until then. */
  stop: Stop | null;
  /** When that was found, on the shim's monotonic clock. */
  stopUs: number | null;
  /** What was observed of the payload until the box was empty; null until then. Absent: written by a version that did not note it. */
  observed?: EndedObservation | null;
  /** What was weighed before the groups were removed; null until then. */
  weighed: Weighing | null;
  /** Its closed record is in a spool, or was: a collector may take it before the box is gone. */
  recorded: boolean;
  /** The box that this one is in; absent: written by a version that did not note it. */
  outer?: OuterBox | null;
  /** Where less than was asked for is counted; null: nowhere. Absent: written by a version that did not count. */
  node?: NodePlaces | null;
  /** Wrappers in the box, as they told; null: they were not listened to yet. */
  parts: RecordChildren | null;
  /** The attempt can have several phases (prepare/earlier.ts); null: it has none. Absent: written by a version that knew of none. */
  phases?: {caller: ProcessId; earlier: UsageRecord | null} | null;
  /** What is kept of the payload's output at the end; null: nothing. Absent: written by a version that kept none. */
  logs?: LogsRule | null;
  /** Whose limit killed, as a sweep found before it removed the groups; null until then. */
  oom: OomVerdict | null;
}
