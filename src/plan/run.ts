/**
 * The node's /run in a box: empty but for what the policy names. Services of the node listen there, at sockets that accept every process that the mode of a file
 * lets in, whatever network the box has. A container engine's starts processes outside of the box, and so does a user's systemd over its bus.
 */

import {TareError} from '../errors.js';
import {liesIn} from '../policy/glob.js';
import type {Inputs} from './inputs.js';
import {bind, type Step} from './step.js';

/** The directory of the node's services. */
export const RUN = '/run';
/** Sockets of the account's own services, whose processes are in no box. */
const OF_USERS = '/run/user';
/** A query to these sockets reaches the network. */
const RESOLVER = '/run/systemd/resolve';

/** Steps for /run, in this order: before and after all other mounts below /run. */
export function planRun({policy, call}: Inputs, ownNetwork: boolean): {before: Step[]; after: Step[]} {
  const {value, provenance} = policy.run;
  const seen = value.filter((path) => call.run?.includes(path) === true && !(ownNetwork && liesIn(path, RESOLVER)));
  const outermost = seen.filter((path) => !seen.some((other) => other !== path && liesIn(path, other)));
  return {
    before: [
      {op: 'mount.tmpfs', destination: RUN, mode: '0755', sizeBytes: null, because: 'services of the node listen there'},
      // it may end before the box begins
      ...outermost.map((path) => bind(path, path, ['ro'], `allowed by ${provenance.at}`, true)),
    ],
    after: [{op: 'mount.readonly', destination: RUN, because: 'nothing is stored here'}],
  };
}

/** A job that starts in /run where that is not its own would have what is there. @throws TareError WORK_DIRECTORY */
export function checkStartInRun({job}: Inputs, real: string, isOwn: boolean): void {
  if (!liesIn(real, RUN) || (isOwn && !liesIn(real, OF_USERS))) return;
  throw new TareError('WORK_DIRECTORY', {
    message: 'no job in a box starts in /run, where services of the node listen',
    where: job.workDirectory.provenance.at,
    found: real,
    allowed: `outside of /run; below it, but not below ${OF_USERS}, a directory of the job’s own`,
    remedy: 'start the job elsewhere',
  });
}
