/** The plan's steps: plain tagged data. An engine realises each of its steps or rejects it, and never ignores one. */

import type {Plan} from '../schema/generated/plan-1.js';

export type Step = Plan['steps'][number];
/** The step of one kind. */
export type StepOf<Op extends Step['op']> = Extract<Step, {op: Op}>;

/** All steps of one kind, in order. */
export function stepsOf<Op extends Step['op']>(plan: Pick<Plan, 'steps'>, op: Op): StepOf<Op>[] {
  return plan.steps.filter((step): step is StepOf<Op> => step.op === op);
}

/** The only step of a kind, or undefined. */
export const stepOf = <Op extends Step['op']>(plan: Pick<Plan, 'steps'>, op: Op): StepOf<Op> | undefined => stepsOf(plan, op)[0];

/** A path of the plan on this node: `{box}` at its beginning is the box's own folder; a job's directory may be called so too. */
export const inBox = (path: string, boxDirectory: string): string =>
  path.startsWith('{box}/') ? boxDirectory + path.slice('{box}'.length) : path;

/** The size of a file system in memory that only covers something: room for the names of what is mounted in it. */
export const COVER_BYTES = 64 * 1024;

/** What lies at `source` appears at `destination`; an optional one only where it is there. */
export const bind = (
  source: string,
  destination: string,
  options: StepOf<'mount.bind'>['options'],
  because: string,
  optional = false,
): StepOf<'mount.bind'> => ({op: 'mount.bind', source, destination, options, optional, because});
