/** Which usage pattern a job runs in, and whether the policy lets it. */

import {TareError} from '../errors.js';
import type {Job, Pattern, Valued} from '../job/job.js';

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

/** @throws TareError PATTERN_UNAVAILABLE: the job is never run in another pattern instead */
export function checkAvailable({value}: PatternChoice, job: Job): void {
  if (!AVAILABLE_PATTERNS.includes(value)) {
    throw new TareError('PATTERN_UNAVAILABLE', {
      message: `this version of Tare cannot run the pattern ${value}`,
      where: job.pattern.provenance.at,
      found: value,
      allowed: AVAILABLE_PATTERNS.join(', '),
    });
  }
}
