/** The record of a job that did not run. */

import {TareError, type TareErrors} from '../errors.js';
import {hostname} from 'node:os';
import {notRunOutcome} from '../record/outcome.js';
import {finalRecord, hostOf, NO_TARE, NO_TIME, NO_USAGE, startedRecord, type UsageRecord} from '../record/record.js';
import {placesOf} from '../policy/places.js';
import type {Plan} from '../schema/generated/plan-1.js';
import type {Known} from './prepare.js';

export function refusalRecord(
  error: TareError | TareErrors,
  known: Known,
  plan: Plan | null,
  version: string,
): {record: UsageRecord; spool: string} {
  const {caller, policy, job, facts, id} = known;
  const first = error instanceof TareError ? error : (error.errors[0] ?? new TareError('INTERNAL', {message: error.message}));
  const node = facts?.node.hostname ?? hostname();
  const started = startedRecord(
    {
      lrms: {type: 'none', host: node, queue: job?.queue ?? null, localJobId: null, globalJobId: `${node}#${id}`, attempt: 1},
      identity: caller,
      vo: job?.vo ?? null,
      name: job?.name ?? null,
      host: facts === null ? {node, bootId: null, kernel: null, cpuModel: null, tareVersion: version} : hostOf(facts, version),
      trust: caller.uid === 0 ? 'root' : 'user',
      site: policy?.site ?? {name: null, infrastructure: null, description: null},
    },
    plan,
  );
  const outcome = notRunOutcome(first.kind === 'refused' ? 'refused' : 'wrapper-failure', first.code, error.message, first.exit);
  const record = finalRecord(started, {time: NO_TIME, net: NO_USAGE, tare: NO_TARE, watch: null, outcome, flags: []});
  return {record, spool: placesOf(policy, caller.uid).spool};
}
