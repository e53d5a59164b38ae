/** Several applications: what each is started with, under which limits of its own, and what follows when one ends. */

import type {Facts} from '../host/facts.js';
import type {Application, Applications, LimitName, Pattern, Valued} from '../job/job.js';
import {formatLimit} from '../job/limits.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {CORE_VARIABLES} from './environment.js';
import type {Inputs} from './inputs.js';
import {groupEnforcer, type PlannedLimits} from './limits.js';
import type {ModeChoice} from './mode.js';
import type {StepOf} from './step.js';
import {payloadPart, payloadStep, planServices, systemFate} from './system.js';

type Execute = StepOf<'application.execute'>;
type OwnLimit = NonNullable<Execute['limits']['memory']>;

/** @param before how many services are started before the job's own */
export function planFailurePolicy(applications: Applications | null, pattern: Pattern, before: number): Plan['applications'] {
  if (applications === null) return pattern === 'vm-lite' ? systemFate(before) : null;
  const {list, primary, onFailure, onOom} = applications;
  return {
    primary: primary === null ? null : before + list.findIndex(({name}) => name === primary.value),
    onFailure,
    onOom,
    because: primary === null ? 'the job ends with its last application' : `the job ends with ${primary.value} (${primary.provenance.at})`,
  };
}

/** Plans the applications; none for a job with one payload, except in a small machine, where services are applications too. */
export function planApplications(inputs: Inputs, limits: PlannedLimits, mode: ModeChoice, pattern: Pattern): Execute[] {
  const {job, facts} = inputs;
  const system = pattern === 'vm-lite';
  const services = system ? planServices(inputs) : [];
  const before = services.length;
  // the job's own wait for all of them
  const ready = services.map(({index}) => index);
  if (job.applications === null) return system ? [...services, {...payloadStep(inputs, before), needs: ready}] : [];
  const {list, primary, output} = job.applications;
  const own = list.map((one, index): Execute => ({
    op: 'application.execute',
    index: before + index,
    name: one.name,
    argv: one.command,
    workDirectory: one.workDirectory,
    environment: environmentOf(one),
    stdin: one.name === primary?.value ? 'caller' : 'none',
    output: output === 'prefixed' ? 'prefixed' : {out: `${one.name}.out`, err: `${one.name}.err`},
    limits: {cores: ownLimit('cores', one.cores, {limits, mode, facts}), memory: ownLimit('memory', one.memory, {limits, mode, facts})},
    needs: [...ready, ...one.needs.map(({value}) => before + list.findIndex(({name}) => name === value))],
    ready: one.ready,
    restart: one.restart,
    system: system ? payloadPart(inputs) : null,
    because: one.at,
  }));
  return [...services, ...own];
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
