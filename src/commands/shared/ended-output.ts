/** The output of jobs that have ended, for `tare logs`. Loaded only when one is asked for. */

import type {StreamName} from '../../box/kept-output.js';
import {TareError} from '../../errors.js';
import {formatBytes} from '../../job/quantity.js';
import {applicationsOf, findEnded} from '../../live/ended.js';
import {findKept, openEnded, type EndedOutput} from '../../live/kept.js';
import {becomeOwner, requireApplication} from '../../live/live.js';
import {copyRange, lastLines, onlyLines} from '../../live/output.js';
import type {Node} from './boxes.js';
import {complain} from './output.js';

/** Where the output of an ended job goes, and how much of it. */
interface Showing {
  stream: StreamName;
  /** Only lines of that one of several applications; absent: all. */
  application: string | undefined;
  /** null: all. */
  tail: number | null;
  /** @returns false when nobody reads any more */
  write: (bytes: Buffer) => boolean;
}

/** @throws TareError APPLICATION_UNKNOWN, BOX_UNKNOWN, BOX_AMBIGUOUS, OUTPUT_ELSEWHERE, OUTPUT_NOT_KEPT */
export function showEnded({policy, uid}: Node, word: string, {stream, application, tail, write}: Showing): void {
  const job = findEnded(policy, uid, word);
  const {boxId, record} = job;
  const id = boxId ?? record.recordId;
  if (application !== undefined) requireApplication(applicationsOf(job), application, id);
  const kept = findKept(policy, uid, boxId);
  if (kept === null) {
    throw new TareError('OUTPUT_NOT_KEPT', {
      message: `the job ${id} has ended, and nothing is kept of its output`,
      found: `logs.keep is ${policy.logs.keep} in the policy`,
      remedy: 'what it wrote is where its caller sent it; with logs: {keep: failed} or {keep: all} the output of later jobs is kept',
    });
  }
  becomeOwner(kept);
  const output = openEnded(kept, stream, `the ${stream === 'stdout' ? 'standard output' : 'standard error'} of ${id}`);
  print(output, tail, application === undefined ? write : onlyLines(`${application}: `, write));
}

function print({descriptor, begin, end, gap}: EndedOutput, tail: number | null, write: (bytes: Buffer) => boolean): void {
  const from = tail === null ? begin : lastLines(descriptor, begin, end, tail);
  if (gap === null || from >= gap.at) {
    copyRange(descriptor, from, end, write);
    return;
  }
  if (!copyRange(descriptor, from, gap.at, write)) return;
  complain(`${formatBytes(gap.bytes)} are not kept here`);
  copyRange(descriptor, gap.at, end, write);
}
