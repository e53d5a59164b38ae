/** What an engine is given of a box: its files, its command line, and the accounts that are bound into a small machine. */

import {existsSync, readFileSync, symlinkSync, writeFileSync} from 'node:fs';
import type {Engine, EngineHost, EngineLaunch} from '@tare/contract';
import {asTareError, ifPossible, TareError} from '../errors.js';
import {architecturesOf, isProcessor} from '../engine/bpf.js';
import {bridgeArgv} from '../engine/init.js';
import {taskOf, translate, type TaskContext} from '../engine/task.js';
import {rootOf} from '../plan/machine-ids.js';
import {isDaemon, runsAsOther} from '../plan/engine.js';
import {inBox, stepOf, stepsOf} from '../plan/step.js';
import {ACCOUNTS} from '../plan/system-mounts.js';
import type {Prepared} from '../prepare/planned.js';
import type {Plan} from '../schema/generated/plan-1.js';
import type {Facts} from '../host/facts.js';
import {mountOf, parseMountinfo, type Mount} from '../host/mountinfo.js';
import {runAbandonable} from '../host/abandon.js';
import {provideAccounts} from './accounts.js';

/** Code ENGINE_FAILED: an engine cannot be told a plan. Nothing was started, and another engine may be able to. */
export class EngineUnwritten extends TareError {}

/**
 * Writes what the plan's engine needs.
 * @param joins cgroup.procs files of the engine's groups
 * @returns what it is started with; empty for a plan without a box
 * @throws EngineUnwritten
 * @throws TareError for the accounts of a small machine
 */
export async function writeEngine(
  plan: Plan,
  {facts, caller}: Pick<Prepared, 'facts' | 'caller'>,
  engines: readonly Engine[],
  {id, boxDirectory, joins}: Pick<TaskContext, 'id' | 'boxDirectory'> & {joins: readonly string[]},
): Promise<readonly string[]> {
  const {name} = plan.engine;
  if (name === 'none') return [];
  const engine = engines.find((one) => one.name === name);
  const found = facts.engines.find((one) => one.name === name);
  if (engine === undefined || found === undefined)
    throw new EngineUnwritten('ENGINE_FAILED', {message: 'this version of Tare does not have the engine', found: name});
  const asked = stepsOf(plan, 'mount.bind').filter((step) => engine.tellsFiles || (step.optional && !engine.skipsMissing));
  const root = rootOf(stepOf(plan, 'namespace.unshare')?.maps);
  // none goes on after another one has failed
  const [looked, ...provided] = await Promise.allSettled([
    whatIsThere(asked.map(({source}) => inBox(source, boxDirectory))),
    ...stepsOf(plan, 'accounts.provide').map((step) => provideAccounts(step, inBox(ACCOUNTS, boxDirectory), root)),
  ]);
  try {
    const there = valueOf(looked);
    provided.forEach(valueOf);
    const architectures = isProcessor(process.arch) ? architecturesOf(process.arch) : [];
    const node = {
      exists: (path: string) => there.has(path),
      isFile: (path: string) => there.get(path) === 'file',
      node: hostOf(facts),
    };
    const task = taskOf(plan, {id, boxDirectory, facts: found, kind: engine.kind, caller, architectures, ...node});
    const launch = translate(engine, task);
    writeLaunch(launch, boxDirectory, runsAsOther(plan) ? 0o644 : 0o600);
    return isDaemon(engine) ? bridgeArgv(plan, boxDirectory, joins, launch, node.exists) : launch.argv;
  } catch (error) {
    if (error instanceof TareError) throw error.code === 'ENGINE_FAILED' ? new EngineUnwritten(error.code, error.details) : error;
    throw new EngineUnwritten('ENGINE_FAILED', {
      message: `what ${name} is told cannot be written`,
      found: (error as NodeJS.ErrnoException).syscall === undefined ? asTareError(error).message : (error as Error).message,
      cause: error,
    });
  }
}

function valueOf<T>(settled: PromiseSettledResult<T>): T {
  if (settled.status === 'rejected') throw settled.reason;
  return settled.value;
}

/** @param mode of the files */
function writeLaunch({files, links = []}: EngineLaunch, boxDirectory: string, mode: number): void {
  for (const {folder, name, text} of files) writeFileSync(`${boxDirectory}/${folder}/${name}`, text, {mode});
  for (const {folder, name, to} of links) symlinkSync(to, `${boxDirectory}/${folder}/${name}`);
}

/** The node as a daemon sees it, which has the mounts that this process has. What only some engines ask for is read when they do. */
function hostOf({node: {hostname}, memory, root: {directories, links}}: Facts): EngineHost {
  let mounts: readonly Mount[] | null = null;
  const follows = (path: string): boolean => {
    mounts ??= parseMountinfo(ifPossible(() => readFileSync('/proc/self/mountinfo', 'utf8')) ?? '');
    // in a group of peers, or behind one (proc_pid_mountinfo(5))
    return mountOf(mounts, path)?.tags.some((tag) => /^(shared|master):/.test(tag)) === true;
  };
  return {memoryBytes: memory.totalBytes, hostname, top: {directories, links}, hasNames: existsSync, follows};
}

type There = 'directory' | 'file';

/**
 * What is at paths of the node; some may lie on file systems that hang. The answers are numbers, those of directories with a `/`, since a name can have
 * any characters.
 */
async function whatIsThere(paths: readonly string[]): Promise<Map<string, There>> {
  if (paths.length === 0) return new Map();
  const script = 'n=0; for path; do if [ -d "$path" ]; then echo $n/; elif [ -e "$path" ]; then echo $n; fi; n=$((n+1)); done; exit 0';
  const {out} = await runAbandonable('/bin/sh', ['-c', script, 'look', ...paths], null);
  const answers = out.toString('latin1').split('\n');
  return new Map(
    answers.flatMap((answer): [string, There][] => {
      const path = paths[Number.parseInt(answer, 10)];
      return path === undefined ? [] : [[path, answer.endsWith('/') ? 'directory' : 'file']];
    }),
  );
}
