/** Everything that is decided before anything is touched: documents, facts, plan. */

import {outerBoxOf} from '../box/outer-box.js';
import {readPlan} from '../files/documents.js';
import {jobFiles} from '../files/job-files.js';
import {leadsTo} from '../files/network-path.js';
import type {Through} from '../host/abandon.js';
import {repositoryOf} from '../plan/cvmfs.js';
import type {Inputs} from '../plan/inputs.js';
import {selectPattern} from '../plan/pattern.js';
import {stepOf} from '../plan/step.js';
import {comeTo} from '../process/trace.js';
import {allowsPath} from '../policy/images.js';
import {applyRules} from '../policy/match.js';
import type {Policy} from '../policy/policy.js';
import {callOf} from './call.js';
import {gatherFacts, wants} from './gather.js';
import {nameCaller, payloadIdentity, requireAnswer, type NamedCaller} from './identity.js';
import type {AttemptContext} from './attempt-context.js';
import {loadJob, type Request} from './load-job.js';
import {checkRealPlaces, checkWorkDirectory, requireDirectory} from './places.js';
import {prepareFrom, prepareImage, type Prepared} from './planned.js';

/**
 * @param known is filled as things become known
 * @throws TareError | TareErrors; nothing was touched then
 */
export async function prepare(
  request: Request,
  policy: Policy,
  environment: Readonly<Record<string, string>>,
  cwd: string,
  attempt: AttemptContext,
): Promise<Prepared> {
  // a program may have to be asked, which takes its time beside what follows
  const naming = nameCaller(attempt.caller, policy);
  try {
    const {source} = request;
    if (source.kind === 'plan') return await prepareSaved(source.file, request, policy, environment, attempt, naming);
    return await prepareJob(request, policy, environment, cwd, attempt, naming);
  } finally {
    // the record of a refusal names the account
    attempt.caller = (await naming).caller;
  }
}

async function prepareJob(
  request: Request,
  policy: Policy,
  environment: Readonly<Record<string, string>>,
  cwd: string,
  attempt: AttemptContext,
  naming: Promise<NamedCaller>,
): Promise<Prepared> {
  const {batch} = attempt;
  const {job, callerArgvIndex, cameTo} = await loadJob(request, cwd, batch, attempt.files);
  attempt.job = job;
  checkWorkDirectory(job, policy);
  comeTo('job');
  const facts = await gatherFacts(policy, wants(job, policy), request, attempt, naming);
  comeTo('facts');
  attempt.outer = outerBoxOf(facts.within, environment, facts.caller.uid);
  requireAnswer(await naming, policy);
  const identity = await payloadIdentity(job, policy, facts.caller, cameTo);
  attempt.files = jobFiles(identity.value, cwd);
  const call = callOf({job, policy, facts, identity, environment, cwd}, request, attempt);
  const inputs: Inputs = {job, policy, facts, call, engines: request.engines};
  const {image} = job;
  if (image === null) return prepareFrom(inputs, callerArgvIndex);
  const withImage = (through: Through | null): Promise<Prepared> => {
    attempt.doing?.(`looking at the image ${image.value}`, null);
    return prepareImage(image, inputs, callerArgvIndex, through);
  };
  return isInRepository(image.value, inputs) ? prepareFrom(inputs, callerArgvIndex, withImage) : withImage(null);
}

/** Whether an image that is allowed by its path lies in a repository, which the plan says how to look at. */
function isInRepository(path: string, {policy, job, call}: Inputs): boolean {
  const user = call.identity.value.name;
  const ruled = applyRules(policy, {vo: job.vo, user, queue: job.queue, pattern: selectPattern(job).value}).policy;
  return allowsPath(ruled.images.value, path) && repositoryOf(path, ruled.cvmfs.value.root) !== null;
}

async function prepareSaved(
  file: string,
  request: Request,
  policy: Policy,
  environment: Readonly<Record<string, string>>,
  attempt: AttemptContext,
  naming: Promise<NamedCaller>,
): Promise<Prepared> {
  const [{checkSavedPlan}, {checkStored}] = await Promise.all([import('./saved-plan.js'), import('./image.js')]);
  const plan = await readPlan(file);
  const facts = await gatherFacts(
    policy,
    {
      pins: false,
      view: stepOf(plan, 'mount.overlay') !== undefined,
      system: plan.pattern.value === 'vm-lite',
      network: stepOf(plan, 'hostname.set') !== undefined,
    },
    // the plan's engine is looked for as one that the caller names; whether the policy allows it, the check says
    {engines: request.engines, engine: request.engine ?? (plan.engine.name === 'none' ? undefined : plan.engine.name)},
    attempt,
    naming,
  );
  attempt.outer = outerBoxOf(facts.within, environment, facts.caller.uid);
  requireAnswer(await naming, policy);
  const identity = checkSavedPlan(plan, file, {facts, policy, engines: request.engines, only: request.engine ?? null});
  await checkStored(plan, file, request.engines, facts.caller.uid);
  const workDirectory = stepOf(plan, 'payload.execute')?.workDirectory ?? '/';
  if (!leadsTo(workDirectory, policy.cvmfs.value.root)) requireDirectory(workDirectory, file);
  checkRealPlaces(plan, file, policy);
  return {
    plan,
    facts,
    identity,
    caller: facts.caller,
    callerArgvIndex: null,
    withImage: null,
    inputs: null,
  };
}
