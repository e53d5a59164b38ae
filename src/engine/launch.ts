/** Plan to the front's launch frame (native/README.md): what enter and init do, and the engine's argv between them. Pure. */

import type {BubblewrapAbilities} from '../host/facts.js';
import {accountText} from '../plan/account.js';
import {inBox, stepOf, stepsOf, type StepOf} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {defOf} from '../steps/table.js';
import {groundOf} from '../steps/undo.js';
import {bubblewrapArgv} from './bubblewrap.js';
import {INIT_CAPABILITIES, SERVICE_CAPABILITIES} from './capabilities.js';
import {landlockStrings} from './landlock.js';
import {ociArgv} from './oci.js';

export interface LaunchContext {
  /** The box's own folder on disk. */
  boxDirectory: string;
  abilities: BubblewrapAbilities;
  id: string;
  /** cgroup.procs files to join. */
  joins: {engine: readonly string[]; payload: readonly string[]; applications: readonly (readonly string[])[]};
  /** Repositories that were mounted for the job, by name: a process in whose mounts each is, and where it is there. */
  mounted?: Readonly<Record<string, {pid: number; place: string}>> | undefined;
  /** The filter on system calls, as `filterText()` writes it; null, or absent: none. */
  filter?: string | null;
  /** Index of the payload's argv in the caller's, when it came from there: it is then passed on byte for byte. */
  callerArgvIndex: number | null;
}

/** A small machine's root is not the payload's user, whom only the payload's process becomes. */
const isSystem = ({engine}: Plan): boolean => engine.name === 'crun' || engine.name === 'runc';

/** What holds for each process that the front starts in a box: identity, place among the out-of-memory killer's choices, CPUs, limits. */
function processStrings(plan: Plan): string[] {
  return [
    ...(isSystem(plan) ? [] : stepsOf(plan, 'identity.take').map((identity) => `U${accountText(identity)}`)),
    ...stepsOf(plan, 'oom.adjust').map(({value}) => `O${value}`),
    ...stepsOf(plan, 'affinity.set').map(({cpus}) => `C${cpus.join(',')}`),
    ...stepsOf(plan, 'rlimit.set').map(({name, soft, hard}) => `r${name} ${soft} ${hard}`),
  ];
}

/** The payload's user in a small machine, without capabilities and without a way to any. */
function payloadStrings(plan: Plan): string[] {
  const identity = stepOf(plan, 'identity.take');
  const root = stepOf(plan, 'view.unshare')?.root;
  // a user is the root of its box, and itself again in a user namespace below
  const own = root == null ? [] : [`x${String(root.uid)} ${String(root.gid)}`];
  return [...(identity === undefined ? own : [`q${accountText(identity)}`]), 'c0', 'n'];
}

/**
 * What a command that joins the box has no more rights by than the payload; a session, which is run as it was called, has nothing else.
 * bubblewrap sets no_new_privs for what it starts, and a command that joins afterwards has to be told.
 */
export function rightsStrings(plan: Plan): string[] {
  if (plan.engine.name === 'bubblewrap') return ['n'];
  return isSystem(plan) ? payloadStrings(plan) : [];
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
  return [...processStrings(plan), ...rightsStrings(plan), '0', ...variables, `a@${callerArgvIndex}`, `d${workDirectory}`];
}

/** One of the tasks that share a box: as the payload is launched there, with its own argv, environment and descriptors. */
export function taskStrings(plan: Plan, boxDirectory: string, workDirectory: string): string[] {
  return [...processStrings(plan), ...rightsStrings(plan), ...environmentStrings(plan, boxDirectory), 'a@1', `d${workDirectory}`];
}

/** Strings of an `L` frame, each with its key before it. */
export function launchStrings(
  plan: Plan,
  {boxDirectory, abilities, id, joins, mounted = {}, filter = null, callerArgvIndex}: LaunchContext,
): string[] {
  const strings: string[] = [];
  const add = (key: string, ...values: (string | number)[]): void => {
    for (const value of values) strings.push(`${key}${String(value)}`);
  };
  add('J', ...joins.engine);
  const owner = stepOf(plan, 'identity.take');
  const prepare = ([op, ...words]: readonly string[]): void => {
    if (op !== undefined) add('M', op);
    add('m', ...words);
  };
  const gifts = repositoryWords(plan, mounted);
  const unshare = stepOf(plan, 'view.unshare');
  const ground = groundOf(plan, id, boxDirectory);
  for (const step of plan.steps) {
    // in hand before this process has mounts of its own, and in place as soon as it has
    if (step === unshare) gifts.taken.forEach(prepare);
    prepare(defOf(step).enter?.(step, ground) ?? []);
    if (step === unshare) gifts.given.forEach(prepare);
  }
  if (unshare === undefined) [...gifts.taken, ...gifts.namespace, ...gifts.given].forEach(prepare);
  strings.push(...processStrings(plan));
  if (filter !== null) add('f', filter);
  strings.push(...landlockStrings(plan));
  const environment = environmentStrings(plan, boxDirectory);
  if (!isSystem(plan)) strings.push(...environment);
  if (plan.engine.name === 'bubblewrap') add('E', ...bubblewrapArgv(plan, boxDirectory, abilities));
  if (isSystem(plan)) add('E', ...ociArgv(plan, boxDirectory, id));
  const rights = owner === undefined ? '' : `${String(owner.uid)} ${String(owner.gid)} `;
  add('T', ...stepsOf(plan, 'parts.collect').map(({path}) => rights + inBox(path, boxDirectory)));
  add('p', ...plan.pauseAt);
  const payload = stepOf(plan, 'payload.execute');
  if (payload !== undefined) {
    add('j', ...joins.payload);
    if (callerArgvIndex !== null) add('a', `@${String(callerArgvIndex)}`);
    else add('v', ...payload.argv);
    add('d', payload.workDirectory);
    if (payload.tasks !== undefined) add('H', '');
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
    strings.push(...systemStrings(plan, application, environment));
    if (application.output === 'caller' && callerArgvIndex !== null) add('a', `@${String(callerArgvIndex)}`);
    else add('v', ...application.argv);
    add('d', application.workDirectory);
    for (const {name, value} of application.environment) add(value === null ? 'u' : 'e', value === null ? name : `${name}=${value}`);
    if (application.stdin === 'caller') add('I', '');
    if (application.output === 'prefixed') add('o', 'prefix');
    else if (application.output !== 'caller') {
      add('1', application.output.out);
      add('2', application.output.err);
    }
  }
  return strings;
}

function environmentStrings(plan: Plan, boxDirectory: string): string[] {
  return [
    ...stepsOf(plan, 'features.provide').flatMap(({place, machine}) => {
      const at = inBox(place, boxDirectory);
      return [...(machine === null ? [] : [`eMACHINEFEATURES=${at}/machinefeatures`]), `eJOBFEATURES=${at}/jobfeatures`];
    }),
    ...stepsOf(plan, 'environment.set').map(({name, value}) => `e${name}=${value}`),
    ...stepsOf(plan, 'environment.unset').map(({name}) => `u${name}`),
  ];
}

/** What an application is in a small machine. Only the payload has the job's environment. */
function systemStrings(plan: Plan, {system}: StepOf<'application.execute'>, environment: readonly string[]): string[] {
  if (system === null) return [];
  const strings = system.role === 'payload' ? [...environment] : ['0'];
  if (system.role === 'service') strings.push('S');
  if (system.first) {
    strings.push('P', ...(system.ownGroups ? ['b', `g${GROUPS_MOUNT}`] : []));
    for (const {masked, readOnly} of stepsOf(plan, 'paths.protect'))
      strings.push(...masked.map((path) => `y${path}`), ...readOnly.map((path) => `z${path}`));
  }
  if (system.guestOf !== null) strings.push(`Q${String(system.guestOf)}`);
  if (system.role === 'payload')
    strings.push(...stepsOf(plan, 'mount.bind').flatMap(({options, destination}) => (options.includes('late') ? [`R${destination}`] : [])));
  if (system.as === 'job') strings.push(...payloadStrings(plan));
  else strings.push(`c${system.first || system.guestOf !== null ? INIT_CAPABILITIES : SERVICE_CAPABILITIES}`);
  return strings;
}

/** Where an init looks for the groups that are its own. */
const GROUPS_MOUNT = '/sys/fs/cgroup';

/** Of repositories that were mounted for the job: they are in the place of the node's, beside those of the node that the job needs. */
function repositoryWords(plan: Plan, mounted: NonNullable<LaunchContext['mounted']>): Record<'taken' | 'namespace' | 'given', string[][]> {
  const own = stepsOf(plan, 'cvmfs.mount').flatMap((step) => {
    const at = mounted[step.repository];
    return at === undefined ? [] : [{step, at}];
  });
  const [first] = own;
  if (first === undefined) return {taken: [], namespace: [], given: []};
  return {
    taken: own.map(({step, at}) => ['take', String(at.pid), at.place, step.repository]),
    namespace: [['namespace', first.step.user ? 'user' : 'mount']],
    given: [...stepsOf(plan, 'cvmfs.hold').map(({path, repository}) => ['retain', path, repository]), ['give', first.step.root]],
  };
}
