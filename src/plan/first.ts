/** A payload that is process 1 of a PID namespace of its own, below init: where that cannot be had the job is refused, since it would be another one. */

import {TareError} from '../errors.js';
import type {Pattern} from '../job/job.js';
import type {Inputs} from './inputs.js';
import type {ModeChoice} from './mode.js';

/**
 * Init has no right over the box. So the namespace belongs to a user namespace that the payload's process makes (user_namespaces(7)).
 * @returns whether the payload is the first process; what is only observed is run as it would be without Tare
 * @throws TareError FIRST_PROCESS_UNAVAILABLE
 */
export function planFirst(inputs: Inputs, mode: ModeChoice, pattern: Pattern): boolean {
  const {firstProcess} = inputs.job;
  if (firstProcess === undefined || mode.value === 'observe') return false;
  const obstacle = obstacleTo(inputs, mode, pattern);
  if (obstacle === null) return true;
  throw new TareError('FIRST_PROCESS_UNAVAILABLE', {
    message: 'the payload cannot be process 1 of a PID namespace of its own',
    where: firstProcess.provenance.at,
    ...obstacle,
  });
}

function obstacleTo({facts, call}: Inputs, mode: ModeChoice, pattern: Pattern): {found: string; remedy: string} | null {
  const leave = 'leave firstProcess out';
  if (pattern === 'vm-lite') return {found: 'a small machine (vm-lite), of which process 1 is an init', remedy: leave};
  if (mode.value !== 'box') return {found: `no box: ${mode.because}`, remedy: `${leave}, or have a box built: \`tare doctor\` tells how`};
  if (call.tasks !== undefined) return {found: `${String(call.tasks)} tasks of the batch system share the box`, remedy: leave};
  // create_user_ns() and verify_root_map() of the kernel, since Linux 5.12
  if (call.identity.value.uid === 0)
    return {
      found: 'the payload is root, whom a user namespace has only where its maker has CAP_SETFCAP',
      remedy: `${leave}, or run it as another account`,
    };
  const {user} = facts.namespaces;
  return user.available ? null : {found: `no user namespace (${user.how})`, remedy: user.remedy ?? leave};
}
