/** What a plan is made of besides job, policy and facts: whose call it is, and what of the node it may see. */

import {realpathSync, statSync} from 'node:fs';
import {ifPossible} from '../errors.js';
import type {BatchJob} from '@tare/contract';
import {closedAbove, isWithinReach} from '../files/closed.js';
import {leadsTo} from '../files/network-path.js';
import {realPlace} from '../files/real-place.js';
import type {Facts, IdentityFacts} from '../host/facts.js';
import {holderOf} from '../host/taken-ids.js';
import type {Job, Valued} from '../job/job.js';
import {formatDuration} from '../job/quantity.js';
import {readReports} from '../node-state/reports.js';
import {credentialsOf} from '../plan/credentials.js';
import type {Call, CallSlot} from '../plan/inputs.js';
import {RUN} from '../plan/run.js';
import {slotHere} from '../plan/slot.js';
import {liesIn} from '../policy/glob.js';
import {nodePlaces, ownPlaces} from '../policy/places.js';
import type {Policy} from '../policy/policy.js';
import type {AttemptContext} from './attempt-context.js';
import type {Request} from './load-job.js';

/** What a call is made of, once job, policy and facts are there. */
export interface Calling {
  job: Job;
  policy: Policy;
  facts: Facts;
  identity: Valued<IdentityFacts>;
  environment: Readonly<Record<string, string>>;
  cwd: string;
}

/** Gathers what the plan has to know of the call: the identity, the slot, own directories and places below /run. */
export function callOf(
  {job, policy, facts, identity, environment, cwd}: Calling,
  {stepDirectory, engine}: Request,
  attempt: AttemptContext,
): Call {
  const {batch} = attempt;
  return {
    identity,
    environment,
    ownVariables: batch.ownVariables ?? [],
    writable: (batch.writable ?? []).map(({value, at}) => ({value, provenance: {source: 'slot', at}})),
    slot: slotHere(slotOf(batch), facts),
    batchId: batch.lrms.localJobId,
    engine,
    tasks: stepDirectory === undefined ? undefined : batch.together?.count,
    unboxed: unboxedReason(attempt, policy),
    ...(isForeign(job.workDirectory, cwd, policy, identity.value) ? {foreignDirectory: true as const} : {}),
    ...(facts.caller.uid === 0 && facts.system !== null ? takenIds(policy) : {}),
    run: reachableInRun(policy, {identity, environment}),
    ...mountPaths(job, batch, policy, facts.caller.uid, identity.value),
    sample: Number.parseInt(attempt.id.slice(0, 8), 16) / 2 ** 32,
  };
}

/** Examines paths that are mounted in a box: where links lead, and which directories above them the job's user cannot list. Touches no repository. */
function mountPaths(job: Job, batch: BatchJob, policy: Policy, callerUid: number, account: IdentityFacts): Pick<Call, 'closed' | 'real'> {
  const asked = [job.workDirectory, ...job.writable, ...(batch.writable ?? [])].map(({value}) => value);
  const paths = [...new Set([...ownPlaces(policy, callerUid), ...asked])].filter((path) => !leadsTo(path, policy.cvmfs.value.root));
  const places = paths.map((path): [string, string] => [path, realPlace(path)]);
  const real = places.filter(([path, place]) => path !== place);
  const closed = closedAbove(
    places.map(([, place]) => place),
    account,
  );
  return {...(closed.length === 0 ? {} : {closed}), ...(real.length === 0 ? {} : {real: Object.fromEntries(real)})};
}

/** The holder of an id in the range for small machines, if there is one. */
function takenIds(policy: Policy): Pick<Call, 'idsTaken'> {
  const holder = holderOf(policy.identity.machineIds.value);
  return holder === null ? {} : {idsTaken: holder};
}

/** Paths of the node's /run that a box can have: those that the policy or a rule names, and credentials, which are no sockets. The box could not be built with a directory that is closed to the account. */
function reachableInRun(policy: Policy, call: Pick<Call, 'identity' | 'environment'>): string[] {
  const named = [policy.run.value, ...policy.rules.map(({set}) => set.run?.value ?? [])].flat();
  const credentials = credentialsOf(policy, call).flatMap(({path}) => (liesIn(path, RUN) ? [path] : []));
  const isThere = (path: string, file: boolean): boolean | null =>
    ifPossible(() => {
      const place = realpathSync(path);
      return (!file || statSync(place).isFile()) && isWithinReach(place, call.identity.value);
    });
  const found = [...named.filter((path) => isThere(path, false)), ...credentials.filter((path) => isThere(path, true))];
  return [...new Set(found)];
}

/**
 * Whether a job is to start in a directory that it cannot call its own: one for all to write to, as /tmp is, or one that its descriptor names and that
 * neither lies where the job was called nor is its account's.
 */
function isForeign({value, provenance}: Job['workDirectory'], cwd: string, policy: Policy, account: IdentityFacts): boolean {
  if (leadsTo(value, policy.cvmfs.value.root)) return false;
  const isOthers = ifPossible(() => {
    const {uid, mode} = statSync(value);
    if (uid === account.uid) return false;
    return (mode & 0o002) !== 0 || (provenance.source === 'job' && !liesIn(realPlace(value), cwd));
  });
  return isOthers ?? false; // root is nobody there, and its owner is the account
}

function slotOf({slot}: BatchJob): CallSlot {
  const valued = (read: {value: number; at: string} | null) =>
    read === null ? null : {value: read.value, provenance: {source: 'slot' as const, at: read.at}};
  return {
    name: slot.name,
    cores: valued(slot.cores),
    memoryBytes: valued(slot.memoryBytes),
    scratchBytes: valued(slot.scratchBytes),
    gpus: valued(slot.gpus),
    wallTimeUs: valued(slot.wallTimeUs),
    cpuTimeUs: valued(slot.cpuTimeUs),
  };
}

/** A container runtime brings its own namespaces; and a node on which boxes fail again and again does without. */
function unboxedReason({batch, caller}: AttemptContext, policy: Policy): Call['unboxed'] {
  if (batch.kind === 'container') return {because: batch.because, always: true};
  const {blackHole} = policy.batch;
  if (blackHole?.then !== 'unboxed') return null;
  const nowMs = Date.now();
  const since = nowMs - blackHole.withinUs / 1000;
  const {length} = (readReports(nodePlaces(policy, caller.uid), nowMs) ?? []).filter(
    ({uid, kind, epochMs}) => uid === caller.uid && kind === 'failed' && epochMs > since,
  );
  if (length < blackHole.failures) return null;
  const because = `${String(length)} failures of the wrapper in ${formatDuration(blackHole.withinUs)} (${blackHole.provenance.at})`;
  return {because, always: false};
}
