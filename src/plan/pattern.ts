/** Which usage pattern a job runs in, and whether this version can. */

import {TareError} from '../errors.js';
import type {Job, Pattern} from '../job/job.js';

export interface PatternChoice {
  value: Pattern;
  because: string;
}

/** Patterns that this version can run. */
export const AVAILABLE_PATTERNS: readonly Pattern[] = ['ulimit++', 'quotas++'];

/**
 * Selects the pattern: what the job says, else what it needs (design: the three usage patterns).
 * @throws TareError PATTERN_UNAVAILABLE for several applications in a pattern that has one
 */
export function selectPattern({pattern, applications, identity}: Pick<Job, 'pattern' | 'applications' | 'identity'>): PatternChoice {
  if (pattern.value === 'ulimit++' && applications !== null) {
    throw new TareError('PATTERN_UNAVAILABLE', {
      message: 'the pattern ulimit++ has one payload, and no applications',
      where: pattern.provenance.at,
      found: `ulimit++ and ${String(applications.list.length)} applications`,
      allowed: 'quotas++',
    });
  }
  if (pattern.value !== 'auto') return {value: pattern.value, because: `asked for by ${pattern.provenance.at}`};
  if (identity !== null) return {value: 'vm-lite', because: `an identity of its own is asked for (${identity.at})`};
  if (applications !== null) return {value: 'quotas++', because: `${String(applications.list.length)} applications`};
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
