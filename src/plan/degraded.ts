/** What a job gets less than was asked for on this node, before it starts. Pure. */

import {TareError} from '../errors.js';
import type {Facts} from '../host/facts.js';
import type {Policy} from '../policy/policy.js';
import type {Plan} from '../schema/generated/plan-1.js';
import type {Call, EngineChoice} from './inputs.js';
import type {PlannedLimits} from './limits.js';
import type {MachineIds} from './machine-ids.js';
import type {ModeChoice} from './mode.js';

/** What the plan says of less than was asked for. */
export type PlannedDegraded = NonNullable<Plan['degraded']>;
export type Degradation = PlannedDegraded['what'][number];

/**
 * A wrapper in a box, and a job in a container of its batch system, do without a box by design, and what is only observed asks for nothing:
 * none of these is less than was asked for. A watched limit is, where this node has groups that could not be made for this job.
 */
export function degradations(
  mode: ModeChoice,
  limits: PlannedLimits,
  {within}: Facts,
  {unboxed, lost = []}: Call,
  ids: MachineIds,
  engine: EngineChoice | null = null,
): Degradation[] {
  if (mode.value === 'observe' || within !== null) return [];
  const what: Degradation[] = [];
  if (mode.value === 'limits-only' && unboxed?.always !== true) what.push({code: 'unboxed', because: mode.because});
  const less = (name: keyof typeof CODES, where: 'groups' | 'disk'): void => {
    const {value, enforcement, because} = limits[name];
    if (lost.includes(where) && value !== null && enforcement !== 'kernel')
      what.push({code: CODES[name], because: `the limit on ${name}: ${because}`});
  };
  less('cores', 'groups');
  less('memory', 'groups');
  less('processes', 'groups');
  less('scratch', 'disk');
  if (ids.lacking !== null) what.push({code: 'node-root', because: `root of the small machine is the node’s: ${ids.lacking}`});
  what.push(...(engine?.facts.less ?? []));
  return what;
}

const CODES = {cores: 'unlimited-cores', memory: 'watched-memory', processes: 'watched-processes', scratch: 'watched-scratch'} as const;

/**
 * What the policy says of it; undefined where there is nothing to say.
 * @throws TareError NODE_DEGRADED where the policy refuses such jobs
 */
export function planDegraded({degraded}: Policy, mode: ModeChoice, what: Degradation[]): PlannedDegraded | undefined {
  const {value: then, provenance} = degraded;
  if (what.length > 0 && then === 'refuse') throw nodeDegraded(what, provenance.at);
  if (mode.value === 'observe' || (what.length === 0 && provenance.source === 'builtin')) return undefined;
  return {then, provenance, what};
}

/** The error of a job that the policy refuses to run with less; `where` is the policy's place. */
export const nodeDegraded = (what: readonly Degradation[], where: string): TareError =>
  new TareError('NODE_DEGRADED', {
    message: 'this node can run the job only with less than was asked for, which the policy refuses',
    where,
    found: what.map(({code, because}) => `${code} (${because})`).join('; '),
    remedy: '`tare doctor` tells how to mend it',
  });
