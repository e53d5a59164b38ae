/** A plan that was saved is checked against this node and this caller before it is obeyed. */

import {TareError} from '../errors.js';
import type {Facts, IdentityFacts} from '../host/facts.js';
import {chooseEngine, coverOf, plannedKind, planRefusal, type EngineInputs} from '../plan/engine.js';
import {LIMIT_NAMES} from '../job/job.js';
import {canonicalJson, digest} from '../plan/canonical.js';
import {planLandlock} from '../plan/landlock.js';
import {PROTECTED} from '../plan/system.js';
import {stepOf, stepsOf, type Step} from '../plan/step.js';
import {placesOf} from '../policy/places.js';
import {connectionSteps, networkObstacle, userSteps} from '../plan/network.js';
import type {Policy} from '../policy/policy.js';
import type {MappedRoot, Plan} from '../schema/generated/plan-1.js';
import {defOf} from '../steps/table.js';

/**
 * @returns the account that the plan's payload runs as
 * @throws TareError PLAN_MISMATCH
 */
export function checkSavedPlan(plan: Plan, file: string, here: EngineInputs & {policy: Policy}): IdentityFacts {
  const {facts, policy} = here;
  const mismatch = (message: string, found: string, allowed: string): TareError =>
    new TareError('PLAN_MISMATCH', {
      message: `the plan does not fit this node: ${message}`,
      where: file,
      found,
      allowed,
      remedy: 'make it anew with `tare plan --json`',
    });

  if (plan.inputs.policy !== digest(policy)) throw mismatch('it was made under another policy', plan.inputs.policy, digest(policy));
  const places = placesOf(policy, facts.caller.uid);
  if (canonicalJson(places) !== canonicalJson(plan.directories))
    throw mismatch('its directories are not the policy’s', canonicalJson(plan.directories), canonicalJson(places));
  checkLimits(plan, policy, mismatch);
  for (const step of plan.steps) {
    const misfit = defOf(step).check?.(step, {plan, facts, policy});
    if (misfit != null) throw mismatch(misfit.message, misfit.found, misfit.allowed);
  }
  const boxed = plan.steps.some(
    ({op}) => (op.startsWith('mount.') && op !== 'mount.pin') || op === 'namespace.unshare' || op === 'privileges.drop',
  );
  const system = plan.pattern.value === 'vm-lite';
  if (boxed !== (plan.engine.name !== 'none') || boxed !== (plan.mode.value === 'box')) {
    throw mismatch(
      'its engine, mode and steps do not belong together',
      `engine ${plan.engine.name}, mode ${plan.mode.value}`,
      'a plan as it was made',
    );
  }
  if (plan.mode.value !== 'observe' && plan.observed !== undefined)
    throw mismatch('it is not observed, and says what would be if it were', plan.mode.value, 'a plan as it was made');
  if (boxed) checkEngine(plan, here, mismatch);
  if (boxed) checkFilter(plan, facts, policy, mismatch);
  const engine = here.engines.find(({name}) => name === plan.engine.name) ?? null;
  const [wall, wanted] = [plan.landlock, planLandlock(plan, engine, facts.landlock)].map((each) => canonicalJson(each ?? null));
  if (wall !== wanted) throw mismatch('what Landlock lets it write to is another', wall ?? '', wanted ?? '');
  if (boxed && system) checkSystem(plan, facts, mismatch);
  checkNetwork(plan, facts, policy, mismatch);
  return planIdentity(plan, facts, policy, mismatch);
}

/** It is one that the policy lists, where it was, of the version that it was, and can do all steps; another may be preferred by now. */
function checkEngine(plan: Plan, here: EngineInputs & {policy: Policy}, mismatch: Mismatch): void {
  const {name, path, version} = plan.engine;
  const rule = here.policy.rules.find((one) => one.name === plan.rule);
  const policy = {engines: rule?.set.engines ?? here.policy.engines};
  if (here.only !== null && here.only !== name) throw mismatch('it is for another engine than the caller wants', name, here.only);
  const choice = chooseEngine(
    {...here, policy, only: name},
    {pattern: plan.pattern.value, network: 'host', userProgram: stepOf(plan, 'network.user') !== undefined},
  );
  if (typeof choice === 'string') throw mismatch('the box cannot be built', choice, 'a node as it was planned for');
  if (path !== choice.facts.path) throw mismatch(`${name} is elsewhere`, path ?? 'none', choice.facts.path ?? 'none');
  if (version !== choice.facts.version)
    throw mismatch(`${name} has another version`, version ?? 'unknown', choice.facts.version ?? 'unknown');
  const {daemon, keeps} = plan.engine;
  if (canonicalJson({daemon, keeps}) !== canonicalJson({daemon: undefined, keeps: undefined, ...plannedKind(choice.engine)}))
    throw mismatch(`${name} starts init in another way`, canonicalJson({daemon, keeps}), canonicalJson(plannedKind(choice.engine)));
  if (plan.engine.sealed !== choice.engine.sealed)
    throw mismatch(`who can enter a box of ${name} is another`, plan.engine.sealed ?? 'any', choice.engine.sealed ?? 'any');
  const refused = planRefusal(choice.engine, plan);
  const covers = stepsOf(plan, 'mount.cover').map(({at}) => at);
  const wanted = [coverOf(choice.engine, here.facts)].filter((at) => at !== null);
  if (canonicalJson(covers) !== canonicalJson(wanted)) throw mismatch('it covers another place', covers.join(', '), wanted.join(', '));
  const root = stepOf(plan, 'view.unshare')?.root ?? null;
  if (plan.pattern.value !== 'vm-lite' && root !== null && !isEnginesRoot(root, choice.engine.prepared, here.facts))
    throw mismatch('its engine’s root has other ids', canonicalJson(root), 'the caller alone');
  if (refused !== null) throw mismatch('its engine cannot do all of its steps', `${name} ${refused}`, 'a plan as it was made');
}

/** Where the engine alone needs a root, that is the caller, with nobody behind it. */
const isEnginesRoot = (root: MappedRoot, prepared: boolean, {caller}: Facts): boolean =>
  prepared && root.uid === caller.uid && root.gid === caller.gid && root.uids.count === 0 && root.gids.count === 0 && caller.uid !== 0;

function checkFilter(plan: Plan, {seccomp}: Facts, policy: Policy, mismatch: Mismatch): void {
  const rule = policy.rules.find(({name}) => name === plan.rule);
  const wanted = seccomp.available ? (rule?.set.seccomp ?? policy.seccomp).value : 'unconfined';
  const found = stepOf(plan, 'seccomp.load')?.profile ?? 'unconfined';
  if (found !== wanted) throw mismatch('its filter on system calls is another', found, wanted);
}

/** What keeps a small machine from the node is as the policy and this node make it. */
function checkSystem(plan: Plan, facts: Facts, mismatch: Mismatch): void {
  const {system, caller} = facts;
  if (system === null) throw mismatch('the small machine cannot be built', 'nothing is known', 'a node as it was planned for');
  const {subordinate} = system;
  const same = (what: string, found: unknown, wanted: unknown): void => {
    if (canonicalJson(found) !== canonicalJson(wanted)) throw mismatch(what, canonicalJson(found), canonicalJson(wanted));
  };
  const protect = stepOf(plan, 'paths.protect');
  same('it shows what is hidden', {masked: protect?.masked, readOnly: protect?.readOnly}, PROTECTED);
  const root = stepOf(plan, 'view.unshare')?.root ?? null;
  const wanted = caller.uid === 0 ? null : {uid: caller.uid, gid: caller.gid, uids: subordinate.uids, gids: subordinate.gids};
  same('its root has other ids', root, wanted);
  for (const {name, system: part} of stepsOf(plan, 'application.execute'))
    if (part === null || (part.role === 'payload' && (part.as !== 'job' || part.first)))
      throw mismatch('a payload is not the job’s user', name, 'a plan as it was made');
}

/** Devices, rules and programs are what the policy's pool and this node make of them: root obeys no others. */
function checkNetwork(plan: Plan, {network}: Facts, policy: Policy, mismatch: Mismatch): void {
  const steps = plan.steps.filter(({op}) => op.startsWith('network.'));
  const name = stepOf(plan, 'hostname.set');
  const [first] = steps;
  if (first === undefined) return;
  if (network === null || name === undefined) throw mismatch('it has addresses and no host name', first.op, 'a plan as it was made');
  const wanted = stepOf(plan, 'network.lease')?.pool ?? null;
  const pool = policy.identity.pools.find((one) => one.name === wanted) ?? null;
  const kind = wanted === null ? 'user' : pool?.kind;
  const obstacle = kind === undefined ? null : networkObstacle(kind, pool, network, {isRoot: false});
  if (kind === undefined || !policy.identity.address.value.includes(kind))
    throw mismatch('the policy has no such addresses', wanted ?? 'user', policy.identity.address.value.join(', '));
  if (obstacle !== null) throw mismatch('its addresses cannot be had', obstacle.how, 'a node as it was planned for');
  const bare = (list: readonly Step[]): string => canonicalJson(list.map((step) => ({...step, because: ''})));
  const own = pool === null ? [userSteps(network, '')] : connectionSteps(pool, network, '');
  if (bare(steps) !== bare(own)) throw mismatch('its network is not the policy’s and this node’s', bare(steps), bare(own));
}

type Mismatch = (message: string, found: string, allowed: string) => TareError;

/** Every limit that the plan says the kernel keeps has its step, and none is above the policy's maximum. */
function checkLimits(plan: Plan, policy: Policy, mismatch: Mismatch): void {
  const rule = policy.rules.find(({name}) => name === plan.rule);
  const maxima = {...policy.maxima, ...rule?.set.maxima};
  for (const name of LIMIT_NAMES) {
    const {value, enforcement, by} = plan.limits[name];
    const most = maxima[name]?.value;
    // without a nice value the payload has less than any maximum
    const isAbove = most !== undefined && (value === null ? name !== 'nice' : value > most);
    if (name !== 'pinCores' && isAbove) throw mismatch(`its limit on ${name} is above the maximum`, String(value), String(most));
    const file = /^cgroup[12]:(.+)$/.exec(by ?? '')?.[1];
    if (value === null || enforcement !== 'kernel' || file === undefined) continue;
    if (!stepsOf(plan, 'cgroup.write').some((step) => step.file === file))
      throw mismatch(`its limit on ${name} has no step`, `no cgroup.write to ${file}`, 'a plan as it was made');
  }
}

function planIdentity(plan: Plan, {caller}: Facts, policy: Policy, mismatch: Mismatch): IdentityFacts {
  const identity = stepOf(plan, 'identity.take');
  if (identity === undefined) {
    if (caller.uid === 0 && !policy.identity.allowRoot.value)
      throw mismatch('the policy lets no payload run as root', 'root', 'another account');
    if (caller.uid === 0 && plan.job.user !== caller.name)
      throw mismatch('it was made by another caller', 'root', plan.job.user ?? 'another account');
    return caller;
  }
  if (identity.uid === 0) throw mismatch('the policy lets no payload run as root', '0', 'another account');
  if (caller.uid !== 0) throw mismatch('only root can take another identity', caller.name ?? String(caller.uid), 'root');
  return {uid: identity.uid, gid: identity.gid, groups: identity.groups, name: plan.job.user, home: null};
}
