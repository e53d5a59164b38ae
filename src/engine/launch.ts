/** Plan to the front's launch frame (native/README.md): what enter and init do, and the engine's argv between them. Pure. */

import type {BubblewrapAbilities} from '../host/facts.js';
import {inBox, stepOf, stepsOf} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {bubblewrapArgv} from './bubblewrap.js';

export interface LaunchContext {
  /** The box's own folder on disk. */
  boxDirectory: string;
  abilities: BubblewrapAbilities;
  /** cgroup.procs files to join. */
  joins: {engine: readonly string[]; payload: readonly string[]};
  /** Index of the payload's argv in the caller's, when it came from there: it is then passed on byte for byte. */
  callerArgvIndex: number | null;
}

/** What holds for each process that the front starts in a box: identity, place among the out-of-memory killer's choices, CPUs, limits. */
function processStrings(plan: Plan): string[] {
  return [
    ...stepsOf(plan, 'identity.take').map(({uid, gid, groups}) => `U${uid} ${gid} ${groups.join(',')}`),
    ...stepsOf(plan, 'oom.adjust').map(({value}) => `O${value}`),
    ...stepsOf(plan, 'affinity.set').map(({cpus}) => `C${cpus.join(',')}`),
    ...stepsOf(plan, 'rlimit.set').map(({name, soft, hard}) => `r${name} ${soft} ${hard}`),
  ];
}

export interface CommandContext {
  /** Whole: nothing of the caller's is added. */
  environment: Readonly<Record<string, string>>;
  workDirectory: string;
  /** Index of the command in the caller's argv: it is passed on byte for byte. */
  callerArgvIndex: number;
}

/** A command beside the payload, as the payload was started; which box and groups it joins, whoever sends the frame adds. */
export function commandStrings(plan: Plan, {environment, workDirectory, callerArgvIndex}: CommandContext): string[] {
  const variables = Object.entries(environment).map(([name, value]) => `e${name}=${value}`);
  // bubblewrap sets no_new_privs for the payload; a command that joins afterwards has to be told
  const privileges = plan.engine.name === 'bubblewrap' ? ['n'] : [];
  return [...processStrings(plan), ...privileges, '0', ...variables, `a@${callerArgvIndex}`, `d${workDirectory}`];
}

/** Strings of an `L` frame, each with its key before it. */
export function launchStrings(plan: Plan, {boxDirectory, abilities, joins, callerArgvIndex}: LaunchContext): string[] {
  const strings: string[] = [];
  const add = (key: string, ...values: (string | number)[]): void => {
    for (const value of values) strings.push(`${key}${String(value)}`);
  };
  add('J', ...joins.engine);
  add('j', ...joins.payload);
  strings.push(...processStrings(plan));
  for (const {place, machine} of stepsOf(plan, 'features.provide')) {
    const at = inBox(place, boxDirectory);
    if (machine !== null) add('e', `MACHINEFEATURES=${at}/machinefeatures`);
    add('e', `JOBFEATURES=${at}/jobfeatures`);
  }
  for (const {name, value} of stepsOf(plan, 'environment.set')) add('e', `${name}=${value}`);
  for (const {name} of stepsOf(plan, 'environment.unset')) add('u', name);
  if (plan.engine.name === 'bubblewrap') add('E', ...bubblewrapArgv(plan, boxDirectory, abilities));
  const payload = stepOf(plan, 'payload.execute');
  if (callerArgvIndex !== null) add('a', `@${String(callerArgvIndex)}`);
  else add('v', ...(payload?.argv ?? []));
  if (payload !== undefined) add('d', payload.workDirectory);
  add('p', ...plan.pauseAt);
  return strings;
}
