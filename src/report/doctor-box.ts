/** Doctor’s rows about what a box is built with: namespaces, engines, filters. */

import type {Engine, EngineFacts} from '@tare/contract';
import type {Ability, Facts, NetworkFacts} from '../host/facts.js';
import {unknownEngines, type UnknownEngines} from '../plan/engine-names.js';
import {namesOf, runsPattern} from '../plan/engine.js';
import {usesLandlock} from '../plan/landlock.js';
import {networkObstacle} from '../plan/network.js';
import type {Policy} from '../policy/policy.js';
import type {Check} from './check.js';
import type {DoctorInputs} from './doctor-inputs.js';
import {PATTERNS} from './doctor-patterns.js';

/** One row for each. */
export const checkBox = ({facts, policy, engines}: Pick<DoctorInputs, 'facts' | 'policy' | 'engines'>): Check[] => [
  ...NAMESPACE_COSTS.map(([kind, costs]) => fromAbility(`${kind} namespace`, facts.namespaces[kind], costs)),
  fromAbility('new /proc', facts.newProc, 'no box: a payload would see the processes outside of it'),
  ...unknownEngines(policy, engines).map(checkNames),
  ...checkEngines(facts, policy, engines),
  checkFilter(facts, policy),
  checkLandlock(facts, policy),
];

const NAMESPACE_COSTS: readonly (readonly [kind: keyof Facts['namespaces'], costs: string])[] = [
  ['user', 'no box, unless as root or with a setuid engine'],
  ['pid', 'no box: orphans are looked for by group and session only'],
  ['mount', 'no box: /tmp and the scratch are shared with other jobs'],
  ['ipc', 'no box: shared memory of a job can outlive it'],
  ['uts', 'no box'],
  ['network', 'jobs that ask for network none are refused'],
  ['cgroup', 'a payload sees the names of the groups around it'],
];

function fromAbility(name: string, {available, how, remedy}: Ability, costs: string): Check {
  return {name, state: available ? 'ok' : 'missing', found: how, costs, remedy};
}

/**
 * Those that the policy lists, without what no job would get by it. One that is not here is missed only where no other can do for a pattern what it
 * can.
 */
function checkEngines({engines: found}: Facts, policy: Policy, engines: readonly Engine[]): Check[] {
  const listed = namesOf(policy, engines).flatMap((name) => engines.find((engine) => engine.name === name) ?? []);
  const isHere = ({name}: Engine): boolean => found.some((one) => one.name === name && one.path !== null);
  return listed.flatMap((engine): Check[] => {
    const facts = found.find(({name}) => name === engine.name);
    const runs = PATTERNS.filter((pattern) => runsPattern(engine, pattern, policy));
    if (facts === undefined || runs.length === 0) return [];
    const missed = runs.filter((pattern) => !listed.some((other) => runsPattern(other, pattern, policy) && isHere(other)));
    // the first of those that would all do
    const first = listed.find((other) => missed.some((pattern) => runsPattern(other, pattern, policy)));
    if (facts.path === null && first !== engine) return [];
    const isForBoxes = facts.path === null ? missed.includes('ulimit++') : runsPattern(engine, 'ulimit++', policy);
    return [checkEngine(engine, facts, isForBoxes ? 'no box: limits only' : 'no small machines (vm-lite)')];
  });
}

/** A name of the policy's that is none of an engine. */
const checkNames = ({at, unknown, others, known}: UnknownEngines): Check => ({
  name: 'engines of the policy',
  state: others ? 'limited' : 'missing',
  found: `this version of Tare has no engine ${unknown.join(', ')} (${at})`,
  costs: others ? 'no box is built by an engine of that name' : 'jobs with this list do not run',
  remedy: `correct the name; engines are ${known.join(', ')}`,
});

function checkEngine({name, words}: Engine, facts: EngineFacts, costs: string): Check {
  const {path, version, setuid, how} = facts;
  if (path === null) {
    const remedy = how.includes('setuid') ? 'chmod u-s the program that was found' : words.install;
    return {name, state: 'missing', found: how, costs, remedy};
  }
  const found = `${path} ${version ?? 'of unknown version'}${setuid ? ', setuid root' : ''}`;
  const lacks = words.lacks(facts);
  if (lacks === null) return {name, state: 'ok', found, costs, remedy: null};
  return {name, state: 'limited', found: `${found}; no ${lacks.lacking}`, costs: lacks.costs, remedy: lacks.remedy};
}

function checkFilter({seccomp: {available, how, remedy}}: Facts, {seccomp: {value, provenance}}: Policy): Check {
  const profile = `${value === 'unconfined' ? 'none' : value} (${provenance.at})`;
  return {
    name: 'system call filter',
    state: available ? 'ok' : 'limited',
    found: available ? profile : `${profile}; ${how}`,
    costs: 'payloads may make every system call',
    remedy,
  };
}

function checkLandlock({landlock: {abi, how, remedy}}: Facts, {seccomp: {value, provenance}}: Policy): Check {
  const unused = value === 'default' ? '' : `; not used: seccomp is ${value} (${provenance.at})`;
  return {
    name: 'Landlock',
    state: usesLandlock(abi) ? 'ok' : 'limited',
    found: `${abi === null ? how : `version ${String(abi)}`}${unused}`,
    costs: 'nothing but mounts keeps payloads from writing to what is read-only',
    remedy: abi === null || usesLandlock(abi) ? remedy : 'use Linux 5.19 or later',
  };
}

/** What services of a user's small machine have for accounts. */
export function checkSubordinate({system, caller}: Facts): Check[] {
  if (system === null || caller.uid === 0) return [];
  const {uids, how, remedy} = system.subordinate;
  const name = 'subordinate ids';
  return [
    remedy === null
      ? {name, state: 'ok', found: `${String(uids.count)} uids (${how})`, costs: '', remedy: null}
      : {name, state: 'limited', found: how, costs: 'in a small machine (vm-lite) services have no accounts but root', remedy},
  ];
}

const KIND_COSTS: Readonly<Record<'bridge' | 'macvlan' | 'user', string>> = {
  bridge: 'no address of a bridge’s pool for a box',
  macvlan: 'no address of a macvlan pool for a box',
  user: 'no user-mode network for a box',
};

/** Kinds that the policy does not allow are no job's to miss. */
export function checkNetwork(network: NetworkFacts, {caller}: Facts, {identity}: Policy): Check[] {
  return (['bridge', 'macvlan', 'user'] as const).flatMap((kind) => {
    if (!identity.address.value.includes(kind)) return [];
    const pools = kind === 'user' ? [null] : identity.pools.filter((pool) => pool.kind === kind);
    const obstacle = pools.map((pool) => networkObstacle(kind, pool, network, {isRoot: false})).find((one) => one !== null) ?? null;
    const onlyRoot = kind !== 'user' && caller.uid !== 0;
    return {
      name: `${kind} address`,
      state: obstacle === null ? 'ok' : onlyRoot || kind === 'user' ? 'limited' : 'missing',
      found: obstacle?.how ?? network[kind].how,
      costs: KIND_COSTS[kind],
      remedy: obstacle?.remedy ?? null,
    };
  });
}
