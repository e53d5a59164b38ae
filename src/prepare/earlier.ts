/** Which record is this call's: the attempt's own, that of the phases of the attempt before this one, or one of its own. */

import type {BatchJob} from '@tare/contract';
import type {OuterBox} from '../box/outer-box.js';
import {here, presenceOf} from '../process/presence.js';
import {parentOf, pidNamespace, type ProcessId} from '../process/process.js';
import {find} from '../record/journal.js';
import {isBetweenPhases} from '../record/phases.js';
import type {UsageRecord} from '../record/record.js';

/** The phases of a job that makes checkpoints. */
export interface Phases {
  /** The process that calls the wrapper again for the next phase. */
  caller: ProcessId;
  /** The record of those that are over; null: there are none. */
  earlier: UsageRecord | null;
}

/** null: its batch system continues no attempt, or the process that would do so cannot be seen, which is a remark. */
export function phasesOf(batch: BatchJob, shimPid: number): Phases | null {
  if (batch.checkpoint === undefined) return null;
  const caller = pidNamespace() === null ? null : parentOf(shimPid);
  if (caller !== null) return {caller, earlier: null};
  batch.remarks.push('each phase after a checkpoint has a record of its own: the process that calls the wrapper cannot be seen here');
  return null;
}

interface Call {
  phases: Phases | null;
  outer: OuterBox | null;
  again: boolean | null;
}

/** Looks once: after that the record in the spool can be this call's own. */
export async function findEarlier(
  call: Call,
  spools: readonly string[],
  recordId: string,
  isTaken: () => boolean | Promise<boolean>,
): Promise<void> {
  if (call.again !== null) return;
  // in another's box each call has a record of its own, which is gone with that box
  if (call.outer !== null) call.phases = null;
  if (call.phases !== null) call.phases.earlier = await ofCaller(find(spools, recordId)?.record ?? null, call.phases.caller);
  call.again = call.phases?.earlier == null && (await isTaken());
  if (call.again) call.phases = null;
}

/** What the account has made of its own record is added to no other. */
async function ofCaller(record: UsageRecord | null, {pid, startTicks}: ProcessId): Promise<UsageRecord | null> {
  if (record === null || !isBetweenPhases(record) || presenceOf(record, here()) !== 'here') return null;
  const caller = record.wrapper?.caller;
  if (caller?.pid !== pid || caller.startTicks !== startTicks) return null;
  const {default: validate} = await import('../schema/generated/record-2.validator.js');
  return validate(record) ? record : null;
}
