/** A command beside the payload of a live box: with its namespaces, groups, limits, identity, environment and work directory. */

import {joinBox, runLaunched} from '../box/session.js';
import {readState} from '../box/state-read.js';
import {commandStrings} from '../engine/launch.js';
import {TareError} from '../errors.js';
import {accountOf} from '../files/as-owner.js';
import {stepOf, stepsOf, type StepOf} from '../plan/step.js';
import type {Channel} from '../process/channel.js';
import {readEnvironment} from '../process/environ.js';
import type {Hello} from '../process/hello.js';
import {NATIVE} from '../process/native.js';
import {isRunning} from '../process/process.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {launchKey, type Ending as Quit} from '../schema/generated/protocol.js';
import type {LiveBox} from './box-view.js';
import {figuresOf} from './figures.js';
import {groupsOf} from './live.js';

/** What `tare exec` was asked to run. */
export interface ExecRequest {
  /** Where the command begins in the caller's argv. */
  callerArgvIndex: number;
  /** Set, or taken from the caller where there is no value. */
  environment: readonly {name: string; value: string | null}[];
  /** Whose group and work directory; null: of the payload, or of the first application that runs. */
  application: string | null;
}

/** Runs the command and ends as it does. @throws TareError BOX_STATE, BOX_NOT_JOINED, PAYLOAD_NOT_EXECUTABLE; nothing was run then */
export async function execInBox(box: LiveBox, request: ExecRequest, hello: Hello, channel: Channel): Promise<Quit> {
  const {payload, id} = box;
  const {standing} = figuresOf(box);
  if (payload === null || !isRunning(payload) || (standing !== 'running' && standing !== 'ending')) {
    throw new TareError('BOX_STATE', {
      message: `nothing can be run in the box ${id}`,
      found: payload === null || standing === 'paused' ? standing : 'ended',
      allowed: 'running',
      ...(standing === 'paused' ? {remedy: `tare resume ${id} first`} : {}),
    });
  }
  const state = readState(box.directory);
  const {plan} = state;
  const application = applicationFor(box, request.application, plan);
  const joined = await joinBox(
    {...state, inside: payload},
    commandStrings(plan, {
      uid: state.started.user.uid,
      environment: environmentFor(readEnvironment(payload.pid), request, hello.environment),
      workDirectory: (application ?? stepOf(plan, 'payload.execute'))?.workDirectory ?? '/',
      callerArgvIndex: request.callerArgvIndex,
    }),
    application === undefined ? 'payload' : `app-${application.name}`,
    channel,
  );
  if ('quit' in joined) return joined.quit;
  const {step, text} = joined.failure;
  if (step === 'exec') throw new TareError('PAYLOAD_NOT_EXECUTABLE', {message: `the command could not be executed: ${text}`});
  throw new TareError('BOX_NOT_JOINED', {
    message: `the box ${id} cannot be joined`,
    found: `${step}: ${text}`.trim(),
    // cgroup-v2.rst, Delegation Containment
    ...(GROUP_STEPS.includes(step) ? {remedy: 'call it as root, or from within the job’s slot (condor_ssh_to_job)'} : {}),
  });
}

function applicationFor({applications, payload}: LiveBox, name: string | null, plan: Plan): StepOf<'application.execute'> | undefined {
  const wanted = name ?? applications.find((one) => one.process?.pid === payload?.pid)?.name;
  return stepsOf(plan, 'application.execute').find((step) => step.name === wanted);
}

/** Steps of enter and init that move a process into a group. */
const GROUP_STEPS = ['join', 'cgroup'];

/** The payload's environment, with the caller's TERM where the caller has a terminal. */
function environmentFor(
  payload: Record<string, string>,
  {environment}: ExecRequest,
  caller: Readonly<Record<string, string>>,
): Record<string, string> {
  const {TERM} = caller;
  const all = TERM === undefined || payload['TERM'] !== undefined ? payload : {...payload, TERM};
  for (const {name, value} of environment) {
    const wanted = value ?? caller[name];
    if (wanted !== undefined) all[name] = wanted;
  }
  return all;
}

/**
 * Root runs the whole command line as the owner of the box, with a shim of its own: nothing that the owner's files say is then done with
 * root's rights, but that it runs in the box's engine group. From elsewhere the kernel lets an owner move nothing into a v2 group.
 * @throws TareError BOX_NOT_JOINED
 */
export async function execAsOwner(box: LiveBox, argv: readonly string[], hello: Hello, channel: Channel): Promise<Quit> {
  const {uid, id} = box;
  const {gid, groups} = accountOf(uid);
  const joins = groupsOf(box).entries('engine').map(launchKey.engineGroup);
  const {TERM} = hello.environment;
  const variables = {PATH: '/usr/bin:/bin', ...(TERM === undefined ? {} : {TERM})};
  const keys = [
    ...joins,
    launchKey.identity({uid, gid, groups: groups.length === 0 ? [gid] : groups}),
    launchKey.emptyEnvironment(),
    ...Object.entries(variables).map(([name, value]) => launchKey.variable({name, value})),
    ...[NATIVE, 'exec', ...argv].map(launchKey.argument),
    launchKey.workDirectory('/'),
  ];
  channel.send({name: 'launch', keys});
  const joined = await runLaunched(channel);
  if ('quit' in joined) return joined.quit;
  const {step, text} = joined.failure;
  throw new TareError('BOX_NOT_JOINED', {message: `the box ${id} cannot be joined as uid ${uid}`, found: `${step}: ${text}`.trim()});
}
