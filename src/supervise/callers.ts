/** The processes that wait for a wrapper. When one of them dies, the job was cancelled: a job script that is killed leaves what it started running. */

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
