/** The record of a job that did not run. */

import {TareError, type TareErrors} from '../errors.js';
import {Interrupted} from '../process/kept-signals.js';
import {find} from '../record/journal.js';
import {notRunOutcome} from '../record/outcome.js';
import {afterPhases} from '../record/phases.js';
import {finalRecord, NO_TARE, NO_TIME, NO_USAGE, startedRecord, type UsageRecord} from '../record/record.js';
import {placesOf, type Places} from '../policy/places.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {attemptOf} from './attempt.js';
import {findEarlier} from './earlier.js';
import type {AttemptContext} from './attempt-context.js';

/** Makes the record of a job that was not run, and says where it goes. */
export async function refusalRecord(
  error: TareError | TareErrors,
  attempt: AttemptContext,
  plan: Plan | null,
  version: string,
): Promise<{record: UsageRecord; places: Places}> {
  const {caller, policy} = attempt;
  const first = firstOf(error);
  const newRecord = (): UsageRecord => startedRecord(attemptOf(attempt, caller, version), plan);
  const places = placesOf(policy, caller.uid);
  const {recordId} = newRecord();
  await findEarlier(attempt, places.spools, recordId, () => find(places.spools, recordId) !== null);
  const started = newRecord();
  const outcome = notRunOutcome(first.kind === 'refused' ? 'refused' : 'wrapper-failure', first.code, error.message, first.exit);
  const {cause} = first;
  const stopped = cause instanceof Interrupted ? {status: 'stopped' as const, signal: cause.signal} : {};
  const figures = {time: NO_TIME, usage: NO_USAGE, tare: NO_TARE, watch: null};
  const record = finalRecord(started, {...figures, outcome: {...outcome, ...stopped}, flags: []});
  return {record: afterPhases(attempt.phases?.earlier ?? null, record), places};
}

/** The error that decides the exit status and the code in the record. */
export const firstOf = (error: TareError | TareErrors): TareError =>
  error instanceof TareError ? error : (error.errors[0] ?? new TareError('INTERNAL', {message: error.message}));

/** Whose fault an error is. Before the policy is read it is never the job's: a broken policy file would end every job for good. */
export function faultOf({kind, code}: TareError, {policy, batch}: AttemptContext): 'job' | 'policy' | 'node' {
  // a container job that asks for what only a box can keep: no node builds one around it
  if (code === 'BOX_UNAVAILABLE' && batch.kind === 'container') return 'job';
  // another node may have it
  if (code === 'ENFORCEMENT_UNAVAILABLE') return 'node';
  if (kind === 'refused') return 'policy';
  return kind === 'input' && policy !== null ? 'job' : 'node';
}
