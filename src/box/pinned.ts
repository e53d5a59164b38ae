/** CPUs that live boxes on this node are pinned to, from their state folders. */

import {stepsOf} from '../plan/step.js';
import {boxesIn} from './state-read.js';

/** CPUs to which the boxes of a state directory are pinned, one entry for each box and CPU. */
export const pinnedCpus = (stateDirectory: string): number[] =>
  boxesIn(stateDirectory).flatMap(({plan}) => stepsOf(plan, 'affinity.set').flatMap(({cpus}) => cpus));
