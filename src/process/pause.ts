/** Stops the supervisor at a named step, for tests of a killed wrapper (policy: debug.pauseAt). */

import {writeFileSync} from 'node:fs';
import {standStill} from './clock.js';

/** Renames the process to `@STEP` and waits for ever, if the step is listed. Only SIGKILL ends it. */
export function pauseAt(steps: readonly string[], step: string): void {
  if (!steps.includes(step)) return;
  writeFileSync('/proc/self/comm', `@${step}`);
  standStill();
}
