import {rmdirSync} from 'node:fs';
import {setTimeout as sleep} from 'node:timers/promises';
import {errnoOf} from '../errors.js';
import {deepestFirst} from './files.js';

/** EBUSY: a process is dying in it; ENOTEMPTY cannot happen on cgroupfs, but a group may be made while we look. */
const PASSING = new Set(['EBUSY', 'ENOTEMPTY', 'EAGAIN']);

/**
 * Removes a box's group with all groups below, those that the payload made too, the deepest first; tries again for so long.
 * @returns what is left, each with the kernel's reason
 */
export async function removeGroups(box: string, timeoutMs = 2000): Promise<string[]> {
  const start = performance.now();
  for (let delay = 2; ; delay = Math.min(delay * 2, 50)) {
    const failures = removeOnce(box);
    const again = failures.some(({code}) => PASSING.has(code));
    if (!again || performance.now() - start > timeoutMs) return failures.map(({directory, code}) => `${directory} (${code})`);
    await sleep(delay);
  }
}

/** The same for a box that was begun and not finished: no process was ever in it. */
export function removeOnce(box: string): {directory: string; code: string}[] {
  const failures: {directory: string; code: string}[] = [];
  for (const directory of deepestFirst(box)) {
    try {
      rmdirSync(directory);
    } catch (error) {
      const code = errnoOf(error) ?? 'unknown';
      if (code !== 'ENOENT') failures.push({directory, code});
    }
  }
  return failures;
}
