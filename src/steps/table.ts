/**
 * The one table of steps: a kind of step that a plan can have, and has no row here, does not compile. A new kind is its schema
 * (src/schema/plan-1.json), the code that plans it, its row, and the code that performs it.
 */

import type {Step, StepOf} from '../plan/step.js';
import {CGROUP_STEPS} from './cgroup.js';
import {CVMFS_STEPS} from './cvmfs.js';
import type {By, StepDef, Steps} from './def.js';
import {IDENTITY_STEPS} from './identity.js';
import {IMAGE_STEPS} from './image.js';
import {NETWORK_STEPS} from './network.js';
import {PAYLOAD_STEPS} from './payload.js';
import {SCRATCH_STEPS} from './scratch.js';
import {VIEW_STEPS} from './view.js';
import {WATCH_STEPS} from './watch.js';

const STEPS = {
  ...CGROUP_STEPS,
  ...SCRATCH_STEPS,
  ...IDENTITY_STEPS,
  ...IMAGE_STEPS,
  ...VIEW_STEPS,
  ...NETWORK_STEPS,
  ...CVMFS_STEPS,
  ...WATCH_STEPS,
  ...PAYLOAD_STEPS,
} satisfies Steps<Step['op']>;

/** The kinds that one performs. */
export type OpsBy<B extends By> = {[O in Step['op']]: B extends (typeof STEPS)[O]['by'][number] ? O : never}[Step['op']];

/** The row of a step. */
export function defOf<Op extends Step['op']>(step: StepOf<Op>): StepDef<StepOf<Op>> {
  const table: Steps<Op> = STEPS as unknown as Steps<Op>;
  return table[step.op];
}

/** What an engine has to translate, or to refuse: also a step without a row, which only a plan that was not validated can have. */
export function isEngines(step: Step): step is StepOf<OpsBy<'engine'>> {
  const row = STEPS[step.op] as {by: readonly By[]} | undefined;
  return row === undefined || row.by.includes('engine');
}
