import {rmdirSync} from 'node:fs';
import {basename} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {deepestFirst} from './files.js';

/** EBUSY: a process is dying in it; ENOTEMPTY cannot happen on cgroupfs, but a group may be made while we look. */
const PASSING = new Set(['EBUSY', 'ENOTEMPTY', 'EAGAIN']);

/** Removes boxes with all groups below, the deepest first; tries again for so long. Returns what is left. */
export async function removeBoxes(boxes: readonly string[], id: string, timeoutMs = 2000): Promise<string[]> {
  const start = performance.now();
  const ours = boxes.filter((box) => basename(box) === `tare-${id}`);
  for (let delay = 2; ; delay = Math.min(delay * 2, 50)) {
    const failures = ours.flatMap(removeOnce);
    const again = failures.some(({code}) => PASSING.has(code));
    if (!again || performance.now() - start > timeoutMs) return failures.map(({directory}) => directory);
    await sleep(delay);
  }
}

/** The same for a box that was begun and not finished: nobody was ever in it. */
export function removeOnce(box: string): {directory: string; code: string}[] {
  const failures: {directory: string; code: string}[] = [];
  for (const directory of deepestFirst(box)) {
    try {
      rmdirSync(directory);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
      if (code !== 'ENOENT') failures.push({directory, code});
    }
  }
  return failures;
}
