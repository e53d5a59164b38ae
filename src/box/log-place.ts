/** Whether the wrapper's log can be written, without writing to it. */

import {accessSync, constants, statSync} from 'node:fs';
import {dirname} from 'node:path';
import {errnoOf} from '../errors.js';

/** @returns why not; null: it can, as far as can be seen from here */
export function logObstacle(file: string): string | null {
  const found = statSync(file, {throwIfNoEntry: false});
  if (found?.isDirectory() === true) return `${file} is a directory`;
  const place = found === undefined ? dirname(file) : file;
  try {
    accessSync(place, found === undefined ? constants.W_OK | constants.X_OK : constants.W_OK);
    return null;
  } catch (error) {
    return `${place}: ${errnoOf(error) ?? String(error)}`;
  }
}
