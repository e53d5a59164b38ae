/** The tasks that share a box, as the supervisor of that box sees them: by what they note in the folder of their step. */

import {ifPossible} from '../errors.js';
import {decodeWaitStatus, SIGKILL, signalName, SIGTERM} from '../record/wait-status.js';
import {NO_APPLICATION_USAGE, type RecordApplication} from '../record/record.js';
import {monotonicUs, sleep} from '../process/clock.js';
import {isRunning} from '../process/process.js';
import type {Noted, TaskEnd, TaskNote} from './step-note.js';
import type {InitReport} from '../decide/observation.js';

const LOOK_MS = 100;
/** How often a shim is looked for that has not said how it ended. */
const SHIM_LOOK_US = 1_000_000;
/** When all that have come have ended, how long those are waited for that have not. */
const LATE_US = 5_000_000;
/** How long those whose box was killed may take to say so. */
const SETTLE_MS = 5_000;

interface Task {
  note: TaskNote;
  end: TaskEnd | null;
  /** Its wrapper is gone, and did not say how it ended. */
  lost: boolean;
}

/** Why tasks that were killed were killed. */
export interface Cause {
  whose: 'payload' | 'slot' | 'node' | null;
  /** A limit was found exceeded. */
  stopped: boolean;
}

/** Follows the tasks of one step, none of which is a child of this process. */
export class StepTasks {
  private readonly noted: Noted;
  private readonly count: number;
  private readonly tasks = new Map<number, Task>();
  private readonly signals: number[] = [];
  private lookedAtShimsUs = 0;
  private quietSinceUs: number | null = null;

  /** @param count of tasks that are expected */
  constructor(noted: Noted, count: number) {
    this.noted = noted;
    this.count = count;
  }

  /**
   * Calls when all tasks have ended that are to come.
   * @param isKilled whether `tare kill` was called: then they are asked to end
   * @returns what ends the watch
   */
  watch(over: () => void, isKilled: () => boolean): () => void {
    const looking = setInterval(() => {
      this.look();
      if (!this.signals.includes(SIGTERM) && isKilled()) this.signal(SIGTERM);
      if (!this.isOver()) return;
      clearInterval(looking);
      over();
    }, LOOK_MS);
    return () => clearInterval(looking);
  }

  /** Inits of the tasks that run. */
  readonly inits = (): number[] => {
    this.look();
    return this.living().flatMap(({note}) => note.init ?? []);
  };

  /** To each task once, by its own wrapper, which passes it on. */
  signal(signal: number): void {
    this.look();
    this.signals.push(signal);
    for (const {note} of this.living()) if (isRunning(note.shim)) ifPossible(() => process.kill(note.shim.pid, signal)); // it is gone
  }

  /** The box of the tasks is gone: waits until each has told how it ended, or can no longer tell. */
  async settle(): Promise<void> {
    for (let waited = 0; waited < SETTLE_MS; waited += LOOK_MS) {
      this.lookedAtShimsUs = 0;
      this.look();
      if (this.living().length === 0) return;
      await sleep(LOOK_MS);
    }
  }

  /** Init's report, with what the inits of the tasks have reported: its status is that of the first that failed. */
  merged(init: InitReport): InitReport {
    const ends = [...this.tasks.values()].flatMap(({end}) => end ?? []);
    const sum = (of: (end: TaskEnd) => number): number => ends.reduce((total, end) => total + of(end), 0);
    return {
      ...init,
      rawStatus: this.rawStatus(),
      childrenUserUs: init.childrenUserUs + sum(({cpuUserUs}) => cpuUserUs),
      childrenSystemUs: init.childrenSystemUs + sum(({cpuSystemUs}) => cpuSystemUs),
      largestProcessBytes: Math.max(0, ...ends.map(({largestProcessBytes}) => largestProcessBytes)),
    };
  }

  private rawStatus(): number {
    const statuses = this.ordered().map(([, {end}]) => end?.rawStatus ?? SIGKILL);
    return statuses.find((status) => status !== 0) ?? 0;
  }

  /** One row of the record for each task, in the order of their numbers. */
  report(cause: Cause, noted: readonly number[]): RecordApplication[] {
    const told = [...noted, ...this.signals];
    return this.ordered().map(([index, {note, end}]) => ({
      index,
      name: note.name,
      role: 'application',
      starts: end?.startEpochUs == null ? 0 : 1,
      startEpochUs: end?.startEpochUs ?? null,
      wallUs: end?.wallUs ?? null,
      limits: {cores: null, memory: null},
      usage:
        end?.startEpochUs == null
          ? NO_APPLICATION_USAGE
          : {
              ...NO_APPLICATION_USAGE,
              cpuUserUs: end.cpuUserUs,
              cpuSystemUs: end.cpuSystemUs,
              cpuSource: 'rusage',
              largestProcessBytes: end.largestProcessBytes,
            },
      outcome: outcomeOf(end, cause, told),
    }));
  }

  private ordered(): [number, Task][] {
    return [...this.tasks.entries()].sort(([a], [b]) => a - b);
  }

  private living(): Task[] {
    return [...this.tasks.values()].filter(({end, lost}) => end === null && !lost);
  }

  private look(): void {
    const {come, ended} = this.noted.tasks();
    const now = monotonicUs();
    const looksAtShims = now - this.lookedAtShimsUs >= SHIM_LOOK_US;
    if (looksAtShims) this.lookedAtShimsUs = now;
    for (const index of come) {
      const before = this.tasks.get(index);
      const note = before?.note.init == null ? this.noted.task(index) : before.note;
      if (note === null) continue;
      const task = before ?? {note, end: null, lost: false};
      Object.assign(task, {note});
      this.tasks.set(index, task);
      if (task.end !== null) continue;
      const gone = looksAtShims && !isRunning(note.shim);
      // what it noted last was noted before it was gone
      if (ended.has(index) || gone) task.end = this.noted.end(index);
      task.lost = task.end === null && (gone || task.lost);
    }
    if (this.living().length > 0 || this.tasks.size === 0) this.quietSinceUs = null;
    else this.quietSinceUs ??= now;
  }

  private isOver(): boolean {
    if (this.quietSinceUs === null) return false;
    return this.tasks.size >= this.count || monotonicUs() - this.quietSinceUs >= LATE_US;
  }
}

function outcomeOf(end: TaskEnd | null, {whose, stopped}: Cause, told: readonly number[]): RecordApplication['outcome'] {
  const nothing = {exitCode: null, signal: null, limit: null, limitScope: null, reason: end?.reason ?? null};
  if (end === null) return {...nothing, status: 'lost', reason: 'its wrapper was killed, and the task with it'};
  if (end.startEpochUs === null) return {...nothing, status: 'not-started'};
  // its init was killed with the box, before it could say more
  if (end.rawStatus === null && whose === null && !stopped) return {...nothing, status: 'lost'};
  const {exitCode, signal} = decodeWaitStatus(end.rawStatus ?? SIGKILL);
  if (signal === null) return {...nothing, status: exitCode === 0 ? 'completed' : 'failed', exitCode};
  const ended = {...nothing, signal: signalName(signal)};
  if (signal === SIGKILL && whose !== null) return {...ended, status: 'limit', limit: 'memory', limitScope: whose};
  return {...ended, status: stopped || told.includes(signal) ? 'stopped' : 'signalled'};
}
