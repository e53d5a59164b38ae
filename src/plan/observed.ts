/** What would be done with a job that is only observed: its plan under the same policy, with mode enforce. */

import {asTareError, TareError} from '../errors.js';
import type {Policy} from '../policy/policy.js';
import type {Plan} from '../schema/generated/plan-1.js';
import type {Inputs} from './inputs.js';
import {scratchOfWork} from './scratch.js';
import {stepsOf, type Step} from './step.js';

/** What enforcement would have done with a job that is only observed. */
export type Observed = NonNullable<Plan['observed']>;

/**
 * @param inputs with the rules of the policy not yet applied
 * @param ruled the policy with the rule that matches
 * @param limits as they are observed: of a job that would have been refused nothing else is known
 * @param make how a plan is made; what it throws is what the job would have been refused with
 */
export function planObserved(inputs: Inputs, ruled: Policy, limits: Plan['limits'], make: (inputs: Inputs) => Plan): Observed {
  const suspended = ruled.suspendedTime.value;
  try {
    const plan = make({...inputs, policy: enforcing(inputs.policy)});
    const {mode, limits: held, flags} = plan;
    const own = new Set(stepsOf(plan, 'cvmfs.mount').map(({repository}) => repository));
    const repositories = stepsOf(plan, 'cvmfs.probe')
      .filter(({repository, otherwise}) => otherwise === 'refuse' && !own.has(repository))
      .map(({repository}) => repository);
    return {refused: null, mode, unboxed: flags.includes('unboxed'), limits: held, repositories, suspended};
  } catch (error) {
    // a mistake of ours in planning what is not done costs no job either
    const thrown = asTareError(error);
    const first = thrown instanceof TareError ? thrown : thrown.errors[0];
    const refused = {code: first?.code ?? 'INTERNAL', reason: thrown.message};
    return {refused, mode: null, unboxed: false, limits, repositories: [], suspended};
  }
}

/** The scratch that the limit would have counted, as far as an observed payload has any: the rest of it is a box's own. */
export function planScratchWeighing(inputs: Inputs, {limits}: Observed): Step[] {
  const {value, because} = limits.scratch;
  return value === null ? [] : scratchOfWork(inputs, because);
}

/** The policy in mode enforce, also in its rules. */
function enforcing(policy: Policy): Policy {
  const {provenance} = policy.mode;
  return {
    ...policy,
    mode: {value: 'enforce', provenance},
    rules: policy.rules.map((rule) => {
      const {mode: _, ...set} = rule.set;
      return {...rule, set};
    }),
  };
}
