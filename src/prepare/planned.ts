/** A job with its plan. */

import type {Through} from '../host/abandon.js';
import type {Facts, IdentityFacts} from '../host/facts.js';
import type {Valued} from '../job/job.js';
import type {Inputs} from '../plan/inputs.js';
import {makePlan} from '../plan/plan.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {checkDevices, checkRealPlaces} from './places.js';

/** A plan, and what applying it needs beside it. */
export interface Prepared {
  plan: Plan;
  facts: Facts;
  identity: IdentityFacts;
  caller: IdentityFacts;
  callerArgvIndex: number | null;
  /** Plans again with the image, which lies in a repository that has to be looked at before; null: the image is known. @throws TareError as findImage */
  withImage: ((through: Through | null) => Promise<Prepared>) | null;
  /** What the plan was made of; null: it was saved, and is not made anew. */
  inputs: Inputs | null;
}

/** Plans, and looks at what the plan names. @throws TareError */
export function prepareFrom(inputs: Inputs, callerArgvIndex: number | null, withImage: Prepared['withImage'] = null): Prepared {
  const {facts, call} = inputs;
  const plan = makePlan(inputs);
  checkDevices(inputs.job);
  checkRealPlaces(plan, inputs.job.workDirectory.provenance.at, inputs.policy);
  return {
    plan,
    facts,
    identity: call.identity.value,
    caller: facts.caller,
    callerArgvIndex,
    withImage,
    inputs,
  };
}

/** Plans with what a look at the image finds. @throws TareError as findImage */
export async function prepareImage(
  image: Valued<string>,
  inputs: Inputs,
  callerArgvIndex: number | null,
  through: Through | null,
): Promise<Prepared> {
  // few jobs have one, and what looks at images is a tenth of the program
  const {findImage, findInit} = await import('./image.js');
  const {job, facts, call} = inputs;
  const looked = await findImage(image, inputs, (changed) => prepareFrom(changed, callerArgvIndex).plan, through);
  if (looked === null) return prepareFrom(inputs, callerArgvIndex);
  const init = await findInit(looked, job.init, through);
  const system = facts.system === null ? null : {...facts.system, init};
  return prepareFrom({...inputs, facts: {...facts, system}, call: {...call, image: looked}}, callerArgvIndex);
}
