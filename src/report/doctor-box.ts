/** Doctor’s rows about what a box is built with: namespaces, engines, filters. */

import type {Ability, Facts, NetworkFacts} from '../host/facts.js';
import {usesLandlock} from '../plan/landlock.js';
import {networkObstacle} from '../plan/network.js';
import type {Policy} from '../policy/policy.js';
import type {Check} from './check.js';

/** One row for each. */
export const checkBox = (facts: Facts, policy: Policy): Check[] => [
  ...NAMESPACE_COSTS.map(([kind, costs]) => fromAbility(`${kind} namespace`, facts.namespaces[kind], costs)),
  fromAbility('new /proc', facts.newProc, 'no box: a payload would see the processes outside of it'),
  checkBubblewrap(facts),
  checkFilter(facts, policy),
  checkLandlock(facts, policy),
];

const NAMESPACE_COSTS: readonly (readonly [kind: keyof Facts['namespaces'], costs: string])[] = [
  ['user', 'no box, unless as root or with a setuid bubblewrap'],
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

function checkBubblewrap({bubblewrap}: Facts): Check {
  const name = 'bubblewrap';
  const {path, version, setuid, abilities, how} = bubblewrap;
  if (path === null)
    return {
      name,
      state: 'missing',
      found: how,
      costs: 'no box: limits only',
      remedy: how.includes('setuid') ? 'chmod u-s the program that was found' : 'install the package bubblewrap',
    };
  const found = `${path} ${version ?? 'of unknown version'}${setuid ? ', setuid root' : ''}`;
  const lacking = Object.entries({'--perms': abilities.perms, '--size': abilities.tmpfsSize})
    .filter(([, has]) => !has)
    .map(([option]) => option);
  if (lacking.length === 0) return {name, state: 'ok', found, costs: 'no box: limits only', remedy: null};
  return {
    name,
    state: 'limited',
    found: `${found}; no ${lacking.join(', ')}`,
    costs: 'the sizes and modes of a box’s own file systems are the built-in ones',
    remedy: setuid ? 'take its setuid bit away, where user namespaces are available' : 'use bubblewrap 0.7.0 or later',
  };
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

/** What builds small machines. */
export function checkOci(facts: Facts): Check[] {
  if (facts.system === null) return [];
  const {oci, subordinate} = facts.system;
  const runtime: Check =
    oci.path === null
      ? {name: 'OCI runtime', state: 'missing', found: oci.how, costs: 'no small machines (vm-lite)', remedy: 'install crun'}
      : {name: 'OCI runtime', state: 'ok', found: `${oci.path} ${oci.version ?? 'of unknown version'}`, costs: '', remedy: null};
  if (facts.caller.uid === 0) return [runtime];
  const ids: Check =
    subordinate.remedy === null
      ? {
          name: 'subordinate ids',
          state: 'ok',
          found: `${String(subordinate.uids.count)} uids (${subordinate.how})`,
          costs: '',
          remedy: null,
        }
      : {
          name: 'subordinate ids',
          state: 'limited',
          found: subordinate.how,
          costs: 'in a small machine (vm-lite) services have no accounts but root',
          remedy: subordinate.remedy,
        };
  return [runtime, ids];
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
