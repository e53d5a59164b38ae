/** Whether this node should be sent jobs: what a batch system's node check asks. */

import {asTareError} from '../errors.js';
import {readPolicy} from '../files/documents.js';
import {formatDuration} from '../job/quantity.js';
import {readHealth, type HealthResult} from '../node-state/health.js';
import {readReports} from '../node-state/reports.js';
import {nodePlaces, placesOf} from '../policy/places.js';

/** The answer to a batch system's node check, from the node's state on disk. */
export interface Health {
  healthy: boolean;
  /** Whether the last probes got the box that the policy wants; null: nothing has tried it. */
  boxed: boolean | null;
  /** Jobs of the last day that ran with less than was asked, by flag. */
  degraded: Readonly<Record<string, number>>;
  /** Failures of the wrapper in the policy's time; null when the policy does not count them. */
  failures: number | null;
  /** Why not, or null. */
  reason: string | null;
  /** What closes the node, in words that a program can tell apart. */
  faults: readonly string[];
  /** Where an unprivileged job's record goes; null when the policy cannot be read. */
  spool: string | null;
}

const SOMEBODY = 1;
/** Three periods of root's timer: what it found before tells nothing any more. */
const OLDEST_US = 60e6;
/** The state of a node that was never probed. */
const UNTRIED = {boxed: null, degraded: {}, faults: []};

/**
 * The health by the node's last probe, else by the reports that can be read.
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
    if (probed !== null) return {...asOf(probed, Date.now() * 1000), spool};
    if (blackHole === null) return {...UNTRIED, healthy: true, failures: null, reason: null, spool};
    const nowMs = Date.now();
    const since = nowMs - blackHole.withinUs / 1000;
    const found = (readReports(nodePlaces(policy, uid), nowMs) ?? []).filter(({kind, epochMs}) => kind === 'failed' && epochMs > since);
    const healthy = blackHole.then !== 'drain' || found.length < blackHole.failures;
    if (healthy) return {...UNTRIED, healthy, failures: found.length, reason: null, spool};
    const codes = [...new Set(found.map(({code}) => code))].sort().join(' ');
    const counted = `${String(found.length)} failures of the wrapper in ${formatDuration(blackHole.withinUs)}`;
    return {...UNTRIED, healthy, failures: found.length, reason: `${counted}: ${codes}`, faults: ['jobs'], spool};
  } catch (error) {
    return {...UNTRIED, healthy: false, failures: null, reason: asTareError(error).message, faults: ['policy'], spool: null};
  }
}

function asOf({at, healthy, boxed, failures, degraded, reason, faults = []}: HealthResult, nowUs: number): Omit<Health, 'spool'> {
  const found = {boxed, failures, degraded, faults};
  // of the future: the clock was set back
  if (Math.abs(nowUs - at) <= OLDEST_US) return {...found, healthy, reason};
  const age = `the node was last looked at ${formatDuration(Math.round(Math.abs(nowUs - at) / 1e6) * 1e6)} ${at > nowUs ? 'in the future' : 'ago'}`;
  return {
    ...found,
    faults: ['timer'],
    healthy: false,
    reason: `${age}, and what was found counts for ${formatDuration(OLDEST_US)}: see \`tare node probe\``,
  };
}
