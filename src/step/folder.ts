/**
 * Where the tasks of a step find each other on their node, and the box that they share: a folder in the user's state directory, to which
 * only the user can write. The task that makes it makes the box. It stays after the step, so that a task which comes late makes no second box of one id.
 */

import {linkSync, mkdirSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {errnoOf, ifPossible, TareError} from '../errors.js';
import {migrateStepNote} from '../migrate/step-note.js';
import {isOwn, namesIn, replaceNote} from '../record/durable.js';
import type {UsageRecord} from '../record/record.js';
import {isRunning, type ProcessId} from '../process/process.js';
import type {BoxNote, Noted, TaskEnd, TaskNote} from '../supervise/step-note.js';
import {ensureOwn, readPlainFile} from '../box/state.js';

/** Each kind of note, by its name. */
interface Notes {
  /** The task that made the folder, and is to start the holder. */
  maker: {shim: ProcessId};
  /** The shim of the box. */
  holder: {shim: ProcessId};
  box: BoxNote;
  /** The record, when it is closed. */
  over: {record: UsageRecord | null};
}

const STEPS = 'steps';
/** Time without a change after which no task comes any more. */
const KEPT_MS = 10 * 60_000;

/**
 * @param state the user's state directory
 * @throws TareError STATE_DIRECTORY
 */
export function openStep(state: string, uid: number, step: string): {directory: string; isMaker: boolean} {
  ensureOwn(state, 0o711, uid);
  const steps = join(state, STEPS);
  ensureOwn(steps, 0o700, uid);
  const directory = join(steps, encodeURIComponent(step));
  try {
    mkdirSync(directory, {mode: 0o700});
    return {directory, isMaker: true};
  } catch (error) {
    if (errnoOf(error) === 'EEXIST' && isOwn(directory, uid)) return {directory, isMaker: false};
    throw new TareError('STATE_DIRECTORY', {message: `${directory} cannot be used: ${(error as Error).message}`, cause: error});
  }
}

/** Replaces a note of the step in one rename. @throws Error of the system */
export function writeNote<Name extends keyof Notes>(directory: string, name: Name, note: Notes[Name]): void {
  replaceNote(join(directory, `${name}.json`), note);
}

/** null when there is none. */
export const readNote = <Name extends keyof Notes>(directory: string, name: Name): Notes[Name] | null =>
  read(join(directory, `${name}.json`)) as Notes[Name] | null;

/** Notes that a task has come. @returns false when it has come before: it joins once. @throws Error of the system */
export function comeAs(directory: string, index: number, note: TaskNote): boolean {
  const path = taskPath(directory, index);
  const temporary = `${path}.${String(process.pid)}`;
  writeFileSync(temporary, JSON.stringify(note), {mode: 0o600});
  try {
    linkSync(temporary, path);
    return true;
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    const before = read(path) as TaskNote | null;
    // a supervisor before this one
    return before?.shim.pid === note.shim.pid && before.shim.startTicks === note.shim.startTicks && readEnd(directory, index) === null;
  } finally {
    rmSync(temporary, {force: true});
  }
}

/** Replaces what a task noted when it came. @throws Error of the system */
export function noteTask(directory: string, index: number, note: TaskNote): void {
  replaceNote(taskPath(directory, index), note);
}

/** Notes how a task ended. @throws Error of the system */
export function noteEnd(directory: string, index: number, end: TaskEnd): void {
  replaceNote(endPath(directory, index), end);
}

/** What a task noted when it came; null: nothing yet. */
export const readTask = (directory: string, index: number): TaskNote | null => read(taskPath(directory, index)) as TaskNote | null;
/** What a task noted at its end; null: nothing yet. */
export const readEnd = (directory: string, index: number): TaskEnd | null => read(endPath(directory, index)) as TaskEnd | null;

/** The tasks that have come, and of these the ones that have ended. */
export function tasksIn(directory: string): ReturnType<Noted['tasks']> {
  const names = namesIn(directory);
  const numbers = (pattern: RegExp): number[] => names.flatMap((name) => pattern.exec(name)?.[1] ?? []).map(Number);
  return {come: numbers(/^task-(\d+)\.json$/).sort((a, b) => a - b), ended: new Set(numbers(/^ended-(\d+)\.json$/))};
}

/** The folder as the process that holds the box reads it. */
export const notedIn = (directory: string): Noted => ({
  tasks: () => tasksIn(directory),
  task: (index) => readTask(directory, index),
  end: (index) => readEnd(directory, index),
});

/** Folders of steps that are over, or that a crash left. */
export function sweepSteps(state: string, uid: number): void {
  const steps = join(state, STEPS);
  if (!isOwn(steps, uid)) return;
  for (const name of namesIn(steps)) {
    const directory = join(steps, name);
    const changed = statSync(directory, {throwIfNoEntry: false})?.mtimeMs ?? Infinity;
    if (Date.now() - changed < KEPT_MS || isLive(directory)) continue;
    rmSync(directory, {recursive: true, force: true});
  }
}

function isLive(directory: string): boolean {
  const shims = [
    readNote(directory, 'maker'),
    readNote(directory, 'holder'),
    ...tasksIn(directory).come.map((at) => readTask(directory, at)),
  ];
  return shims.some((one) => one !== null && isRunning(one.shim));
}

const taskPath = (directory: string, index: number): string => join(directory, `task-${String(index)}.json`);
const endPath = (directory: string, index: number): string => join(directory, `ended-${String(index)}.json`);

const read = (path: string): unknown => ifPossible(() => migrateStepNote(JSON.parse(readPlainFile(path).text)));
