/** Several applications: what each is started with, under which limits of its own, and what follows when one ends. */

import type {Facts} from '../host/facts.js';
import type {Application, Applications, LimitName, Valued} from '../job/job.js';
import {formatLimit} from '../job/limits.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {CORE_VARIABLES} from './environment.js';
import type {Inputs} from './inputs.js';
import {groupEnforcer, type PlannedLimits} from './limits.js';
import type {ModeChoice} from './mode.js';
import type {StepOf} from './step.js';

type Execute = StepOf<'application.execute'>;
type OwnLimit = NonNullable<Execute['limits']['memory']>;

export function planFate(applications: Applications | null): Plan['applications'] {
  if (applications === null) return null;
  const {list, primary, onFailure, onOom} = applications;
  return {
    primary: primary === null ? null : list.findIndex(({name}) => name === primary.value),
    onFailure,
    onOom,
    because: primary === null ? 'the job ends with its last application' : `the job ends with ${primary.value} (${primary.provenance.at})`,
  };
}

/** Nothing for a job with one payload. */
export function planApplications({job, facts}: Inputs, limits: PlannedLimits, mode: ModeChoice): Execute[] {
  if (job.applications === null) return [];
  const {list, primary, output} = job.applications;
  return list.map((one, index): Execute => ({
    op: 'application.execute',
    index,
    name: one.name,
    argv: one.command,
    workDirectory: one.workDirectory,
    environment: environmentOf(one),
    stdin: one.name === primary?.value ? 'caller' : 'none',
    output: output === 'prefixed' ? 'prefixed' : {out: `${one.name}.out`, err: `${one.name}.err`},
    limits: {cores: ownLimit('cores', one.cores, {limits, mode, facts}), memory: ownLimit('memory', one.memory, {limits, mode, facts})},
    needs: one.needs.map(({value}) => list.findIndex(({name}) => name === value)),
    ready: one.ready,
    restart: one.restart,
    because: one.at,
  }));
}

function environmentOf({environment, cores}: Application): Execute['environment'] {
  const own = Object.entries(environment).map(([name, {value}]) => ({name, value}));
  const number = cores === null ? null : String(Math.max(1, Math.floor(cores.value)));
  const counted = number === null ? [] : CORE_VARIABLES.filter((name) => !(name in environment)).map((name) => ({name, value: number}));
  // by name: a plan does not depend on the order of keys
  return [...own, ...counted].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** No more than the shared limit; enforced by the controller that enforces that, else not at all. */
function ownLimit(
  name: Extract<LimitName, 'cores' | 'memory'>,
  wish: Valued<number> | null,
  {limits, mode, facts}: {limits: PlannedLimits; mode: ModeChoice; facts: Facts},
): OwnLimit | null {
  if (wish === null) return null;
  const shared = limits[name];
  const clamped = shared.value !== null && shared.value < wish.value;
  const value = clamped ? (shared.value ?? wish.value) : wish.value;
  const asked = `asked for ${formatLimit(name, wish.value)}${clamped ? `, all together have ${formatLimit(name, value)}` : ''}`;
  if (mode.value === 'observe') return {value, enforcement: 'none', by: null, because: `${asked}; only observed`};
  const enforcer = groupEnforcer(name, facts);
  if (enforcer === null) return {value, enforcement: 'none', by: null, because: `${asked}; no controller can be used for it`};
  return {value, enforcement: 'kernel', by: enforcer.by, because: `${asked}; ${enforcer.because}`};
}
