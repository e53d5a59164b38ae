/** Whether this job is boxed, only limited, or only weighed. */

import {TareError} from '../errors.js';
import {matchesGlob} from '../policy/glob.js';
import type {Policy} from '../policy/policy.js';
import type {Plan} from '../schema/generated/plan-1.js';
import type {Call, EngineChoice, Inputs} from './inputs.js';
import type {PatternChoice} from './pattern.js';
import type {ViewChoice} from './view.js';

export type ModeChoice = Plan['mode'];

/** What else was chosen, which a mode has to keep. */
interface Wanted {
  network: 'host' | 'none';
  view: ViewChoice;
  pattern: PatternChoice;
  /** The job has a host name or an address of its own. */
  identity: boolean;
}

/**
 * `observe` where the policy says so; `box` where the node can build one; else `limits-only`, when the policy lets a payload run unboxed.
 * @param choice the engine; or why there is none
 * @throws TareError BOX_UNAVAILABLE
 */
export function chooseMode(
  {policy, facts, call}: Pick<Inputs, 'policy' | 'facts' | 'call'>,
  {network, view, pattern, identity}: Wanted,
  choice: EngineChoice | string,
): ModeChoice {
  const system = pattern.value === 'vm-lite';
  const observed = observeReason(policy, call);
  if (observed !== null && system) throw cannotObserve(observed, pattern);
  if (observed !== null) return {value: 'observe', because: observed + unused(call)};
  const needs = system ? `${pattern.because}: vm-lite` : identity ? 'an identity of its own' : needsBox(call, network, view);
  // what the box around has no more of need not be taken away
  const isKept = network === 'host' || facts.within?.offline === true;
  if (facts.within !== null && view.value === 'node' && !identity && isKept && call.engine === undefined) {
    const because = `in a box already, which isolates (${facts.within.how}): this one only subdivides`;
    return {value: 'limits-only', because: because + (network === 'none' ? ', and there is no network in it' : '')};
  }
  const {unboxed} = call;
  if (unboxed !== null && needs === null && (unboxed.always || policy.box.value === 'optional'))
    return {value: 'limits-only', because: unboxed.because};
  const within = facts.within === null ? null : `in a box already (${facts.within.how})`;
  const lacking = within ?? (unboxed?.always === true ? unboxed.because : typeof choice === 'string' ? choice : null);
  if (lacking === null && typeof choice !== 'string')
    return {value: 'box', because: `${choice.engine.name} and the namespaces that it needs are here`};
  if (policy.box.value === 'required' || needs !== null) {
    throw new TareError('BOX_UNAVAILABLE', {
      message: `the box cannot be built: ${lacking ?? ''}`,
      where: policy.box.value === 'required' ? policy.box.provenance.at : `${needs ?? ''}, which only a box can keep`,
      remedy: remedyOf(facts.within, call, needs),
    });
  }
  return {value: 'limits-only', because: `${lacking ?? ''}; the policy lets the payload run unboxed (${policy.box.provenance.at})`};
}

function remedyOf(within: Inputs['facts']['within'], {engine}: Call, needs: string | null): string {
  if (within !== null && engine !== undefined) return 'leave --engine out: the box around it isolates';
  if (within !== null && needs === NO_NETWORK) return 'have the box around it made with network none, or ask for no network none in it';
  return '`tare doctor` tells how to mend it';
}

const NO_NETWORK = 'network none';

/** What a caller is told whose engine builds nothing. */
const unused = ({engine}: Pick<Call, 'engine'>): string => (engine === undefined ? '' : `; --engine ${engine} builds nothing here`);

/** Outside of a box its init would be the node's. */
const cannotObserve = (observed: string, {because}: PatternChoice): TareError =>
  new TareError('BOX_UNAVAILABLE', {
    message: `a small machine cannot be observed without being built: ${observed}`,
    where: `${because}: vm-lite`,
    remedy: 'have the site enforce its policy for such jobs, by a rule with mode enforce for the pattern vm-lite',
  });

/** What cannot be had without a box. */
function needsBox({engine}: Call, network: 'host' | 'none', {value, because}: ViewChoice): string | null {
  if (engine !== undefined) return `--engine ${engine}`;
  if (network === 'none') return NO_NETWORK;
  if (value === 'node') return null;
  return value === 'image' ? `${because}: an image of an engine’s store` : `${because}: the file system ${value}`;
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
