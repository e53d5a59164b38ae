/** What an engine is to do of a plan: its steps with the paths of this node, and what it starts. Pure. */

import type {
  Engine,
  EngineFacts,
  EngineFilter,
  EngineHost,
  EngineIds,
  EngineLaunch,
  EngineStep,
  EngineSteps,
  EngineTask,
} from '@tare/contract';
import {TareError} from '../errors.js';
import {keepsAccount} from '../plan/engine.js';
import {inBox, stepOf, stepsOf, type Step} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {isEngines} from '../steps/table.js';
import {ALL_CAPABILITIES} from './capabilities.js';
import {bridgedFolder, handedOn, initArgv} from './init.js';
import {wholeBoxProfile} from './seccomp.js';

/** What a task needs beside the plan. */
export interface TaskContext {
  id: string;
  /** The box's own folder on disk. */
  boxDirectory: string;
  /** The engine as it is on this node. */
  facts: EngineFacts;
  kind: Engine['kind'];
  /** The caller's account, which the engine's processes have outside of the box where init takes no other. */
  caller: {uid: number; gid: number};
  /** Of this processor, as libseccomp calls them. */
  architectures: readonly string[];
  /** Whether something is at a path of the node: for what is bound if it is there. */
  exists: (path: string) => boolean;
  /** Whether what is bound from a path of the node is no directory. */
  isFile: (path: string) => boolean;
  node: EngineHost;
}

type Account = Omit<EngineTask['account'], 'capabilities'>;

/** The engine's part of a plan. */
export function taskOf(plan: Plan, {id, boxDirectory, facts, kind, caller, architectures, exists, isFile, node}: TaskContext): EngineTask {
  const {engine, pattern} = plan;
  const user = stepOf(plan, 'network.user');
  const system = pattern.value === 'vm-lite';
  const {uid, gid, groups}: Account = stepOf(plan, 'identity.take') ?? {...caller, groups: []};
  return {
    id,
    pattern: pattern.value,
    engine: {
      ...{path: engine.path ?? engine.name, version: engine.version, abilities: facts.abilities},
      ...(facts.parts === undefined ? {} : {parts: facts.parts}),
    },
    limits: {memoryBytes: plan.limits.memory.value, cores: plan.limits.cores.value, processes: plan.limits.processes.value},
    steps: engineSteps(plan).map((step) => placed(step, boxDirectory)),
    box: boxDirectory,
    init: {argv: initArgv(plan, kind), descriptors: handedOn(plan), folder: kind === 'child' ? null : bridgedFolder(boxDirectory)},
    // in a small machine init is the machine's root
    account: system
      ? {uid: 0, gid: 0, groups: [], capabilities: ALL_CAPABILITIES}
      : {uid, gid, groups: keepsAccount(plan) ? groups : [], capabilities: []},
    ids: idsOf(plan, {uid, gid}),
    groups: groupPaths(plan, id),
    network: user === undefined ? null : {unshare: user.unshare},
    nestsProc:
      stepOf(plan, 'payload.execute')?.first === true || stepsOf(plan, 'application.execute').some((step) => step.system?.first === true),
    architectures,
    filter: filterOf(plan),
    exists,
    isFile,
    node,
  };
}

/** An engine's steps of a plan; enter makes what lies in another mount of the box. */
const engineSteps = ({steps}: Pick<Plan, 'steps'>): EngineStep[] => steps.filter(isEngines).filter((step) => !('inside' in step));

/** The step with `{box}` replaced in its paths. */
const placed = (step: EngineStep, boxDirectory: string): EngineStep =>
  Object.fromEntries(
    Object.entries(step).map(([key, value]: [string, unknown]) => [key, typeof value === 'string' ? inBox(value, boxDirectory) : value]),
  ) as unknown as EngineStep;

/** So many ids has a user namespace that maps all of them (user_namespaces(7)). */
const ALL_IDS = 4_294_967_295;

/** What a user namespace of the engine's maps: of root's small machine what is planned, else init's account alone, which enter has as root where it made one. */
function idsOf(plan: Plan, {uid, gid}: {uid: number; gid: number}): EngineIds {
  if (plan.pattern.value === 'vm-lite') {
    const all = [{inside: 0, outside: 0, count: ALL_IDS}];
    const maps = stepOf(plan, 'namespace.unshare')?.maps;
    return {uids: maps?.uids ?? all, gids: maps?.gids ?? all};
  }
  const isRoot = stepOf(plan, 'view.unshare')?.root != null;
  const alone = (id: number): EngineIds['uids'] => [{inside: id, outside: isRoot ? 0 : id, count: 1}];
  return {uids: alone(uid), gids: alone(gid)};
}

/** Where the engine is started, below each hierarchy; of version 1 each has a mount point of its own. */
function groupPaths(plan: Plan, id: string): string[] {
  const paths = stepsOf(plan, 'cgroup.create')
    .filter(({group}) => group === 'engine')
    .map(({directory, version, controllers}) => {
      const below = directory.replace('{id}', id).replace(/^\/sys\/fs\/cgroup/, '');
      return version === 2 ? below : below.slice(!below.includes('/', 1) ? 0 : below.indexOf('/', 1)) || controllers.join();
    });
  return [...new Set(paths)];
}

/**
 * In a small machine a second one below the payload's own, which init loads: it is of process 1 too, and not of what joins the box. None where the
 * site has a filter of its own, which may allow more.
 */
function filterOf(plan: Plan): EngineFilter | null {
  const profile = stepOf(plan, 'seccomp.load')?.profile;
  return plan.pattern.value !== 'vm-lite' || profile === undefined || profile.startsWith('/') ? null : wholeBoxProfile();
}

/** What the engine makes of each step. */
const partsOf = (engine: Engine, task: EngineTask): unknown[] =>
  task.steps.map((step) => {
    const row = (engine.steps as Partial<EngineSteps<unknown>>)[step.op] as
      ((step: Step, task: EngineTask) => unknown) | string | undefined;
    if (typeof row === 'function') return row(step, task);
    const why = row ?? 'does not know it';
    throw new TareError('ENGINE_FAILED', {
      message: `${engine.name} cannot do the step ${JSON.stringify(step)}`,
      found: `${engine.name} ${why}`,
    });
  });

/**
 * What is written and started for a task.
 * @throws TareError ENGINE_FAILED for a step that the engine cannot do, or that it cannot write
 */
export function translate(engine: Engine, task: EngineTask): EngineLaunch {
  try {
    return engine.translate(task, partsOf(engine, task));
  } catch (error) {
    if (error instanceof TareError) throw error;
    throw new TareError('ENGINE_FAILED', {message: (error as Error).message, cause: error});
  }
}
