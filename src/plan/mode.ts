/** Whether this job is boxed, only limited, or only weighed. */

import {TareError} from '../errors.js';
import type {Facts} from '../host/facts.js';
import {matchesGlob} from '../policy/glob.js';
import type {Policy} from '../policy/policy.js';
import type {Plan} from '../schema/generated/plan-1.js';
import type {Call} from './inputs.js';
import type {PatternChoice} from './pattern.js';
import type {ViewChoice} from './view.js';

export type ModeChoice = Plan['mode'];

/**
 * `observe` where the policy says so; `box` where the node can build one; else `limits-only`, when the policy lets a payload run unboxed.
 * @throws TareError BOX_UNAVAILABLE
 */
export function chooseMode(
  policy: Policy,
  facts: Facts,
  call: Call,
  {network, view, pattern, identity}: {network: 'host' | 'none'; view: ViewChoice; pattern: PatternChoice; identity: boolean},
): ModeChoice {
  const system = pattern.value === 'vm-lite';
  const observed = observeReason(policy, call);
  if (observed !== null && system) throw cannotObserve(observed, pattern);
  if (observed !== null) return {value: 'observe', because: observed};
  const needs = system ? `${pattern.because}: vm-lite` : identity ? 'an identity of its own' : needsBox(network, view);
  if (facts.within !== null && view.value === 'node' && !identity)
    return {value: 'limits-only', because: `in a box already, which isolates (${facts.within.how}): this one only subdivides`};
  const {unboxed} = call;
  if (unboxed !== null && needs === null && (unboxed.always || policy.box.value === 'optional'))
    return {value: 'limits-only', because: unboxed.because};
  const within = facts.within === null ? null : `in a box already (${facts.within.how})`;
  const lacking =
    within ?? (unboxed?.always === true ? unboxed.because : system ? systemObstacle(facts, network) : boxObstacle(facts, network));
  if (lacking === null)
    return {value: 'box', because: `${system ? (facts.system?.oci.name ?? '') : 'bubblewrap'} and the namespaces that it needs are here`};
  if (policy.box.value === 'required' || needs !== null) {
    throw new TareError('BOX_UNAVAILABLE', {
      message: `the box cannot be built: ${lacking}`,
      where: policy.box.value === 'required' ? policy.box.provenance.at : `${needs ?? ''}, which only a box can keep`,
      remedy: '`tare doctor` tells how to mend it',
    });
  }
  return {value: 'limits-only', because: `${lacking}; the policy lets the payload run unboxed (${policy.box.provenance.at})`};
}

/** Outside of a box its init would be the node's. */
const cannotObserve = (observed: string, {because}: PatternChoice): TareError =>
  new TareError('BOX_UNAVAILABLE', {
    message: `a small machine cannot be observed without being built: ${observed}`,
    where: `${because}: vm-lite`,
    remedy: 'have the site enforce its policy for such jobs, by a rule with mode enforce for the pattern vm-lite',
  });

/** What cannot be had without a box. */
function needsBox(network: 'host' | 'none', {value, because}: ViewChoice): string | null {
  if (network === 'none') return 'network none';
  return value === 'node' ? null : `${because}: the file system ${value}`;
}

/** Why a job is only observed; null: it is not. */
export function observeReason({mode}: Pick<Policy, 'mode'>, call: Pick<Call, 'slot' | 'sample'>): string | null {
  const {value, provenance} = mode;
  if (value === 'enforce') return null;
  if (value === 'observe') return `mode observe (${provenance.at})`;
  const {share, slots} = value.observe;
  const {name} = call.slot;
  if (name !== null && slots.some((pattern) => matchesGlob(pattern, name))) return `slot ${name} is observed (${provenance.at})`;
  if (share !== null && call.sample < share) return `in the observed share of ${String(share)} (${provenance.at})`;
  return null;
}

/** Why no box can be built here, or null. */
export function boxObstacle(facts: Facts, network: 'host' | 'none' = 'host'): string | null {
  if (facts.bubblewrap.path === null) return `bubblewrap cannot be used (${facts.bubblewrap.how})`;
  const {version} = facts.bubblewrap;
  if (version !== null && isOlder(version, BUBBLEWRAP_LEAST)) return `bubblewrap ${version} is too old, ${BUBBLEWRAP_LEAST} is the least`;
  const kinds: (keyof Facts['namespaces'])[] = ['pid', 'mount', 'ipc', 'uts'];
  if (!facts.bubblewrap.setuid) kinds.push('user');
  if (network === 'none') kinds.push('network');
  return lackingNamespace(facts, kinds);
}

/** Why no small machine can be built here, or null. */
export function systemObstacle(facts: Facts, network: 'host' | 'none' = 'host'): string | null {
  if (facts.system === null) return 'OCI runtimes were not looked for';
  const {oci} = facts.system;
  if (oci.path === null) return `there is no OCI runtime (${oci.how})`;
  if (oci.name === 'crun' && oci.version !== null && isOlder(oci.version, CRUN_LEAST))
    return `crun ${oci.version} is too old, ${CRUN_LEAST} is the least`;
  // runc makes groups unless it is told of one, and can be told of one path only
  const places = Object.values(facts.cgroup.controllers).map(({mount, parent}) => (parent === null ? null : parent.slice(mount.length)));
  const apart = [...new Set(places.filter((place) => place !== null))];
  if (oci.name === 'runc' && apart.length > 1)
    return `runc needs the job's control groups at one path in all hierarchies, and they are at ${apart.map((place) => place || '/').join(', ')}: crun does not`;
  return lackingNamespace(facts, ['user', 'pid', 'mount', 'ipc', 'uts', 'cgroup', ...(network === 'none' ? (['network'] as const) : [])]);
}

function lackingNamespace(facts: Facts, kinds: readonly (keyof Facts['namespaces'])[]): string | null {
  for (const kind of kinds) {
    const ability = facts.namespaces[kind];
    if (!ability.available) return `no ${kind} namespace (${ability.how})`;
  }
  if (!facts.newProc.available) return `no new /proc can be mounted (${facts.newProc.how})`;
  return null;
}

/** `--cgroup-manager=disabled` came with 0.14 (its NEWS). */
const CRUN_LEAST = '0.14';

/** `--as-pid-1` came with 0.2.0, `--ro-bind-try` and its like with 0.3.1 (its release notes). */
const BUBBLEWRAP_LEAST = '0.3.1';

function isOlder(version: string, least: string): boolean {
  const [left, right] = [version, least].map((text) => text.split('.').map(Number));
  for (let index = 0; index < 3; index++) {
    const difference = (left?.[index] ?? 0) - (right?.[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
