/** Small inputs for plans, changed where a test needs it. */

import {TareError} from '../../../src/errors.js';
import type {Engine, EngineFacts, EnginePattern} from '@tare/contract';
import type {Ability, CgroupFacts, Controller, ControllerFact, Facts, IdentityFacts} from '../../../src/host/facts.js';
import type {Job} from '../../../src/job/job.js';
import {jobFromDocument} from '../../../src/job/load.js';
import type {Call, CallSlot} from '../../../src/plan/inputs.js';
import type {Attempt} from '../../../src/record/record.js';
import {makePlan} from '../../../src/plan/plan.js';
import {ENGINES} from '../../../src/plugins.js';
import {policyFromDocuments} from '../../../src/policy/load.js';
import type {Policy} from '../../../src/policy/policy.js';
import type {JobDocument} from '../../../src/schema/generated/job-1.js';
import type {Plan} from '../../../src/schema/generated/plan-1.js';
import type {PolicyDocument} from '../../../src/schema/generated/policy-1.js';

export const GIB = 2 ** 30;
export const MIB = 2 ** 20;
export const USER: IdentityFacts = {uid: 1001, gid: 100, groups: [100, 1001], name: 'atlas001', home: '/home/atlas001'};
export const ROOT: IdentityFacts = {uid: 0, gid: 0, groups: [0], name: 'root', home: '/root'};
export const WORK = '/home/atlas001/job';
export const SLOT = '/sys/fs/cgroup/slot';

export const V2_FILES = ['memory.oom.group', 'memory.swap.max', 'cgroup.kill'];
const V1_FILES = ['memory.memsw.limit_in_bytes', 'cpu.cfs_quota_us'];

/** Controllers of one v2 hierarchy with a usable parent. */
export function v2(
  controllers: readonly Controller[],
  {toEnable = [], toEmpty = null, files = V2_FILES}: {toEnable?: Controller[]; toEmpty?: CgroupFacts['toEmpty']; files?: string[]} = {},
): CgroupFacts {
  const fact: ControllerFact = {version: 2, mount: '/sys/fs/cgroup', own: SLOT, parent: SLOT, refused: [], files};
  return {
    mode: 'v2',
    controllers: Object.fromEntries(controllers.map((name) => [name, fact])),
    toEnable,
    toEmpty,
    others: [],
    layout: 'htcondor-scope',
    how: 'a test',
  };
}

/** Each controller in a hierarchy of its own, but those that are given the same mount. */
export function v1(mounts: Partial<Record<Controller, string>>, files: string[] = V1_FILES): CgroupFacts {
  const fact = (mount: string): ControllerFact => ({
    version: 1,
    mount: `/sys/fs/cgroup/${mount}`,
    own: `/sys/fs/cgroup/${mount}/slot`,
    parent: `/sys/fs/cgroup/${mount}/slot`,
    refused: [],
    files,
  });
  return {
    mode: 'v1',
    controllers: Object.fromEntries(Object.entries(mounts).map(([name, mount]) => [name, fact(mount)])),
    toEnable: [],
    toEmpty: null,
    others: [],
    layout: 'htcondor',
    how: 'a test',
  };
}

export const NO_CGROUP: CgroupFacts = {
  mode: 'none',
  controllers: {},
  toEnable: [],
  toEmpty: null,
  others: [],
  layout: 'none',
  how: 'a test',
};

export const yes: Ability = {available: true, how: 'a test', remedy: null};
export const no: Ability = {available: false, how: 'a test says no', remedy: 'mend it'};

/** A user's: no loop device. */
export const CONTAINERS: Facts['scratch']['containers'] = {user: true, loop: no, program: null, tmpfs: yes};

export const BUBBLEWRAP: EngineFacts = {
  name: 'bubblewrap',
  path: '/usr/bin/bwrap',
  version: '0.11.0',
  setuid: false,
  abilities: ['tmpfsSize', 'perms', 'overlay', 'disableUserns'],
  how: 'a test',
};
export const CRUN: EngineFacts = {
  name: 'crun',
  path: '/usr/bin/crun',
  version: '1.21',
  setuid: false,
  abilities: ['filterFlags'],
  how: 'a test',
};
export const LXC: EngineFacts = {...CRUN, name: 'lxc', path: '/usr/bin/lxc-start', version: '6.0.4', abilities: []};
export const RUNC: EngineFacts = {...CRUN, name: 'runc', path: '/usr/bin/runc', version: '1.3.0'};
export const PODMAN: EngineFacts = {...CRUN, name: 'podman', path: '/usr/bin/podman', version: '5.4.2'};
export const DOCKER: EngineFacts = {...CRUN, name: 'docker', path: '/usr/bin/docker', version: '26.1.5', abilities: []};

export function facts(change: Partial<Facts> = {}): Facts {
  return {
    within: null,
    kernel: {release: '6.1.0', version: [6, 1], how: 'a test'},
    node: {hostname: 'wn001', bootId: '5f3c', how: 'a test'},
    caller: USER,
    cgroup: v2(['memory', 'cpu', 'pids']),
    unifiedAt: null,
    namespaces: {user: yes, pid: yes, mount: yes, ipc: yes, uts: yes, network: yes, cgroup: yes},
    newProc: yes,
    engines: [BUBBLEWRAP],
    seccomp: yes,
    landlock: {abi: 7, queues: true, how: 'a test', remedy: null},
    cpu: {online: [0, 1, 2, 3, 4, 5, 6, 7], allowed: [2, 3, 4, 5], pinned: [], model: 'a CPU', how: 'a test'},
    memory: {totalBytes: 64 * GIB, swapBytes: 4 * GIB, how: 'a test'},
    slot: {memoryLimitBytes: null, memoryDirectory: null, cores: null, processes: null, how: 'the slot’s group'},
    scratch: {directory: '/var/tmp', fileSystem: 'xfs', freeBytes: 10 * GIB, writable: true, how: 'a test', containers: CONTAINERS},
    views: null,
    system: null,
    network: null,
    devices: ['/dev/fuse', '/dev/nvidia0', '/dev/nvidiactl', '/dev/dri/card0'],
    root: {directories: ['/etc', '/usr'], links: {'/bin': 'usr/bin'}},
    ...change,
  };
}

export function job(document: Partial<Omit<JobDocument, 'schema'>> = {}): Job {
  const command = document.applications === undefined ? {command: ['/bin/true']} : {};
  return jobFromDocument({schema: 'tare/job/v1', ...command, ...document}, {file: 'job.yaml', callerDirectory: WORK});
}

export function policy(document: Partial<Omit<PolicyDocument, 'schema'>> = {}): Policy {
  return policyFromDocuments([{file: 'policy.yaml', document: {schema: 'tare/policy/v1', ...document}}]);
}

export const NO_SLOT: CallSlot = {
  name: null,
  cores: null,
  memoryBytes: null,
  scratchBytes: null,
  gpus: null,
  wallTimeUs: null,
  cpuTimeUs: null,
};

/** An identity outside the node of which only the VO is known. */
export const grid = (vo: string | null): Attempt['grid'] => ({global: null, issuer: null, vo, fqan: null, groups: []});

export function call(change: Partial<Call> = {}): Call {
  return {
    identity: {value: USER, provenance: {source: 'caller', at: 'the caller'}},
    environment: {},
    slot: NO_SLOT,
    batchId: null,
    unboxed: null,
    sample: 0.5,
    ...change,
  };
}

export const asUser = (value: IdentityFacts): Call => call({identity: {value, provenance: {source: 'job', at: 'job.yaml#/user'}}});

export interface Parts {
  job?: Parameters<typeof job>[0];
  policy?: Parameters<typeof policy>[0];
  facts?: Partial<Facts>;
  call?: Partial<Call>;
  engines?: readonly Engine[];
}

export function plan(parts: Parts = {}): Plan {
  return makePlan({
    job: job(parts.job),
    policy: policy(parts.policy),
    facts: facts(parts.facts),
    call: call(parts.call),
    engines: parts.engines ?? ENGINES,
  });
}

/** What a function refuses with. */
export function thrown(action: () => unknown): TareError {
  try {
    action();
  } catch (error) {
    if (error instanceof TareError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** Why none of the engines behind the first is taken for a pattern, where the policy lists none. */
export const notListed = (pattern: EnginePattern): string =>
  ENGINES.slice(1)
    .map(({name, patterns}) => [name, patterns[pattern]] as const)
    .map(([name, able]) => `${name} ${typeof able === 'string' ? able : `is taken for ${pattern} only where the policy lists it`}`)
    .join('; ');
