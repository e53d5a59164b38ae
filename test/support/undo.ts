/** Takes control groups away as a box's end does: by what their steps say, and by the one teardown. */

import {teardown} from '../../src/box/teardown.js';
import type {Step} from '../../src/plan/step.js';
import type {Plan} from '../../src/schema/generated/plan-1.js';
import type {Ground, Undo} from '../../src/steps/def.js';
import {defOf} from '../../src/steps/table.js';

function undoOfGroups(steps: Plan['steps'], id: string): Undo[] {
  const ground = {id} as Ground; // all that those of control groups look at
  return steps.flatMap((step: Step) => (step.op.startsWith('cgroup.') ? (defOf(step).undo?.(step, ground) ?? []) : []));
}

/** @returns what is left, each with the reason */
export const removeGroupsOf = (steps: Plan['steps'], id: string): Promise<string[]> => teardown(undoOfGroups(steps, id), id);
