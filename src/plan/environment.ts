/** How the payload's environment differs from the caller's. */

import type {Inputs} from './inputs.js';
import type {PlannedLimits} from './limits.js';
import type {ModeChoice} from './mode.js';
import type {Step} from './step.js';

/** What the field's multi-core payloads read: Athena's two, and OpenMP's. */
export const CORE_VARIABLES = ['ATHENA_CORE_NUMBER', 'ATHENA_PROC_NUMBER', 'OMP_NUM_THREADS'] as const;
const TEMPORARY_VARIABLES = ['TMPDIR', 'TEMP', 'TMP'] as const;

/**
 * The job's own variables; the number of cores where the job asked for it, or where it is limited and the caller says nothing;
 * and a TMPDIR that would be of no use in the box.
 */
export function planEnvironment(
  {job, facts, call}: Inputs,
  limits: PlannedLimits,
  mode: ModeChoice,
  whyUnwritable: (path: string) => string | null,
): Step[] {
  const steps: Step[] = [];
  const set = (name: string, value: string, because: string): void => {
    if (call.environment[name] !== value) steps.push({op: 'environment.set', name, value, because});
  };
  const {cores} = limits;
  if (cores.value !== null) {
    const number = String(Math.max(1, Math.floor(cores.value)));
    for (const name of CORE_VARIABLES) {
      if (name in job.environment) continue;
      if (cores.asked !== null || (call.environment[name] === undefined && mode.value !== 'observe'))
        set(name, number, `cores (${cores.provenance.at})`);
    }
  }
  for (const name of TEMPORARY_VARIABLES) {
    const value = call.environment[name];
    const why = name in job.environment || value === undefined ? null : whyUnwritable(value);
    if (why !== null) set(name, '/tmp', `${value ?? ''} ${why}`);
  }
  const {value: identity, provenance} = call.identity;
  if (facts.caller.uid !== identity.uid) {
    // root's own would send the payload to a home that it cannot use
    const because = `runs as ${identity.name ?? `uid ${String(identity.uid)}, which has no name`} (${provenance.at})`;
    for (const [name, value] of [
      ['HOME', identity.home ?? job.workDirectory.value],
      ['LOGNAME', identity.name],
      ['USER', identity.name],
    ] as const) {
      if (call.environment[name] === undefined || name in job.environment) continue;
      if (value === null) steps.push({op: 'environment.unset', name, because});
      else set(name, value, because);
    }
  }
  for (const name of call.ownVariables ?? [])
    if (call.environment[name] !== undefined) steps.push({op: 'environment.unset', name, because: 'it is for the wrapper'});
  // by name: a plan does not depend on the order of keys
  for (const [name, {value, provenance}] of Object.entries(job.environment).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (value !== null) set(name, value, provenance.at);
    else if (call.environment[name] !== undefined) steps.push({op: 'environment.unset', name, because: provenance.at});
  }
  return steps;
}
