/** Whether this node should be sent jobs: what a batch system's node check asks. */

import {asTareError} from '../errors.js';
import {formatDuration} from '../job/quantity.js';
import {placesOf} from '../policy/places.js';
import {readPolicy} from '../files/documents.js';
import {nodeFailures} from '../box/failures.js';

export interface Health {
  healthy: boolean;
  /** Failures of the wrapper in the policy's time; null when the policy does not count them. */
  failures: number | null;
  /** Why not, or null. */
  reason: string | null;
  /** Where an unprivileged job's record goes; null when the policy cannot be read. */
  spool: string | null;
}

const SOMEBODY = 1;

/** A policy that cannot be read makes every job fail: such a node is not healthy. */
export async function examineHealth(policyFile: string | null): Promise<Health> {
  try {
    const policy = await readPolicy(policyFile, process.getuid?.() ?? -1);
    const {blackHole} = policy.batch;
    const {
      spools: [spool = null],
    } = placesOf(policy, SOMEBODY);
    if (blackHole === null) return {healthy: true, failures: null, reason: null, spool};
    const found = nodeFailures(policy, blackHole);
    const healthy = blackHole.then !== 'drain' || found.length < blackHole.failures;
    if (healthy) return {healthy, failures: found.length, reason: null, spool};
    const codes = [...new Set(found.map(({code}) => code))].sort().join(' ');
    const counted = `${String(found.length)} failures of the wrapper in ${formatDuration(blackHole.withinUs)}`;
    return {healthy, failures: found.length, reason: `${counted}: ${codes}`, spool};
  } catch (error) {
    return {healthy: false, failures: null, reason: asTareError(error).message, spool: null};
  }
}
