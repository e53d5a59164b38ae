/** Less than was asked for, told to the administrator: a line in the log, else in the node's, and a count in the node's state. */

import type {NodePlaces} from '../policy/places.js';
import {reportNode} from '../node-state/reports.js';
import {nodeDegraded, type Degradation} from '../plan/degraded.js';
import {tellNodesLog} from '../process/last-resort.js';
import type {Log} from '../process/log.js';
import type {Plan} from '../schema/generated/plan-1.js';

/** Flag of a record whose job's log could not be written, and code of its count. */
export const UNLOGGED = 'log-unwritable';
/** Code of the count of records that no spool took when their job ended; the record has the flag `record-delayed`. */
export const UNSPOOLED = 'record-unspooled';

/** What a report of degradation is about, and where it goes. */
export interface Telling {
  plan: Plan;
  id: string;
  log: Log;
  /** Where it is counted; null: nowhere, since a user could call the command line without end. */
  node: NodePlaces | null;
}

/**
 * @param unspooled why no spool took the record; null: one did
 */
export function tellLess({plan, id, log, node}: Telling, unspooled: string | null): void {
  const {then = 'alarm', what = []} = plan.degraded ?? {};
  const trouble = log.trouble();
  const all: Degradation[] = [...what, ...(trouble === null ? [] : [{code: UNLOGGED, because: trouble}])];
  if (then === 'allow') return;
  for (const {code, because} of all) log.warn('the job had less than was asked for', {code, because});
  if (node === null) return;
  // a waiting record has a line of its own there
  if (all.length > 0 && (plan.directories.log === null || trouble !== null))
    tellNodesLog(`job ${id} had less than was asked for: ${all.map(({code, because}) => `${code} (${because})`).join('; ')}`);
  for (const {code} of [...all, ...(unspooled === null ? [] : [{code: UNSPOOLED}])]) reportNode(node, {kind: 'degraded', code, id});
}

/**
 * What shows only when a job begins, where the policy refuses it.
 * @throws TareError NODE_DEGRADED
 */
export function refuseLess({degraded, mode}: Plan, code: typeof UNLOGGED | typeof UNSPOOLED, because: string | null): void {
  if (because === null || degraded?.then !== 'refuse' || mode.value === 'observe') return;
  throw nodeDegraded([{code, because}], degraded.provenance.at);
}
