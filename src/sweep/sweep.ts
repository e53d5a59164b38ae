/**
 * Closes what a crash left open, for the user whose process this is: stops what still runs of boxes whose wrapper is gone, weighs what
 * their groups still tell, removes them, and closes their records. Whatever kills a sweep, another goes on where it was.
 */

import {lstatSync} from 'node:fs';
import {join} from 'node:path';
import {sweepLeases} from '../box/network-leases.js';
import {removePrivate} from '../box/trees.js';
import {asTareError} from '../errors.js';
import type {Places} from '../policy/places.js';
import {here} from '../process/presence.js';
import {isOwn, namesIn} from '../record/durable.js';
import {sweepOwn} from '../repositories/own.js';
import {sweepSteps} from '../step/folder.js';
import {HALF_MADE_MS, sweepBox} from './sweep-box.js';
import {sweepRecords} from './sweep-records.js';
import type {Swept} from './swept.js';

/** The account for which a sweep is made, and the time that it may take. */
export interface SweepOptions {
  uid: number;
  /** After so long no further box is begun, and none is waited for that long. Absent: all are begun, and 10 s waited for each, ms. */
  patienceMs?: number;
  /** Steps to stop at, for tests. */
  pauseAt?: readonly string[];
}

/** How long a killed box may take to be empty. */
const EMPTY_DEADLINE_MS = 10_000;

/** Sweeps one user: all boxes, then the records without a box. */
export async function sweep(places: Places, options: SweepOptions): Promise<Swept[]> {
  const at = here();
  const boxes = await sweepBoxes(places, options, at);
  return [...boxes, ...sweepRecords(places, options, at)];
}

/** The boxes alone: what a wrapper does for its user in passing. */
export async function sweepBoxes(places: Places, {uid, patienceMs, pauseAt: pauses = []}: SweepOptions, at = here()): Promise<Swept[]> {
  const {state, scratch} = places;
  const folder = join(state, 'boxes');
  sweepTrials(scratch); // of an account that has had no box yet, too
  // what others could have put there is not obeyed
  const strange = [state, folder].find((place) => !isOwn(place, uid));
  // another's is that one's to sweep
  if (strange !== undefined) return ownerOf(strange) === uid ? [{recordId: null, result: 'left', message: notOwn(strange, uid)}] : [];
  const swept: Swept[] = [];
  const end = performance.now() + (patienceMs ?? Infinity);
  for (const name of namesIn(folder)) {
    if (performance.now() > end) break;
    try {
      const one = await sweepBox(folder, name, at, {patienceMs: patienceMs ?? EMPTY_DEADLINE_MS, pauses, places});
      if (one !== null) swept.push(one);
    } catch (error) {
      swept.push({recordId: null, result: 'left', message: `${join(folder, name)}: ${asTareError(error).message}`});
    }
  }
  sweepSteps(state, uid);
  const own = sweepOwn(scratch, at);
  swept.push(
    ...own.removed.map((folder): Swept => ({
      recordId: null,
      result: 'cleaned',
      message: `${folder} was kept for a client whose job is gone`,
    })),
    ...own.left.map((folder): Swept => ({recordId: null, result: 'left', message: `cannot be removed: ${folder}`})),
  );
  await sweepLeases(state, (box) => namesIn(folder).some((name) => name === box || name.startsWith(`${box}.`)));
  return swept;
}

/** Removes trials of overlays in the scratch directory whose process was killed meanwhile. */
function sweepTrials(scratch: string): void {
  for (const name of namesIn(scratch).filter((one) => one.startsWith('.tare-trial-'))) {
    const path = join(scratch, name);
    const found = lstatSync(path, {throwIfNoEntry: false});
    if (found?.uid === process.getuid?.() && Date.now() - (found?.mtimeMs ?? 0) > HALF_MADE_MS) removePrivate(path, null, null);
  }
}

const ownerOf = (path: string): number | undefined => lstatSync(path, {throwIfNoEntry: false})?.uid;

const notOwn = (place: string, uid: number): string =>
  `boxes in ${place} are not swept: it is no directory of uid ${String(uid)} or root that nobody else can write to; mend its owner and mode`;
