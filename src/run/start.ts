/** A job that is run in a box: begun and followed, and once more without what turns out not to work, if the policy does not require it. */

import type {BoxState} from '../box/state.js';
import {asTareError, TareError} from '../errors.js';
import type {EndedObservation} from '../decide/observation.js';
import {unknownEngines, unknownText} from '../plan/engine-names.js';
import {canDegrade, degrade, type Capability} from '../prepare/degrade.js';
import type {AttemptContext} from '../prepare/attempt-context.js';
import type {Prepared} from '../prepare/planned.js';
import type {RunRequest, RunResult} from '../prepare/request.js';
import {PATIENCE_MS, type Channel} from '../process/channel.js';
import type {Hello} from '../process/hello.js';
import {openLog, type Log} from '../process/log.js';
import {writeNote} from '../step/folder.js';
import {begin, takeBack, withoutContainer, type Begun} from './begin.js';
import {SupervisorFailed, orNextSupervisor} from './supervisor-failed.js';
import {EngineUnwritten} from './engine.js';
import {failureText, isSetupFailure, isDisksFault, isIdsFault} from '../decide/outcome.js';
import {refuseLess, UNLOGGED} from './less.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {lookAtWorld, type Looking} from './look.js';
import {endMounted, refuse, reportFailure} from './refuse.js';

interface Starting {
  request: RunRequest;
  hello: Hello;
  channel: Channel;
  attempt: AttemptContext;
  log: Log;
  /** Engines that have met a passing state of the node, each of which is tried once more. */
  unlucky: Set<string>;
}

/** What was found not to work; null: something that need not fail another time. */
interface Lost {
  capability: Capability | null;
  because: string;
}

/** @throws SupervisorFailed when the next supervisor has to go on */
export async function start(
  first: Prepared,
  request: RunRequest,
  hello: Hello,
  channel: Channel,
  attempt: AttemptContext,
): Promise<RunResult> {
  const {plan} = first;
  channel.doing(`opening the log ${plan.directories.log ?? ''}`.trimEnd(), PATIENCE_MS);
  const log = await openLog({
    file: plan.directories.log,
    stderr: request.verbose,
    level: request.verbose ? 'info' : plan.log.level,
    format: plan.log.format,
    job: attempt.id,
  });
  for (const unknown of attempt.policy === null ? [] : unknownEngines(attempt.policy, request.engines))
    log.warn('the policy lists engines that there are not', {because: unknownText(unknown)});
  for (const remark of attempt.batch.remarks) log.warn('the batch system’s description of the job', {remark});
  const starting = {request, hello, channel, attempt, log, unlucky: new Set<string>()};
  for (let prepared = first; ;) {
    const end = await tryToRun(prepared, starting);
    if ('quit' in end) return end;
    prepared = end;
  }
}

/** @returns how the job ended; or how it is to be tried once more */
async function tryToRun(prepared: Prepared, starting: Starting): Promise<RunResult | Prepared> {
  const {request, attempt, log} = starting;
  const {stepDirectory, probe} = request;
  if (probe !== undefined) probe.plan = prepared.plan;
  const why = stepDirectory === undefined ? null : (await import('../step/together.js')).cannotShareReason(prepared);
  if (stepDirectory !== undefined && why !== null) {
    await log.close();
    return apart(stepDirectory, why);
  }
  let whole = prepared;
  try {
    refuseLess(prepared.plan, UNLOGGED, log.trouble());
    whole = await lookAtWorld(prepared, attempt, lookingOf(starting));
    const lost = await runBox(whole, starting);
    if ('quit' in lost) return lost;
    const {capability, because} = lost;
    log.warn(`once more${capability === null ? '' : ` without ${capability}`}`, {because});
    await endMounted(attempt);
    return capability === null ? prepared : degrade(whole, capability, because);
  } catch (error) {
    // after a failure behind the launch the log is closed already
    if (error instanceof SupervisorFailed) throw error;
    const refused = await refuse(asTareError(error), request, attempt, whole.plan, log);
    await log.close();
    return refused;
  }
}

/** One box, from its begin to its end. @returns what was found not to work, where the policy lets the job run without */
async function runBox(prepared: Prepared, starting: Starting): Promise<RunResult | Lost> {
  const {request, hello, channel, attempt, log} = starting;
  const {plan} = prepared;
  const orThrow = (capability: Capability, error: TareError): Lost => {
    if (!canDegrade(prepared, capability)) throw error;
    return {capability, because: error.message};
  };
  channel.doing(`making the box’s directories in ${plan.directories.state} and ${plan.directories.scratch}`, PATIENCE_MS);
  let begun: Begun;
  try {
    begun = await begin(prepared, attempt, request, hello, channel, log);
  } catch (error) {
    if (!(error instanceof TareError) || attempt.left.length > 0) throw error;
    if (error.code === 'SCRATCH_FAILED') return orThrow('disk', error);
    if (error instanceof EngineUnwritten) return orThrow('box', error);
    if (isPlacesFault(error)) return orThrow('groups', error);
    throw error;
  }
  const {state, groups} = begun;
  // loaded while the engine builds the box
  const [{live}, {conclude}] = await orNextSupervisor(Promise.all([import('./live-box.js'), import('./conclude.js')]), log);
  const following = {groups, channel, log, hello, request};
  const observed = await orNextSupervisor(live(state, following), log);
  const lost = passing(observed, plan, starting) ?? lostOf(observed, plan).find(({capability}) => canDegrade(prepared, capability));
  if (lost !== undefined) {
    await takeAllBack(state, starting, observed);
    return lost;
  }
  const result = await orNextSupervisor(conclude(state, observed, following), log);
  if (result.failure?.fault === 'node') reportFailure(attempt, result.failure.code);
  return result;
}

const engineOf = ({engines}: RunRequest, {engine}: Plan): RunRequest['engines'][number] | undefined =>
  engines.find(({name}) => name === engine.name);

/** That the engine met a state of the node that passes, for the first time; null: it did not, or met one again. */
function passing(observed: EndedObservation, plan: Plan, {request, unlucky}: Starting): Lost | null {
  const {name} = plan.engine;
  const says = engineOf(request, plan)?.passing;
  if (unlucky.has(name) || says?.test(observed.engine?.stderr ?? '') !== true || !isSetupFailure(observed)) return null;
  unlucky.add(name);
  return {capability: null, because: failureText(observed, plan)};
}

/** What a box could not be built for, the smaller loss first. */
function lostOf(observed: EndedObservation, plan: Plan): (Lost & {capability: Capability})[] {
  const because = failureText(observed, plan);
  const lost = <C extends Capability>(capability: C, isLost: boolean, text = because) => (isLost ? [{capability, because: text}] : []);
  return [
    ...lost('disk', isDisksFault(observed)),
    ...lost('ids', isIdsFault(observed)),
    ...lost('box', isSetupFailure(observed), `the engine failed: ${because}`),
  ];
}

const lookingOf = ({hello, channel, log}: Starting): Looking => ({
  shimPid: hello.shimPid,
  doing: (what, patienceMs) => {
    channel.doing(what, patienceMs);
  },
  kept: channel.kept,
  log,
});

/** Removes a box that could not be built, so that it can be begun again. @throws TareError BOX_NOT_REMOVED when a part of it stays */
async function takeAllBack(state: BoxState, {attempt: {left}, request}: Starting, observed: EndedObservation): Promise<void> {
  const kind = engineOf(request, state.plan)?.kind;
  const reached = kind === undefined || kind === 'child' || kind.unreached?.test(observed.engine?.stderr ?? '') !== true;
  left.push(...(await takeBack(reached ? state : withoutContainer(state))));
  if (left.length === 0) return;
  throw new TareError('BOX_NOT_REMOVED', {
    message: `the box could not be built (${failureText(observed, state.plan)}), and what was made of it cannot be removed`,
    found: left.join(', '),
    remedy: '`tare records sweep` tries again',
  });
}

/** Groups cannot be made here, as opposed to a value that the kernel does not take. */
function isPlacesFault(error: unknown): error is TareError {
  const {code} = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
  return error instanceof TareError && error.code === 'CGROUP_FAILED' && !['EINVAL', 'ERANGE', 'ENOMEM'].includes(code ?? '');
}

/** The tasks have to do without one box, and each makes its own. */
export function apart(stepDirectory: string, because: string): RunResult {
  writeNote(stepDirectory, 'box', {apart: because});
  return {quit: ['code', 0], record: null, path: null, messages: [], failure: null, signals: []};
}
