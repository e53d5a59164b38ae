/** Once more without something that the facts promised, and that does not work. */

import type {Facts} from '../host/facts.js';
import {chooseEngine} from '../plan/engine.js';
import type {Inputs} from '../plan/inputs.js';
import {stepOf} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {prepareFrom, type Prepared} from './planned.js';

/** What can turn out not to work although the facts promised it. */
export type Capability = 'box' | 'groups' | 'disk' | 'ids';

const USES: Readonly<Record<Capability, (plan: Plan) => boolean>> = {
  // with another engine, or without a box
  box: ({mode}) => mode.value === 'box',
  groups: (plan) => stepOf(plan, 'cgroup.create') !== undefined,
  disk: (plan) => stepOf(plan, 'scratch.quota') !== undefined,
  ids: (plan) => stepOf(plan, 'mount.shift') !== undefined,
};

/** The node as it would be without. */
function lacking(facts: Facts, capability: Capability, because: string, {engine}: Plan): Facts {
  if (capability === 'ids') return facts;
  if (capability === 'box') {
    const without = (one: Facts['engines'][number]): Facts['engines'][number] =>
      one.name === engine.name ? {...one, path: null, how: because} : one;
    return {...facts, engines: facts.engines.map(without)};
  }
  if (capability === 'disk') {
    const no = {available: false, how: because, remedy: null};
    return {...facts, scratch: {...facts.scratch, containers: {...facts.scratch.containers, loop: no, tmpfs: no}}};
  }
  return {...facts, cgroup: {...facts.cgroup, controllers: {}, toEnable: [], toEmpty: null, how: because}};
}

/** Whether the plan uses it, and could be made anew without. A small machine without a box is none: it needs another engine. */
export function canDegrade({plan, inputs}: Prepared, capability: Capability): boolean {
  if (inputs === null || !USES[capability](plan)) return false;
  return capability !== 'box' || plan.pattern.value !== 'vm-lite' || hasAnotherEngine(plan, inputs);
}

function hasAnotherEngine(plan: Plan, {facts, policy, engines, call}: Inputs): boolean {
  const rule = policy.rules.find(({name}) => name === plan.rule);
  const asked = {facts, policy: {engines: rule?.set.engines ?? policy.engines}, engines, only: call.engine ?? null};
  const needs = {pattern: plan.pattern.value, network: 'host', userProgram: stepOf(plan, 'network.user') !== undefined} as const;
  return typeof chooseEngine(asked, needs, new Map([[plan.engine.name, 'failed']])) !== 'string';
}

/** Plans the same job for a node without the capability. @throws TareError when the policy requires it */
export function degrade({inputs, plan, callerArgvIndex}: Prepared, capability: Capability, because: string): Prepared {
  if (inputs === null) throw new TypeError('a saved plan is not made anew');
  const {facts, call} = inputs;
  const lost = [...(call.lost ?? []), capability];
  return prepareFrom({...inputs, facts: lacking(facts, capability, because, plan), call: {...call, lost}}, callerArgvIndex);
}
