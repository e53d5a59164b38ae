/**
 * Clients of file systems that were started for one box: they are ended when the payload is to end and cannot, since a process of it waits
 * for them. A request that a FUSE server has taken is waited for without heed of any signal (fs/fuse/dev.c, request_wait_answer).
 */

import {monotonicUs} from '../process/clock.js';
import {hasSignal, LongWaits, waitingThreads} from './stuck.js';

/** How often is looked. */
const LOOK_MS = 500;
/** Time for which a killed process may wait in the kernel when all of the box has to end. */
const KILLED_US = 1e6;
/** The same while the payload may still end by itself, and needs its files for that. */
const ASKED_US = 1.5e6;

/** How the end of a box stands, while something of it still waits for a file system. */
export interface Ending {
  /** Nothing of the box is to go on: the payload is killed, or gone. */
  all: boolean;
  /** Signals that were passed on to the payload. */
  signals: readonly number[];
  /** How long the payload has after such a signal, µs. */
  graceUs: number;
}

/**
 * @param ending null while the box is to go on
 * @param roots above which process each is a tree of the box's processes
 * @param end ends the clients; called once at most
 * @returns stops looking
 */
export function endClientsWhenStuck(
  ending: () => Ending | null,
  roots: () => readonly number[],
  end: (waitedUs: number) => void,
): () => void {
  const killed = new LongWaits();
  const deaf = new LongWaits();
  const looking = setInterval(() => {
    const how = ending();
    const threads = how === null ? [] : waitingThreads(roots());
    const now = monotonicUs();
    const killedUs = killed.longestUs(
      threads.filter((thread) => thread.killed).map(({key}) => key),
      now,
    );
    // a handler would run, but the thread does not come to it
    const deafUs = deaf.longestUs(
      threads.filter(({pending}) => how?.signals.some((signal) => hasSignal(pending, signal)) === true).map(({key}) => key),
      now,
    );
    if (how === null || (killedUs < (how.all ? KILLED_US : ASKED_US) && deafUs < Math.max(ASKED_US, how.graceUs))) return;
    clearInterval(looking);
    end(Math.max(killedUs, deafUs));
  }, LOOK_MS).unref();
  return () => clearInterval(looking);
}
