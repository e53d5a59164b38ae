/** What this node lacks, what that costs its jobs, and what to do about it. */

import type {BatchFinding} from '@tare/contract';
import type {Ability, Controller, ControllerFact, Facts, NetworkFacts, ViewFacts} from '../host/facts.js';
import type {Pattern} from '../job/job.js';
import {formatBytes} from '../job/quantity.js';
import {usesLandlock} from '../plan/landlock.js';
import {boxObstacle, systemObstacle} from '../plan/mode.js';
import {networkObstacle} from '../plan/network.js';
import type {Policy} from '../policy/policy.js';
import type {Check, State} from './check.js';
import {layoutName, remedyFor} from './delegation.js';
import {checkNode, type NodeFound} from './node-checks.js';
import {printable} from '../errors.js';
import {renderTable, wrapWords} from './table.js';
import type {TableOptions} from './table.js';

interface PatternVerdict {
  allowed: boolean;
  runnable: boolean;
  because: string;
}

export interface Diagnosis {
  checks: Check[];
  patterns: Record<Pattern, PatternVerdict>;
  /** Every pattern that the policy allows can be run here, and the disks have the room that it keeps. */
  healthy: boolean;
  /** The file that switches Tare off; null: it is not there. Jobs run all the same, so the node is no less healthy. */
  switchedOffBy: string | null;
}

export interface DoctorTools {
  /** The static program of native/: path, or null and why it cannot be used. */
  native: {path: string | null; because: string | null};
}

export interface DoctorInputs {
  facts: Facts;
  policy: Policy;
  tools: DoctorTools;
  /** What the batch system of this job says; absent: it is no job, or it says nothing. */
  batch?: BatchFinding | null;
  /** Of the node's own state; absent: nobody looked. */
  node?: NodeFound;
  /** Absent: nobody looked. */
  killSwitch?: {file: string; on: boolean};
}

const PATTERNS: readonly Pattern[] = ['ulimit++', 'quotas++', 'vm-lite'];

export function diagnose(inputs: DoctorInputs): Diagnosis {
  const {facts, policy, tools, batch, node, killSwitch} = inputs;
  const patterns = {} as Record<Pattern, PatternVerdict>;
  for (const pattern of PATTERNS) patterns[pattern] = judge(pattern, inputs);
  return {
    checks: [
      ...(killSwitch === undefined ? [] : [checkKillSwitch(killSwitch)]),
      checkKernel(facts),
      ...(batch == null ? [] : [checkBatch(batch, facts)]),
      checkCgroupMode(facts),
      ...CONTROLLER_COSTS.map((row) => checkController(facts, row)),
      checkFreezer(facts),
      ...NAMESPACE_COSTS.map(([kind, costs]) => fromAbility(`${kind} namespace`, facts.namespaces[kind], costs)),
      fromAbility('new /proc', facts.newProc, 'no box: a payload would see the processes outside of it'),
      checkBubblewrap(facts),
      checkFilter(facts, policy),
      checkLandlock(facts, policy),
      checkFuse(facts),
      checkScratch(facts),
      ...(facts.views === null ? [] : [checkViews(facts.views)]),
      ...checkOci(facts),
      checkScratchLimit(facts),
      ...(facts.network === null ? [] : checkNetwork(facts.network, facts, policy)),
      checkCores(facts),
      checkMemory(facts),
      checkSlot(facts),
      checkNative(tools),
      ...(node === undefined ? [] : checkNode(node)),
    ],
    patterns,
    healthy: (node?.shortages ?? []).length === 0 && PATTERNS.every((pattern) => !counts(pattern, policy) || patterns[pattern].runnable),
    switchedOffBy: killSwitch?.on === true ? killSwitch.file : null,
  };
}

/** A node that cannot do small machines is not ill where only the built-in policy allows them: few jobs ask for one. */
function counts(pattern: Pattern, {patterns}: Policy): boolean {
  if (!patterns.value.includes(pattern)) return false;
  return pattern !== 'vm-lite' || patterns.provenance.source !== 'builtin';
}

function judge(pattern: Pattern, {facts, policy, tools}: DoctorInputs): PatternVerdict {
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
  const unenforced = lackingEnforcement(facts, policy);
  if (unenforced !== null) return no(unenforced);
  if (pattern === 'vm-lite') return judgeSystem(facts, yes, no);
  const obstacle = boxObstacle(facts);
  if (obstacle === null) return yes('the box can be built');
  if (policy.box.value === 'required') return no(`${obstacle}; the policy requires a box (${policy.box.provenance.at})`);
  return yes(`unboxed, with what limits there are: ${obstacle}`);
}

function judgeSystem(facts: Facts, yes: (because: string) => PatternVerdict, no: (because: string) => PatternVerdict): PatternVerdict {
  const obstacle = systemObstacle(facts);
  if (obstacle !== null) return no(obstacle);
  if (facts.views === null || !(facts.views.overlay.available || facts.views.fuse.available))
    return no('no copy-on-write view of an image can be made');
  const memory = facts.cgroup.controllers.memory;
  const systemd =
    memory?.version === 2 && memory.parent !== null ? 'any init' : 'any init but systemd, which needs control groups of version 2';
  return yes(`${facts.system?.oci.name ?? ''} builds it; ${systemd}`);
}

function checkOci(facts: Facts): Check[] {
  if (facts.system === null) return [];
  const {oci, subordinate} = facts.system;
  const runtime: Check =
    oci.path === null
      ? {name: 'OCI runtime', state: 'missing', found: oci.how, costs: 'no small machines (vm-lite)', remedy: 'install crun'}
      : {name: 'OCI runtime', state: 'ok', found: `${oci.path} ${oci.version ?? 'of unknown version'}`, costs: '', remedy: null};
  if (facts.caller.uid === 0) return [runtime];
  const ids: Check =
    subordinate.remedy === null
      ? {
          name: 'subordinate ids',
          state: 'ok',
          found: `${String(subordinate.uids.count)} uids (${subordinate.how})`,
          costs: '',
          remedy: null,
        }
      : {
          name: 'subordinate ids',
          state: 'limited',
          found: subordinate.how,
          costs: 'in a small machine (vm-lite) services have no accounts but root',
          remedy: subordinate.remedy,
        };
  return [runtime, ids];
}

/** An enforcement by the kernel that the policy requires and no controller here gives: every job with that limit is refused. */
function lackingEnforcement(facts: Facts, {enforcement, scratch}: Policy): string | null {
  const required = (name: keyof typeof enforcement): string =>
    `the policy requires ${name} to be enforced (${enforcement[name].value}, ${enforcement[name].provenance.at})`;
  if (enforcement.cores.value !== 'none' && !usable(facts, 'cpu')) return `${required('cores')}, and the cpu controller cannot be used`;
  if (enforcement.memory.value === 'kernel' && !usable(facts, 'memory'))
    return `${required('memory')}, and the memory controller cannot be used`;
  if (enforcement.processes.value === 'kernel' && !usable(facts, 'pids') && !countsPerBox(facts)) {
    return `${required('processes')}, and neither the pids controller nor a box’s own RLIMIT_NPROC can be used`;
  }
  const {loop, tmpfs} = facts.scratch.containers;
  if (enforcement.scratch.value === 'kernel' && !loop.available && !(scratch.value.inMemory && tmpfs.available))
    return `${required('scratch')}, and no file system of a box’s own can hold it: ${loop.how}`;
  return null;
}

/** RLIMIT_NPROC counts per user namespace since Linux 5.14, so it binds one box alone (as plan/limits.ts has it). */
function countsPerBox(facts: Facts): boolean {
  const [major, minor] = facts.kernel.version;
  return boxObstacle(facts) === null && !facts.bubblewrap.setuid && (major > 5 || (major === 5 && minor >= 14));
}

function usable({cgroup}: Facts, controller: Controller): boolean {
  return (cgroup.controllers[controller]?.parent ?? null) !== null;
}

function checkScratchLimit({scratch: {containers}}: Facts): Check {
  const {available, how, remedy} = containers.loop;
  return {
    name: 'limit on scratch',
    state: available ? 'ok' : 'limited',
    found: available ? how : `watched, since ${how}`,
    costs: 'a payload can be over its limit on scratch until the next look',
    remedy: available ? null : (remedy ?? 'run the wrapper as root, or let scratch lie in memory (scratch.inMemory in the policy)'),
  };
}

function checkViews({overlay, fuse, user, writable}: ViewFacts): Check {
  const [found] = [overlay, fuse].filter(({available}) => available);
  const places = user ? `; over ${writable.join(', ') || 'nothing, since the caller may write nowhere'}` : '';
  return {
    name: 'copy on write',
    state: overlay.available ? 'ok' : fuse.available ? 'limited' : 'missing',
    found: found === undefined ? `${overlay.how}; fuse-overlayfs: ${fuse.how}` : `${found.how}${places}`,
    costs:
      fuse.available && !overlay.available ? 'views by fuse-overlayfs, which is slower' : 'no file system shared or private, and no image',
    remedy: overlay.available ? null : [overlay.remedy, fuse.remedy].filter((one) => one !== null).join(', or ') || null,
  };
}

const KIND_COSTS: Readonly<Record<'bridge' | 'macvlan' | 'user', string>> = {
  bridge: 'no address of a bridge’s pool for a box',
  macvlan: 'no address of a macvlan pool for a box',
  user: 'no user-mode network for a box',
};

/** Kinds that the policy does not allow are no job's to miss. */
function checkNetwork(network: NetworkFacts, {caller}: Facts, {identity}: Policy): Check[] {
  return (['bridge', 'macvlan', 'user'] as const).flatMap((kind) => {
    if (!identity.address.value.includes(kind)) return [];
    const pools = kind === 'user' ? [null] : identity.pools.filter((pool) => pool.kind === kind);
    const obstacle = pools.map((pool) => networkObstacle(kind, pool, network, {isRoot: false})).find((one) => one !== null) ?? null;
    const onlyRoot = kind !== 'user' && caller.uid !== 0;
    return {
      name: `${kind} address`,
      state: obstacle === null ? 'ok' : onlyRoot || kind === 'user' ? 'limited' : 'missing',
      found: obstacle?.how ?? network[kind].how,
      costs: KIND_COSTS[kind],
      remedy: obstacle?.remedy ?? null,
    };
  });
}

/** What holds around the box, and whether the job's user may make groups in it. */
function checkBatch({found, remedy, costs}: BatchFinding, {cgroup, caller}: Facts): Check {
  const isUsable = Object.values(cgroup.controllers).some(({parent}) => parent !== null);
  const delegated = caller.uid === 0 ? 'root needs no delegation' : isUsable ? 'delegated to this user' : 'not delegated to this user';
  return {
    name: 'batch system',
    state: remedy === null ? 'ok' : 'limited',
    found: `${found}; ${delegated}`,
    costs: costs ?? 'what Tare only watches, the batch system does not limit either',
    remedy,
  };
}

function checkKillSwitch({file, on}: {file: string; on: boolean}): Check {
  return {
    name: 'kill switch',
    state: on ? 'missing' : 'ok',
    found: on ? `on: ${file} exists` : `off: there is no ${file}`,
    costs: 'every job is executed without box, limits and record',
    remedy: on ? `remove ${file} when it is no longer needed` : null,
  };
}

function checkKernel({kernel}: Facts): Check {
  return {
    name: 'kernel',
    state: kernel.release === '' ? 'missing' : 'ok',
    found: kernel.release || 'unknown',
    costs: 'nothing can be said of this node',
    remedy: kernel.release === '' ? 'mount /proc' : null,
  };
}

function checkCgroupMode({cgroup}: Facts): Check {
  const usableNames = Object.entries(cgroup.controllers)
    .filter(([, {parent}]) => parent !== null)
    .map(([name]) => name);
  const state: State = cgroup.mode === 'none' || usableNames.length === 0 ? 'missing' : 'ok';
  const found =
    cgroup.mode === 'none'
      ? 'no controller is mounted'
      : `${cgroup.mode}; this is ${layoutName(cgroup)}; groups can be made for ${usableNames.join(', ') || 'no controller'}`;
  const [lacking] = Object.entries(cgroup.controllers) as [Controller, ControllerFact][];
  return {
    name: 'cgroups',
    state,
    found,
    costs: 'limits are watched or absent, usage is sampled and the record marked partial',
    remedy:
      cgroup.mode === 'none'
        ? 'boot with cgroup v2 (systemd.unified_cgroup_hierarchy=1) and mount it at /sys/fs/cgroup'
        : state === 'ok' || lacking === undefined
          ? null
          : remedyFor(cgroup, ...lacking),
  };
}

const CONTROLLER_COSTS: readonly (readonly [controller: Controller, costs: string])[] = [
  ['memory', 'memory is watched, not enforced: a payload can overrun between two looks'],
  ['cpu', 'cores are not enforced, but by pinning'],
  ['pids', 'processes are limited per box by RLIMIT_NPROC or watched'],
  ['cpuset', 'pinning is an affinity mask, which a payload can widen'],
  ['io', 'bytes read and written are not known'],
];

function checkController(facts: Facts, [controller, costs]: readonly [Controller, string]): Check {
  const name = `${controller} controller`;
  const fact = facts.cgroup.controllers[controller];
  if (fact === undefined)
    return {name, state: 'missing', found: 'not mounted', costs, remedy: `enable ${controller} in the kernel and mount it`};
  if (fact.parent === null)
    return {name, state: 'missing', found: firstRefusal(fact), costs, remedy: remedyFor(facts.cgroup, controller, fact)};
  const lost = LOST_FILES.find(([of, version, file]) => of === controller && version === fact.version && !fact.files.includes(file));
  const found = `v${String(fact.version)}, groups in ${fact.parent}${fact.version === 2 ? preparation(facts.cgroup, controller) : ''}`;
  if (lost !== undefined) return {name, state: 'limited', found: `${found}; no ${lost[2]}`, costs: lost[3], remedy: lost[4]};
  return {name, state: 'ok', found, costs, remedy: null};
}

function preparation({toEnable, toEmpty}: Facts['cgroup'], controller: Controller): string {
  if (!toEnable.includes(controller)) return '';
  return toEmpty === null ? ' (to be switched on there)' : ' (to be switched on there, when its processes have stepped aside)';
}

/** Files whose absence costs something, though the controller is there. */
const LOST_FILES: readonly (readonly [controller: Controller, version: 1 | 2, file: string, costs: string, remedy: string])[] = [
  ['memory', 1, 'memory.memsw.limit_in_bytes', 'swap is not limited', 'boot with swapaccount=1'],
  ['memory', 2, 'memory.oom.group', 'an OOM kills one process of the payload, not all', 'use Linux 4.19 or later'],
  ['memory', 2, 'memory.swap.max', 'swap is not limited', 'boot with swapaccount=1'],
  ['memory', 2, 'memory.high', 'memoryHigh is not enforced', 'use Linux 4.5 or later'],
  ['pids', 2, 'pids.peak', 'the largest number of processes is sampled, not counted', 'use Linux 6.1 or later'],
  ['memory', 2, 'memory.peak', 'the largest use of memory is sampled, not counted', 'use Linux 5.19 or later'],
];

function firstRefusal({refused, own}: ControllerFact): string {
  const first = refused[0];
  return first === undefined
    ? `no group can be made at or above ${own}`
    : `${first.directory}: ${first.because}${refused.length > 1 ? ` (and ${String(refused.length - 1)} above)` : ''}`;
}

/** v2 has no freezer controller: every group can be frozen and killed at once. */
function checkFreezer(facts: Facts): Check {
  const name = 'freezer';
  const costs = 'processes are killed one by one, and a fork bomb may outrun that';
  const v2 = Object.values(facts.cgroup.controllers).find(({version, parent}) => version === 2 && parent !== null);
  if (v2?.files.includes('cgroup.kill') === true) return {name, state: 'ok', found: 'cgroup.kill', costs, remedy: null};
  if (v2?.files.includes('cgroup.freeze') === true)
    return {name, state: 'ok', found: 'cgroup.freeze; no cgroup.kill (Linux 5.14)', costs, remedy: null};
  if (usable(facts, 'freezer'))
    return {name, state: 'ok', found: `v1, groups in ${facts.cgroup.controllers.freezer?.parent ?? ''}`, costs, remedy: null};
  const fact = facts.cgroup.controllers.freezer;
  return {
    name,
    state: 'missing',
    found: fact === undefined ? 'neither a v1 freezer nor a usable v2 group' : firstRefusal(fact),
    costs,
    remedy: freezerRemedy(facts.cgroup),
  };
}

function freezerRemedy(cgroup: Facts['cgroup']): string {
  const {freezer, memory} = cgroup.controllers;
  if (freezer !== undefined) return remedyFor(cgroup, 'freezer', freezer);
  return memory === undefined ? 'mount cgroup v2, or the freezer of v1' : remedyFor(cgroup, 'memory', memory);
}

const NAMESPACE_COSTS: readonly (readonly [kind: keyof Facts['namespaces'], costs: string])[] = [
  ['user', 'no box, unless as root or with a setuid bubblewrap'],
  ['pid', 'no box: orphans are looked for by group and session only'],
  ['mount', 'no box: /tmp and the scratch are shared with other jobs'],
  ['ipc', 'no box: shared memory of a job can outlive it'],
  ['uts', 'no box'],
  ['network', 'jobs that ask for network none are refused'],
  ['cgroup', 'a payload sees the names of the groups around it'],
];

function fromAbility(name: string, {available, how, remedy}: Ability, costs: string): Check {
  return {name, state: available ? 'ok' : 'missing', found: how, costs, remedy};
}

function checkBubblewrap({bubblewrap}: Facts): Check {
  const name = 'bubblewrap';
  const {path, version, setuid, abilities, how} = bubblewrap;
  if (path === null)
    return {
      name,
      state: 'missing',
      found: how,
      costs: 'no box: limits only',
      remedy: how.includes('setuid') ? 'chmod u-s the program that was found' : 'install the package bubblewrap',
    };
  const found = `${path} ${version ?? 'of unknown version'}${setuid ? ', setuid root' : ''}`;
  const lacking = Object.entries({'--perms': abilities.perms, '--size': abilities.tmpfsSize})
    .filter(([, has]) => !has)
    .map(([option]) => option);
  if (lacking.length === 0) return {name, state: 'ok', found, costs: 'no box: limits only', remedy: null};
  return {
    name,
    state: 'limited',
    found: `${found}; no ${lacking.join(', ')}`,
    costs: 'the sizes and modes of a box’s own file systems are the built-in ones',
    remedy: setuid ? 'take its setuid bit away, where user namespaces are available' : 'use bubblewrap 0.7.0 or later',
  };
}

function checkFilter({seccomp: {available, how, remedy}}: Facts, {seccomp: {value, provenance}}: Policy): Check {
  const profile = `${value === 'unconfined' ? 'none' : value} (${provenance.at})`;
  return {
    name: 'system call filter',
    state: available ? 'ok' : 'limited',
    found: available ? profile : `${profile}; ${how}`,
    costs: 'payloads may make every system call',
    remedy,
  };
}

function checkLandlock({landlock: {abi, how, remedy}}: Facts, {seccomp: {value, provenance}}: Policy): Check {
  const unused = value === 'default' ? '' : `; not used: seccomp is ${value} (${provenance.at})`;
  return {
    name: 'Landlock',
    state: usesLandlock(abi) ? 'ok' : 'limited',
    found: `${abi === null ? how : `version ${String(abi)}`}${unused}`,
    costs: 'nothing but mounts keeps payloads from writing to what is read-only',
    remedy: abi === null || usesLandlock(abi) ? remedy : 'use Linux 5.19 or later',
  };
}

function checkFuse({devices}: Facts): Check {
  const there = devices.includes('/dev/fuse');
  return {
    name: '/dev/fuse',
    state: there ? 'ok' : 'missing',
    found: there ? '/dev/fuse' : 'not there',
    costs: 'payloads cannot mount by FUSE: unprivileged apptainer images, cvmfsexec',
    remedy: there ? null : 'modprobe fuse',
  };
}

const LITTLE_SCRATCH_BYTES = 2 ** 30;

function checkScratch({scratch}: Facts): Check {
  const {directory, fileSystem, freeBytes, writable} = scratch;
  const found = `${directory}, ${fileSystem ?? 'unknown file system'}, ${freeBytes === null ? 'free space unknown' : `${formatBytes(freeBytes)} free`}`;
  const row = {name: 'scratch', found, costs: 'no private /tmp, and the state of boxes has no place'};
  if (!writable)
    return {
      ...row,
      state: 'missing',
      found: `${found}, not writable`,
      remedy: 'make the directory writable, or name another one in directories.scratch of the policy',
    };
  if (fileSystem === 'tmpfs' || fileSystem === 'ramfs')
    return {
      ...row,
      state: 'limited',
      costs: 'a payload’s /tmp is charged to its memory',
      remedy: 'name a directory on a disk in directories.scratch of the policy',
    };
  if (freeBytes !== null && freeBytes < LITTLE_SCRATCH_BYTES)
    return {
      ...row,
      state: 'limited',
      costs: 'payloads find little room in /tmp',
      remedy: 'make room, or name another directory in directories.scratch of the policy',
    };
  return {...row, state: 'ok', remedy: null};
}

function checkCores({cpu}: Facts): Check {
  const {online, allowed, model} = cpu;
  const found = `${String(allowed.length)} of ${String(online.length)}${model === null ? '' : `, ${model}`}`;
  return {
    name: 'cores',
    state: allowed.length > 0 ? 'ok' : 'missing',
    found,
    costs: 'jobs cannot be pinned',
    remedy: allowed.length > 0 ? null : 'mount /proc and /sys',
  };
}

function checkMemory({memory}: Facts): Check {
  const found = `${formatBytes(memory.totalBytes)}, swap ${memory.swapBytes === 0 ? 'none' : formatBytes(memory.swapBytes)}`;
  return {
    name: 'memory',
    state: memory.totalBytes > 0 ? 'ok' : 'missing',
    found,
    costs: 'the node’s size is unknown',
    remedy: memory.totalBytes > 0 ? null : 'mount /proc',
  };
}

/** No limit is no fault: many sites have none, and the batch system may say it in other ways. */
function checkSlot({slot}: Facts): Check {
  const parts = [
    slot.memoryLimitBytes === null ? null : `memory ${formatBytes(slot.memoryLimitBytes)}`,
    slot.cores === null ? null : `${String(slot.cores)} cores`,
    slot.processes === null ? null : `${String(slot.processes)} processes`,
  ].filter((part) => part !== null);
  return {
    name: 'slot',
    state: 'ok',
    found: parts.join(', ') || slot.how,
    costs: 'the slot is known by the batch system’s word alone',
    remedy: null,
  };
}

function checkNative({native}: DoctorTools): Check {
  const {path, because} = native;
  return {
    name: 'static program',
    state: path === null ? 'missing' : 'ok',
    found: path ?? because ?? 'not found',
    costs: 'no job can be run',
    remedy: path === null ? 'install Tare from its distribution, or run npm run build:native' : null,
  };
}

const MARKS: Readonly<Record<State, string>> = {ok: 'ok', limited: 'limited', missing: 'missing'};
const COLOURS: Readonly<Record<State, number>> = {ok: 32, limited: 33, missing: 31};

/** For people: the checks, what to do about those that are not ok, and which patterns can run. */
export function renderDiagnosis(
  {checks, patterns, switchedOffBy}: Diagnosis,
  {width = Infinity, colour = false}: TableOptions = {},
): string {
  const rows = checks.map(({name, state, found}) => [MARKS[state], name, found]);
  const table = renderTable([{header: 'state'}, {header: 'check'}, {header: 'found', wrap: true}], rows, {width, colour});
  const verdicts = PATTERNS.map((pattern) => {
    const {allowed, runnable, because} = patterns[pattern];
    return [pattern, allowed ? 'yes' : 'no', runnable ? 'yes' : 'no', because];
  });
  const patternTable = renderTable(
    [{header: 'pattern'}, {header: 'allowed'}, {header: 'runs'}, {header: 'because', wrap: true}],
    verdicts,
    {width, colour},
  );
  const parts = [
    colour ? paint(table) : table,
    ...remedies(checks, width),
    patternTable,
    ...(switchedOffBy === null ? [] : [`${printable(`switched off by ${switchedOffBy}: no job has box, limits or record`)}\n`]),
  ];
  return parts.join('\n');
}

/** The last line: whether a job of that account would run here, and get all that the policy wants. */
export function verdictOf(healthy: boolean, tried: {healthy: boolean | null; less: boolean}, open = false): string {
  if (tried.healthy !== true) return 'not healthy: the box that was tried does not work';
  if (!healthy) return 'not healthy: a pattern that the policy allows cannot run, or a disk has too little room';
  if (open) return 'not healthy: an attack got through';
  return tried.less ? 'not healthy: the box that was tried got less than the policy wants' : 'healthy';
}

function remedies(checks: readonly Check[], width: number): string[] {
  const lines = checks
    .filter(({state}) => state !== 'ok')
    .map(({name, costs, remedy}) => printable(`${name}: ${costs}.${remedy === null ? '' : ` To mend it: ${remedy}.`}`))
    .flatMap((text) =>
      wrapWords(text, Number.isFinite(width) ? Math.max(20, width - 2) : text.length + 1).map((line, index) =>
        index === 0 ? line : `  ${line}`,
      ),
    );
  return lines.length === 0 ? [] : [`${lines.join('\n')}\n`];
}

function paint(table: string): string {
  return table.replaceAll(/^(ok|limited|missing)(?=\s)/gm, (state) => `\u001B[${String(COLOURS[state as State])}m${state}\u001B[39m`);
}
