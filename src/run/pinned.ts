/** CPUs that live boxes on this node are pinned to, from their state folders. */

import {stepsOf} from '../plan/step.js';
import {liveBoxes} from './state.js';

export const pinnedCpus = (stateDirectory: string): number[] =>
  liveBoxes(stateDirectory).flatMap(({plan}) => stepsOf(plan, 'affinity.set').flatMap(({cpus}) => cpus));
