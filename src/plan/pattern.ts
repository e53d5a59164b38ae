/** Which usage pattern a job runs in, and whether this version can. */

import {TareError} from '../errors.js';
import type {Job, Pattern} from '../job/job.js';

/** The pattern of a box, and why it is that one. */
export interface PatternChoice {
  value: Pattern;
  because: string;
}

type Asking = Pick<Job, 'pattern' | 'applications' | 'init' | 'services' | 'identity'>;

/**
 * Selects the pattern: what the job says, else what it needs (design: the three usage patterns).
 * @throws TareError PATTERN_UNAVAILABLE for what the pattern that was asked for does not have
 */
export function selectPattern({pattern, applications, init, services, identity}: Asking): PatternChoice {
  const small = init === null ? (services[0]?.at ?? null) : init.provenance.at;
  if (small !== null && pattern.value !== 'auto' && pattern.value !== 'vm-lite') {
    throw new TareError('PATTERN_UNAVAILABLE', {
      message: `the pattern ${pattern.value} has no init and no services`,
      where: pattern.provenance.at,
      found: `${pattern.value}, and ${small}`,
      allowed: 'vm-lite',
    });
  }
  if (pattern.value === 'ulimit++' && applications !== null) {
    throw new TareError('PATTERN_UNAVAILABLE', {
      message: 'the pattern ulimit++ has one payload, and no applications',
      where: pattern.provenance.at,
      found: `ulimit++ and ${String(applications.list.length)} applications`,
      allowed: 'quotas++',
    });
  }
  if (pattern.value !== 'auto') return {value: pattern.value, because: `asked for by ${pattern.provenance.at}`};
  if (small !== null) return {value: 'vm-lite', because: `services of its own (${small})`};
  if (identity !== null) return {value: 'vm-lite', because: `an identity of its own is asked for (${identity.at})`};
  if (applications !== null) return {value: 'quotas++', because: `${String(applications.list.length)} applications`};
  return {value: 'ulimit++', because: 'one application, and neither services nor an identity of its own are asked for'};
}

/** @throws TareError PATTERN_UNAVAILABLE: the job is never run in another pattern instead */
export function checkAvailable({value, because}: PatternChoice, {image, pattern}: Job): void {
  if (value !== 'vm-lite' || image !== null) return;
  throw new TareError('PATTERN_UNAVAILABLE', {
    message: 'a small machine needs an image',
    where: pattern.provenance.at === 'builtin' ? because : pattern.provenance.at,
    found: 'vm-lite without an image',
    remedy: 'name one in image',
  });
}
