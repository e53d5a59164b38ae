/** Started records that no box stands for any more. */

import {join} from 'node:path';
import {readWaiting} from '../box/waiting.js';
import {TareError} from '../errors.js';
import type {Places} from '../policy/places.js';
import {presenceOf, type Here} from '../process/presence.js';
import {namesIn} from '../record/durable.js';
import {find, journal} from '../record/journal.js';
import {lostRecord} from '../record/lost.js';
import {afterPhases, closedBetweenPhases, isBetweenPhases} from '../record/phases.js';
import {NO_USAGE} from '../record/record.js';
import {isClosed, recordsOf} from '../record/spool.js';
import {stateIn} from './sweep-box.js';
import {REASONS, type Swept} from './swept.js';

/** Started records whose box is gone with the state directory: on a file system in memory, say, before the node was restarted. */
export function sweepRecords({state, scratch, spools}: Places, {uid}: {uid: number}, at: Here): Swept[] {
  const boxes = join(state, 'boxes');
  const idOf = (name: string): string[] => {
    const directory = join(boxes, name);
    const found = stateIn(directory)?.started ?? readWaiting(directory, {state, scratch}, name.split('.')[0] ?? name);
    return found === null ? [] : [found.recordId];
  };
  const known = new Set(namesIn(boxes).flatMap(idOf));
  const swept: Swept[] = [];
  for (const spool of spools) {
    for (const recordId of recordsOf(spool, uid)) {
      const one = known.has(recordId) ? null : sweepRecord(spools, recordId, at);
      if (one !== null) swept.push(one);
    }
  }
  return swept;
}

function sweepRecord(spools: readonly string[], recordId: string, at: Here): Swept | null {
  const found = find(spools, recordId);
  if (found?.record.state !== 'started') return null;
  const {record, path} = found;
  try {
    const presence = presenceOf(record, at);
    if (presence === 'here' || presence === 'unknown') return null;
    // another sweep may just have closed it, with more than we know: it removes the box's folder after that
    if (isClosed(find(spools, recordId)?.record ?? null)) return null;
    if (isBetweenPhases(record)) {
      journal(spools, closedBetweenPhases(record));
      return {recordId, result: 'closed', message: 'its last phase ended with a checkpoint, and no other followed'};
    }
    const reason = REASONS[presence];
    const lost = lostRecord(record, {reason, startEpochUs: null, seen: null, usage: NO_USAGE, applications: [], flags: [], oom: null});
    journal(spools, record.phases === undefined ? lost : afterPhases(record, lost));
    return {recordId, result: 'closed', message: `${reason}; its box is not known any more`};
  } catch (error) {
    // what was written by something else keeps no other from being closed
    const message = error instanceof TareError ? error.message : `${path} is no record of a wrapper (tare records verify); remove it`;
    return {recordId, result: 'left', message};
  }
}
