/** Whether the record of a box is another call's. */

import {find} from '../record/journal.js';
import type {BoxState} from './state.js';
import {isWaiting} from './waiting.js';

/**
 * Whether another call has this box's record. A call that has made its folder sees all that were there before, so that of several at once at most one
 * sees nobody; and a box that ends has its record in the spool before its folder goes, or keeps the folder while it waits for a spool.
 */
export async function isRecordTaken({id, plan, started, batch}: BoxState): Promise<boolean> {
  const {state, spools} = plan.directories;
  const {recordId} = started;
  const isSame = (other: BoxState): boolean => other.id !== id && other.started.recordId === recordId;
  if (batch.severalCalls === true) {
    const {boxesIn} = await import('./state-read.js');
    if (boxesIn(state).some(isSame)) return true;
  }
  return find(spools, recordId) !== null || isWaiting(state, recordId);
}
