/** A job that was not run: its record, and what the batch system is told. */

import {constants} from 'node:os';
import {notifyOuter} from '../box/outer-box.js';
import type {TareError, TareErrors} from '../errors.js';
import {kindOfFailure} from '../node-state/counts.js';
import {reportNode} from '../node-state/reports.js';
import {nodePlaces} from '../policy/places.js';
import type {AttemptContext} from '../prepare/attempt-context.js';
import {faultOf, firstOf, refusalRecord} from '../prepare/refusal.js';
import type {RunRequest, RunResult} from '../prepare/request.js';
import {Interrupted} from '../process/kept-signals.js';
import {silentLog, type Log} from '../process/log.js';
import {endOwn} from '../repositories/own.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {store} from './store.js';
import {UNLOGGED} from './less.js';
import {effectsWith, tellBatchSystem} from './tell.js';

/** What was mounted for a box that is not built. */
export async function endMounted(attempt: AttemptContext): Promise<void> {
  await endOwn(attempt.looked);
  attempt.looked = attempt.looked.map(({entry, errors}) => ({entry, errors}));
}

/** Writes the record of an attempt in which nothing ran: the policy refused, the input is wrong, or the box could not be built. */
export async function refuse(
  error: TareError | TareErrors,
  request: RunRequest,
  attempt: AttemptContext,
  plan: Plan | null = null,
  log: Log = silentLog,
): Promise<RunResult> {
  await endMounted(attempt);
  if (attempt.left.length > 0) log.error('left behind, for a sweep', {left: attempt.left});
  const messages = error.message.split('\n');
  const {record: refused, places} = await refusalRecord(error, attempt, plan, request.version);
  const {record, path, waits} = store(
    {places, id: attempt.id, copy: request.recordCopy, files: attempt.files, messages, log},
    {
      ...refused,
      flags: [
        ...refused.flags,
        ...(log.trouble() === null ? [] : [UNLOGGED]),
        ...(attempt.left.length === 0 ? [] : ['left-behind']),
      ].sort(),
    },
  );
  for (const told of [{...record, state: 'started' as const}, record]) await notifyOuter(attempt.outer, told);
  const first = firstOf(error);
  const failure = {fault: faultOf(first, attempt), code: first.code, message: messages.join('; '), exit: error.exit};
  const result: RunResult = {quit: ['code', error.exit], record, path, waits, messages: [...new Set(messages)], failure, signals: []};
  const {batch, settings} = attempt;
  const told = {batch, settings, plugins: request.plugins, effects: effectsWith(attempt.files, log)};
  const {cause} = first;
  if (cause instanceof Interrupted) {
    // it ends as a payload would that had it: nothing has failed
    const signal = constants.signals[cause.signal as NodeJS.Signals];
    return tellBatchSystem({...result, quit: ['signal', signal], failure: null, signals: [signal]}, told);
  }
  if (failure.fault === 'node') reportFailure(attempt, first.code);
  return tellBatchSystem(result, told);
}

/** Reports a failure to the node, for the batch system's wrapper only: a job can call the command line without end. */
export function reportFailure({role, policy, batch, job, looked, caller, id}: AttemptContext, code: string): void {
  if (role !== 'wrapper') return;
  const unusable = looked.flatMap(({entry}) => (entry.state === 'ok' ? [] : [entry.repository]));
  const kind = kindOfFailure(code, {job, policy, policyByJob: batch.policy != null, unusable});
  if (kind !== null) reportNode(nodePlaces(policy, caller.uid), {kind, code, id});
}
