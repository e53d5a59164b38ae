/** What a run is asked for, and what comes of it. */

import type {UsageRecord} from '../record/record.js';
import type {Request} from './prepare.js';

export interface RunRequest extends Request {
  /** Where a copy of the final record goes. */
  recordCopy: string | null;
  /** Log lines on standard error. */
  verbose: boolean;
  /** Something is printed on standard output at the end. */
  usesStdout: boolean;
  /** Version of Tare, for the record. */
  version: string;
}

/** How the front is to end (`Q` frame). */
export type Quit = ['status', number] | ['code', number] | ['signal', number];

export interface RunResult {
  quit: Quit;
  /** null only under the kill switch. */
  record: UsageRecord | null;
  /** Path of the record in the spool. */
  path: string | null;
  /** Messages for people: nothing was run, or the record could not be written. */
  messages: string[];
}
