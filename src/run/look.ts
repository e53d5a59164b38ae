/** What is looked at between planning and making: repositories and the image. */

import {requireReserve} from '../box/reserve.js';
import {resolve} from '../plan/resolve.js';
import {stepOf} from '../plan/step.js';
import {interrupted} from '../prepare/image.js';
import type {Known} from '../prepare/known.js';
import type {Prepared} from '../prepare/planned.js';
import {Interrupted, type KeptSignals} from '../process/kept-signals.js';
import type {Log} from '../process/log.js';
import {lookAtRepositories} from '../repositories/repositories.js';
import {foundOf, requireUsable, throughOf} from '../repositories/usable.js';

export interface Looking {
  frontPid: number;
  /** As `Channel.doing`. */
  doing: (what: string, patienceMs?: number | null) => void;
  /** What ends the wait. */
  kept: KeptSignals;
  log: Log;
}

/**
 * Before anything of the box is made. What was mounted for the job is in `known.looked`: whoever calls ends it.
 * @throws TareError
 */
export async function lookAtWorld(first: Prepared, known: Known, {frontPid, doing, kept, log}: Looking): Promise<Prepared> {
  const {plan, facts} = first;
  // what is only observed runs in any case, and for a wrapper in a box the one around has looked
  if (known.policy !== null && plan.mode.value !== 'observe' && facts.within === null) requireReserve(known.policy, known.caller.uid);
  if (stepOf(plan, 'cvmfs.probe') !== undefined) doing('waiting for repositories', null);
  const {bootId} = facts.node;
  known.looked = await lookAtRepositories({plan, id: known.id, frontPid, bootId, log, kept});
  requireUsable(plan, known.looked, known.job?.image ?? null); // an image in a repository that cannot be used is not looked at
  const prepared = await lookAtImage(first, known, kept);
  return {...prepared, plan: resolve(prepared.plan, {repositories: foundOf(known.looked), hostname: null})};
}

/** Of a large file its digest is wanted, which takes as long as reading it. */
async function lookAtImage(first: Prepared, {job, looked: repositories}: Known, kept: KeptSignals): Promise<Prepared> {
  if (first.withImage === null) return first;
  const looked = await kept.orWhile<Prepared | Interrupted>(
    first.withImage(throughOf(first.plan, repositories, job?.image?.value ?? null)),
    (signal) => new Interrupted(signal),
  );
  if (looked instanceof Interrupted) throw interrupted(looked, 'looked at', job?.image?.value ?? '');
  return looked;
}
