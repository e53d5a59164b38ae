/** What a brain does that fails after the launch: the payload may run, so nothing is said to have failed. */

import {asTareError} from '../errors.js';
import type {Log} from '../process/log.js';

/** The brain has to end, and the front starts another, which goes on from what is on disk. */
export class BrainFailed extends Error {}

/** @throws BrainFailed */
export async function orNextBrain<T>(work: Promise<T>, log: Log): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const {message} = asTareError(error);
    log.error('this brain cannot go on; the next one takes over', {error: message});
    await log.close();
    throw new BrainFailed(message, {cause: error});
  }
}
