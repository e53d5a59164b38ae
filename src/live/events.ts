/** What has happened to live boxes, from outside. */

import {readFileSync} from 'node:fs';
import type {BoxEvent} from '../box/events.js';
import {readForeignEvents} from '../box/state-read.js';
import {ifPossible, printable} from '../errors.js';
import {epochUs, sleep} from '../process/clock.js';
import {isRunning} from '../process/process.js';
import type {LiveBox} from './box-view.js';

/** How often new ones are looked for, ms: of one box, and of all, which are looked for as well. */
const LOOK_MS = {one: 250, all: 1000} as const;

/** How events are shown. */
export interface Showing {
  follow: boolean;
  /** Writes each event as it is kept, in one line; null: as a line for people. */
  json: ((event: object) => string) | null;
  /** Only what happened at or after that time, µs since 1970; null: all that is there. */
  sinceUs: number | null;
  /** @returns false when nobody reads any more */
  write: (line: string) => boolean;
}

/** Writes the events of the box's file, which begins at the last full write of the state. With `follow` it goes on until the box is gone. */
export async function showEvents(box: LiveBox, {follow, json, sinceUs, write}: Showing): Promise<void> {
  const {shim} = box;
  const events = new NewEvents(sinceUs);
  const show = (): boolean => events.of(box).every((event) => write(json?.(event) ?? lineOf(event)));
  let isRead = show();
  while (follow && isRead && shim !== null && isRunning(shim)) {
    await sleep(LOOK_MS.one);
    isRead = show();
  }
}

/**
 * The same of all boxes, each line with the box's id and the job's name, in the order in which they happened. With `follow` it goes on for ever, and
 * looks for new boxes too. What happens to a box in its last second can be missed: its folder goes with it.
 * @param boxes looks for those that live now
 */
export async function showAllEvents(boxes: () => readonly LiveBox[], {follow, json, sinceUs, write}: Showing): Promise<void> {
  const events = new NewEvents(sinceUs);
  const show = (): boolean => {
    const live = boxes();
    events.keepOnly(live);
    const all = live.flatMap((box) => events.of(box).map((event) => ({box, event})));
    all.sort((a, b) => a.event.us - b.event.us);
    // an event's own fields, which a user's file has, do not say whose it is
    return all.every(({box: {id, name}, event}) =>
      write(json?.({...event, box: id, name}) ?? lineOf(event, [id.slice(0, SHORT_ID), name ?? '-'])),
    );
  };
  while (show() && follow) await sleep(LOOK_MS.all);
}

const SHORT_ID = 12;

/** Events that were not told before. */
class NewEvents {
  private readonly last = new Map<string, number>();
  private readonly sinceUs: number | null;

  constructor(sinceUs: number | null) {
    this.sinceUs = sinceUs;
  }

  /** The folder is gone with the box; what another than its owner has written is not the box's. */
  of({directory, uid}: LiveBox): BoxEvent[] {
    const last = this.last.get(directory) ?? 0;
    const read = ifPossible(() => readForeignEvents(directory));
    const events = read?.uid === uid ? read.events.filter(({seq}) => seq > last) : [];
    this.last.set(directory, events.at(-1)?.seq ?? last);
    const {sinceUs} = this;
    return sinceUs === null ? events : events.filter(({us}) => epochOf(us) >= sinceUs);
  }

  /** Forgets boxes that are gone. */
  keepOnly(boxes: readonly LiveBox[]): void {
    const live = new Set(boxes.map(({directory}) => directory));
    for (const directory of this.last.keys()) if (!live.has(directory)) this.last.delete(directory);
  }
}

/**
 * CLOCK_MONOTONIC in µs, to 10 ms: no shim tells a command its clock, and hrtime of the compiled program counts from its own start.
 * /proc/uptime also counts the time for which the node was suspended (proc_uptime(5)).
 */
const uptimeUs = (): number => Number.parseFloat(readFileSync('/proc/uptime', 'latin1')) * 1e6;

const epochOf = (us: number): number => epochUs() - uptimeUs() + us;

/** As ISO 8601; `-`: what a user's file says is no date. */
const dateOf = (us: number): string => ifPossible(() => new Date(epochOf(us) / 1000).toISOString()) ?? '-';

/** Calendar time, whose it is, type and fields of an event. */
function lineOf({seq: _, us, type, ...what}: BoxEvent, whose: readonly string[] = []): string {
  const words = Object.entries(what).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return printable([dateOf(us), ...whose, type, ...words].join(' '));
}
