/** Which rule of the policy is for a job, and what the policy is with it. */

import type {Pattern, Valued} from '../job/job.js';
import {matchesGlob} from './glob.js';
import type {Policy, Rule} from './policy.js';
import {applySetting} from './ruled.js';

/** What rules of a policy are matched with. */
export interface Subject {
  vo: string | null;
  user: string | null;
  queue: string | null;
  /** The one that was selected, never `auto`. */
  pattern: Pattern;
}

/** A policy with the rule for one job applied. */
export interface Applied {
  policy: Policy;
  /** Name of the rule that counted. */
  rule: string | null;
  /** The site's reason for not running the job. */
  refusal: Valued<string> | null;
}

/** The first rule that matches counts, and no other. */
export function applyRules(policy: Policy, subject: Subject): Applied {
  const rule = policy.rules.find(({match}) => matches(match, subject));
  if (rule === undefined) return {policy, rule: null, refusal: null};
  return {policy: applySetting(policy, rule.set), rule: rule.name, refusal: rule.refuse};
}

function matches(match: Rule['match'], {vo, user, queue, pattern}: Subject): boolean {
  return named(match.vo, vo) && named(match.user, user) && named(match.queue, queue) && (match.pattern?.includes(pattern) ?? true);
}

/** A job without a name is fitted by no pattern, not even `*`: `vo: ['*']` means jobs that have one. */
function named(globs: readonly string[] | null, name: string | null): boolean {
  return globs === null || (name !== null && globs.some((glob) => matchesGlob(glob, name)));
}

/** Whether the first match fits every job that the second fits. */
export function covers(first: Rule['match'], second: Rule['match']): boolean {
  const all: readonly Pattern[] = ['ulimit++', 'quotas++', 'vm-lite'];
  const wider = (outer: readonly string[] | null, inner: readonly string[] | null): boolean =>
    // A glob that matches another as plain text matches all that the other does: only a `*` can match a `*`.
    outer === null || (inner?.every((one) => outer.some((glob) => matchesGlob(glob, one))) ?? false);
  return (
    wider(first.vo, second.vo) &&
    wider(first.user, second.user) &&
    wider(first.queue, second.queue) &&
    (second.pattern ?? all).every((pattern) => first.pattern?.includes(pattern) ?? true)
  );
}
