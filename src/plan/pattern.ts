/** Which usage pattern a job runs in, and whether the policy lets it. */

import {TareError} from '../errors.js';
import type {Job, Pattern, Valued} from '../job/job.js';
import type {Policy} from '../policy/policy.js';

export interface PatternChoice {
  value: Pattern;
  because: string;
}

/** Patterns that this version can run. */
export const AVAILABLE_PATTERNS: readonly Pattern[] = ['ulimit++'];

/** Selects the pattern: what the job says, else what it needs (design: the three usage patterns). */
export function selectPattern(pattern: Valued<Pattern | 'auto'>): PatternChoice {
  if (pattern.value !== 'auto') return {value: pattern.value, because: `asked for by ${pattern.provenance.at}`};
  return {value: 'ulimit++', because: 'one application, and neither services nor an identity of its own are asked for'};
}

/**
 * A forbidden pattern is refused with the reason; the job is never run in another instead.
 * @throws TareError PATTERN_FORBIDDEN, PATTERN_UNAVAILABLE
 */
export function checkPattern({value}: PatternChoice, job: Job, policy: Policy): void {
  if (!policy.patterns.value.includes(value)) {
    throw new TareError('PATTERN_FORBIDDEN', {
      message: `the policy does not allow the pattern ${value}`,
      where: policy.patterns.provenance.at,
      found: value,
      allowed: policy.patterns.value.join(', ') || 'none',
    });
  }
  if (!AVAILABLE_PATTERNS.includes(value)) {
    throw new TareError('PATTERN_UNAVAILABLE', {
      message: `this version of Tare cannot run the pattern ${value}`,
      where: job.pattern.provenance.at,
      found: value,
      allowed: AVAILABLE_PATTERNS.join(', '),
    });
  }
}
