/** The filter on system calls that a plan wants, for the launch frame: of the payload, and of whatever joins its box. */

import {readFileSync} from 'node:fs';
import {TareError} from '../errors.js';
import {compile, filterText, isProcessor} from '../engine/bpf.js';
import {DEFAULT, parseProfile, PILOT, type SeccompProfile} from '../engine/seccomp.js';
import {stepOf} from '../plan/step.js';
import {FILTERS} from '../schema/generated/filters.js';
import type {Plan} from '../schema/generated/plan-1.js';

/**
 * @returns null where the plan wants none
 * @throws TareError ENGINE_FAILED for a file that cannot be read, or says what no filter can
 */
export function filterOf(plan: Plan): string | null {
  const step = stepOf(plan, 'seccomp.load');
  if (step === undefined) return null;
  const {arch} = process;
  if (!isProcessor(arch)) throw new TareError('ENGINE_FAILED', {message: `there is no filter on system calls for the processor ${arch}`});
  // `builtin`: of a live small machine of a version before; it let services make namespaces
  const profile = step.profile === 'builtin' ? PILOT : step.profile;
  if (profile === DEFAULT || profile === PILOT) return FILTERS[arch][profile][plan.pattern.value === 'vm-lite' ? 'machine' : 'box'];
  try {
    return filterText(compile(readProfile(profile), arch));
  } catch (error) {
    throw error instanceof TareError ? new TareError(error.code, {...error.details, where: profile}) : error;
  }
}

function readProfile(file: string): SeccompProfile {
  try {
    return parseProfile(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new TareError('ENGINE_FAILED', {
      message: 'the filter on system calls cannot be read',
      where: file,
      found: String(error),
      allowed: 'a seccomp object of the OCI runtime specification, such as configs/seccomp.json',
      cause: error,
    });
  }
}
