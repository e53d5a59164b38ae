/**
 * Live boxes as their folders say: for a supervisor that takes over, a sweep, and commands. Apart from what writes them, since the check of
 * events is large, and a job needs it after its launch at the soonest.
 */

import {join} from 'node:path';
import {ifPossible, ifThere} from '../errors.js';
import {migrateBox, migrateEvent, migrateRecords} from '../migrate/box.js';
import {namesIn} from '../record/durable.js';
import isEvent from '../schema/generated/event-1.validator.js';
import {reduce, type BoxEvent} from './events.js';
import {BOX_ID, EVENTS_FILE, guard, readPlainFile, STATE_FILE, type BoxState} from './state.js';
import {waitingSinceMs} from './waiting.js';

/** @throws TareError STATE_DIRECTORY when another supervisor's state cannot be read */
export function readState(directory: string): BoxState {
  return guard(directory, () => {
    const events = readEvents(directory);
    const {text} = readPlainFile(join(directory, STATE_FILE));
    return events.reduce(reduce, migrateBox(JSON.parse(text)) as BoxState);
  });
}

/**
 * What has happened since the state was written whole; the file is only there when something has. Read before the
 * state, which may be about to have them.
 * @throws Error of the system
 */
export const readEvents = (directory: string): BoxEvent[] =>
  ifThere(() => eventsIn(readPlainFile(join(directory, EVENTS_FILE)).text)) ?? [];

/** The same with the owner of the file: a reader of another account's file has to check each value. @throws Error */
export const readForeignEvents = (directory: string): {events: BoxEvent[]; uid: number} | null =>
  ifThere(() => {
    const {text, uid} = readPlainFile(join(directory, EVENTS_FILE));
    return {events: eventsIn(text), uid};
  });

/** The state with the owner of the file: a reader of another account's file has to check each value. @throws Error */
export function readForeignState(directory: string): {state: unknown; uid: number} {
  const events = readEvents(directory);
  const {text, uid} = readPlainFile(join(directory, STATE_FILE));
  return {state: events.reduce(reduce, migrateRecords(JSON.parse(text)) as BoxState), uid};
}

/** The live boxes below one's own state directory, as far as their state can be read: one can be just being made, or removed. */
export function boxesIn(own: string): BoxState[] {
  const boxes = join(own, 'boxes');
  return namesIn(boxes).flatMap((id) => {
    const directory = join(boxes, id);
    const found = ifPossible(() => {
      const state = BOX_ID.test(id) && waitingSinceMs(directory) === null ? readState(directory) : null;
      return Array.isArray(state?.plan.steps) ? state : null;
    });
    return found ?? [];
  });
}

/** What a file of events holds; a line that was cut off by a crash or a full disk, or that another version wrote, is left out. */
export const eventsIn = (text: string): BoxEvent[] =>
  text.split('\n').flatMap((line) => {
    const event = ifPossible(() => migrateEvent(JSON.parse(line)));
    return isEvent(event) ? [event as BoxEvent] : [];
  });
