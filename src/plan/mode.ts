/** Whether this job is boxed, only limited, or only weighed. */

import {TareError} from '../errors.js';
import type {Facts} from '../host/facts.js';
import {matchesGlob} from '../policy/glob.js';
import type {Policy} from '../policy/policy.js';
import type {Plan} from '../schema/generated/plan-1.js';
import type {Call} from './inputs.js';

export type ModeChoice = Plan['mode'];

/**
 * `observe` where the policy says so; `box` where the node can build one; else `limits-only`, when the policy lets a payload run unboxed.
 * @throws TareError BOX_UNAVAILABLE
 */
export function chooseMode(policy: Policy, facts: Facts, call: Call): ModeChoice {
  const observed = observeReason(policy, call);
  if (observed !== null) return {value: 'observe', because: observed};
  const lacking = boxObstacle(facts);
  if (lacking === null) return {value: 'box', because: 'bubblewrap and the namespaces that it needs are here'};
  if (policy.box.value === 'required') {
    throw new TareError('BOX_UNAVAILABLE', {
      message: `the box cannot be built: ${lacking}`,
      where: policy.box.provenance.at,
      remedy: '`tare doctor` tells how to mend it',
    });
  }
  return {value: 'limits-only', because: `${lacking}; the policy lets the payload run unboxed (${policy.box.provenance.at})`};
}

function observeReason({mode}: Policy, call: Call): string | null {
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
export function boxObstacle(facts: Facts): string | null {
  if (facts.bubblewrap.path === null) return `bubblewrap cannot be used (${facts.bubblewrap.how})`;
  for (const kind of ['pid', 'mount', 'ipc', 'uts', ...(facts.bubblewrap.setuid ? [] : (['user'] as const))] as const) {
    const ability = facts.namespaces[kind];
    if (!ability.available) return `no ${kind} namespace (${ability.how})`;
  }
  if (!facts.newProc.available) return `no new /proc can be mounted (${facts.newProc.how})`;
  return null;
}
