/** The identity of an attempt in its record: the batch system's ids, else the box's id. */

import {hostname} from 'node:os';
import {basename} from 'node:path';
import type {BatchJob} from '@tare/contract';
import type {IdentityFacts} from '../host/facts.js';
import type {Policy} from '../policy/policy.js';
import {hostOf, type Attempt, type UsageRecord} from '../record/record.js';
import type {AttemptContext} from './attempt-context.js';

/** What a record says of an attempt from its beginning: whose it is, where it runs, and which job it belongs to. */
export function attemptOf(
  {id, batch, role, policy, job, facts, caller, looked, outer, again, probe}: AttemptContext,
  identity: IdentityFacts,
  version: string,
): Attempt {
  const node = facts?.node.hostname ?? hostname();
  const {lrms, about} = batch;
  const parent = outer === null ? null : {recordId: outer.recordId, how: outer.how};
  // one record is the job's; every other call of the wrapper in the job is a part, with an id of its own
  const isJobs = role === 'wrapper' && batch.kind !== 'session' && parent === null && again !== true;
  const globalJobId = lrms.globalJobId === null ? `${node}#${id}` : isJobs ? lrms.globalJobId : `${lrms.globalJobId}#${id}`;
  return {
    boxId: id,
    lrms: {...lrms, type: batch.system, host: lrms.host ?? node, queue: job?.queue ?? lrms.queue, globalJobId},
    identity,
    grid: {global: about.subject, issuer: about.issuer, vo: job?.vo ?? about.vo, fqan: about.fqan, groups: about.groups},
    // what the batch system calls the job is the name of the job alone: each part of a pilot's would be called pilot.sh
    name: job?.name ?? (parent === null ? about.name : programOf(job)),
    probe,
    parent,
    host: facts === null ? {node, bootId: null, kernel: null, cpuModel: null, tareVersion: version} : hostOf(facts, version),
    trust: caller.uid === 0 ? 'root' : 'user',
    site: policy?.site ?? {name: null, infrastructure: null, description: null},
    benchmarks: benchmarksOf(batch.benchmarks ?? [], policy),
    cvmfs: looked.map(({entry}) => entry),
    flags: batch.flags ?? [],
  };
}

/** null: the job is not known, or has several. */
const programOf = (job: AttemptContext['job']): string | null => basename(job?.command[0] ?? '') || null;

/** What the batch system says of this node counts more than what the policy says of all. */
function benchmarksOf(told: NonNullable<BatchJob['benchmarks']>, policy: Policy | null): UsageRecord['benchmarks'] {
  const ruled = (policy?.benchmarks ?? []).filter(({name}) => !told.some((one) => one.name === name));
  return [...told, ...ruled.map(({name, valuePerCore, at}) => ({name, valuePerCore, source: `policy:${at}`}))];
}
