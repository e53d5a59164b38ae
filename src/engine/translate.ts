/** A plan's steps that are an engine's, by the engine's own table. */

import {TareError} from '../errors.js';
import type {Step, StepOf} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {isEngines, type OpsBy} from '../steps/table.js';

/** How an engine does a step; one that is absent it cannot do. */
export type Translators<Context, Result> = {[O in OpsBy<'engine'>]?: (step: StepOf<O>, context: Context) => Result};

/**
 * @param name of the engine, for people
 * @param before changes a step that the engine is to do otherwise
 * @throws TareError ENGINE_FAILED for a step that the engine has no translator for
 */
export function translate<Context, Result>(
  name: string,
  table: Translators<Context, Result>,
  {steps}: Pick<Plan, 'steps'>,
  context: Context,
  before: (step: Step) => Step = (step) => step,
): Result[] {
  const one = (step: StepOf<OpsBy<'engine'>>): Result => {
    const translator = table[step.op] as ((step: Step, context: Context) => Result) | undefined;
    if (translator === undefined) throw new TareError('ENGINE_FAILED', {message: `${name} cannot do the step ${JSON.stringify(step)}`});
    return translator(step, context);
  };
  return steps.map(before).filter(isEngines).map(one);
}
