/** What a job may write to: where it starts, if that is its own, and what it and its call name. */

import type {Valued} from '../job/job.js';
import {liesIn} from '../policy/glob.js';
import {isNeverWritable} from './covered.js';
import type {Inputs} from './inputs.js';

/** Directories of the node that a job may write to, and whether it may start where it asks to. */
export interface Writable {
  /** Whether a job can start there: the place is not one that is always read-only. */
  canStart: boolean;
  /** The job starts in a directory that is its own. */
  startsInOwn: boolean;
  /** As they were named. */
  asked: Valued<string>[];
  /** Where they are mounted. */
  mounted: Valued<string>[];
}

/**
 * @param real where a path leads to
 * @param repositories where CVMFS lies in the box
 */
export function planWritable(inputs: Inputs, real: (path: string) => string, repositories: string): Writable {
  const {job, call} = inputs;
  const places = (path: string): string[] => [path, call.real?.[path] ?? path];
  const isNever = (path: string): boolean => isNeverWritable(path) || liesIn(path, repositories);
  // a slot's directories can lie on a RAM disk: the batch system, which made them, removes them
  const canStart = places(job.workDirectory.value).every((path) => path.startsWith('/dev/shm/') || !isNever(path));
  const started = canStart && isOwnDirectory(inputs) ? [job.workDirectory] : [];
  const more = [...job.writable, ...(call.writable ?? [])].filter(({value}) => !places(value).some(isNever));
  const asked = [...started, ...more];
  const mounted = asked.map(({value, provenance}) => ({value: real(value), provenance}));
  return {canStart, startsInOwn: started.length > 0, asked, mounted};
}

/** Whether a job may write where it starts: else a work directory would be a way around the policy's `writable` and the private /tmp. */
export const isOwnDirectory = ({job, policy, call}: Inputs): boolean =>
  call.foreignDirectory !== true || policy.writable.value.some((directory) => liesIn(job.workDirectory.value, directory));
