/** How the limit on a box's scratch is enforced, and what counts as scratch. */

import type {ScratchRule} from '../policy/policy.js';
import {liesIn} from '../policy/glob.js';
import {placesOf} from '../policy/places.js';
import {isSetuid} from './engine.js';
import type {Inputs} from './inputs.js';
import type {Plan} from '../schema/generated/plan-1.js';
import type {ModeChoice} from './mode.js';
import type {Step} from './step.js';

/** What is below it lies in the file system that contains the scratch, and is made by enter. */
export const CONTAINED = '{box}/disk';
/** Whether a path of the plan lies on the file system that holds the box's scratch to its size. */
export const isContained = (path: string): boolean => path.startsWith(`${CONTAINED}/`);
/** The file that holds that file system. */
const IMAGE = '{box}/disk.ext4';
/** The soonest that a watch looks again. */
const WATCH_PERIOD_MS = 250;

/** The enforcement of a box's limit on scratch, and its means. */
export interface ScratchEnforcer {
  enforcement: 'kernel' | 'watched' | 'none';
  by: string | null;
  because: string;
}

/** The ladder: a file system of its own in a file, or in memory if the policy allows it, else a watch. */
export function scratchEnforcer(inputs: Inputs, mode: ModeChoice): ScratchEnforcer {
  const {scratch} = inputs.policy;
  if (countsWork(inputs)) {
    const because = liesBelowOurs(inputs) ? 'the work directory is on scratch' : `the work directory counts too (${scratch.provenance.at})`;
    return watch(`${because}, and no file system of the box’s own can hold it`);
  }
  if (mode.value !== 'box') return {enforcement: 'none', by: null, because: 'without a box the payload has no scratch of its own'};
  const {loop, tmpfs, user} = inputs.facts.scratch.containers;
  if (loop.available) return {enforcement: 'kernel', by: 'loop', because: `a file system in a file holds it (${loop.how})`};
  if (scratch.value.inMemory && tmpfs.available && !(user && isSetuid(inputs)))
    return {
      enforcement: 'kernel',
      by: 'tmpfs',
      because: `a file system in memory holds it (${scratch.provenance.at}); its pages are the payload’s`,
    };
  return watch(loop.how);
}

const watch = (why: string): ScratchEnforcer => ({
  enforcement: 'watched',
  by: 'watch.scratch',
  because: `${why}: files there are added up, and the payload is stopped above the limit`,
});

const liesBelowOurs = ({job, policy, facts}: Inputs): boolean =>
  liesIn(job.workDirectory.value, placesOf(policy, facts.caller.uid).scratch);

function countsWork(inputs: Inputs): boolean {
  const rule: ScratchRule = inputs.policy.scratch.value;
  return rule.workDirectory || liesBelowOurs(inputs);
}

/** The file system that holds the scratch; null: the disk does. */
export function planQuota({facts}: Inputs, {scratch}: Plan['limits']): Extract<Step, {op: 'scratch.quota'}> | null {
  const {value, by, because} = scratch;
  if (value === null || (by !== 'loop' && by !== 'tmpfs')) return null;
  return {
    op: 'scratch.quota',
    by,
    image: by === 'loop' ? IMAGE : null,
    program: by === 'loop' ? facts.scratch.containers.program : null,
    destination: CONTAINED,
    bytes: value,
    because,
  };
}

/** @param directories private directories of the box */
export function planScratchWatch(inputs: Inputs, {scratch}: Plan['limits'], directories: readonly string[]): Step[] {
  const {value, by, because} = scratch;
  if (value === null || by !== 'watch.scratch') return [];
  const work = countsWork(inputs) ? [inputs.job.workDirectory.value] : [];
  return [{op: 'watch.scratch', limitBytes: value, directories: [...directories, ...work], periodMs: WATCH_PERIOD_MS, because}];
}

/** What an observed payload has of that: the work directory, where it counts. */
export function scratchOfWork(inputs: Inputs, because: string): Step[] {
  if (!countsWork(inputs)) return [];
  return [{op: 'weigh.scratch', directories: [inputs.job.workDirectory.value], periodMs: WATCH_PERIOD_MS, because}];
}
