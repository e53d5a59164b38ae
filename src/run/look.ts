/** What is looked at between planning and making: repositories and the image. */

import {requireReserve} from '../box/reserve.js';
import {resolve} from '../plan/resolve.js';
import {stepOf} from '../plan/step.js';
import type {AttemptContext} from '../prepare/attempt-context.js';
import type {Prepared} from '../prepare/planned.js';
import {Interrupted, interruptedError, type KeptSignals} from '../process/kept-signals.js';
import type {Log} from '../process/log.js';
import {foundOf, requireUsable, throughOf} from '../repositories/usable.js';

/** What looks at repositories and images need beside the plan. */
export interface Looking {
  shimPid: number;
  /** As `Channel.doing`. */
  doing: (what: string, patienceMs?: number | null) => void;
  /** What ends the wait. */
  kept: KeptSignals;
  log: Log;
}

/**
 * Looks at repositories and image before anything of the box is made. What was mounted for the job is in `known.looked`: the caller ends it.
 * @throws TareError
 */
export async function lookAtWorld(first: Prepared, attempt: AttemptContext, {shimPid, doing, kept, log}: Looking): Promise<Prepared> {
  const {plan, facts} = first;
  // what is only observed runs in any case, and for a wrapper in a box the one around has looked
  if (attempt.policy !== null && plan.mode.value !== 'observe' && facts.within === null) requireReserve(attempt.policy, attempt.caller.uid);
  if (stepOf(plan, 'cvmfs.probe') === undefined) attempt.looked = [];
  else {
    doing('waiting for repositories', null);
    const {probeRepositories} = await import('../repositories/repositories.js');
    attempt.looked = await probeRepositories({plan, id: attempt.id, shimPid, bootId: facts.node.bootId, log, kept});
  }
  requireUsable(plan, attempt.looked, attempt.job?.image ?? null); // an image in a repository that cannot be used is not looked at
  const prepared = await lookAtImage(first, attempt, kept);
  return {...prepared, plan: resolve(prepared.plan, {repositories: foundOf(attempt.looked), hostname: null})};
}

/** Looks at the image. The digest of a large file takes as long as reading it. */
async function lookAtImage(first: Prepared, {job, looked: repositories}: AttemptContext, kept: KeptSignals): Promise<Prepared> {
  if (first.withImage === null) return first;
  const looked = await kept.orWhile<Prepared | Interrupted>(
    first.withImage(throughOf(first.plan, repositories, job?.image?.value ?? null)),
    (signal) => new Interrupted(signal),
  );
  if (looked instanceof Interrupted) throw interruptedError(looked, 'looked at', job?.image?.value ?? '');
  return looked;
}
