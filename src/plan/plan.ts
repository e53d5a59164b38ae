/** Job, policy, facts and call to a plan: decides everything and touches nothing. */

import type {Engine, Reason} from '@tare/contract';
import {TareError, TareErrors} from '../errors.js';
import {liesIn} from '../policy/glob.js';
import {applyRules} from '../policy/match.js';
import {ownPlaces, placesOf} from '../policy/places.js';
import {refusals} from '../policy/refusals.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {planFailurePolicy} from './applications.js';
import {digest} from './canonical.js';
import {isNeverWritable} from './covered.js';
import {degradations, planDegraded, type Degradation} from './degraded.js';
import {chooseEngine, plannedKind, planRefusal} from './engine.js';
import {requireKnownEngine} from './engine-names.js';
import type {EngineChoice, Inputs} from './inputs.js';
import {planLandlock, QUEUES} from './landlock.js';
import {planLimits, type PlannedLimits} from './limits.js';
import {machineIds, type MachineIds} from './machine-ids.js';
import {chooseMode, observeReason, type ModeChoice} from './mode.js';
import {chooseIdentity} from './network.js';
import {planObserved} from './observed.js';
import {checkAvailable, selectPattern} from './pattern.js';
import {planSteps} from './sequence.js';
import type {Step} from './step.js';
import {storeObstacles} from './stores.js';
import {checkInit, planServices} from './system.js';
import {checkView, chooseView} from './view.js';
import {isOwnDirectory} from './writable.js';

/** @throws TareError | TareErrors when the policy refuses (exit 126) or the job cannot be run here (exit 125); nothing was touched then. */
export function makePlan(inputs: Inputs): Plan {
  // an engine for which there is a step that it cannot do is not asked again
  const unable = new Map<string, Reason>();
  for (;;) {
    const {plan, engine} = planWithout(unable, inputs);
    const reason = engine === null ? null : planRefusal(engine, plan);
    if (engine === null || reason === null) return plan;
    unable.set(engine.name, reason);
  }
}

/** @param unable engines that cannot do the plan, by their names */
function planWithout(unable: ReadonlyMap<string, Reason>, original: Inputs): {plan: Plan; engine: Engine | null} {
  const {job, facts, call} = original;
  const pattern = selectPattern(job);
  const ruled = applyRules(original.policy, {vo: job.vo, user: call.identity.value.name, queue: job.queue, pattern: pattern.value});
  const refused = refusals(job, pattern.value, ruled, call.image?.digest ?? null);
  const [only, ...others] = refused;
  // one that is only observed runs as it would without Tare, and its record says that it would not have; a small machine is never observed
  const isObserved = observeReason(ruled.policy, call) !== null && pattern.value !== 'vm-lite';
  if (only !== undefined && !isObserved) throw others.length === 0 ? only : new TareErrors(refused);
  const {policy} = ruled;
  const unchosen: Inputs = {...original, policy};
  checkAvailable(pattern, job);
  checkIdentity(unchosen);
  checkOwnPlaces(unchosen);
  const identity = chooseIdentity(unchosen);
  const isolated = identity === null ? null : identity.kind === 'host' ? 'host' : 'none';
  const network = isolated ?? job.network?.value ?? policy.network.value[0] ?? 'host';
  if (!isObserved) requireKnownEngine(policy, original.engines);
  // what is only observed has no engine, and one that the policy forbids does not keep it from running
  const asked = {facts, policy, engines: original.engines, only: isObserved ? null : (call.engine ?? null)};
  const unableToo = new Map([...storeObstacles(unchosen), ...unable]);
  const choice = chooseEngine(asked, {pattern: pattern.value, network, userProgram: identity?.kind === 'user'}, unableToo);
  const view = chooseView({...unchosen, engine: typeof choice === 'string' ? null : choice});
  const mode = chooseMode(unchosen, {network, view, pattern, identity: identity !== null}, choice);
  const engine = mode.value === 'box' && typeof choice !== 'string' ? choice : null;
  const inputs: Inputs = {...unchosen, engine};
  if (pattern.value === 'vm-lite') checkInit(inputs);
  if (mode.value === 'box') checkView(view, inputs);
  const ids: MachineIds = pattern.value === 'vm-lite' ? machineIds(inputs, view.image !== null) : {maps: null, lacking: null};
  const limits = planLimits(inputs, mode);
  const observed = mode.value === 'observe' ? planObserved(original, policy, limits, makePlan) : null;
  const less = degradations(mode, limits, facts, call, ids, engine);
  const degraded = planDegraded(policy, mode, less);
  const steps = planSteps(inputs, {mode, limits, network, pattern: pattern.value, own: identity, observed, maps: ids.maps});
  const planned = {engine: planEngine(engine, mode), pattern, steps};
  const landlock = planLandlock(planned, engine?.engine ?? null, facts.landlock);
  const plan: Plan = {
    schema: 'tare/plan/v1',
    inputs: {job: digest({job, call}), policy: digest(original.policy), facts: digest(facts)},
    job: {name: job.name, vo: job.vo, queue: job.queue, user: call.identity.value.name},
    site: policy.site,
    pattern,
    mode,
    engine: planned.engine,
    ...(landlock === undefined ? {} : {landlock}),
    rule: ruled.rule,
    limits,
    ...(observed === null ? {} : {observed}),
    grace: {us: policy.graceUs.value, provenance: policy.graceUs.provenance},
    ...(degraded === undefined ? {} : {degraded}),
    applications: planFailurePolicy(job.applications, pattern.value, pattern.value === 'vm-lite' ? planServices(inputs).length : 0),
    slot: planSlot(inputs),
    steps: landlock?.writable.includes(QUEUES) === true ? withQueues(steps) : steps,
    directories: placesOf(policy, facts.caller.uid),
    log: policy.log,
    pauseAt: policy.pauseAt,
    flags: planFlags(mode, limits, inputs, less),
  };
  return {plan, engine: engine?.engine ?? null};
}

const planSlot = ({call: {slot}, facts}: Inputs): Plan['slot'] => ({
  name: slot.name,
  memoryLimitBytes: slot.memoryBytes?.value ?? facts.slot.memoryLimitBytes,
  cores: slot.cores?.value ?? facts.slot.cores,
  scratchBytes: slot.scratchBytes?.value ?? null,
  gpus: slot.gpus?.value ?? null,
  memoryDirectory: facts.slot.memoryDirectory,
});

const withQueues = (steps: readonly Step[]): Step[] => steps.map((step) => (step.op === 'mount.dev' ? {...step, queues: QUEUES} : step));

function planEngine(choice: EngineChoice | null, mode: ModeChoice): Plan['engine'] {
  if (choice === null) return {name: 'none', path: null, version: null, because: mode.because};
  const {name, path, version} = choice.facts;
  const {sealed} = choice.engine;
  const kind = plannedKind(choice.engine);
  return {name, path, version, ...kind, because: choice.because, ...(sealed === undefined ? {} : {sealed})};
}

/** A payload that could write to the spool could write its own record. Links are the runner's business. */
function checkOwnPlaces(inputs: Inputs): void {
  const {job, policy, facts} = inputs;
  for (const {value, provenance} of [...(isOwnDirectory(inputs) ? [job.workDirectory] : []), ...job.writable]) {
    const own = ownPlaces(policy, facts.caller.uid).find((place) => liesIn(place, value));
    if (own === undefined || isNeverWritable(value)) continue;
    throw new TareError('STATE_EXPOSED', {
      message: 'the payload may not write to the wrapper’s own directories',
      where: provenance.at,
      found: `${value}, which holds ${own}`,
      remedy: 'start the job elsewhere, or set directories in the policy',
    });
  }
}

function checkIdentity({policy, call, facts}: Inputs): void {
  const {value, provenance} = call.identity;
  if (facts.caller.uid !== 0 && value.uid !== facts.caller.uid) {
    throw new TareError('USER_FORBIDDEN', {
      message: 'only root may run the payload as another account',
      where: provenance.at,
      found: value.name ?? String(value.uid),
      allowed: facts.caller.name ?? String(facts.caller.uid),
    });
  }
  if (value.uid === 0 && facts.caller.uid === 0 && !policy.identity.allowRoot.value) {
    throw new TareError('USER_FORBIDDEN', {
      message: 'the policy does not let a payload run as root',
      where: provenance.at,
      found: 'root',
      remedy: 'name another account, or set identity.allowRoot in the policy',
    });
  }
}

function planFlags(mode: ModeChoice, limits: PlannedLimits, {facts, policy, call}: Inputs, less: readonly Degradation[]): string[] {
  const flags: string[] = [];
  if (facts.within !== null) flags.push('nested');
  else if (mode.value === 'limits-only') flags.push('unboxed');
  if (mode.value === 'observe') flags.push('observe');
  if (mode.value === 'observe' && call.engine !== undefined) flags.push('engine-unused');
  if (limits.memory.enforcement === 'watched') flags.push('sampled-memory');
  if (mode.value === 'box' && policy.seccomp.value !== 'unconfined' && !facts.seccomp.available) flags.push('unfiltered');
  for (const {code} of less) if (!flags.includes(code)) flags.push(code);
  return flags;
}
