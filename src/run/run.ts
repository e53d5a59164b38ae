/** One job, whole: the only place where the stages meet. */

import type {BatchJob, Effects} from '@tare/contract';
import {readBatchJob} from '../batch/detect.js';
import {effects} from '../batch/effects.js';
import {openGroups, type Groups, type MemoryEvents} from '../cgroup/manager.js';
import {constants} from 'node:os';
import {asTareError, TareError, type TareErrors} from '../errors.js';
import {policyFromDocuments} from '../policy/load.js';
import type {Policy} from '../policy/policy.js';
import {rightsStrings} from '../engine/launch.js';
import {stepOf, stepsOf} from '../plan/step.js';
import {findFinal} from '../record/journal.js';
import {asksForEnd} from '../record/outcome.js';
import type {UsageRecord} from '../record/record.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {BrainFailed, orNextBrain} from './brain-failed.js';
import {begin, recordStart, takeBack, takeBackPrepared, type Begun} from './begin.js';
import type {Channel} from '../process/channel.js';
import {Interrupted} from '../process/kept-signals.js';
import {connect, correctAddresses} from '../box/connect.js';
import {offeredPolicy, readPolicy} from '../files/documents.js';
import {withinReach} from './reach.js';
import {kindOfFailure} from '../node-state/counts.js';
import {reportNode} from '../node-state/reports.js';
import {nodePlaces} from '../policy/places.js';
import {failureText, finish, isBoxesFault, isDisksFault, isIdsFault, store} from './finish.js';
import type {Hello} from '../process/hello.js';
import {isDefaultSwitchOn, isSwitchOn, plainExec} from './kill-switch.js';
import {follow, type Life} from '../follow/life.js';
import {refuseLess, tellLess, UNLOGGED} from './less.js';
import {requireReserve} from '../box/reserve.js';
import {tellAround} from '../box/around.js';
import {listen} from '../box/listen.js';
import {openLog, silentLog, type Log} from '../process/log.js';
import {endOwn, killClients} from '../repositories/own.js';
import {phasesOf} from '../prepare/earlier.js';
import {accountIn, nameCaller} from '../prepare/identity.js';
import {newKnown, prepare, type Known, type Lack, type Prepared} from '../prepare/prepare.js';
import {wrapperOf} from '../process/presence.js';
import {processId} from '../process/process.js';
import {holdUpOf, lookAtRepositories, throughOf, withUsable} from '../repositories/repositories.js';
import {interrupted} from '../prepare/image.js';
import {faultOf, firstOf, refusalRecord} from '../prepare/refusal.js';
import type {RunRequest, RunResult} from '../prepare/request.js';
import {readKills} from '../box/kills.js';
import {Gathering} from '../follow/gathering.js';
import {findLiveBox, joinBox, type Joined} from '../box/session.js';
import {
  readSeen,
  readState,
  removeState,
  scratchDirectory,
  startedOf,
  stateDirectory,
  writeSeen,
  writeState,
  type BoxState,
} from '../box/state.js';
import {notedIn, writeNote} from '../step/folder.js';
import {sweepBoxes} from '../sweep/sweep.js';
import {apartBecause, joinTasks} from '../step/together.js';
import {firstProcessOf} from '../process/tree.js';
import {jobFiles, type JobFiles} from '../files/job-files.js';
import {pauseAt} from '../process/pause.js';
import {progressTeller, tellBatchSystem} from './tell.js';
import {notTried, policyOfTrial} from './trial.js';

/** Runs a job, or finishes one whose brain died, and tells the batch system. Never throws for what a job, a policy or a node can cause. */
export async function runJob(request: RunRequest, hello: Hello, channel: Channel): Promise<RunResult> {
  if (hello.state === 'over') return concluded(hello);
  if (hello.state === 'running' || hello.state === 'ended') return adopt(request, hello, channel);
  const {role, plugins} = request;
  const argv = request.source.kind === 'command' ? request.source.argv : [];
  const call = {role, argv, environment: hello.environment, cwd: hello.cwd, uid: process.getuid?.() ?? -1};
  const {stepDirectory} = request;
  const files = jobFiles(accountIn(hello.cwd), hello.cwd);
  const batch = ofStep(await readBatchJob(plugins, call, effectsWith(files, silentLog)), stepDirectory);
  // who holds a box was started by a task, whose front is above it
  const known = newKnown(batch, role, files, stepDirectory === undefined ? {pid: hello.frontPid, executable: null} : undefined);
  known.probe = request.probe !== undefined;
  known.phases = phasesOf(batch, hello.frontPid);
  known.doing = (what, patienceMs) => {
    channel.doing(what, patienceMs);
  };
  try {
    channel.doing('reading the policy');
    if (hello.state === 'prepared') await takeBackPrepared(hello.stateDirectory);
    if (request.probe !== undefined && isDefaultSwitchOn()) return notTried(request.probe, 'the kill switch is on');
    if (isDefaultSwitchOn() && stepDirectory !== undefined) return apart(stepDirectory, 'the kill switch is on');
    if (isDefaultSwitchOn()) return await plainExec(request, batch, policyFromDocuments([]), known.caller, known.files, hello, channel);
    const read = withinReach(await readPolicy(await policyFileOf(request, known), known.caller.uid), known.caller.uid);
    // a trial is held against the rule that is for its account
    if (request.probe !== undefined) known.caller = (await nameCaller(known.caller, read)).caller;
    const policy = request.probe === undefined ? read : policyOfTrial(read, known, request.probe);
    known.policy = policy;
    known.settings = {oom: policy.batch.oom.value};
    if (request.probe !== undefined && isSwitchOn(policy))
      return notTried(request.probe, `the kill switch is on: ${policy.killSwitch.value}`);
    if (isSwitchOn(policy) && stepDirectory !== undefined) return apart(stepDirectory, 'the kill switch is on');
    if (isSwitchOn(policy)) return await plainExec(request, batch, policy, known.caller, known.files, hello, channel);
    if (batch.kind === 'session') {
      const joined = await join(known, policy, hello, channel);
      if (joined !== null) return joined;
    }
    if (batch.together !== undefined && stepDirectory === undefined && policy.batch.tasks.value === 'together' && hello.state === 'fresh') {
      channel.doing('waiting for the other tasks of the step', null);
      const shared = await joinTasks(batch.together, policy, hello, channel);
      if ('result' in shared) return await tellTask(shared.result, shared.over, known, request);
      batch.remarks.push(`not in one box with the other tasks of its step: ${shared.apart}`);
    }
    channel.doing('reading the job and looking at its directories', PATIENCE_MS);
    if (known.role === 'wrapper') reportNode(nodePlaces(policy, known.caller.uid), {kind: 'started', code: 'job', id: known.id});
    const prepared = await prepare(request, policy, hello.environment, hello.cwd, known);
    if (hello.brain > 1) prepared.plan.pauseAt = [];
    return await start(prepared, request, hello, channel, known);
  } catch (error) {
    if (error instanceof BrainFailed) throw error;
    // a brain before this one can have refused the same call
    if (hello.brain > 1) known.again ??= false;
    return await refuse(asTareError(error), request, known);
  }
}

/** null: the node's own, which is also where the record of a refusal goes. @throws TareError POLICY_INSECURE */
async function policyFileOf({policyFile}: RunRequest, known: Known): Promise<string | null> {
  try {
    return policyFile ?? offeredPolicy(known.batch.policy);
  } catch (error) {
    known.policy = withinReach(await readPolicy(null, known.caller.uid), known.caller.uid);
    throw error;
  }
}

/** Of a box for all the tasks of a step on this node, what they have together. */
function ofStep(batch: BatchJob, stepDirectory: string | undefined): BatchJob {
  const {together} = batch;
  if (stepDirectory === undefined || together === undefined) return batch;
  return {...batch, slot: together.slot, lrms: {...batch.lrms, globalJobId: together.globalJobId}};
}

/** The tasks have to do without one box, and each makes its own. */
function apart(stepDirectory: string, because: string): RunResult {
  writeNote(stepDirectory, 'box', {apart: because});
  return {quit: ['code', 0], record: null, path: null, messages: [], failure: null, signals: []};
}

/** A task that was killed with its box ends as a payload would that the same has killed. */
async function tellTask(result: RunResult, record: UsageRecord | null, known: Known, {plugins}: RunRequest): Promise<RunResult> {
  if (record === null || (record.outcome.status !== 'limit' && record.outcome.status !== 'wrapper-failure')) return result;
  const {batch, settings, files} = known;
  const told = await tellBatchSystem({...result, record}, {batch, settings, plugins, effects: effectsWith(files, silentLog)});
  return {...told, record: null};
}

/** A session in the live box of its job; null when it has to be run by itself, which is said. */
async function join({caller, batch}: Known, policy: Policy, hello: Hello, channel: Channel): Promise<RunResult | null> {
  const live = findLiveBox(policy, caller.uid, batch);
  const joined = live === null ? null : await joinSession(live, hello.cwd, channel);
  if (joined !== null && 'quit' in joined) return {quit: joined.quit, record: null, path: null, messages: [], failure: null, signals: []};
  const why = joined === null ? 'there is no live box of this job' : `${joined.failure.step}: ${joined.failure.text}`.trim();
  channel.send('Y', `tare: this session is not in the job's box: ${why}`);
  return null;
}

/** Where there are several applications the session goes to the first that is no service. */
function joinSession(live: BoxState, cwd: string, channel: Channel): Promise<Joined> {
  const {plan, payload, applications} = live;
  const first = stepsOf(plan, 'application.execute').find(({system}) => system === null || system.role === 'payload');
  const keeper = applications.find(({name}) => name === first?.name)?.keeper ?? null;
  const inside = first === undefined || keeper === null ? payload : firstProcessOf(keeper);
  const part = first === undefined ? 'payload' : (`app-${first.name}` as const);
  return joinBox({...live, inside}, ['a@1', `d${cwd}`, ...rightsStrings(plan)], part, channel);
}

/** Begins and follows; when something of the box cannot be had and the policy does not require it, once more without. */
async function start(first: Prepared, request: RunRequest, hello: Hello, channel: Channel, known: Known): Promise<RunResult> {
  let prepared = first;
  let {plan} = first;
  if (request.probe !== undefined) request.probe.plan = plan;
  const {stepDirectory} = request;
  const why = stepDirectory === undefined ? null : apartBecause(first);
  if (stepDirectory !== undefined && why !== null) return apart(stepDirectory, why);
  channel.doing(`opening the log ${plan.directories.log ?? ''}`.trimEnd(), PATIENCE_MS);
  const log = await openLog({
    file: plan.directories.log,
    stderr: request.verbose,
    level: request.verbose ? 'info' : plan.log.level,
    format: plan.log.format,
    job: known.id,
  });
  for (const remark of known.batch.remarks) log.warn('the batch system’s description of the job', {remark});
  let isClosed = false;
  const without = async (lack: Lack, because: string): Promise<RunResult> => {
    log.warn(`once more without ${lack}`, {because});
    await endMounted(known);
    return start(prepared.without(lack, because), request, hello, channel, known);
  };
  try {
    refuseLess(plan, UNLOGGED, log.trouble());
    // what is only observed runs in any case, and for a wrapper in a box the one around has looked
    if (known.policy !== null && plan.mode.value !== 'observe' && first.facts.within === null)
      requireReserve(known.policy, known.caller.uid);
    if (stepOf(plan, 'cvmfs.probe') !== undefined) channel.doing('waiting for repositories', null);
    known.looked = await lookAtRepositories({
      plan,
      id: known.id,
      frontPid: hello.frontPid,
      bootId: first.facts.node.bootId,
      log,
      kept: channel.kept,
    });
    withUsable(plan, known.looked, known.job?.image ?? null); // an image in a repository that cannot be used is not looked at
    prepared = await lookAtImage(first, known, channel);
    ({plan} = prepared);
    const usable = {...prepared, plan: withUsable(plan, known.looked)};
    channel.doing(`making the box’s directories in ${plan.directories.state} and ${plan.directories.scratch}`, PATIENCE_MS);
    let begun: Begun;
    try {
      begun = await begin(usable, known, request, hello, channel, log);
    } catch (error) {
      if (known.left.length > 0) throw error;
      if (error instanceof TareError && error.code === 'SCRATCH_FAILED' && prepared.canDoWithout('disk'))
        return await without('disk', error.message);
      if (isPlacesFault(error) && prepared.canDoWithout('groups')) return await without('groups', error.message);
      throw error;
    }
    const {state, groups} = begun;
    const life = await orNextBrain(live(state, groups, channel, log, hello, request), log);
    if (isDisksFault(life) && prepared.canDoWithout('disk')) {
      await takeAllBack(state, known, life);
      return await without('disk', failureText(life));
    }
    if (isIdsFault(life) && prepared.canDoWithout('ids')) {
      await takeAllBack(state, known, life);
      return await without('ids', failureText(life));
    }
    if (isBoxesFault(life) && prepared.canDoWithout('box')) {
      await takeAllBack(state, known, life);
      return await without('box', `the engine failed: ${failureText(life)}`);
    }
    const result = await orNextBrain(conclude(state, groups, life, request, filesOf(state, hello), log), log);
    isClosed = true; // or will be
    if (result.failure?.fault === 'node') reportFailure(known, result.failure.code);
    return result;
  } catch (error) {
    if (error instanceof BrainFailed) {
      isClosed = true;
      throw error;
    }
    return await refuse(asTareError(error), request, known, plan, log);
  } finally {
    if (!isClosed) await log.close();
  }
}

/** How long a front waits before it looks whether its brain works; then it waits 10 s more (native/patience.c). */
const PATIENCE_MS = 50_000;

/** Of a large file its digest is wanted, which takes as long as reading it. */
async function lookAtImage(first: Prepared, {job, looked: repositories}: Known, {kept}: Channel): Promise<Prepared> {
  if (first.withImage === null) return first;
  const looked = await kept.orWhile<Prepared | Interrupted>(
    first.withImage(throughOf(first.plan, repositories, job?.image?.value ?? null)),
    (signal) => new Interrupted(signal),
  );
  if (looked instanceof Interrupted) throw interrupted(looked, 'looked at', job?.image?.value ?? '');
  return looked;
}

const effectsWith = (files: JobFiles, log: Log): Effects =>
  effects(files, (level, message, details) => {
    log[level](message, details);
  });

/** Of a box that another brain may have begun. */
const filesOf = ({plan}: BoxState, {cwd}: Hello): JobFiles => jobFiles(stepOf(plan, 'identity.take') ?? null, cwd);

/** So that it can be begun once more. @throws TareError BOX_LEFT when something is left of it */
async function takeAllBack(state: BoxState, {left}: Known, life: Life): Promise<void> {
  left.push(...(await takeBack(state)));
  if (left.length === 0) return;
  throw new TareError('BOX_LEFT', {
    message: `the box could not be built (${failureText(life)}), and what was made of it cannot be removed`,
    found: left.join(', '),
    remedy: '`tare records sweep` tries again',
  });
}

/** Groups cannot be made here, as opposed to a value that the kernel does not take. */
function isPlacesFault(error: unknown): error is TareError {
  const {code} = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
  return error instanceof TareError && error.code === 'CGROUP_FAILED' && !['EINVAL', 'ERANGE', 'ENOMEM'].includes(code ?? '');
}

/** Finishes what another brain began. */
async function adopt(request: RunRequest, hello: Hello, channel: Channel): Promise<RunResult> {
  // a session has none: the front ends it as it ended
  if (hello.stateDirectory === '') throw new TareError('STATE_DIRECTORY', {message: 'nothing was begun here'});
  const state = readState(hello.stateDirectory);
  const {id} = state;
  const plan: Plan = {...state.plan, pauseAt: []};
  const groups = openGroups(plan.steps, id);
  const log = await openLog({file: plan.directories.log, stderr: request.verbose, level: plan.log.level, format: plan.log.format, job: id});
  log.warn('a brain died; this one takes over', {brain: hello.brain});
  const started = {...state.started, wrapper: wrapperOf(hello.frontPid)};
  const adopted: BoxState = {...state, plan, started};
  keep(adopted, log);
  const life = await live(adopted, groups, channel, log, hello, request);
  if (life.startEpochUs !== null) life.startEpochUs = state.startEpochUs ?? life.startEpochUs;
  return conclude(adopted, groups, life, request, filesOf(adopted, hello), log);
}

/** From a life that is over to its record and what the batch system is told; until that is known to the front another brain could do the same. */
async function conclude(state: BoxState, groups: Groups, life: Life, {plugins}: RunRequest, files: JobFiles, log: Log): Promise<RunResult> {
  const {plan, id} = state;
  const result = await finish(state, groups, life, files, log);
  tellLess({plan, id, log, node: state.node ?? null}, result.path === null ? (result.waits ?? '') : null);
  const told = await tellBatchSystem(result, {batch: state.batch, settings: state.settings, plugins, effects: effectsWith(files, log)});
  // it leads a sweep to what could not be killed or removed, and to a record that waits for a spool
  const isLeft = life.unkillable || result.record?.flags.includes('left-behind') === true || result.waits != null;
  const end = async (): Promise<void> => {
    await sweepInPassing(plan, log);
    await log.close();
  };
  if (isLeft) {
    await end();
    return told;
  }
  return {
    ...told,
    forget: async () => {
      pauseAt(plan.pauseAt, 'brain-told');
      const left = removeState(stateDirectory(plan, id));
      if (left.length > 0) log.error('left behind, for a sweep', {left});
      pauseAt(plan.pauseAt, 'brain-forgotten');
      await end();
    },
  };
}

/** A brain before has told all there was to tell, and died over the removal of what it kept. */
function concluded({stateDirectory: directory}: Hello): RunResult {
  removeState(directory);
  return {quit: ['over'], record: null, path: null, messages: [], failure: null, signals: []};
}

/** Boxes of the same user that a crash left: a site may have no timer for the sweep, and nobody waits for this one for long. */
async function sweepInPassing({directories}: Plan, log: Log): Promise<void> {
  try {
    const swept = await sweepBoxes(directories, {uid: process.getuid?.() ?? -1, patienceMs: SWEEP_MS});
    for (const {recordId, result, message} of swept) log.warn('a box that a crash left', {recordId, result, message});
  } catch (error) {
    log.warn('boxes that a crash left cannot be swept', {error: asTareError(error).message});
  }
}

const SWEEP_MS = 500;

async function live(state: BoxState, groups: Groups, channel: Channel, log: Log, hello: Hello, request: RunRequest): Promise<Life> {
  const {plan, started} = state;
  let lookedOn: (() => void) | undefined;
  const listener = listen(state, () => {
    keep(state, log);
  });
  const teller = await progressTeller(state, request.plugins, effectsWith(filesOf(state, hello), log));
  const {stepDirectory} = request;
  const {together} = state.batch;
  const gathering = stepDirectory === undefined ? null : new Gathering(notedIn(stepDirectory), together?.count ?? 1);
  const life = await follow({
    channel,
    gathering,
    plan,
    groups,
    log,
    boxDirectory: scratchDirectory(plan, state.id),
    frontPid: hello.frontPid,
    cpus: state.cpus,
    memoryBefore: state.memoryBefore as MemoryEvents,
    holdUp: holdUpOf(plan, state.looked ?? [], log),
    endClients:
      state.looked?.some(({own}) => own !== undefined) === true
        ? (because) => {
            state.looked = killClients(state.looked ?? [], because);
            keep(state, log);
          }
        : null,
    brainsLost: hello.brain - 1,
    callers: (state.batch.callers ?? []).map(processId).filter((caller) => caller !== null),
    stop: state.stop,
    onApplications: (applications) => {
      state.applications = applications.look().map(({name, state: how, service, keeperPid}) => ({
        name,
        state: how,
        service,
        keeper: keeperPid === null ? null : processId(keeperPid),
      }));
      state.noted = applications.report([], null);
      keep(state, log);
    },
    isKilled: () => readKills(stateDirectory(plan, state.id)).some(asksForEnd),
    stopUs: state.stopUs,
    marks: hello.brain > 1 ? (readSeen(stateDirectory(plan, state.id))?.weighing.marks ?? null) : null,
    onStop: (stop, us) => {
      Object.assign(state, {stop, stopUs: us});
      keep(state, log);
    },
    connect:
      state.connection === null || state.connected
        ? null
        : async (initPid) => {
            if (state.connection === null) return;
            const boxDirectory = scratchDirectory(plan, state.id);
            const joins = groups.joins('engine');
            const user = await connect({plan, id: state.id, connection: state.connection, boxDirectory, initPid, joins});
            const {identity} = state.started;
            if (user !== null && identity != null) {
              state.undo.push({op: 'process.kill', ...user.helper});
              if (user.addresses.join() !== identity.addresses.join()) {
                identity.addresses = user.addresses;
                correctAddresses(plan, state.id, identity, boxDirectory);
              }
            }
            state.connected = true;
            keep(state, log);
          },
    beforeExec: () => {
      // the brain before may have died before it wrote it, or after it wrote the final one
      if (hello.brain > 1 && findFinal(plan.directories.spools, started.recordId) === null) recordStart(plan, startedOf(state), log);
    },
    afterExec: (startEpochUs, initPid, payloadPid) => {
      state.init = initPid === null ? null : processId(initPid);
      state.payload = payloadPid === null ? null : processId(payloadPid);
      if (!request.usesStdout) channel.send('C', '1'); // a reader sees when the payload closes its own
      state.startEpochUs ??= startEpochUs;
      keep(state, log);
      if (stepDirectory !== undefined) writeNote(stepDirectory, 'box', {directory: stateDirectory(plan, state.id), cwd: hello.cwd});
      lookedOn = request.onlooker?.running({
        groups,
        init: state.init,
        memoryLimitBytes: plan.limits.memory.value,
        applications: () => state.applications,
      });
    },
    onSeen: (seen) => {
      writeSeen(state, seen);
      teller(seen);
    },
  });
  listener.end();
  lookedOn?.();
  return life;
}

/** What only a brain that follows would miss costs the job nothing. */
function keep(state: BoxState, log: Log): void {
  try {
    writeState(state);
  } catch (error) {
    log.warn('the state of the box cannot be written; a brain that follows would not know', {error: asTareError(error).message});
  }
}

/** What was mounted for a box that is not built. */
async function endMounted(known: Known): Promise<void> {
  await endOwn(known.looked);
  known.looked = known.looked.map(({entry, errors}) => ({entry, errors}));
}

/** Nothing ran: the policy refused, the input is wrong, or the box could not be built. There is a record all the same. */
async function refuse(
  error: TareError | TareErrors,
  request: RunRequest,
  known: Known,
  plan: Plan | null = null,
  log: Log = silentLog,
): Promise<RunResult> {
  await endMounted(known);
  if (known.left.length > 0) log.error('left behind, for a sweep', {left: known.left});
  const messages = error.message.split('\n');
  const {record: refused, places} = await refusalRecord(error, known, plan, request.version);
  const {record, path, waits} = store(
    {places, id: known.id, copy: request.recordCopy, files: known.files, messages, log},
    {
      ...refused,
      flags: [...refused.flags, ...(log.trouble() === null ? [] : [UNLOGGED]), ...(known.left.length === 0 ? [] : ['left-behind'])].sort(),
    },
  );
  for (const told of [{...record, state: 'started' as const}, record]) await tellAround(known.around, told);
  const first = firstOf(error);
  const failure = {fault: faultOf(first, known), code: first.code, message: messages.join('; '), exit: error.exit};
  const result: RunResult = {quit: ['code', error.exit], record, path, waits, messages: [...new Set(messages)], failure, signals: []};
  const {batch, settings} = known;
  const told = {batch, settings, plugins: request.plugins, effects: effectsWith(known.files, log)};
  const {cause} = first;
  if (cause instanceof Interrupted) {
    // it ends as a payload would that had it: nothing has failed
    const signal = constants.signals[cause.signal as NodeJS.Signals];
    return tellBatchSystem({...result, quit: ['signal', signal], failure: null, signals: [signal]}, told);
  }
  if (failure.fault === 'node') reportFailure(known, first.code);
  return tellBatchSystem(result, told);
}

/** Whoever calls the command line in a job could call it for ever: only the batch system's wrapper reports. */
function reportFailure({role, policy, batch, job, looked, caller, id}: Known, code: string): void {
  if (role !== 'wrapper') return;
  const unusable = looked.flatMap(({entry}) => (entry.state === 'ok' ? [] : [entry.repository]));
  const kind = kindOfFailure(code, {job, policy, policyByJob: batch.policy != null, unusable});
  if (kind !== null) reportNode(nodePlaces(policy, caller.uid), {kind, code, id});
}
