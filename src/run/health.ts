/** Whether this node should be sent jobs: what a batch system's node check asks. */

import {asTareError} from '../errors.js';
import {readPolicy} from '../files/documents.js';
import {formatDuration} from '../job/quantity.js';
import {readHealth} from '../node-state/health.js';
import {readReports} from '../node-state/reports.js';
import {nodePlaces, placesOf} from '../policy/places.js';

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

/**
 * As the node's last probe found it; where there was none, by what can be read of the reports.
 * A policy that cannot be read makes every job fail: such a node is not healthy.
 */
export async function examineHealth(policyFile: string | null): Promise<Health> {
  const uid = process.getuid?.() ?? -1;
  try {
    const policy = await readPolicy(policyFile, uid);
    const {blackHole} = policy.batch;
    const {
      spools: [spool = null],
    } = placesOf(policy, SOMEBODY);
    const probed = readHealth(nodePlaces(policy, uid));
    if (probed !== null) return {healthy: probed.healthy, failures: probed.failures, reason: probed.reason, spool};
    if (blackHole === null) return {healthy: true, failures: null, reason: null, spool};
    const nowMs = Date.now();
    const since = nowMs - blackHole.withinUs / 1000;
    const found = (readReports(nodePlaces(policy, uid), nowMs) ?? []).filter(({kind, epochMs}) => kind === 'failed' && epochMs > since);
    const healthy = blackHole.then !== 'drain' || found.length < blackHole.failures;
    if (healthy) return {healthy, failures: found.length, reason: null, spool};
    const codes = [...new Set(found.map(({code}) => code))].sort().join(' ');
    const counted = `${String(found.length)} failures of the wrapper in ${formatDuration(blackHole.withinUs)}`;
    return {healthy, failures: found.length, reason: `${counted}: ${codes}`, spool};
  } catch (error) {
    return {healthy: false, failures: null, reason: asTareError(error).message, spool: null};
  }
}
