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
import {newKnown, type Known} from '../prepare/known.js';
import {prepare} from '../prepare/prepare.js';
import type {RunRequest, RunResult} from '../prepare/request.js';
import {PATIENCE_MS, type Channel} from '../process/channel.js';
import type {Hello} from '../process/hello.js';
import {silentLog} from '../process/log.js';
import type {UsageRecord} from '../record/record.js';
import {joinTasks} from '../step/together.js';
import {takeBackPrepared} from './begin.js';
import {BrainFailed} from './brain-failed.js';
import {adopt, concluded} from './conclude.js';
import {isDefaultSwitchOn, isSwitchOn, plainExec} from './kill-switch.js';
import {withinReach} from './reach.js';
import {refuse} from './refuse.js';
import {joinLive} from './session.js';
import {apart, start} from './start.js';
import {effectsWith, tellBatchSystem} from './tell.js';
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
      const joined = await joinLive(known, policy, hello, channel);
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

/** A task that was killed with its box ends as a payload would that the same has killed. */
async function tellTask(result: RunResult, record: UsageRecord | null, known: Known, {plugins}: RunRequest): Promise<RunResult> {
  if (record === null || (record.outcome.status !== 'limit' && record.outcome.status !== 'wrapper-failure')) return result;
  const {batch, settings, files} = known;
  const told = await tellBatchSystem({...result, record}, {batch, settings, plugins, effects: effectsWith(files, silentLog)});
  return {...told, record: null};
}
