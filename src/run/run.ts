/** One job, whole: plan, box, life, weighing, record. The only place where the stages meet. */

import {createGroups, noGroups, openGroups, type Groups, type MemoryEvents} from '../cgroup/manager.js';
import {asTareError, EXIT, TareError, type TareErrors} from '../errors.js';
import {endedOutcome, notRunOutcome, type Outcome} from '../record/outcome.js';
import {finalRecord, hostOf, NO_TIME, NO_USAGE, startedRecord, type UsageRecord} from '../record/record.js';
import {writeDurably, writeRecord} from '../record/spool.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {canonicalJson} from '../plan/canonical.js';
import type {Channel} from './channel.js';
import {epochUs, monotonicUs} from './clock.js';
import {readPolicy} from './documents.js';
import type {Hello} from './hello.js';
import {isDefaultSwitchOn, isSwitchOn, plainExec} from './kill-switch.js';
import {follow, launch, type Life} from './life.js';
import {openLog, type Log} from './log.js';
import {pauseAt} from './pause.js';
import {newKnown, prepare, type Known, type Prepared} from './prepare.js';
import type {Quit, RunRequest, RunResult} from './request.js';
import {makeDirectories, readState, removeDirectories, scratchDirectory, stateDirectory, writeState, type BoxState} from './state.js';
import {refusalRecord} from './refusal.js';
import {weighPayload, weighTare} from './weigh.js';

const SIGKILL = 9;

/** Runs a job, or finishes one whose brain died. Never throws for what a job, a policy or a node can cause. */
export async function runJob(request: RunRequest, hello: Hello, channel: Channel): Promise<RunResult> {
  if (hello.state !== 'fresh') return adopt(request, hello, channel);
  const known = newKnown();
  let prepared: Prepared;
  try {
    if (isDefaultSwitchOn()) return await plainExec(request, hello, channel);
    const policy = await readPolicy(request.policyFile, known.caller.uid);
    known.policy = policy;
    if (isSwitchOn(policy)) return await plainExec(request, hello, channel);
    prepared = await prepare(request, policy, hello.environment, hello.cwd, known);
  } catch (error) {
    return refuse(asTareError(error), request, known);
  }
  return start(request, hello, channel, known, prepared);
}

async function start(request: RunRequest, hello: Hello, channel: Channel, known: Known, prepared: Prepared): Promise<RunResult> {
  const {plan, facts, identity, caller} = prepared;
  const {id} = known;
  let state: BoxState | null = null;
  let groups: Groups = noGroups;
  const log = await openLog({file: plan.directories.log, stderr: request.verbose, level: request.verbose ? 'info' : plan.log.level, format: plan.log.format, job: id});
  try {
    makeDirectories(plan, id, caller);
    const started = startedRecord(
      {
        lrms: {type: 'none', host: facts.node.hostname, queue: plan.job.queue, localJobId: null, globalJobId: `${facts.node.hostname}#${id}`, attempt: 1},
        identity, vo: plan.job.vo, name: plan.job.name, host: hostOf(facts, request.version), trust: caller.uid === 0 ? 'root' : 'user', site: plan.site,
      },
      plan,
    );
    groups = createGroups(plan.steps, id);
    state = {
      id, plan, started, memoryBefore: groups.memoryEvents(), abilities: facts.bubblewrap.abilities, frontStartedUs: hello.startedUs, cpus: facts.cpu.online.length,
      recordCopy: request.recordCopy, startEpochUs: null,
    };
    writeState(state);
    channel.send('S', stateDirectory(plan, id));
    pauseAt(plan.pauseAt, 'brain-made');
    launch({channel, plan, groups}, scratchDirectory(plan, id), state.abilities, prepared.callerArgvIndex);
    // written while the engine builds the box; the payload waits for it
    writeRecord(plan.directories.spool, started);
    pauseAt(plan.pauseAt, 'brain-started');
  } catch (error) {
    const left = [...(await groups.remove()), ...removeDirectories(plan, id)];
    if (left.length > 0) log.error('left behind', {left});
    const trouble = asTareError(error);
    if (prepared.withoutBox !== null && canRunUnboxed(trouble, plan)) return retryUnboxed(trouble.message, request, hello, channel, known, prepared);
    return refuse(trouble, request, known, plan);
  }
  const life = await live(state, groups, channel, log, hello);
  const boxFailed = life.executedUs === null && life.failure !== null && life.failure.step !== 'exec' && life.failure.step !== 'chdir' && !life.frontLost;
  if (boxFailed && plan.mode.value === 'box' && prepared.withoutBox !== null) {
    const because = `the engine failed: ${failureText(life)}`;
    log.warn(because);
    const left = [...(await groups.remove()), ...removeDirectories(plan, id)];
    if (left.length > 0) log.error('left behind', {left});
    return retryUnboxed(because, request, hello, channel, known, prepared);
  }
  return finish(state, groups, life, log);
}

/** A control group that cannot be made is no reason for a job to die, as long as the policy does not demand it. */
function canRunUnboxed(error: TareError | TareErrors, plan: Plan): boolean {
  return error instanceof TareError && error.code === 'ENGINE_FAILED' && plan.mode.value === 'box';
}

async function retryUnboxed(because: string, request: RunRequest, hello: Hello, channel: Channel, known: Known, prepared: Prepared): Promise<RunResult> {
  try {
    const plan = prepared.withoutBox?.(because) ?? prepared.plan;
    return await start(request, hello, channel, known, {...prepared, plan, withoutBox: null});
  } catch (error) {
    return refuse(asTareError(error), request, known);
  }
}

/** Finishes what another brain began. */
async function adopt(request: RunRequest, hello: Hello, channel: Channel): Promise<RunResult> {
  const state = readState(hello.stateDirectory);
  const {plan, id} = state;
  const groups = openGroups(plan.steps, id);
  const log = await openLog({file: plan.directories.log, stderr: request.verbose, level: plan.log.level, format: plan.log.format, job: id});
  log.warn('a brain died; this one takes over', {brain: hello.brain});
  const life = await live(state, groups, channel, log, hello);
  if (life.startEpochUs !== null) life.startEpochUs = state.startEpochUs ?? life.startEpochUs;
  return finish(state, groups, life, log);
}

function live(state: BoxState, groups: Groups, channel: Channel, log: Log, hello: Hello): Promise<Life> {
  const {plan, started} = state;
  return follow({
    channel, plan, groups, log, frontPid: hello.frontPid, cpus: state.cpus, memoryBefore: state.memoryBefore as MemoryEvents,
    beforeExec: () => {
      if (hello.brain > 1) writeRecord(plan.directories.spool, started); // its brain may have died before it wrote it
    },
    afterExec: (startEpochUs) => { writeState({...state, startEpochUs: state.startEpochUs ?? startEpochUs}); },
  });
}

/** Weighs, cleans, and writes the final record. */
async function finish(state: BoxState, groups: Groups, life: Life, log: Log): Promise<RunResult> {
  const {plan, started, id} = state;
  const {usage, flags} = weighPayload(groups, life.sampler, life.init);
  pauseAt(plan.pauseAt, 'brain-weighed');
  const left = await groups.remove();
  const outcome = outcomeOf(life);
  if (life.unkillable || left.length > 0) flags.push('left-behind');
  if (life.stop !== null || life.verdict !== null || outcome.killedProcesses) flags.push('killed');
  const endedUs = life.init?.endedUs ?? monotonicUs();
  const ran = life.executedUs !== null;
  const wallUs = life.executedUs === null ? null : Math.max(0, endedUs - life.executedUs);
  const endEpochUs = life.startEpochUs === null || wallUs === null ? null : life.startEpochUs + wallUs;
  left.push(...removeDirectories(plan, id));
  if (left.length > 0) log.error('left behind', {left});
  pauseAt(plan.pauseAt, 'brain-removed');
  const record = finalRecord(started, {
    time: {
      ...NO_TIME, startEpochUs: life.startEpochUs, endEpochUs, wallUs,
      clockStepUs: endEpochUs === null ? null : epochUs() - (monotonicUs() - endedUs) - endEpochUs,
    },
    net: ran ? usage : NO_USAGE,
    tare: weighTare(
      {launchUs: life.executedUs === null ? null : life.executedUs - state.frontStartedUs, teardownUs: ran ? monotonicUs() - endedUs : null},
      life.processes, life.init, life.engine,
    ),
    watch: life.watch,
    outcome,
    flags,
  });
  const messages: string[] = [];
  const path = store(plan.directories.spool, record, messages);
  if (state.recordCopy !== null) copy(state.recordCopy, record, messages);
  pauseAt(plan.pauseAt, 'brain-recorded');
  log.info('ended', {status: outcome.status, exitCode: outcome.exitCode, signal: outcome.signal, reason: outcome.reason, record: path});
  await log.close();
  if (!ran && outcome.reason !== null) messages.unshift(outcome.reason);
  return {quit: quitOf(life, outcome), record, path, messages};
}

function outcomeOf(life: Life): Outcome {
  const {init, failure, stop, verdict, noted, frontLost, executedUs} = life;
  if (executedUs === null) {
    if (failure?.step === 'exec' || failure?.step === 'chdir') {
      return notRunOutcome('failed', 'PAYLOAD_NOT_EXECUTABLE', `the payload could not be executed: ${failure.text}`, EXIT.notExecutable);
    }
    const reason = frontLost ? 'the front was killed before the payload ran' : `the box was not built: ${failureText(life)}`;
    return notRunOutcome('wrapper-failure', frontLost ? 'FRONT_LOST' : 'ENGINE_FAILED', reason, EXIT.failure);
  }
  return endedOutcome({
    rawStatus: init?.rawStatus ?? null,
    stop,
    oom: verdict === null ? null : {whose: verdict.whose, evidence: verdict.evidence},
    noted,
    trouble: init === null ? (frontLost ? 'the front was killed, and the payload with it' : 'init was killed, and the payload with it') : null,
    killedProcesses: init?.killedProcesses ?? null,
  });
}

function failureText({failure, engine}: Life): string {
  const engineSays = engine?.stderr ?? '';
  const step = failure === null ? 'init never answered' : `${failure.step}: ${failure.text}`;
  return engineSays === '' ? step : `${step} (${engineSays.replaceAll('\n', ' | ')})`;
}

function quitOf({init, executedUs}: Life, outcome: Outcome): Quit {
  if (init !== null && executedUs !== null) return ['status', init.rawStatus];
  // the payload ran and nobody knows how it ended: it was killed with its init
  if (executedUs !== null) return ['signal', SIGKILL];
  return ['code', outcome.exitCode ?? EXIT.failure];
}

/** Nothing ran: the policy refused, the input is wrong, or the box could not be built. There is a record all the same. */
function refuse(error: TareError | TareErrors, request: RunRequest, known: Known, plan: Plan | null = null): RunResult {
  const messages = error.message.split('\n');
  const record = refusalRecord(error, known, plan, request.version);
  const path = store(record.spool, record.record, messages);
  if (request.recordCopy !== null) copy(request.recordCopy, record.record, messages);
  return {quit: ['code', error.exit], record: record.record, path, messages};
}

function store(spool: string, record: UsageRecord, messages: string[]): string | null {
  try {
    return writeRecord(spool, record);
  } catch (error) {
    messages.push(asTareError(error).message);
    return null;
  }
}

function copy(file: string, record: UsageRecord, messages: string[]): void {
  try {
    writeDurably(file, `${canonicalJson(record)}\n`);
  } catch (error) {
    messages.push(asTareError(error).message);
  }
}

