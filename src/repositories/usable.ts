/** What was found of a job’s repositories, for the decision whether it runs, what its plan becomes, how its image is seen. */

import type {ProbeResult, OwnMount, RepositoryState} from '../cvmfs/classify.js';
import {TareError, TareErrors} from '../errors.js';
import type {Valued} from '../job/job.js';
import {formatDuration} from '../job/quantity.js';
import {accountOrOwn} from '../plan/account.js';
import {repositoryOf} from '../plan/cvmfs.js';
import type {RepositoryFound} from '../plan/resolve.js';
import {stepOf, stepsOf, type StepOf} from '../plan/step.js';
import {throughTool, type Through} from '../process/tool.js';
import type {Plan} from '../schema/generated/plan-1.js';

type Probe = StepOf<'cvmfs.probe'>;
type Mount = StepOf<'cvmfs.mount'>;

/** How the image of a job can be seen whose repository Tare has mounted; null: as it is. */
export function throughOf(plan: Plan, looked: readonly ProbeResult[], image: string | null): Through | null {
  const [mount, own] = stepsOf(plan, 'cvmfs.mount').flatMap((step) => {
    const found = looked.find(({entry}) => entry.repository === step.repository)?.own;
    return image !== null && found !== undefined && repositoryOf(image, step.root) === step.repository ? [step, found] : [];
  }) as [Mount, OwnMount] | [];
  if (mount === undefined || own === undefined) return null;
  const identity = stepOf(plan, 'identity.take') ?? null;
  const args = [mount.user ? 'user' : 'mount', accountOrOwn(identity), String(own.mounter.pid), own.place, mount.repository, mount.root];
  return throughTool('tare-within', args);
}

/** An image has to be there before the box is. @throws TareError CVMFS_UNUSABLE */
function requireImage(plan: Plan, looked: readonly ProbeResult[], {value, provenance}: Valued<string>): void {
  const probe = stepsOf(plan, 'cvmfs.probe').find(({repository, root}) => repositoryOf(value, root) === repository);
  const found = looked.find(({entry}) => entry.repository === probe?.repository);
  if (probe === undefined || found?.entry.state !== 'absent' || probe.otherwise !== 'refuse') return;
  throw new TareError('CVMFS_UNUSABLE', {
    message: `the image lies in the repository ${probe.repository}, which this node has not got`,
    where: provenance.at,
    found: value,
    allowed: 'a repository that the node mounts, or that Tare can mount (cvmfs.mount in the policy)',
    remedy: `have the node mount ${probe.root}/${probe.repository}, or use an image that lies elsewhere`,
  });
}

/**
 * What was found lets the job run, as the plan says.
 * @param image that of the job
 * @throws TareError | TareErrors CVMFS_UNUSABLE
 */
export function requireUsable(plan: Plan, looked: readonly ProbeResult[], image: Valued<string> | null): void {
  if (image !== null) requireImage(plan, looked, image);
  const refused = looked.flatMap(({entry}) => {
    const probe = stepsOf(plan, 'cvmfs.probe').find(({repository}) => repository === entry.repository);
    return entry.state !== 'ok' && probe?.otherwise === 'refuse' ? [unusableError(probe, entry)] : [];
  });
  const [only, ...others] = refused;
  if (only !== undefined) throw others.length === 0 ? only : new TareErrors(refused);
}

/** The results of looks in the form that the plan's resolution takes. */
export const foundOf = (looked: readonly ProbeResult[]): RepositoryFound[] =>
  looked.map(({entry: {repository, state, reason}, own}) => ({
    repository,
    present: state !== 'absent',
    usable: state === 'ok',
    own: own !== undefined,
    because: reason,
  }));

function unusableError({repository, root, waitUs, because}: Probe, {state, reason}: RepositoryState): TareError {
  const waited = waitUs === 0 ? '' : ` within ${formatDuration(waitUs)}`;
  return new TareError('CVMFS_UNUSABLE', {
    message: `the repository ${repository} cannot be used on this node${waited}`,
    where: because,
    found: `${state}: ${reason ?? ''}`,
    remedy: `look at ${root}/${repository} on the node (\`tare doctor --cvmfs\`), or see cvmfs.onFailure in the policy`,
  });
}
