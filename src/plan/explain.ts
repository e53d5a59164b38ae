/** A plan in words, for the person who asks why. */

import {formatBytes, formatCores, formatDuration} from '../job/quantity.js';
import {LIMIT_NAMES, type LimitName} from '../job/job.js';
import type {Plan, PlannedLimit} from '../schema/generated/plan-1.js';
import {stepsOf, type Step, type StepOf} from './step.js';

/** A limit's number in its unit, as people write it. */
export function formatLimit({value, unit}: {value: number | null; unit: PlannedLimit['unit']}): string {
  if (value === null) return 'none';
  switch (unit) {
    case 'bytes':
      return formatBytes(value);
    case 'us':
      return formatDuration(value);
    case 'cores':
      return formatCores(value);
    case 'flag':
      return value === 0 ? 'no' : 'yes';
    case 'count':
      return String(value);
  }
}

export const LIMIT_LABELS: Readonly<Record<LimitName, string>> = {
  cores: 'cores',
  pinCores: 'pinned',
  memory: 'memory',
  memoryHigh: 'memory, slowed above',
  swap: 'swap',
  processes: 'processes',
  wallTime: 'wall time',
  cpuTime: 'CPU time',
  openFiles: 'open files',
  coreSize: 'core size',
  scratch: 'scratch',
};

export interface ExplainedSection {
  title: string;
  head: string[];
  rows: string[][];
}

/** What is less than was asked for, and what follows; nothing where the policy says no more than what is built in, and nothing is less. */
function degradedRows({degraded}: Plan): string[][] {
  if (degraded === undefined) return [];
  const {then, provenance, what} = degraded;
  return [
    ['less than asked', then, provenance.at],
    ...what.map(({code, because}) => [`less: ${code}`, then === 'allow' ? 'flagged' : 'flagged and counted', because]),
  ];
}

function landlockRow({landlock}: Plan): string[][] {
  return landlock === undefined ? [] : [['Landlock', landlock.abi === null ? 'none' : `version ${String(landlock.abi)}`, landlock.because]];
}

/** The plan as titled tables; the caller lays them out. */
export function explainPlan(plan: Plan): ExplainedSection[] {
  const sections: ExplainedSection[] = [
    {
      title: 'Decision',
      head: ['what', 'value', 'why'],
      rows: [
        ['pattern', plan.pattern.value, plan.pattern.because],
        ['mode', plan.mode.value, plan.mode.because],
        ['engine', plan.engine.version === null ? plan.engine.name : `${plan.engine.name} ${plan.engine.version}`, plan.engine.because],
        ...landlockRow(plan),
        ['rule', plan.rule ?? 'none', plan.rule === null ? 'no rule of the policy matches' : 'the first rule that matches'],
        ...(plan.slot.name === null ? [] : [['slot', plan.slot.name, 'as the batch system calls it']]),
        ['runs as', plan.job.user ?? 'the caller', stepsOf(plan, 'identity.take')[0]?.because ?? 'the caller'],
        ['grace', formatDuration(plan.grace.us), plan.grace.provenance.at],
        ...degradedRows(plan),
      ],
    },
    {
      title: 'Limits',
      head: ['limit', 'value', 'asked', 'enforcement', 'by', 'why'],
      rows: LIMIT_NAMES.map((name) => {
        const limit = plan.limits[name];
        return [
          LIMIT_LABELS[name],
          formatLimit(limit),
          limit.asked === null ? '-' : formatLimit({value: limit.asked, unit: limit.unit}),
          limit.enforcement,
          limit.by ?? '-',
          limit.because,
        ];
      }),
    },
  ];
  if (plan.observed !== undefined) sections.push(observedSection(plan.observed));
  add(sections, 'Control groups', ['step', 'where', 'value', 'why'], plan.steps.flatMap(groupRow));
  add(sections, 'Box', ['step', 'what', 'why'], plan.steps.flatMap(boxRow));
  add(sections, 'Mounts', ['destination', 'source', 'options', 'why'], plan.steps.flatMap(mountRow));
  add(
    sections,
    'Repositories',
    ['repository', 'oldest revision', 'deadline', 'if it cannot be used', 'why'],
    plan.steps.flatMap(repositoryRow),
  );
  add(sections, 'Environment', ['variable', 'value', 'why'], plan.steps.flatMap(environmentRow));
  add(sections, 'Watches', ['watch', 'limit', 'why'], plan.steps.flatMap(watchRow));
  const payload = stepsOf(plan, 'payload.execute')[0];
  if (payload !== undefined) {
    sections.push({
      title: 'Payload',
      head: ['what', 'value'],
      rows: [
        ['argv', payload.argv.map((argument) => JSON.stringify(argument)).join(' ')],
        ['work directory', payload.workDirectory],
        ...(payload.tasks === undefined ? [] : [['tasks that join', String(payload.tasks)]]),
      ],
    });
  }
  add(
    sections,
    'Applications',
    ['application', 'argv', 'starts when', 'limits of its own', 'output'],
    stepsOf(plan, 'application.execute').map((step) => applicationRow(plan, step)),
  );
  if (plan.applications !== null) {
    const {primary, onFailure, onOom, because} = plan.applications;
    const nameOf = (index: number): string => stepsOf(plan, 'application.execute')[index]?.name ?? '-';
    sections.push({
      title: 'When an application ends',
      head: ['what', 'value', 'why'],
      rows: [
        ['the job ends with', primary === null ? 'the last' : nameOf(primary), because],
        ['one fails', onFailure === 'stop-all' ? 'all are stopped' : 'the others go on', 'onFailure'],
        ['one is killed for memory', onOom === 'stop-all' ? 'all are stopped' : 'it alone goes', 'onOom'],
      ],
    });
  }
  sections.push({
    title: 'Directories',
    head: ['what', 'where'],
    rows: [
      ['records', plan.directories.spools.join(', else ')],
      ['state', plan.directories.state],
      ['scratch', plan.directories.scratch],
      ['log', plan.directories.log ?? 'none'],
    ],
  });
  return sections;
}

function applicationRow(plan: Plan, {name, argv, needs, limits, output, restart}: StepOf<'application.execute'>): string[] {
  const all = stepsOf(plan, 'application.execute');
  const conditions = needs.map((need) => `${all[need]?.name ?? '-'} ${readyWords(all[need]?.ready)}`);
  const own = [
    ...(limits.cores === null ? [] : [`${formatCores(limits.cores.value)} (${limits.cores.enforcement})`]),
    ...(limits.memory === null ? [] : [`${formatBytes(limits.memory.value)} (${limits.memory.enforcement})`]),
  ];
  return [
    name,
    argv.map((argument) => JSON.stringify(argument)).join(' '),
    `${conditions.join(', ') || 'at once'}${restart === null ? '' : `; again ${restart.on === 'always' ? 'always' : 'on failure'}, ${String(restart.limit)} times at most`}`,
    own.join(', ') || 'none',
    outputWords(output),
  ];
}

function outputWords(output: StepOf<'application.execute'>['output']): string {
  if (output === 'prefixed') return 'the job’s, prefixed';
  if (output === 'caller') return 'the job’s';
  return output.out === output.err ? output.out : `${output.out}, ${output.err}`;
}

function readyWords(ready: StepOf<'application.execute'>['ready'] | undefined): string {
  switch (ready?.when) {
    case undefined:
    case 'completed':
      return 'has completed';
    case 'started':
      return 'has started';
    case 'file':
      return `has made ${ready.path}`;
    case 'port':
      return `listens on ${String(ready.port)}`;
  }
}

function add(sections: ExplainedSection[], title: string, head: string[], rows: string[][]): void {
  if (rows.length > 0) sections.push({title, head, rows});
}

function groupRow(step: Step): string[][] {
  if (step.op === 'cgroup.evacuate') return [['step aside', step.directory, step.into, step.because]];
  if (step.op === 'cgroup.enable') return [['enable', step.directory, step.controllers.join(' '), step.because]];
  if (step.op === 'cgroup.create') return [['create', step.directory, step.controllers.join(' '), step.because]];
  if (step.op === 'cgroup.write') return [['write', `${step.directory}/${step.file}`, step.value, step.because]];
  return [];
}

function boxRow(step: Step): string[][] {
  switch (step.op) {
    case 'namespace.unshare':
      return [['namespaces', step.namespaces.join(' '), step.because]];
    case 'view.unshare':
      return [['namespaces of enter', step.user ? 'user mount' : 'mount', step.because], ...rootRow(step)];
    case 'paths.protect':
      return [
        ['hidden', step.masked.join(' '), step.because],
        ['read-only', step.readOnly.join(' '), step.because],
      ];
    case 'seccomp.load':
      return [['system calls', step.profile, step.because]];
    case 'accounts.provide':
      return [['account', `${step.account.name} (uid ${String(step.account.uid)})`, step.because]];
    case 'view.enter':
      return [[`view of ${step.application}`, step.swaps.map(({destination}) => destination).join(' '), step.because]];
    case 'identity.take':
      return [['identity', `uid ${String(step.uid)} gid ${String(step.gid)}`, step.because]];
    case 'hostname.set':
      return [['host name', step.hostname, step.because]];
    case 'identity.provide':
      return [['files', step.files.join(' '), step.because]];
    case 'network.lease':
      return step.networks.map(({ranges, prefix}) => [
        'address',
        `${ranges.map(({first, last}) => `${first}-${last}`).join(' ')}/${prefix}`,
        step.because,
      ]);
    case 'network.bridge':
      return [['bridge', [step.bridge, ...step.addresses].join(' '), step.because]];
    case 'network.veth':
      return [['device', `${step.device}, on ${step.bridge}${step.isolated ? ', isolated' : ''}`, step.because]];
    case 'network.macvlan':
      return [['device', `${step.device}, macvlan (${step.mode}) on ${step.parent}`, step.because]];
    case 'network.address':
      return [['address of', step.device, step.because]];
    case 'network.nat':
      return [['address translation', 'masquerade, table inet tare', step.because]];
    case 'network.apart':
      return [['not passed on', `from ${step.bridge} to the box`, step.because]];
    case 'network.user':
      return [['network', `${step.by}: ${step.addresses.join(' ')}`, step.because]];
    case 'privileges.drop':
      return [['privileges', 'no_new_privs, no capabilities', step.because]];
    case 'affinity.set':
      return [['CPUs', step.cpus.join(','), step.because]];
    case 'oom.adjust':
      return [['oom_score_adj', String(step.value), step.because]];
    case 'rlimit.set':
      return [[`rlimit ${step.name}`, String(step.soft), step.because]];
    case 'directory.create':
      return [['directory', `${step.path} (${step.mode})`, step.because]];
    case 'parts.collect':
      return [['named pipe', step.path, step.because]];
    default:
      return [];
  }
}

function rootRow({root}: StepOf<'view.unshare'>): string[][] {
  if (root === null) return [];
  const {uids, gids} = root;
  const others =
    uids.count === 0
      ? 'nobody else: services of other accounts cannot run'
      : `${String(uids.count)} uids from ${String(uids.start)}, ${String(gids.count)} gids from ${String(gids.start)}`;
  return [['root of the box', `uid ${String(root.uid)}; behind it ${others}`, 'root in the box has no rights on the node']];
}

function mountRow(step: Step): string[][] {
  switch (step.op) {
    case 'mount.bind':
      return [[step.destination, step.source, [...step.options, ...(step.optional ? ['optional'] : [])].join(','), step.because]];
    case 'mount.overlay':
      return [[step.destination, step.lower, [step.by, ...step.options].join(','), step.because]];
    case 'cvmfs.bind':
      return [[step.destination, step.source, 'ro,nosuid,nodev', step.because]];
    case 'cvmfs.mount':
      return [[`${step.root}/${step.repository}`, step.client, `ro,nosuid,nodev, cache ${step.sharedCache ?? 'of its own'}`, step.because]];
    case 'mount.closed':
      return [[step.destination, step.source, `${step.readOnly ? 'ro' : 'rw'},recursive`, step.because]];
    case 'mount.graft':
      return [[step.at, step.source, 'ro,recursive', step.because]];
    case 'image.take':
      return [['the image', step.path, [step.kind, ...(step.digest === null ? [] : [step.digest])].join(' '), step.because]];
    case 'mount.squashfs':
      return [[step.at, step.source, [step.by, 'ro', ...step.options].join(','), step.because]];
    case 'mount.shift':
      return [[step.at, step.source, 'owners of the box', step.because]];
    case 'mount.point':
      return [[step.path, '-', 'made if lacking', step.because]];
    case 'scratch.contain':
      return [[step.destination, step.image ?? 'tmpfs', `${step.by},${formatBytes(step.bytes)}`, step.because]];
    case 'mount.tmpfs':
      return [[step.destination, 'tmpfs', `mode=${step.mode}`, step.because]];
    case 'mount.proc':
      return [[step.destination, 'proc', 'new', step.because]];
    case 'mount.dev':
      return [[step.destination, 'dev', step.queues === undefined ? 'new' : 'new, message queues', step.because]];
    case 'mount.sys':
      return [[step.destination, 'sysfs', 'new', step.because]];
    case 'mount.cover':
      return [[step.at, 'tmpfs', 'empty', step.because]];
    case 'mount.readonly':
      return [[step.destination, '-', 'ro', step.because]];
    default:
      return [];
  }
}

const OTHERWISE = {refuse: 'the job is not run here', without: 'the job is run without it', record: 'it is recorded'} as const;

function repositoryRow(step: Step): string[][] {
  if (step.op !== 'cvmfs.probe') return [];
  const {repository, minimumRevision, deadlineUs, waitUs, otherwise, because} = step;
  const wait = waitUs === 0 ? '' : `waits up to ${formatDuration(waitUs)}, then `;
  return [
    [
      repository,
      minimumRevision === null ? 'any' : String(minimumRevision),
      formatDuration(deadlineUs),
      wait + OTHERWISE[otherwise],
      because,
    ],
  ];
}

function environmentRow(step: Step): string[][] {
  if (step.op === 'environment.set') return [[step.name, step.value, step.because]];
  if (step.op === 'features.provide')
    return [[step.machine === null ? 'JOBFEATURES' : 'JOBFEATURES, MACHINEFEATURES', `below ${step.place}`, step.because]];
  if (step.op === 'environment.unset') return [[step.name, '(taken away)', step.because]];
  return [];
}

function watchRow(step: Step): string[][] {
  switch (step.op) {
    case 'watch.memory':
      return [['memory', formatBytes(step.limitBytes), step.because]];
    case 'watch.oom':
      return [['out of memory', '-', step.because]];
    case 'watch.memoryStall':
      return [['stall at the memory limit', formatDuration(step.afterUs), step.because]];
    case 'watch.wallTime':
      return [['wall time', formatDuration(step.limitUs), step.because]];
    case 'watch.cpuTime':
      return [['CPU time', formatDuration(step.limitUs), step.because]];
    case 'watch.scratch':
      return [['scratch', formatBytes(step.limitBytes), step.because]];
    case 'watch.processes':
      return [['processes', String(step.limit), step.because]];
    case 'weigh.processes':
      return [['memory of processes', formatDuration(step.periodMs * 1000), step.because]];
    case 'weigh.scratch':
      return [['scratch, weighed only', step.directories.join(', '), step.because]];
    default:
      return [];
  }
}

/** Of a job that is only observed: what its record compares it with. */
function observedSection({refused, mode, limits}: NonNullable<Plan['observed']>): ExplainedSection {
  const rows =
    refused !== null
      ? [['the job', `refused (${refused.code})`, refused.reason]]
      : [
          ['mode', mode?.value ?? '-', mode?.because ?? '-'],
          ...LIMIT_NAMES.filter((name) => limits[name].value !== null).map((name) => {
            const limit = limits[name];
            return [LIMIT_LABELS[name], `${formatLimit(limit)}, ${limit.enforcement}`, limit.because];
          }),
        ];
  return {title: 'What would be, with mode enforce', head: ['what', 'value', 'why'], rows};
}
