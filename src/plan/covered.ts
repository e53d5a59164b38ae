/** What of the node's file system a box does not have as it is there: what private directories cover, and what is never made writable. */

import {liesIn} from '../policy/glob.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {RUN} from './run.js';

/** Directories of the node that are replaced by private ones: what lies there is not in the box unless it is bound. */
const PRIVATE = ['/tmp', '/var/tmp', '/dev', '/proc', RUN] as const;
/** Nothing below these is made writable: a control group that is writable in the box is a way out of its limits, and files in the node's /dev/shm are counted for no job when this one is over. */
const NEVER_BELOW = ['/dev', '/proc', '/sys'];
/** A work directory that is one of these stays read-only: making it writable would be making the node writable. */
const NEVER_WRITABLE: readonly string[] = [
  '/',
  '/bin',
  '/boot',
  '/dev',
  '/etc',
  '/lib',
  '/lib64',
  '/opt',
  '/proc',
  '/run',
  '/sbin',
  '/sys',
  '/usr',
  '/var',
];

/** Whether a path of the node is covered by something private in the box. */
export const isCovered = (path: string): boolean => PRIVATE.some((directory) => liesIn(path, directory));

/** Why the box lacks what lies at a path of the node, for messages; null where the box has it. */
export function whyNotInBox({mode, steps}: Pick<Plan, 'mode' | 'steps'>, path: string): string | null {
  if (mode.value !== 'box') return null;
  const place = PRIVATE.find((directory) => liesIn(path, directory));
  const isBound = steps.some(
    (step) => step.op === 'mount.bind' && step.source === step.destination && step.source !== '/' && liesIn(path, step.source),
  );
  return place === undefined || isBound ? null : `${place} is private in the box: put it elsewhere, or into the work directory`;
}

/** A directory that is in every box as it is on the node: read-only. */
export const isNeverWritable = (path: string): boolean =>
  NEVER_WRITABLE.includes(path) || NEVER_BELOW.some((directory) => liesIn(path, directory));

/** A job that is to start in the node's starts in the private one. */
export const isPrivate = (path: string): boolean => ['/tmp', '/var/tmp'].includes(path);
