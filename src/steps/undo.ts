/** What takes a box away again, from its plan: computed, and on disk, before anything is made. Pure. */

import {BRIDGE} from '../plan/engine.js';
import {inBox, stepOf, stepsOf} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';
import type {Ground, Undo} from './def.js';
import {defOf} from './table.js';

/** @param boxDirectory the box's own folder on scratch */
export const groundOf = (plan: Plan, id: string, boxDirectory: string): Ground => ({
  plan,
  id,
  place: (path) => inBox(path, boxDirectory),
  owner: stepOf(plan, 'identity.take'),
  maps: stepOf(plan, 'namespace.unshare')?.maps,
});

/**
 * Instructions that take a box away, in the order in which its parts are made: `teardown` begins at the end.
 * @param boxDirectory the box's own folder on scratch
 */
export function undoOf(plan: Plan, id: string, boxDirectory: string): Undo[] {
  const ground = groundOf(plan, id, boxDirectory);
  const steps = plan.steps.flatMap((step) => defOf(step).undo?.(step, ground) ?? []);
  const {path, keeps} = plan.engine;
  const kept: Undo[] = keeps === undefined || path === null ? [] : [{op: 'container.remove', client: path, name: `tare-${id}`}];
  const isBridged = stepsOf(plan, 'directory.create').some((step) => step.path === `{box}/${BRIDGE}`);
  const waited: Undo[] = isBridged ? [{op: 'client.wait', path: boxDirectory}] : [];
  // root never walks a tree that the payload's user can change under its feet
  return [{op: ground.owner === undefined ? 'own.remove' : 'directory.remove', path: boxDirectory}, ...waited, ...kept, ...steps];
}
