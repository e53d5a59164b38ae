/** What the commands that also know ended jobs have in common. Loaded only when one is asked for. */

import type {LiveBox} from '../../live/box-view.js';
import {findEnded, type EndedJob} from '../../live/ended.js';
import {findLive} from '../../live/live.js';
import {cpuTimeOf} from '../../record/record.js';
import {endedState, type JobRow} from '../../report/jobs.js';
import type {Node} from './boxes.js';

/** An ended job as a row of the table of jobs. */
export const rowOfEnded = ({
  boxId,
  record: {recordId, payload, user, pattern, allocation, usage, time, outcome},
}: Pick<EndedJob, 'boxId' | 'record'>): JobRow => ({
  id: boxId,
  recordId,
  name: payload.name,
  // as of a live one
  user: user.local ?? user.uid?.toString() ?? null,
  // given back when it ended
  hostname: null,
  addresses: [],
  pattern,
  cores: allocation.cores,
  memoryBytes: null,
  memoryPeakBytes: usage.memPeakBytes,
  memoryLimitBytes: allocation.memoryLimitBytes,
  processes: null,
  cpuUs: cpuTimeOf(usage),
  wallUs: time.wallUs,
  startEpochUs: time.startEpochUs,
  endEpochUs: time.endEpochUs,
  state: endedState(outcome),
  applications: [],
});

/**
 * The job that a word means: a live one, else one that has ended.
 * @throws TareError BOX_UNKNOWN, BOX_AMBIGUOUS, BOX_FORBIDDEN
 */
export function oneJob({policy, uid}: Node, word: string): {live: LiveBox} | {ended: EndedJob} {
  const live = findLive(policy, uid, word);
  return live === null ? {ended: findEnded(policy, uid, word)} : {live};
}
