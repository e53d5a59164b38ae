/** CPUs that live boxes on this node are pinned to, from their state folders. */

import {readdirSync} from 'node:fs';
import {join} from 'node:path';
import {stepsOf} from '../plan/step.js';
import {readState} from './state.js';

export function pinnedCpus(stateDirectory: string): number[] {
  const boxes = join(stateDirectory, 'boxes');
  let names: string[];
  try {
    names = readdirSync(boxes);
  } catch {
    return []; // nothing was ever run here
  }
  return names.flatMap((name) => {
    try {
      return stepsOf(readState(join(boxes, name)).plan, 'affinity.set').flatMap(({cpus}) => cpus);
    } catch {
      return []; // just being made or removed
    }
  });
}
