/** The filter on system calls that a plan wants, for the launch frame: of the payload, and of whatever joins its box. */

import {readFileSync} from 'node:fs';
import {TareError} from '../errors.js';
import {compile, filterText, isProcessor} from '../engine/bpf.js';
import {builtinProfile, DEFAULT, PILOT, type SeccompProfile} from '../engine/seccomp.js';
import {stepOf} from '../plan/step.js';
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
  const own = profile === DEFAULT || profile === PILOT ? builtinProfile(profile, plan.pattern.value === 'vm-lite') : readProfile(profile);
  try {
    return filterText(compile(own, arch));
  } catch (error) {
    throw error instanceof TareError ? new TareError(error.code, {...error.details, where: profile}) : error;
  }
}

function readProfile(file: string): SeccompProfile {
  const wrong = (found: string, cause?: unknown): TareError =>
    new TareError('ENGINE_FAILED', {
      message: 'the filter on system calls cannot be read',
      where: file,
      found,
      allowed: 'a seccomp object of the OCI runtime specification, such as configs/seccomp.json',
      cause,
    });
  let read: unknown;
  try {
    read = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw wrong(String(error), error);
  }
  if (typeof read !== 'object' || read === null || typeof (read as {defaultAction?: unknown}).defaultAction !== 'string')
    throw wrong('no object with a defaultAction');
  return read as SeccompProfile;
}
