/** What a supervisor does that fails after the launch: the payload may run, so nothing is said to have failed. */

import {asTareError} from '../errors.js';
import type {Log} from '../process/log.js';

/** The supervisor has to end, and the shim starts another, which goes on from what is on disk. */
export class SupervisorFailed extends Error {}

/** @throws SupervisorFailed */
export async function orNextSupervisor<T>(work: Promise<T>, log: Log): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const {message} = asTareError(error);
    log.error('this supervisor cannot go on; the next one takes over', {error: message});
    await log.close();
    throw new SupervisorFailed(message, {cause: error});
  }
}
