/** The output of jobs that have ended, for `tare logs`. Loaded only when one is asked for. */

import type {StreamName} from '../../box/kept-output.js';
import {TareError} from '../../errors.js';
import {formatBytes} from '../../job/quantity.js';
import {applicationsOf, findEnded} from '../../live/ended.js';
import {findKept, openEnded, type EndedOutput} from '../../live/kept.js';
import {becomeOwner, requireApplication} from '../../live/live.js';
import {copyRange, lastLines, onlyLines} from '../../live/output.js';
import type {Policy} from '../../policy/policy.js';
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

/** What would have been kept, or why nothing may be there. */
const KEPT: Readonly<Record<Policy['logs']['keep'], string>> = {
  none: 'with logs.keep: failed or all in the policy the output of later jobs is kept',
  failed:
    'with logs.keep: all in the policy the output of later jobs that do not fail is kept too; logs.keepFor and logs.totalSize say how long',
  all: 'logs.keepFor and logs.totalSize in the policy say how long output is kept; it is kept where it goes to a file on a disk',
};

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
      remedy: `what it wrote is where its caller sent it; ${KEPT[policy.logs.keep]}`,
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
