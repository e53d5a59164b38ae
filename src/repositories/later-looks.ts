/** Looks at a job’s repositories after they were found: while the engine builds the box, and at the end. */

import {closeEnded, closeEntry, classify, type Entry, type ProbeResult} from '../cvmfs/classify.js';
import {stepsOf} from '../plan/step.js';
import {monotonicUs} from '../process/clock.js';
import type {Log} from '../process/log.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {answersFolder, lookOnce} from './look-once.js';
import {usageOf} from './own.js';
import {timeoutsOf} from './talk.js';

/** Deadline of a look at the end: the record must not wait long for it. */
const LAST_DEADLINE_US = 5e6;
/** Deadline for a client of Tare's own, which has the answer in memory, since no other job uses it. */
const LAST_OWN_DEADLINE_US = 2e6;
/** The payload's end and a look that began at that moment are the same time. */
const CLOCKS_US = 1000;

/** A repository that answered and then hangs the engine: the next look, whose answer others get too, tells. */
export function launchStallOf(
  plan: Plan,
  looked: readonly ProbeResult[],
  log: Log,
): {afterMs: number; look: () => Promise<string | null>} | null {
  const probes = stepsOf(plan, 'cvmfs.probe').filter(({otherwise}) => otherwise !== 'record');
  if (probes.length === 0) return null;
  const afterMs = Math.max(...probes.map(({deadlineUs}) => deadlineUs)) / 1000;
  return {
    afterMs,
    look: async () => {
      const folder = answersFolder(plan.directories.state, log);
      const found = await Promise.all(
        probes.map(async (probe) => {
          const own = looked.find(({entry}) => entry.repository === probe.repository)?.own;
          const answer = await lookOnce(probe, plan, folder, {ageUs: (afterMs * 1000) / 2, deadlineUs: probe.deadlineUs, own});
          const verdict = classify(answer, probe);
          return verdict.state === 'ok' ? [] : [`${probe.repository}: ${verdict.reason ?? verdict.state}`];
        }),
      );
      const reasons = found.flat();
      return reasons.length === 0 ? null : `the box waits for a repository: ${reasons.join(', ')}`;
    },
  };
}

/**
 * @param endedUs when the payload ended, on the monotonic clock: an answer from then on counts
 * @param shimKilled Tare's own clients have ended with the shim: nothing is known of what the payload had
 */
export async function lookAgain(
  plan: Plan,
  looked: readonly ProbeResult[],
  endedUs: number,
  {shimKilled, log}: {shimKilled: boolean; log: Log},
): Promise<Entry[]> {
  const probes = stepsOf(plan, 'cvmfs.probe');
  if (looked.length === 0) return [];
  const folder = answersFolder(plan.directories.state, log);
  return Promise.all(
    looked.map(async ({entry, errors, fetched, own, clientEnded}) => {
      if (own !== undefined && shimKilled) return entry;
      if (clientEnded !== undefined) return closeEnded(entry, clientEnded);
      // none of a configuration repository
      const probe =
        probes.find(({repository}) => repository === entry.repository) ??
        (own === undefined ? undefined : {repository: entry.repository, root: '', deadlineUs: LAST_OWN_DEADLINE_US});
      if (probe === undefined) return entry;
      const ageUs = monotonicUs() - endedUs + CLOCKS_US;
      const answer = await lookOnce(probe, plan, folder, {
        ageUs,
        deadlineUs: Math.min(probe.deadlineUs, own === undefined ? LAST_DEADLINE_US : LAST_OWN_DEADLINE_US),
        at: 'end',
        own,
      });
      const told = own === undefined ? {} : {...usageOf(own), timeouts: await timeoutsOf(own, entry.repository)};
      const closed = {...closeEntry(entry, answer, errors, fetched), ...told};
      if (closed.stateAtEnd !== entry.state)
        log.warn('a repository is no longer what it was', {repository: entry.repository, reason: closed.reasonAtEnd});
      return closed;
    }),
  );
}
