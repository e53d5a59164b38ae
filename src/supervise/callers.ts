/** Who waits for a wrapper, where the death of one means that the job was cancelled. A job script that was killed takes nothing with it: what it started would run on. */

import {isRunning, type ProcessId} from '../process/process.js';

const LOOK_MS = 500;

/**
 * @param lost called once, when one of them is gone
 * @returns stops looking
 */
export function whenCallerLost(callers: readonly ProcessId[], lost: () => void): () => void {
  if (callers.length === 0) return () => undefined;
  const looking = setInterval(() => {
    if (callers.every(isRunning)) return;
    clearInterval(looking);
    lost();
  }, LOOK_MS).unref();
  return () => clearInterval(looking);
}
