/** Cheap checks of a node, and the judgement that follows from them and from what is known: written for readers. */

import {join} from 'node:path';
import type {Engine} from '@tare/contract';
import type {TareError} from '../errors.js';
import {folderOf, writeHealth, type HealthProbe, type HealthResult} from '../node-state/health.js';
import {accountsIn, classify, NO_HOLE, type Hole} from '../node-state/classify.js';
import {readReports} from '../node-state/reports.js';
import type {NodePlaces} from '../policy/places.js';
import type {Policy} from '../policy/policy.js';
import {epochUs} from '../process/clock.js';
import {checkNode} from './node-checks.js';
import {guard, replace} from './node-folder.js';

/** A file that is written with each result, for readers without a parser of JSON. */
interface Rendered {
  name: string;
  text: (health: HealthResult) => string;
}

/** How the node is probed. */
export interface ProbeOptions {
  policyFile: string | null;
  /** A box is tried in any case, and waited for. */
  full: boolean;
  rendered: readonly Rendered[];
  /** Those that Tare has, in their order. */
  engines: readonly Engine[];
  version: string;
}

interface Context {
  places: NodePlaces;
  folder: string;
  policy: Policy | TareError;
  options: ProbeOptions;
  before: HealthResult | null;
  resetAt: number | null;
  bootId: string | null;
  self: number;
}

/** The result of a look, and what accounts and jobs said before it. */
export interface NodeLook {
  health: HealthResult;
  reports: ReturnType<typeof readReports> & object;
  accounts: number[];
  probes: readonly HealthProbe[];
}

/** The schema leaves it open, since older versions did not write it. */
export const explainedAtOf = ({health}: NodeLook): number | null => health.explainedAt ?? null;

/** @param known what jobs have reported, where it was read before. @throws TareError NODE_STATE */
export function look(
  {places, policy, options, before, resetAt, bootId, self}: Context,
  probes: readonly HealthProbe[],
  known?: NodeLook['reports'],
): NodeLook {
  const nowUs = epochUs();
  const read = known ?? readReports(places, nowUs / 1000);
  const reports = read ?? [];
  const accounts = self === 0 ? withOne(accountsIn(reports), self) : [self];
  const current = probes.filter(({uid}) => accounts.includes(uid));
  const checks = checkNode(policy, accounts, options.engines);
  const since = before === null && resetAt !== null ? blank(resetAt) : before;
  const classification = classify({nowUs, hole: holeOf(policy), checks, probes: current, reports: read, before: since});
  const health: HealthResult = {
    ...{schema: 'tare/health/v1', at: nowUs, bootId, version: options.version},
    ...classification,
    ...{probes: current, checks, resetAt},
  };
  guard(places, () => {
    writeHealth(places, health);
    for (const {name, text} of options.rendered) replace(join(folderOf(places), name), text(health), 0o644);
  });
  return {health, reports, accounts, probes: current};
}

const withOne = (uids: number[], self: number): number[] => (uids.length === 0 ? [self] : uids);

/** The result of a node that was reset and not looked at since. */
const blank = (resetAt: number): HealthResult => ({
  ...{schema: 'tare/health/v1', at: 0, bootId: null, version: '', healthy: true, reason: null, closedSince: null, boxed: null, failures: 0},
  ...{failuresByAccount: [], probes: [], checks: [], degraded: {}, resetAt, forgivenAt: null, explainedAt: null},
});

function holeOf(policy: Policy | TareError): Hole {
  const hole = policy instanceof Error ? null : policy.batch.blackHole;
  return hole === null ? NO_HOLE : {failures: hole.failures, withinUs: hole.withinUs, drains: hole.then === 'drain'};
}
