/** What has happened to a live box, from outside. */

import {readFileSync} from 'node:fs';
import type {BoxEvent} from '../box/events.js';
import {readEvents} from '../box/state.js';
import {ifPossible, printable} from '../errors.js';
import {epochUs, sleep} from '../process/clock.js';
import {isRunning} from '../process/process.js';
import type {LiveBox} from './box-view.js';

/** How often new ones are looked for, ms. */
const LOOK_MS = 250;

/** How events are shown. */
export interface Showing {
  follow: boolean;
  /** Each event as it is kept. */
  json: boolean;
  /** @returns false when nobody reads any more */
  write: (line: string) => boolean;
}

/** Writes the events of the box's file, which begins at the last full write of the state. With `follow` it goes on until the box is gone. */
export async function showEvents({directory, shim}: LiveBox, {follow, json, write}: Showing): Promise<void> {
  let last = 0;
  const show = (): boolean => {
    const events = read(directory).filter(({seq}) => seq > last);
    last = events.at(-1)?.seq ?? last;
    return events.every((event) => write(json ? JSON.stringify(event) : lineOf(event)));
  };
  let isRead = show();
  while (follow && isRead && shim !== null && isRunning(shim)) {
    await sleep(LOOK_MS);
    isRead = show();
  }
}

/** The folder is gone with the box. */
const read = (directory: string): BoxEvent[] => ifPossible(() => readEvents(directory)) ?? [];

/**
 * CLOCK_MONOTONIC in µs, to 10 ms: no shim tells a command its clock, and hrtime of the compiled program counts from its own start.
 * /proc/uptime also counts the time for which the node was suspended (proc_uptime(5)).
 */
const uptimeUs = (): number => Number.parseFloat(readFileSync('/proc/uptime', 'latin1')) * 1e6;

/** Calendar time, type and fields of an event. */
function lineOf({seq: _, us, type, ...what}: BoxEvent): string {
  const at = new Date((epochUs() - uptimeUs() + us) / 1000).toISOString();
  const words = Object.entries(what).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return printable([at, type, ...words].join(' '));
}
