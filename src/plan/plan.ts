/** Job, policy, facts and call to a plan: decides everything and touches nothing. */

import {TareError, TareErrors} from '../errors.js';
import type {Pattern} from '../job/job.js';
import {liesIn} from '../policy/glob.js';
import {applyRules} from '../policy/match.js';
import {ownPlaces, placesOf} from '../policy/places.js';
import {refusals} from '../policy/refusals.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {planFailurePolicy} from './applications.js';
import {digest} from './canonical.js';
import {isNeverWritable} from './covered.js';
import {degradations, planDegraded, type Degradation} from './degraded.js';
import type {Inputs} from './inputs.js';
import {planLandlock, QUEUES} from './landlock.js';
import {planLimits, type PlannedLimits} from './limits.js';
import {machineIds, type MachineIds} from './machine-ids.js';
import {chooseMode, observeReason, type ModeChoice} from './mode.js';
import {chooseIdentity} from './network.js';
import {planObserved} from './observed.js';
import {checkAvailable, selectPattern} from './pattern.js';
import {planSteps} from './sequence.js';
import type {Step} from './step.js';
import {checkInit, planServices} from './system.js';
import {checkView, chooseView} from './view.js';
import {isOwnDirectory} from './writable.js';

/** @throws TareError | TareErrors when the policy refuses (exit 126) or the job cannot be run here (exit 125); nothing was touched then. */
export function makePlan(original: Inputs): Plan {
  const {job, facts, call} = original;
  const pattern = selectPattern(job);
  const ruled = applyRules(original.policy, {vo: job.vo, user: call.identity.value.name, queue: job.queue, pattern: pattern.value});
  const refused = refusals(job, pattern.value, ruled, call.image?.digest ?? null);
  const [only, ...others] = refused;
  // one that is only observed runs as it would without Tare, and its record says that it would not have; a small machine is never observed
  const isObserved = observeReason(ruled.policy, call) !== null && pattern.value !== 'vm-lite';
  if (only !== undefined && !isObserved) throw others.length === 0 ? only : new TareErrors(refused);
  const inputs: Inputs = {...original, policy: ruled.policy};
  const {policy} = inputs;
  checkAvailable(pattern, job);
  checkIdentity(inputs);
  checkOwnPlaces(inputs);
  const identity = chooseIdentity(inputs);
  const isolated = identity === null ? null : identity.kind === 'host' ? 'host' : 'none';
  const network = isolated ?? job.network?.value ?? policy.network.value[0] ?? 'host';
  const view = chooseView(inputs);
  const mode = chooseMode(policy, facts, call, {network, view, pattern, identity: identity !== null});
  if (pattern.value === 'vm-lite') checkInit(inputs);
  if (mode.value === 'box') checkView(view, inputs);
  const ids: MachineIds = pattern.value === 'vm-lite' ? machineIds(inputs, view.image !== null) : {maps: null, lacking: null};
  const limits = planLimits(inputs, mode);
  const observed = mode.value === 'observe' ? planObserved(original, policy, limits, makePlan) : null;
  const less = degradations(mode, limits, facts, call, ids);
  const degraded = planDegraded(policy, mode, less);
  const engine = planEngine(inputs, mode, pattern.value);
  const steps = planSteps(inputs, {mode, limits, network, pattern: pattern.value, own: identity, observed, maps: ids.maps});
  const landlock = planLandlock({engine, steps}, facts.landlock);
  return {
    schema: 'tare/plan/v1',
    inputs: {job: digest({job, call}), policy: digest(original.policy), facts: digest(facts)},
    job: {name: job.name, vo: job.vo, queue: job.queue, user: call.identity.value.name},
    site: policy.site,
    pattern,
    mode,
    engine,
    ...(landlock === undefined ? {} : {landlock}),
    rule: ruled.rule,
    limits,
    ...(observed === null ? {} : {observed}),
    grace: {us: policy.graceUs.value, provenance: policy.graceUs.provenance},
    ...(degraded === undefined ? {} : {degraded}),
    applications: planFailurePolicy(job.applications, pattern.value, pattern.value === 'vm-lite' ? planServices(inputs).length : 0),
    slot: {
      name: call.slot.name,
      memoryLimitBytes: call.slot.memoryBytes?.value ?? facts.slot.memoryLimitBytes,
      cores: call.slot.cores?.value ?? facts.slot.cores,
      scratchBytes: call.slot.scratchBytes?.value ?? null,
      gpus: call.slot.gpus?.value ?? null,
      memoryDirectory: facts.slot.memoryDirectory,
    },
    steps: landlock?.writable.includes(QUEUES) === true ? withQueues(steps) : steps,
    directories: placesOf(policy, facts.caller.uid),
    log: policy.log,
    pauseAt: policy.pauseAt,
    flags: planFlags(mode, limits, inputs, less),
  };
}

const withQueues = (steps: readonly Step[]): Step[] => steps.map((step) => (step.op === 'mount.dev' ? {...step, queues: QUEUES} : step));

function planEngine({facts: {bubblewrap, system}}: Inputs, mode: ModeChoice, pattern: Pattern): Plan['engine'] {
  if (mode.value !== 'box') return {name: 'none', path: null, version: null, because: mode.because};
  if (pattern === 'vm-lite' && system !== null)
    return {name: system.oci.name ?? 'none', path: system.oci.path, version: system.oci.version, because: system.oci.how};
  return {name: 'bubblewrap', path: bubblewrap.path, version: bubblewrap.version, because: bubblewrap.how};
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

function planFlags(mode: ModeChoice, limits: PlannedLimits, {facts, policy}: Inputs, less: readonly Degradation[]): string[] {
  const flags: string[] = [];
  if (facts.within !== null) flags.push('nested');
  else if (mode.value === 'limits-only') flags.push('unboxed');
  if (mode.value === 'observe') flags.push('observe');
  if (limits.memory.enforcement === 'watched') flags.push('sampled-memory');
  if (mode.value === 'box' && policy.seccomp.value !== 'unconfined' && !facts.seccomp.available) flags.push('unfiltered');
  for (const {code} of less) if (!flags.includes(code)) flags.push(code);
  return flags;
}
