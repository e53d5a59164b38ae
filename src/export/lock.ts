/** One export at a time for each place: two would deliver the same records twice, which is harmless and a waste. */

import {linkSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {errnoOf, ifPossible, ifThere} from '../errors.js';

/** A process, by its pid and start time in clock ticks after boot. */
export interface Owner {
  pid: number;
  startTicks: number;
}

/**
 * @param isRunning whether that process still lives
 * @returns what lets go of it; or the process that has it
 * @throws Error of the system
 */
export function takeLock(place: string, self: Owner, isRunning: (owner: Owner) => boolean): {release: () => void} | {owner: Owner} {
  const path = join(place, 'lock');
  const mine = join(place, `lock.${String(self.pid)}`);
  writeFileSync(mine, JSON.stringify(self), {mode: 0o600});
  try {
    for (let attempt = 0; ; attempt++) {
      try {
        linkSync(mine, path);
        return {release: () => rmSync(path, {force: true})};
      } catch (error) {
        if (errnoOf(error) !== 'EEXIST' || attempt > 3) throw error;
      }
      const owner = read(path);
      if (owner !== null && isRunning(owner)) return {owner};
      // taken aside under a name of our own: of two that find it stale, one gets it
      const aside = join(place, `lock.stale.${String(self.pid)}`);
      ifThere(() => {
        renameSync(path, aside);
        rmSync(aside, {force: true});
      });
    }
  } finally {
    rmSync(mine, {force: true});
  }
}

const read = (path: string): Owner | null =>
  ifPossible(() => {
    const {pid, startTicks} = JSON.parse(readFileSync(path, 'utf8')) as Owner;
    return typeof pid === 'number' ? {pid, startTicks} : null;
  });
