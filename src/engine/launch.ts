/** Plan to the front's launch frame (native/README.md): what enter and init do, and the engine's argv between them. Pure. */

import type {BubblewrapAbilities} from '../host/facts.js';
import {isContained} from '../plan/scratch.js';
import {inBox, stepOf, stepsOf, type Step} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {bubblewrapArgv} from './bubblewrap.js';

export interface LaunchContext {
  /** The box's own folder on disk. */
  boxDirectory: string;
  abilities: BubblewrapAbilities;
  /** cgroup.procs files to join. */
  joins: {engine: readonly string[]; payload: readonly string[]; applications: readonly (readonly string[])[]};
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
  const owner = stepOf(plan, 'identity.take');
  for (const step of plan.steps) {
    const [op, ...words] = prepared(step, (path) => inBox(path, boxDirectory), owner);
    if (op !== undefined) add('M', op);
    add('m', ...words);
  }
  strings.push(...processStrings(plan));
  for (const {place, machine} of stepsOf(plan, 'features.provide')) {
    const at = inBox(place, boxDirectory);
    if (machine !== null) add('e', `MACHINEFEATURES=${at}/machinefeatures`);
    add('e', `JOBFEATURES=${at}/jobfeatures`);
  }
  for (const {name, value} of stepsOf(plan, 'environment.set')) add('e', `${name}=${value}`);
  for (const {name} of stepsOf(plan, 'environment.unset')) add('u', name);
  if (plan.engine.name === 'bubblewrap') add('E', ...bubblewrapArgv(plan, boxDirectory, abilities));
  add('p', ...plan.pauseAt);
  const payload = stepOf(plan, 'payload.execute');
  if (payload !== undefined) {
    add('j', ...joins.payload);
    if (callerArgvIndex !== null) add('a', `@${String(callerArgvIndex)}`);
    else add('v', ...payload.argv);
    add('d', payload.workDirectory);
  }
  for (const application of stepsOf(plan, 'application.execute')) {
    add('N', application.name);
    add('j', ...(joins.applications[application.index] ?? []));
    const view = stepsOf(plan, 'view.enter').find((step) => step.application === application.name);
    if (view !== undefined) {
      for (const {source, destination} of view.swaps) add('w', source, destination);
      add('k', ...view.kept);
      add('h', view.hidden);
    }
    add('v', ...application.argv);
    add('d', application.workDirectory);
    for (const {name, value} of application.environment) add(value === null ? 'u' : 'e', value === null ? name : `${name}=${value}`);
    if (application.stdin === 'caller') add('I', '');
    if (application.output === 'prefixed') add('o', 'prefix');
    else {
      add('1', application.output.out);
      add('2', application.output.err);
    }
  }
  return strings;
}

/** What enter does before the engine (native/README.md, Views): op and arguments; nothing for other steps. */
function prepared(step: Step, place: (path: string) => string, owner: {uid: number; gid: number} | undefined): string[] {
  switch (step.op) {
    case 'view.unshare':
      return ['namespace', step.user ? 'user' : 'mount'];
    case 'scratch.contain':
      return step.image === null
        ? ['tmpfs', place(step.destination), String(step.bytes)]
        : ['loop', place(step.image), place(step.destination)];
    case 'directory.create': {
      if (!isContained(step.path)) return []; // the brain's
      const ids = step.owner === 'job' && owner !== undefined ? [String(owner.uid), String(owner.gid)] : ['', ''];
      return ['directory', place(step.path), step.mode, ...ids];
    }
    case 'mount.point':
      return ['point', step.lower, place(step.upper), step.path];
    case 'mount.overlay': {
      const layers = [step.lower, place(step.upper), place(step.work), place(step.at)];
      return step.by === 'overlayfs' ? ['overlay', ...layers, step.options.join(',')] : ['fuse', ...layers];
    }
    case 'mount.graft':
      return ['graft', step.source, place(step.at)];
    case 'cvmfs.hold':
      return ['hold', step.path];
    default:
      return [];
  }
}
