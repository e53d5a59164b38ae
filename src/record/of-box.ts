/** The record of a box, while it lives and when it is over: of what its state says, and of what was gathered at its end. Pure. */

import type {Plan} from '../schema/generated/plan-1.js';
import {lostRecord, type Remains} from './lost.js';
import {withObserved, type Marks} from './observed.js';
import {afterPhases, atCheckpoint} from './phases.js';
import {finalRecord, type UsageRecord, type Weighed} from './record.js';

/** What the state of a box says of its record. */
export interface RecordedBox {
  started: UsageRecord;
  plan: Plan;
  /** Wrappers in the box, as they told; null: they were not listened to. */
  parts: NonNullable<UsageRecord['children']> | null;
  /** The attempt can have several phases; null or absent: it has none. */
  phases?: {
    /** The process that calls the wrapper again for the next phase. */
    caller: NonNullable<NonNullable<UsageRecord['wrapper']>['caller']>;
    /** The record of the phases before this one; null: there are none. */
    earlier: UsageRecord | null;
  } | null;
}

/** While the payload runs. */
export const openRecordOf = ({phases, started}: RecordedBox): UsageRecord => afterPhases(phases?.earlier ?? null, started);

/** At an end that the wrapper saw. `goesOn`: it ended with a checkpoint, and another phase may follow. */
export function closedRecordOf(
  {started, plan, parts, phases}: RecordedBox,
  {marks, goesOn, ...weighed}: Omit<Weighed, 'children'> & {marks: Marks; goesOn: boolean},
): UsageRecord {
  const own = withObserved(finalRecord(started, {...weighed, children: parts}), plan, marks);
  const {caller = null, earlier = null} = phases ?? {};
  return goesOn && caller !== null && started.wrapper !== null
    ? atCheckpoint(earlier, own, {...started.wrapper, shim: null, supervisor: null, caller})
    : afterPhases(earlier, own);
}

/** At an end that no wrapper saw, by what was left. */
export function lostRecordOf(
  {started, plan, parts, phases}: RecordedBox,
  {marks, ...remains}: Omit<Remains, 'children'> & {marks: Marks},
): UsageRecord {
  const own = withObserved(lostRecord(started, {...remains, children: parts}), plan, marks);
  return afterPhases(phases?.earlier ?? null, own);
}
