/** The folder in which is what was found of a node: opened, and its files replaced as wholes. */

import {readFileSync, renameSync, writeFileSync} from 'node:fs';
import {errnoOf, TareError} from '../errors.js';
import {folderOf} from '../node-state/health.js';
import {openReports} from '../node-state/reports.js';
import type {NodePlaces} from '../policy/places.js';

/** @throws TareError NODE_STATE */
export function openPlace(places: NodePlaces): string {
  return guard(places, () => {
    if (places.uid === 0) openReports(places);
    return folderOf(places);
  });
}

/** @throws TareError NODE_STATE in place of what the action throws */
export function guard<T>(places: NodePlaces, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const {message} = error as Error;
    throw new TareError('NODE_STATE', {
      message: `the state of this node cannot be written: ${message}`,
      where: places.uid === 0 ? places.shared : places.own,
      found: errnoOf(error),
      remedy: 'see directories.node in the policy',
      cause: error,
    });
  }
}

/** Replaces a file by one rename. */
export function replace(path: string, text: string, mode: number): void {
  writeFileSync(`${path}.new`, text, {mode});
  renameSync(`${path}.new`, path);
}

/** What only this program writes there. */
export function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return null;
  }
}
