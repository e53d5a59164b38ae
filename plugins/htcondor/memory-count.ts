/**
 * How HTCondor knows a job's memory. In a control group of the job's own the kernel counts each page once. Elsewhere the starter adds up the
 * resident pages of all processes, and those that several share as often as there are processes: Tare's own among them. Pure.
 */

import type {Ad} from './classad.js';

/** The starter's group for a slot, and the scope of HTCondor 24 (src/host/layout.ts). */
const GROUP = /\/condor_[^/]+(?:@[^/]+|\.slice)(?:\/|$)/;
/** What a job is removed or held by while it runs. */
const EXPRESSIONS = ['PeriodicRemove', 'PeriodicHold', 'PeriodicVacate'];
const MEMORY = /\b(ResidentSetSize(?:_RAW)?|MemoryUsage|ImageSize(?:_RAW)?)\b/i;

/** @param groups of /proc/self/cgroup @returns the job's own group; null: it has none */
export function groupOf(groups: string): string | null {
  for (const line of groups.split('\n')) {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if ((controllers === '' || controllers.split(',').includes('memory')) && GROUP.test(path)) return path;
  }
  return null;
}

/** Expressions of the job that compare its memory, with the attribute that each compares: `PeriodicRemove (ResidentSetSize)`. */
export const comparedBy = (job: Ad): string[] =>
  EXPRESSIONS.flatMap((name) => {
    const attribute = MEMORY.exec(job.text(name) ?? '')?.[1];
    return attribute === undefined ? [] : [`${name} (${attribute})`];
  });
