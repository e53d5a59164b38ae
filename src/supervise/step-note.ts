/** What the tasks of a step that share a box tell each other and the process that holds the box. */

import type {ProcessId} from '../process/process.js';
import type {Ending as Quit} from '../schema/generated/protocol.js';

/** A task that has come. */
export interface TaskNote {
  name: string;
  shim: ProcessId;
  /** Its init in the box, as the shims see it; null until it is there. */
  init: number | null;
}

/** How a task has ended, and what its init has waited for, µs and bytes. */
export interface TaskEnd {
  /** null: not known, for instance because its init was killed. */
  rawStatus: number | null;
  /** null: it was not executed. */
  startEpochUs: number | null;
  wallUs: number | null;
  cpuUserUs: number;
  cpuSystemUs: number;
  largestProcessBytes: number;
  reason: string | null;
}

/** What became of the box: its state directory; or why each task has to do without it; or how each is to end. */
export type BoxNote = {directory: string; cwd: string} | {apart: string} | {refused: {messages: string[]; quit: Quit}};

/** All that tasks have noted. */
export interface Noted {
  /** The tasks that have come, in their order, and of these the ones that have ended. */
  tasks: () => {come: number[]; ended: ReadonlySet<number>};
  /** null: it cannot be read. */
  task: (index: number) => TaskNote | null;
  /** null: it has not ended. */
  end: (index: number) => TaskEnd | null;
}
