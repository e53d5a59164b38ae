/** Which patterns of job this node can run, and why not. */

import type {Facts} from '../host/facts.js';
import type {Pattern} from '../job/job.js';
import {unknownEngines, unknownText} from '../plan/engine-names.js';
import {chooseEngine} from '../plan/engine.js';
import type {EngineChoice} from '../plan/inputs.js';
import type {Policy} from '../policy/policy.js';
import {usable} from './doctor-cgroups.js';
import type {DoctorInputs} from './doctor-inputs.js';

/** The patterns in the order in which they are shown. */
export const PATTERNS: readonly Pattern[] = ['ulimit++', 'quotas++', 'vm-lite'];

/** Whether a pattern is allowed by the policy and can be run on the node, and why not. */
export interface PatternVerdict {
  allowed: boolean;
  runnable: boolean;
  because: string;
}

/** A node that cannot do small machines is not ill where only the built-in policy allows them: few jobs ask for one. */
export function isCounted(pattern: Pattern, {patterns}: Policy): boolean {
  if (!patterns.value.includes(pattern)) return false;
  return pattern !== 'vm-lite' || patterns.provenance.source !== 'builtin';
}

/** Whether jobs of a pattern can run here, under this policy. */
export function classify(pattern: Pattern, inputs: DoctorInputs): PatternVerdict {
  const {facts, policy, tools} = inputs;
  const allowed = policy.patterns.value.includes(pattern);
  const no = (because: string): PatternVerdict => ({allowed, runnable: false, because});
  if (tools.native.path === null) return no(`the static program is missing: ${tools.native.because ?? 'not found'}`);
  if (!facts.scratch.writable) return no(`the scratch directory ${facts.scratch.directory} cannot be written`);
  const yes = (because: string): PatternVerdict => ({
    allowed,
    runnable: true,
    because: allowed ? because : `${because}; but the policy does not allow it (${policy.patterns.provenance.at})`,
  });
  const isObserved = policy.mode.value === 'observe';
  if (isObserved && pattern !== 'vm-lite') return yes(`mode observe (${policy.mode.provenance.at}): jobs are weighed only`);
  if (isObserved) return no(`mode observe (${policy.mode.provenance.at}): without a box there is no small machine`);
  const unknown = unknownEngines({engines: policy.engines, rules: []}, inputs.engines).find(({others}) => !others);
  if (unknown !== undefined) return no(unknownText(unknown));
  const choice = chooseEngine({...inputs, only: null}, {pattern, network: 'host', userProgram: false});
  const unenforced = lackingEnforcement(inputs);
  if (unenforced !== null) return no(unenforced);
  if (pattern === 'vm-lite') return classifySystem(choice, facts, yes, no);
  if (typeof choice !== 'string') return yes(`${choice.engine.name} can build the box`);
  if (policy.box.value === 'required') return no(`${choice}; the policy requires a box (${policy.box.provenance.at})`);
  return yes(`unboxed, with what limits there are: ${choice}`);
}

function classifySystem(
  choice: EngineChoice | string,
  facts: Facts,
  yes: (because: string) => PatternVerdict,
  no: (because: string) => PatternVerdict,
): PatternVerdict {
  if (typeof choice === 'string') return no(choice);
  if (facts.views === null || !(facts.views.overlay.available || facts.views.fuse.available))
    return no('no copy-on-write view of an image can be made');
  const memory = facts.cgroup.controllers.memory;
  const systemd =
    memory?.version === 2 && memory.parent !== null ? 'any init' : 'any init but systemd, which needs control groups of version 2';
  return yes(`${choice.engine.name} builds it; ${systemd}`);
}

/** An enforcement by the kernel that the policy requires and no controller here gives: every job with that limit is refused. */
function lackingEnforcement(inputs: DoctorInputs): string | null {
  const {facts, policy} = inputs;
  const {enforcement, scratch} = policy;
  const required = (name: keyof typeof enforcement): string =>
    `the policy requires ${name} to be enforced (${enforcement[name].value}, ${enforcement[name].provenance.at})`;
  if (enforcement.cores.value !== 'none' && !usable(facts, 'cpu')) return `${required('cores')}, and the cpu controller cannot be used`;
  if (enforcement.memory.value === 'kernel' && !usable(facts, 'memory'))
    return `${required('memory')}, and the memory controller cannot be used`;
  if (enforcement.processes.value === 'kernel' && !usable(facts, 'pids') && !countsPerBox(inputs)) {
    return `${required('processes')}, and neither the pids controller nor a box’s own RLIMIT_NPROC can be used`;
  }
  const {loop, tmpfs} = facts.scratch.containers;
  if (enforcement.scratch.value === 'kernel' && !loop.available && !(scratch.value.inMemory && tmpfs.available))
    return `${required('scratch')}, and no file system of a box’s own can hold it: ${loop.how}`;
  return null;
}

/** RLIMIT_NPROC counts per user namespace since Linux 5.14, so it binds one box alone (as plan/limits.ts has it). */
function countsPerBox(inputs: DoctorInputs): boolean {
  const [major, minor] = inputs.facts.kernel.version;
  const choice = chooseEngine({...inputs, only: null}, {pattern: 'ulimit++', network: 'host', userProgram: false});
  return typeof choice !== 'string' && !choice.facts.setuid && (major > 5 || (major === 5 && minor >= 14));
}
