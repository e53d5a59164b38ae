/** Everything that is decided before anything is touched: documents, facts, plan. */

import {randomBytes} from 'node:crypto';
import {statSync} from 'node:fs';
import {TareError} from '../errors.js';
import type {Facts, IdentityFacts} from '../host/facts.js';
import {readFacts} from '../host/index.js';
import {spawnBriefly} from '../host/spawn.js';
import type {Job} from '../job/job.js';
import {applyFlags, type JobFlags} from '../job/flags.js';
import {jobFromCommand, jobFromDocument} from '../job/load.js';
import type {Call, Inputs} from '../plan/inputs.js';
import {makePlan} from '../plan/plan.js';
import {stepOf} from '../plan/step.js';
import {placesOf} from '../policy/places.js';
import type {Policy} from '../policy/policy.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {readDocument} from './documents.js';
import {callerIdentity, payloadIdentity} from './identity.js';
import {pinnedCpus} from './pinned.js';
import {checkSavedPlan} from './saved-plan.js';

/** Where the job comes from. */
export type Source =
  | {kind: 'descriptor'; file: string}
  /** `callerArgvIndex`: where the command begins in the caller's argv, which is then passed on byte for byte. */
  | {kind: 'command'; argv: string[]; callerArgvIndex: number | null}
  | {kind: 'plan'; file: string};

export interface Request {
  source: Source;
  flags: JobFlags;
  /** The policy file that was named, null for the node's own. */
  policyFile: string | null;
}

export interface Prepared {
  plan: Plan;
  facts: Facts;
  identity: IdentityFacts;
  caller: IdentityFacts;
  callerArgvIndex: number | null;
  /** The plan for the same job when the engine turned out not to work. @throws TareError BOX_UNAVAILABLE when the policy requires the box */
  withoutBox: ((because: string) => Plan) | null;
}

/** What is known even when preparing fails: the record of a refusal is made of it. */
export interface Known {
  id: string;
  caller: IdentityFacts;
  policy: Policy | null;
  job: Job | null;
  facts: Facts | null;
}

export const newKnown = (): Known => ({id: randomBytes(8).toString('hex'), caller: callerIdentity(), policy: null, job: null, facts: null});

/**
 * @param known is filled as things become known
 * @throws TareError | TareErrors; nothing was touched then
 */
export async function prepare(request: Request, policy: Policy, environment: Readonly<Record<string, string>>, cwd: string, known: Known): Promise<Prepared> {
  const {caller} = known;
  if (request.source.kind === 'plan') return prepareSaved(request.source.file, policy, known);
  const {job, callerArgvIndex} = await loadJob(request, cwd);
  known.job = job;
  checkWorkDirectory(job);
  const identity = payloadIdentity(job, policy, caller);
  const facts = gatherFacts(policy, job, caller);
  known.facts = facts;
  const call: Call = {identity, environment, slot: {name: null, cores: null, memoryBytes: null}, sample: Number.parseInt(known.id.slice(0, 8), 16) / 2 ** 32};
  const inputs: Inputs = {job, policy, facts, call};
  return {
    plan: makePlan(inputs),
    facts,
    identity: identity.value,
    caller,
    callerArgvIndex,
    withoutBox: (because) => makePlan({...inputs, facts: {...facts, bubblewrap: {...facts.bubblewrap, path: null, how: because}}}),
  };
}

async function prepareSaved(file: string, policy: Policy, known: Known): Promise<Prepared> {
  const plan = await readDocument(file, 'plan');
  const facts = gatherFacts(policy, null, known.caller);
  known.facts = facts;
  const identity = checkSavedPlan(plan, file, facts);
  const workDirectory = stepOf(plan, 'payload.execute')?.workDirectory ?? '/';
  requireDirectory(workDirectory, file);
  return {plan, facts, identity, caller: known.caller, callerArgvIndex: null, withoutBox: null};
}

export async function loadJob({source, flags}: Request, cwd: string): Promise<{job: Job; callerArgvIndex: number | null}> {
  if (source.kind === 'descriptor') {
    const job = jobFromDocument(await readDocument(source.file, 'job'), {file: source.file, callerDirectory: cwd});
    return {job: applyFlags(job, flags, cwd), callerArgvIndex: null};
  }
  if (source.kind === 'plan') throw new TypeError('a plan is no job');
  return {job: applyFlags(jobFromCommand(source.argv, cwd), flags, cwd), callerArgvIndex: source.callerArgvIndex};
}

function checkWorkDirectory({workDirectory: {value, provenance}}: Job): void {
  requireDirectory(value, provenance.at);
}

function requireDirectory(directory: string, where: string): void {
  try {
    if (statSync(directory).isDirectory()) return;
  } catch (error) {
    throw new TareError('WORK_DIRECTORY', {message: 'the work directory cannot be used', where, found: `${directory}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`});
  }
  throw new TareError('WORK_DIRECTORY', {message: 'the work directory is not a directory', where, found: directory});
}

function gatherFacts(policy: Policy, job: Job | null, caller: IdentityFacts): Facts {
  const {state, scratch} = placesOf(policy, caller.uid);
  const pins = job?.limits.pinCores?.value === 1 || policy.defaults.pinCores?.value === 1 || policy.maxima.pinCores?.value === 1;
  return readFacts({caller, scratchDirectory: scratch, pinned: pins ? pinnedCpus(state) : [], spawn: spawnBriefly, cacheFile: `${state}/facts.json`});
}
