/** One job, whole: what is asked for, and which way it goes. */

import type {BatchJob} from '@tare/contract';
import {readBatchJob} from '../batch/detect.js';
import {asTareError} from '../errors.js';
import {offeredPolicy, readPolicy} from '../files/documents.js';
import {jobFiles} from '../files/job-files.js';
import {reportNode} from '../node-state/reports.js';
import {policyFromDocuments} from '../policy/load.js';
import {nodePlaces} from '../policy/places.js';
import {phasesOf} from '../prepare/earlier.js';
import {accountIn, nameCaller} from '../prepare/identity.js';
import {newAttemptContext, type AttemptContext} from '../prepare/attempt-context.js';
import {prepare} from '../prepare/prepare.js';
import type {RunRequest, RunResult} from '../prepare/request.js';
import {PATIENCE_MS, type Channel} from '../process/channel.js';
import type {Hello} from '../process/hello.js';
import {silentLog} from '../process/log.js';
import {comeTo} from '../process/trace.js';
import type {UsageRecord} from '../record/record.js';
import {SupervisorFailed} from './supervisor-failed.js';
import {isDefaultSwitchOn, isSwitchOn, plainExec} from './kill-switch.js';
import {withinReach} from './reach.js';
import {refuse} from './refuse.js';
import {apart, start} from './start.js';
import {effectsWith, tellBatchSystem} from './tell.js';
import {notTried, policyOfTrial} from './trial.js';

/**
 * Runs a job, or finishes one whose supervisor died, and tells the batch system. Never throws for what a job, a policy or a node can cause.
 * @throws SupervisorFailed when the shim has to start another supervisor
 */
export async function runJob(request: RunRequest, hello: Hello, channel: Channel): Promise<RunResult> {
  if (hello.state === 'running' || hello.state === 'ended') return (await import('./conclude.js')).adopt(request, hello, channel);
  const {role, plugins} = request;
  const argv = request.source.kind === 'command' ? request.source.argv : [];
  const call = {role, argv, environment: hello.environment, cwd: hello.cwd, uid: process.getuid?.() ?? -1};
  const {stepDirectory} = request;
  const files = jobFiles(accountIn(hello.cwd), hello.cwd);
  const batch = ofStep(await readBatchJob(plugins, call, effectsWith(files, silentLog)), stepDirectory);
  comeTo('batch');
  // the process that holds a box was started by a task, whose shim is its parent
  const attempt = newAttemptContext(batch, role, files, stepDirectory === undefined ? {pid: hello.shimPid, executable: null} : undefined);
  attempt.probe = request.probe !== undefined;
  attempt.phases = phasesOf(batch, hello.shimPid);
  attempt.doing = (what, patienceMs) => {
    channel.doing(what, patienceMs);
  };
  try {
    channel.doing('reading the policy');
    if (hello.state === 'prepared') await (await import('./conclude.js')).takeBackPrepared(hello.stateDirectory);
    if (request.probe !== undefined && isDefaultSwitchOn()) return notTried(request.probe, 'the kill switch is on');
    if (isDefaultSwitchOn() && stepDirectory !== undefined) return apart(stepDirectory, 'the kill switch is on');
    if (isDefaultSwitchOn()) return await plainExec(request, batch, policyFromDocuments([]), attempt.caller, attempt.files, hello, channel);
    const read = withinReach(await readPolicy(await policyFileOf(request, attempt), attempt.caller.uid), attempt.caller.uid);
    // a trial is held against the rule that is for its account
    if (request.probe !== undefined) attempt.caller = (await nameCaller(attempt.caller, read)).caller;
    const policy = request.probe === undefined ? read : policyOfTrial(read, attempt, request.probe);
    comeTo('policy');
    attempt.policy = policy;
    attempt.settings = {oom: policy.batch.oom.value};
    if (request.probe !== undefined && isSwitchOn(policy))
      return notTried(request.probe, `the kill switch is on: ${policy.killSwitch.value}`);
    if (isSwitchOn(policy) && stepDirectory !== undefined) return apart(stepDirectory, 'the kill switch is on');
    if (isSwitchOn(policy)) return await plainExec(request, batch, policy, attempt.caller, attempt.files, hello, channel);
    if (batch.kind === 'session') {
      const joined = await (await import('./session.js')).joinLive(attempt, policy, hello, channel);
      if (joined !== null) return joined;
    }
    if (batch.together !== undefined && stepDirectory === undefined && policy.batch.tasks.value === 'together' && hello.state === 'fresh') {
      channel.doing('waiting for the other tasks of the step', null);
      const shared = await (await import('../step/together.js')).joinTasks(batch.together, policy, hello, channel);
      if ('result' in shared) return await tellTask(shared.result, shared.over, attempt, request);
      batch.remarks.push(`not in one box with the other tasks of its step: ${shared.apart}`);
    }
    channel.doing('reading the job and looking at its directories', PATIENCE_MS);
    if (attempt.role === 'wrapper') reportNode(nodePlaces(policy, attempt.caller.uid), {kind: 'started', code: 'job', id: attempt.id});
    const prepared = await prepare(request, policy, hello.environment, hello.cwd, attempt);
    comeTo('planned');
    if (hello.supervisor > 1) prepared.plan.pauseAt = [];
    return await start(prepared, request, hello, channel, attempt);
  } catch (error) {
    if (error instanceof SupervisorFailed) throw error;
    // a supervisor before this one can have refused the same call
    if (hello.supervisor > 1) attempt.again ??= false;
    return await refuse(asTareError(error), request, attempt);
  }
}

/** null: the node's own, which is also where the record of a refusal goes. @throws TareError POLICY_INSECURE */
async function policyFileOf({policyFile}: RunRequest, attempt: AttemptContext): Promise<string | null> {
  try {
    return policyFile ?? offeredPolicy(attempt.batch.policy);
  } catch (error) {
    attempt.policy = withinReach(await readPolicy(null, attempt.caller.uid), attempt.caller.uid);
    throw error;
  }
}

/** The job with the resources of all tasks of a step on this node, which share a box. */
function ofStep(batch: BatchJob, stepDirectory: string | undefined): BatchJob {
  const {together} = batch;
  if (stepDirectory === undefined || together === undefined) return batch;
  return {...batch, slot: together.slot, lrms: {...batch.lrms, globalJobId: together.globalJobId}};
}

/** A task that was killed with its box ends as a payload would that the same has killed. */
async function tellTask(result: RunResult, record: UsageRecord | null, attempt: AttemptContext, {plugins}: RunRequest): Promise<RunResult> {
  if (record === null || (record.outcome.status !== 'limit' && record.outcome.status !== 'wrapper-failure')) return result;
  const {batch, settings, files} = attempt;
  const told = await tellBatchSystem({...result, record}, {batch, settings, plugins, effects: effectsWith(files, silentLog)});
  return {...told, record: null};
}
