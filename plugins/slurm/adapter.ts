/** Slot to job. Slurm hears nothing but how the wrapper ends. */

import {dirname, join} from 'node:path';
import type {BatchAdapter, BatchCall, BatchFinding, BatchJob, BatchSettings, Effects, Ended, Ending, Read, Slot} from '@tare/contract';

const MIB = 1024 ** 2;
const FAILED = 125;
/** The exit status that a shell gives for a killed process. */
const KILLED = 128 + 9;
const DESCRIPTOR = '.tare.yaml';
type Environment = BatchCall['environment'];

/** The adapter of jobs and steps of Slurm. */
export const adapter: BatchAdapter = {read, reportOutcome, reportFailure: () => Promise.resolve({quit: null}), examine};

function read({environment, cwd, role}: BatchCall, effects: Effects): BatchJob {
  const reports = role === 'wrapper';
  const path = join(cwd, DESCRIPTOR);
  const job = environment['SLURM_JOB_ID'] ?? '';
  const step = environment['SLURM_STEP_ID'];
  const id = step === undefined ? job : `${job}.${step}.${environment['SLURM_PROCID'] ?? '0'}`;
  const cluster = environment['SLURM_CLUSTER_NAME'] ?? 'slurm';
  return {
    system: 'slurm',
    lrms: {
      host: environment['SLURM_SUBMIT_HOST'] ?? null,
      queue: environment['SLURM_JOB_PARTITION'] ?? null,
      localJobId: job,
      globalJobId: `${cluster}#${id}`,
      attempt: (number(environment, 'SLURM_RESTART_COUNT') ?? 0) + 1,
    },
    slot: slotOf(environment),
    about: {name: environment['SLURM_JOB_NAME'] ?? null, vo: null, fqan: null, subject: null, issuer: null, groups: []},
    kind: 'job',
    because: 'a job of Slurm',
    descriptor: reports && effects.exists(path) ? {value: path, at: DESCRIPTOR} : null,
    severalCalls: true,
    ...(reports ? togetherOf(environment) : {}),
    own: {reports},
    remarks: [],
  };
}

/** Whether several tasks of a step run on this node, which share one box. */
function togetherOf(environment: Environment): Pick<BatchJob, 'together'> {
  const step = environment['SLURM_STEP_ID'];
  const index = number(environment, 'SLURM_LOCALID');
  const count = tasksHere(environment);
  if (step === undefined || index === null || count < 2) return {};
  const id = `${environment['SLURM_CLUSTER_NAME'] ?? 'slurm'}#${environment['SLURM_JOB_ID'] ?? ''}.${step}@${environment['SLURMD_NODENAME'] ?? ''}`;
  return {
    together: {
      step: `${id}.${String(number(environment, 'SLURM_RESTART_COUNT') ?? 0)}`,
      index,
      name: `task ${environment['SLURM_PROCID'] ?? String(index)}`,
      count,
      globalJobId: id,
      slot: slotOf(environment, {tasks: 1}),
    },
  };
}

const number = (environment: Environment, name: string): number | null => {
  const text = environment[name] ?? '';
  return /^\d{1,12}$/.test(text) ? Number(text) : null;
};

/**
 * Memory is in MiB (slurm.conf(5)): per CPU, or per node; 0 is all of the node. In a step the wrapper is called once a task, and each has its
 * share of the node; in the batch script, and for all tasks together, it is all. No times: Slurm ends a job that is over its own, and says when with `--signal`.
 */
export function slotOf(
  environment: Environment,
  {tasks}: {tasks: number} = {tasks: environment['SLURM_STEP_ID'] === undefined ? 1 : tasksHere(environment)},
): Slot {
  const of = (name: string): Read<number> | null => {
    const value = number(environment, name);
    return value === null || value === 0 ? null : {value, at: name};
  };
  const node = of('SLURM_CPUS_ON_NODE');
  const task = of('SLURM_CPUS_PER_TASK');
  const share = node === null ? null : {value: Math.max(1, Math.floor(node.value / tasks)), at: node.at};
  const cores = tasks > 1 ? (task ?? share) : (node ?? task);
  const perNode = of('SLURM_MEM_PER_NODE');
  const perCpu = of('SLURM_MEM_PER_CPU');
  const memory =
    perNode !== null
      ? {value: Math.floor(perNode.value / tasks), at: perNode.at}
      : perCpu !== null && cores !== null
        ? {value: perCpu.value * cores.value, at: `${perCpu.at} x ${cores.at}`}
        : null;
  return {
    name: environment['SLURMD_NODENAME'] ?? null,
    cores,
    memoryBytes: memory === null ? null : {value: memory.value * MIB, at: memory.at},
    scratchBytes: null,
    gpus: of('SLURM_GPUS_ON_NODE'),
    wallTimeUs: null,
    cpuTimeUs: null,
  };
}

/** `SLURM_STEP_TASKS_PER_NODE` is `2(x3),1`, by the order of the nodes. Nothing is made of the number of nodes: a job chooses its environment. */
function tasksHere(environment: Environment): number {
  let nodes = number(environment, 'SLURM_NODEID') ?? 0;
  for (const part of (environment['SLURM_STEP_TASKS_PER_NODE'] ?? '').split(',')) {
    const [, tasks, times = '1'] = /^(\d{1,6})(?:\(x(\d{1,6})\))?$/.exec(part) ?? [];
    if (tasks === undefined) continue;
    nodes -= Number(times);
    if (nodes < 0) return Math.max(1, Number(tasks));
  }
  return 1;
}

function reportOutcome(job: BatchJob, {record}: Ended, _: BatchSettings, __: Effects): Promise<Ending> {
  const {status, limit} = record.outcome;
  if (job.own['reports'] !== true) return Promise.resolve({quit: null});
  // init or the shim was killed: how the payload would have ended is not known
  if (status === 'wrapper-failure') return Promise.resolve({quit: {code: FAILED}});
  return Promise.resolve({quit: status === 'limit' && limit === 'memory' ? {code: KILLED} : null});
}

/**
 * What Slurm holds of the job that the caller is in. slurm.conf(5), cgroup.conf(5): a job has a group only with `proctrack/cgroup` or
 * `task/cgroup`, and a limit in it only where cgroup.conf constrains. No version hands a job's group to its user.
 */
export function examine({environment}: Pick<BatchCall, 'environment'>, effects: Pick<Effects, 'readText'>): BatchFinding {
  const id = environment['SLURM_JOB_ID'] ?? '';
  const file = environment['SLURM_CONF'] ?? '/etc/slurm/slurm.conf';
  const conf = settingsOf(effects.readText(file));
  const constraints = settingsOf(effects.readText(join(dirname(file), 'cgroup.conf')));
  // v1: /slurm/uid_U/job_J/step_S/task_T; v2: …/job_J/step_S/user/task_T
  const group = /^\d+:[^:]*:(\/.*\/job_\d+(?:\/.*)?)$/m.exec(effects.readText('/proc/self/cgroup') ?? '')?.[1] ?? null;
  const plugins = [conf?.get('proctracktype'), conf?.get('taskplugin')].filter((one) => one !== undefined).join(', ');
  const read = conf === null ? `${file} cannot be read` : plugins;
  if (group === null) {
    return {
      found: `job ${id} of Slurm, in no control group of its own${read === '' ? '' : ` (${read})`}`,
      remedy:
        'slurm.conf: ProctrackType=proctrack/cgroup and TaskPlugin=task/affinity,task/cgroup; cgroup.conf: ConstrainRAMSpace=yes, ConstrainCores=yes',
    };
  }
  const isOn = (name: string): boolean => /^(yes|true)$/i.test(constraints?.get(name.toLowerCase()) ?? '');
  const lacking = ['ConstrainRAMSpace', 'ConstrainCores'].filter((name) => !isOn(name));
  const held = [isOn('ConstrainRAMSpace') ? 'memory' : null, isOn('ConstrainCores') ? 'cores' : null].filter((one) => one !== null);
  return {
    found: `job ${id} of Slurm in ${group}, where Slurm limits ${held.join(' and ') || 'nothing'}`,
    remedy: lacking.length === 0 ? null : `cgroup.conf: ${lacking.map((name) => `${name}=yes`).join(', ')}, with task/cgroup in TaskPlugin`,
  };
}

/** `Name=value` of slurm.conf, names in small letters; what other files it includes is not followed. */
function settingsOf(text: string | null): Map<string, string> | null {
  if (text === null) return null;
  const lines = text.split('\n').flatMap((line) => {
    const [, name, value] = /^\s*([A-Za-z]+)\s*=\s*([^#\s]+)/.exec(line) ?? [];
    return name === undefined || value === undefined ? [] : ([[name.toLowerCase(), value]] as const);
  });
  return new Map(lines);
}
