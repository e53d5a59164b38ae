/** What a run is asked for, and what comes of it. */

import type {Failure, Plugin} from '@tare/contract';
import type {Groups} from '../cgroup/manager.js';
import type {UsageRecord} from '../record/record.js';
import type {TakeProgress} from './image.js';
import type {Request} from './load-job.js';
import type {ProcessId} from '../process/process.js';
import type {Policy} from '../policy/policy.js';
import type {Ending as Quit} from '../schema/generated/protocol.js';
import type {Plan} from '../schema/generated/plan-1.js';

/** What a run was asked for, by a batch system or on the command line. */
export interface RunRequest extends Request {
  /** Where a copy of the final record goes. */
  recordCopy: string | null;
  /** Log lines on standard error. */
  verbose: boolean;
  /** Something is printed on standard output at the end. */
  usesStdout: boolean;
  /** The caller: the batch system (`wrapper`), or a user of the command line (`command`). */
  role: 'wrapper' | 'command';
  /** null: no progress is shown. */
  onlooker: Onlooker | null;
  plugins: readonly Plugin[];
  /** A box is only tried: what comes of it is filled in. Absent: it is a job. */
  probe?: Trial;
  /** Version of Tare, for the record. */
  version: string;
}

/** How a trial runs for `tare doctor --attacks`. */
export interface AttackedAs {
  /** Images lie in there, whatever the policy allows. */
  directory: string;
  /** Without a box, as under the mode observe. */
  bare: boolean;
  /** The engine that is attacked, whatever a rule lists; null: none. */
  engine: string | null;
}

/** A box that is only tried. */
export interface Trial {
  /** The job that attacks the box from inside (`tare doctor --attacks`); null: none. */
  attacks: AttackedAs | null;
  /** Name of the account that it is tried as; null: it has none, or it was not looked up yet. */
  user: string | null;
  /** Where records of jobs go. */
  spools: string[];
  /** The policy for a plain job of this account; null: it did not come so far. */
  policy: Policy | null;
  /** What was carried out at last; null: it did not come so far. */
  plan: Plan | null;
  /** Why jobs run without Tare; null: they do not. */
  off: string | null;
}

/** Is told of the progress of a job. The function that a call returns is called when that stage is over. */
export interface Onlooker {
  /** The job waits for its image; null: there is nothing to say yet. */
  waiting: (look: () => TakeProgress | null) => () => void;
  /** The payload executes, until the box is gone. */
  running: (box: RunningBox) => () => void;
}

/** What an onlooker is told of a box. */
export interface RunningBox {
  groups: Groups;
  init: ProcessId | null;
  memoryLimitBytes: number | null;
  applications: () => readonly {name: string; state: string}[];
}

/** How a run ended, for the batch system, the caller and the shim. */
export interface RunResult {
  quit: Quit;
  /** null only under the kill switch. */
  record: UsageRecord | null;
  /** Path of the record in the spool. */
  path: string | null;
  /** Where the record waits for a sweep, because no spool took it: the state of the box then stays. Absent or null: it does not wait. */
  waits?: string | null;
  /** Messages for people: nothing was run, or the record could not be written. */
  messages: string[];
  /** Why nothing was run, and whose fault that is; null when the payload ran. */
  failure: Omit<Failure, 'record'> | null;
  /** Signals that the wrapper was sent and passed on. */
  signals: readonly number[];
  /** The directory of what was kept for a supervisor that would have followed: all is told. Absent: it stays, for a sweep, or nothing was kept. */
  forget?: string;
}
