/** Which engine builds the box: the first of the policy's that can do all of the plan. */

import type {Engine, EngineFacts, EngineOp, Reason} from '@tare/contract';
import {TareError} from '../errors.js';
import {isOlder} from '../version.js';
import type {Ability, Facts} from '../host/facts.js';
import type {Pattern} from '../job/job.js';
import {show} from '../job/show.js';
import type {Policy} from '../policy/policy.js';
import type {Plan} from '../schema/generated/plan-1.js';
import type {EngineChoice, Inputs} from './inputs.js';
import {reachesEngine, SCOPES_ABI} from './landlock.js';
import {stepOf} from './step.js';

/** What an engine is chosen from. */
export interface EngineInputs {
  facts: Facts;
  policy: Pick<Policy, 'engines'>;
  /** Those that Tare has. */
  engines: readonly Engine[];
  /** The only one that the caller wants; null: any. */
  only: string | null;
}

/** What a box has to have. */
export interface EngineNeeds {
  pattern: Pattern;
  network: 'host' | 'none';
  /** A program of the user's stands for its network. */
  userProgram: boolean;
}

/** Names of engines in the order in which they are tried: the policy's, else all that Tare has. */
export const namesOf = ({engines}: Pick<Policy, 'engines'>, known: readonly Pick<Engine, 'name'>[]): readonly string[] =>
  engines.value ?? known.map(({name}) => name);

/**
 * @param refused what was found out of engines already, by their names
 * @returns the engine; or why there is none, each engine with its reason
 * @throws TareError ENGINE_FORBIDDEN for one that the policy does not list
 */
export function chooseEngine(
  inputs: EngineInputs,
  needs: EngineNeeds,
  refused: ReadonlyMap<string, Reason> = new Map(),
): EngineChoice | string {
  const {facts, policy, engines, only} = inputs;
  const names = namesOf(policy, engines);
  if (only !== null && !names.includes(only)) throw forbidden(only, policy, names);
  const skipped: string[] = [];
  let kernel: string | null = null;
  for (const name of only === null ? names : [only]) {
    const engine = engines.find((one) => one.name === name);
    const found = facts.engines.find((one) => one.name === name);
    const reason =
      refused.get(name) ?? (engine === undefined ? 'is no engine of this version of Tare' : obstacleTo(engine, found, inputs, needs));
    const lacking = reason === null ? lackingNamespace(facts, needs, engine, found) : null;
    const others = reason === null && lacking === null && engine !== undefined ? kept(facts, engine, found) : null;
    kernel ??= lacking;
    if (engine !== undefined && found !== undefined && reason === null && lacking === null && others === null)
      return {engine, facts: found, because: [found.how, ...skipped].join('; ')};
    skipped.push(`${name} ${reason ?? `cannot: ${lacking ?? others ?? ''}`}`);
  }
  // what the kernel lacks, it lacks for all of them
  return kernel ?? skipped.join('; ');
}

const forbidden = (only: string, {engines}: Pick<Policy, 'engines'>, names: readonly string[]): TareError =>
  new TareError('ENGINE_FORBIDDEN', {
    message: 'the policy does not list the engine',
    where: engines.provenance.at,
    found: show(only),
    allowed: names.join(', '),
    remedy: 'name one of these, or have the site add the engine to engines',
  });

/** Whether an engine runs a pattern, of those that the policy gives it. @param wanted the caller names it */
export const runsPattern = (engine: Engine, pattern: Pattern, {engines}: Pick<Policy, 'engines'>, wanted = false): boolean =>
  typeof engine.patterns[pattern] !== 'string' && (engines.value !== null || wanted || !engine.onlyListed.includes(pattern));

/** Why an engine can build no such box on this node, whatever the kernel can. */
function obstacleTo(
  engine: Engine,
  found: EngineFacts | undefined,
  {facts: {caller, cgroup, kernel}, policy, only}: EngineInputs,
  {pattern, userProgram}: EngineNeeds,
): Reason | null {
  const able = engine.patterns[pattern];
  if (typeof able === 'string') return able;
  if (!runsPattern(engine, pattern, policy, only !== null)) return `is taken for ${pattern} only where the policy lists it`;
  if (found === undefined) return 'was not looked for';
  if (found.path === null) return `cannot be used (${found.how})`;
  const {version, kernel: least, network} = able;
  if (version !== undefined && found.version !== null && isOlder(found.version, version))
    return `${found.version} is too old, ${version} is the least`;
  if (least !== undefined && isOlder(kernel.version.join('.'), least.join('.'))) return `needs Linux ${least.join('.')} for a box`;
  if (network === 'closed' && userProgram) return 'makes a network that no program of the user’s can enter';
  const places = Object.values(cgroup.controllers).map(({mount, parent}) => (parent === null ? null : parent.slice(mount.length)));
  const groups = [...new Set(places.filter((place) => place !== null))];
  return engine.obstacle?.({engine: found, pattern, uid: caller.uid, groups}) ?? null;
}

/** Whether the engine makes a user namespace: a setuid one needs none. */
const makesUser = ({userNamespace}: Engine, found: EngineFacts | undefined): boolean => userNamespace && found?.setuid !== true;

/** A small machine has control groups of its own. */
function lackingNamespace(
  facts: Facts,
  {pattern, network}: EngineNeeds,
  engine: Engine | undefined,
  found: EngineFacts | undefined,
): string | null {
  const system = pattern === 'vm-lite';
  const user = engine === undefined || makesUser(engine, found) ? (['user'] as const) : [];
  const kinds: (keyof Facts['namespaces'])[] = system
    ? [...user, 'pid', 'mount', 'ipc', 'uts', 'cgroup']
    : ['pid', 'mount', 'ipc', 'uts', ...user];
  if (network === 'none') kinds.push('network');
  for (const kind of kinds) {
    const ability: Ability = facts.namespaces[kind];
    if (!ability.available) return `no ${kind} namespace (${ability.how})`;
  }
  if (!facts.newProc.available) return `no new /proc can be mounted (${facts.newProc.how})`;
  return null;
}

/** What the node keeps from this engine, and not from all: user namespaces are for the programs alone that a profile of AppArmor names. */
function kept({namespaces: {user}, views, scratch}: Facts, engine: Engine, found: EngineFacts | undefined): string | null {
  const {name, prepared} = engine;
  if (user.only === undefined || !makesUser(engine, found)) return null;
  if (!user.only.includes(name)) return `no user namespace (${user.how})`;
  const isUser = views?.user ?? scratch.containers.user;
  if (!prepared || !isUser || mayMakeUser(user)) return null;
  return `no user namespace for Tare itself, which prepares its boxes (${user.how}): a profile /etc/apparmor.d/tare with the rule "userns," gives it one`;
}

/** Whether Tare itself can make user namespaces, in which it mounts for the engine. */
export const mayMakeUser = ({available, only}: Ability): boolean => available && only?.includes('tare') !== false;

/**
 * Why an engine cannot do a plan that was made for it: the first of its steps that it has no translator for, or that the payload could reach it;
 * null: it can.
 */
export function planRefusal(engine: Engine, plan: Pick<Plan, 'steps' | 'landlock' | 'limits'>): Reason | null {
  const unshare = plan.steps.find(({op}) => op === 'view.unshare');
  if (isBlind(engine) && unshare !== undefined)
    return `has a daemon, which does not see what is mounted for the box: ${unshare.because} (${unshare.op})`;
  if (reachesEngine(engine, plan) && plan.landlock?.scoped !== true) {
    const {abi = null, because = 'no Landlock'} = plan.landlock ?? {};
    const why = abi === null ? because : `version ${String(abi)} of Landlock, ${String(SCOPES_ABI)} is the least`;
    return `listens on a socket that a payload with the node’s network could reach, and end its box by (${why})`;
  }
  const taken = stepOf(plan, 'image.take');
  if (taken?.kind === 'reference' && taken.tree !== null && engine.images !== 'saved')
    return `writes no image of a store to an archive (${taken.op})`;
  for (const step of plan.steps) {
    // enter makes what lies in another mount of the box
    if ('inside' in step) continue;
    const row: unknown = engine.steps[step.op as EngineOp];
    if (typeof row === 'string') return `${row} (${step.op})`;
  }
  return engine.refuses?.(plan) ?? null;
}

/** Whether the engine needs the files of a box prepared (`Engine.prepared`). Those of a small machine are prepared in any case, for each engine. */
export const isPrepared = ({engine}: Pick<Inputs, 'engine'>, system: object | null): boolean =>
  engine?.engine.prepared === true && system === null;

/** The folder, in the box's own, by which init connects where a daemon starts it (native/README.md, Tools). */
export const BRIDGE = 'bridge';

/** Whether the engine's daemon starts init. */
export const isDaemon = ({kind}: Pick<Engine, 'kind'>): boolean => kind !== 'child';

/** What a plan says of how its engine starts init. */
export const plannedKind = ({kind}: Pick<Engine, 'kind'>): Pick<Plan['engine'], 'daemon' | 'keeps'> =>
  kind === 'child' ? {} : {daemon: true, ...(kind.keeps === undefined ? {} : {keeps: kind.keeps})};

/** Whether what starts init sees nothing of what enter mounts. */
export const isBlind = ({kind}: Pick<Engine, 'kind'>): boolean => kind !== 'child' && kind.sees !== true;

/** Whether enter keeps the wrapper's account for the engine: for a small machine, whose init is its root, and for a daemon's client. */
export const keepsAccount = ({pattern, engine}: Pick<Plan, 'pattern' | 'engine'>): boolean =>
  pattern.value === 'vm-lite' || engine.daemon === true;

/** Whether a plan's engine has another account than the wrapper: enter takes the payload's before it starts the engine. */
export const runsAsOther = (plan: Pick<Plan, 'pattern' | 'engine' | 'steps'>): boolean =>
  !keepsAccount(plan) && plan.steps.some(({op}) => op === 'identity.take');

/** Where control groups of every node are mounted (cgroups(7)). */
const GROUPS = '/sys/fs/cgroup';

/** What of the node's control groups enter covers before the engine starts (`Engine.covers`); null: nothing. */
export function coverOf(engine: Pick<Engine, 'covers'>, {unifiedAt}: Pick<Facts, 'unifiedAt'>): string | null {
  return {none: null, second: unifiedAt, all: GROUPS}[engine.covers];
}

/** Whether the engine of a plan in the making acts with root's rights for an account that is not root. */
export const isSetuid = ({engine}: Pick<Inputs, 'engine'>): boolean => engine?.facts.setuid === true;

/** Whether the engine of a plan in the making makes a user namespace; without an engine there is none that does not. */
export const hasUserNamespace = ({engine}: Pick<Inputs, 'engine'>): boolean => engine == null || makesUser(engine.engine, engine.facts);
