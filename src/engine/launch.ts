/** Plan to the shim's launch frame (docs/reference/protocol.md): what enter and init do, and the engine's argv between them. Pure. */

import {keepsAccount} from '../plan/engine.js';
import {inBox, stepOf, stepsOf, type StepOf} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {launchKey} from '../schema/generated/protocol.js';
import {defOf} from '../steps/table.js';
import {groundOf} from '../steps/undo.js';
import {INIT_CAPABILITIES, SERVICE_CAPABILITIES} from './capabilities.js';
import {landlockStrings} from './landlock.js';

/** What a launch needs beside the plan. */
export interface LaunchContext {
  /** The box's own folder on disk. */
  boxDirectory: string;
  id: string;
  /** What the engine is started with; none where the plan has no box. */
  engineArgv: readonly string[];
  /** Files of groups to join, by writing `0`. */
  joins: {engine: readonly string[]; payload: readonly string[]; applications: readonly (readonly string[])[]};
  /** Repositories that were mounted for the job, by name: a process in whose mounts each is, and where it is there. */
  mounted?: Readonly<Record<string, {pid: number; place: string}>> | undefined;
  /** The filter on system calls, as `filterText()` writes it; null, or absent: none. */
  filter?: string | null;
  /** Index of the payload's argv in the caller's, when it came from there: it is then passed on byte for byte. */
  callerArgvIndex: number | null;
}

/** In a small machine init is the machine's root. */
const isSystem = ({pattern}: Plan): boolean => pattern.value === 'vm-lite';

/** What holds for each process that the shim starts in a box: identity, place among the out-of-memory killer's choices, CPUs, nice value, limits. */
function processStrings(plan: Plan): string[] {
  return [
    ...(keepsAccount(plan) ? [] : stepsOf(plan, 'identity.take').map(launchKey.identity)),
    ...stepsOf(plan, 'oom.adjust').map(({value}) => launchKey.oomScore(value)),
    ...stepsOf(plan, 'affinity.set').map(({cpus}) => launchKey.cpus(cpus)),
    ...stepsOf(plan, 'nice.set').map(({value}) => launchKey.nice(value)),
    ...stepsOf(plan, 'rlimit.set').map(launchKey.limit),
  ];
}

/** The payload's user where enter is not: without capabilities and without a way to any. */
function payloadStrings(plan: Plan): string[] {
  const identity = stepOf(plan, 'identity.take');
  const root = stepOf(plan, 'view.unshare')?.root;
  // a user is the root of its box, and itself again in a user namespace below
  const own = root == null || root.engine === true ? [] : [launchKey.userNamespace(root)];
  const whose = identity === undefined ? own : [launchKey.payloadIdentity(identity)];
  return [...whose, launchKey.capabilities('0'), launchKey.noNewPrivileges()];
}

/** Whether what joins the box has init's account as it enters the box's user namespace, which has no other (native/join.c). */
const becomesInit = (plan: Plan): boolean => !isSystem(plan) && stepOf(plan, 'namespace.unshare')?.namespaces.includes('user') === true;

/**
 * What a command that joins the box has no more rights by than the payload; a session, which is run as it was called, has nothing else.
 * The engine sets no_new_privs for what it starts and gives it no capabilities, and a command that joins afterwards has to be told: who enters
 * a user namespace has all of them there, and an exec takes them from each account but root (user_namespaces(7), capabilities(7)).
 * @param uid of the payload, on the node
 */
export function rightsStrings(plan: Plan, uid: number | null): string[] {
  if (keepsAccount(plan) && !becomesInit(plan)) return payloadStrings(plan);
  if (plan.engine.name === 'none') return [];
  return [...(uid === 0 ? [launchKey.capabilities('0')] : []), launchKey.noNewPrivileges()];
}

/** What is executed in a box that runs, for `tare exec`. */
export interface CommandContext {
  /** Of the payload, on the node; null: not known. */
  uid: number | null;
  /** Whole: nothing of the caller's is added. */
  environment: Readonly<Record<string, string>>;
  workDirectory: string;
  /** Index of the command in the caller's argv: it is passed on byte for byte. */
  callerArgvIndex: number;
}

/** A command beside the payload, as the payload was started; the sender of the frame adds the box and the groups that it joins. */
export function commandStrings(plan: Plan, {uid, environment, workDirectory, callerArgvIndex}: CommandContext): string[] {
  return [
    ...processStrings(plan),
    ...rightsStrings(plan, uid),
    launchKey.emptyEnvironment(),
    ...Object.entries(environment).map(([name, value]) => launchKey.variable({name, value})),
    launchKey.callerArguments(callerArgvIndex),
    launchKey.workDirectory(workDirectory),
  ];
}

/** One of the tasks that share a box: as the payload is launched there, with its own argv, environment and descriptors. @param uid of the tasks */
export function taskStrings(plan: Plan, uid: number | null, boxDirectory: string, workDirectory: string): string[] {
  return [
    ...processStrings(plan),
    ...rightsStrings(plan, uid),
    ...environmentStrings(plan, boxDirectory),
    launchKey.callerArguments(1),
    launchKey.workDirectory(workDirectory),
  ];
}

/** Keys of a launch, each with what it says. */
export function launchStrings(
  plan: Plan,
  {boxDirectory, id, engineArgv, joins, mounted = {}, filter = null, callerArgvIndex}: LaunchContext,
): string[] {
  const keys: string[] = joins.engine.map(launchKey.engineGroup);
  const owner = stepOf(plan, 'identity.take');
  const prepare = ([op, ...words]: readonly string[]): void => {
    if (op !== undefined) keys.push(launchKey.view(op));
    keys.push(...words.map(launchKey.viewArgument));
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
  keys.push(...processStrings(plan));
  if (filter !== null) keys.push(launchKey.filter(filter));
  keys.push(...landlockStrings(plan));
  const environment = environmentStrings(plan, boxDirectory);
  if (!isSystem(plan)) keys.push(...environment);
  keys.push(...engineArgv.map(launchKey.engineArgument));
  const rights = owner === undefined ? {} : {uid: owner.uid, gid: owner.gid};
  keys.push(...stepsOf(plan, 'parts.collect').map(({path}) => launchKey.parts({...rights, path: inBox(path, boxDirectory)})));
  keys.push(...plan.pauseAt.map(launchKey.pause));
  const payload = stepOf(plan, 'payload.execute');
  if (payload !== undefined) {
    keys.push(
      ...joins.payload.map(launchKey.group),
      ...argvKeys(payload.argv, callerArgvIndex),
      launchKey.workDirectory(payload.workDirectory),
    );
    if (payload.tasks !== undefined) keys.push(launchKey.hold());
    if (payload.first === true) keys.push(launchKey.firstProcess());
  }
  for (const application of stepsOf(plan, 'application.execute')) {
    const own = joins.applications[application.index] ?? [];
    keys.push(launchKey.application(application.name), ...own.map(launchKey.group));
    const view = stepsOf(plan, 'view.enter').find((step) => step.application === application.name);
    if (view !== undefined) {
      for (const {source, destination} of view.swaps) keys.push(launchKey.swap(source), launchKey.swap(destination));
      keys.push(...view.kept.map(launchKey.kept), launchKey.hidden(view.hidden));
    }
    keys.push(...systemStrings(plan, application, environment), ...applicationKeys(application, callerArgvIndex));
  }
  return keys;
}

/** The caller's argv from an index on, byte for byte; null: this one. */
const argvKeys = (argv: readonly string[], callerArgvIndex: number | null): string[] =>
  callerArgvIndex === null ? argv.map(launchKey.argument) : [launchKey.callerArguments(callerArgvIndex)];

/** What one of several applications executes, and where its input comes from and its output goes. */
function applicationKeys(
  {argv, workDirectory, environment, stdin, output}: StepOf<'application.execute'>,
  callerArgvIndex: number | null,
): string[] {
  const keys = argvKeys(argv, output === 'caller' ? callerArgvIndex : null);
  keys.push(launchKey.workDirectory(workDirectory));
  for (const {name, value} of environment) keys.push(value === null ? launchKey.noVariable(name) : launchKey.variable({name, value}));
  if (stdin === 'caller') keys.push(launchKey.input());
  if (output === 'prefixed') keys.push(launchKey.prefixOutput());
  else if (output !== 'caller') keys.push(launchKey.outputFile(output.out), launchKey.errorFile(output.err));
  return keys;
}

function environmentStrings(plan: Plan, boxDirectory: string): string[] {
  return [
    ...stepsOf(plan, 'features.provide').flatMap(({place, machine}) => {
      const at = inBox(place, boxDirectory);
      const ofMachine = {name: 'MACHINEFEATURES', value: `${at}/machinefeatures`};
      return [...(machine === null ? [] : [ofMachine]), {name: 'JOBFEATURES', value: `${at}/jobfeatures`}].map(launchKey.variable);
    }),
    ...stepsOf(plan, 'environment.set').map(launchKey.variable),
    ...stepsOf(plan, 'environment.unset').map(({name}) => launchKey.noVariable(name)),
  ];
}

/** What an application is in a small machine. Only the payload has the job's environment. */
function systemStrings(plan: Plan, {system}: StepOf<'application.execute'>, environment: readonly string[]): string[] {
  if (system === null) return [];
  const keys = system.role === 'payload' ? [...environment] : [launchKey.emptyEnvironment()];
  if (system.role === 'service') keys.push(launchKey.service());
  if (system.first) {
    keys.push(launchKey.firstProcess());
    if (system.ownGroups) keys.push(launchKey.ownGroups(), launchKey.groupsMount(GROUPS_MOUNT));
    for (const {masked, readOnly} of stepsOf(plan, 'paths.protect'))
      keys.push(...masked.map(launchKey.masked), ...readOnly.map(launchKey.readOnly));
  }
  if (system.guestOf !== null) keys.push(launchKey.guestOf(system.guestOf));
  if (system.role === 'payload') {
    const late = stepsOf(plan, 'mount.bind').filter(({options}) => options.includes('late'));
    keys.push(...late.map(({destination}) => launchKey.writableAgain(destination)));
  }
  if (system.as === 'job') keys.push(...payloadStrings(plan));
  else keys.push(launchKey.capabilities(system.first || system.guestOf !== null ? INIT_CAPABILITIES : SERVICE_CAPABILITIES));
  return keys;
}

/** The directory in which an init finds its own control groups. */
const GROUPS_MOUNT = '/sys/fs/cgroup';

/** Operations for repositories that were mounted for the job: they replace the node's, beside those of the node that the job needs. */
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
    given: [...stepsOf(plan, 'mount.pin').map(({path, repository}) => ['retain', path, repository]), ['give', first.step.root]],
  };
}
