/**
 * Adds to a directory queue that SSM reads (dirq's QueueSimple: python-dirq 1.8, dirq/QueueSimple.py). An element is a file whose name appears
 * by a hard link, when all of it is on disk: a reader sees no part of one. Unlike dirq's own, it is synced.
 */

import type {ExportEffects} from '@tare/contract';

/** dirq's granularity: one directory per minute. */
const GRANULARITY_S = 60;
const TRIES = 1000;

/** @returns the path of the element. @throws Error */
export function addToQueue(queue: string, text: string, effects: ExportEffects, digit: number): string {
  effects.makeDirectory(queue);
  for (let attempt = 0; attempt < TRIES; attempt++) {
    // a writer that finds the name taken goes on to the next microsecond
    const nowUs = effects.nowUs() + attempt;
    const seconds = Math.floor(nowUs / 1e6);
    const directory = `${queue}/${hex(seconds - (seconds % GRANULARITY_S), 8)}`;
    const element = `${directory}/${hex(seconds, 8)}${hex(nowUs % 1e6, 5)}${hex(digit, 1)}`;
    const temporary = `${element}.tmp`;
    try {
      writeTemporary(directory, temporary, text, queue, effects);
    } catch (error) {
      if (isTaken(error)) continue;
      throw error;
    }
    try {
      effects.link(temporary, element);
    } catch (error) {
      effects.remove(temporary);
      if (isTaken(error)) continue;
      throw error;
    }
    effects.syncDirectory(directory);
    effects.remove(temporary);
    return element;
  }
  throw new Error(`${queue}: ${String(TRIES)} names in a row are taken`);
}

/** A purge may remove a directory between its making and its use. */
function writeTemporary(directory: string, temporary: string, text: string, queue: string, effects: ExportEffects): void {
  try {
    effects.create(temporary, text);
  } catch (error) {
    if ((error as {code?: string}).code !== 'ENOENT') throw error;
    effects.makeDirectory(directory);
    effects.syncDirectory(queue);
    effects.create(temporary, text);
  }
}

const isTaken = (error: unknown): boolean => (error as {code?: string}).code === 'EEXIST';

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');
