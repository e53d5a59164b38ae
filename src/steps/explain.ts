/** Explains a plan in words. */

import {LIMIT_NAMES} from '../job/job.js';
import {formatBytes, formatCores, formatDuration} from '../job/quantity.js';
import {formatLimit, LIMIT_LABELS} from '../plan/limit-words.js';
import {openChoices} from '../plan/resolve.js';
import {stepOf, stepsOf, type Step, type StepOf} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {SECTIONS, type Row, type Section} from './def.js';
import {defOf} from './table.js';

/** One table of `tare plan`. */
export interface ExplainedSection {
  title: string;
  head: readonly string[];
  rows: Row[];
}

/** Rows of the steps that a section lists; one that does not say its own reason has the step's. */
const rowsIn =
  (section: Section) =>
  (step: Step): Row[] => {
    const {section: own, rows} = defOf(step);
    if (own !== section || rows === undefined) return [];
    return rows(step).map((row) => (row.length < SECTIONS[section].length ? [...row, step.because] : row));
  };

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
  if (landlock === undefined) return [];
  const {abi, because, scoped} = landlock;
  return [
    ['Landlock', abi === null ? 'none' : `version ${String(abi)}`, because],
    ...(scoped === true ? [['abstract sockets', 'the box’s own alone', 'the engine listens on one']] : []),
  ];
}

/** The plan as titled tables, without those that would be empty; the caller lays them out. */
export function explainPlan(plan: Plan): ExplainedSection[] {
  const sections = [
    decisionSection(plan),
    limitsSection(plan),
    ...(plan.observed === undefined ? [] : [observedSection(plan.observed)]),
    ...(Object.keys(SECTIONS) as Section[]).map((title) => ({title, head: SECTIONS[title], rows: plan.steps.flatMap(rowsIn(title))})),
    ...payloadSection(plan),
    applicationsSection(plan),
    ...endSection(plan),
    choicesSection(plan),
    directoriesSection(plan),
  ];
  return sections.filter(({rows}) => rows.length > 0);
}

const decisionSection = (plan: Plan): ExplainedSection => ({
  title: 'Decision',
  head: ['what', 'value', 'why'],
  rows: [
    ['pattern', plan.pattern.value, plan.pattern.because],
    ['mode', plan.mode.value, plan.mode.because],
    ['engine', plan.engine.version === null ? plan.engine.name : `${plan.engine.name} ${plan.engine.version}`, plan.engine.because],
    ...landlockRow(plan),
    ['rule', plan.rule ?? 'none', plan.rule === null ? 'no rule of the policy matches' : 'the first rule that matches'],
    ...(plan.slot.name === null ? [] : [['slot', plan.slot.name, 'as the batch system calls it']]),
    ['runs as', plan.job.user ?? 'the caller', stepOf(plan, 'identity.take')?.because ?? 'the caller'],
    ['grace', formatDuration(plan.grace.us), plan.grace.provenance.at],
    ...degradedRows(plan),
  ],
});

const limitsSection = ({limits}: Plan): ExplainedSection => ({
  title: 'Limits',
  head: ['limit', 'value', 'asked', 'enforcement', 'by', 'why'],
  rows: LIMIT_NAMES.map((name) => {
    const limit = limits[name];
    return [
      LIMIT_LABELS[name],
      formatLimit(limit),
      limit.asked === null ? '-' : formatLimit({value: limit.asked, unit: limit.unit}),
      limit.enforcement,
      limit.by ?? '-',
      limit.because,
    ];
  }),
});

function payloadSection(plan: Plan): ExplainedSection[] {
  return stepsOf(plan, 'payload.execute')
    .slice(0, 1)
    .map(({argv, workDirectory, tasks, first}) => ({
      title: 'Payload',
      head: ['what', 'value'],
      rows: [
        ['argv', argv.map((argument) => JSON.stringify(argument)).join(' ')],
        ['work directory', workDirectory],
        ...(tasks === undefined ? [] : [['tasks that join', String(tasks)]]),
        ...(first === true ? [['first process', 'process 1 of a PID namespace of its own']] : []),
      ],
    }));
}

const applicationsSection = (plan: Plan): ExplainedSection => ({
  title: 'Applications',
  head: ['application', 'argv', 'starts when', 'limits of its own', 'output'],
  rows: stepsOf(plan, 'application.execute').map((step) => applicationRow(plan, step)),
});

function endSection(plan: Plan): ExplainedSection[] {
  if (plan.applications === null) return [];
  const {primary, onFailure, onOom, because} = plan.applications;
  const nameOf = (index: number): string => stepsOf(plan, 'application.execute')[index]?.name ?? '-';
  return [
    {
      title: 'When an application ends',
      head: ['what', 'value', 'why'],
      rows: [
        ['the job ends with', primary === null ? 'the last' : nameOf(primary), because],
        ['one fails', onFailure === 'stop-all' ? 'all are stopped' : 'the others go on', 'onFailure'],
        ['one is killed for memory', onOom === 'stop-all' ? 'all are stopped' : 'it alone goes', 'onOom'],
      ],
    },
  ];
}

/** What only the node can tell: as it was decided there, or that it is still open. */
const choicesSection = (plan: Plan): ExplainedSection =>
  plan.resolved === undefined
    ? {
        title: 'Decided only when it runs',
        head: ['what', 'rule'],
        rows: openChoices(plan).map(({choice, rule}) => [choice, rule]),
      }
    : {
        title: 'Decided on this node',
        head: ['what', 'decision', 'why'],
        rows: plan.resolved.map(({choice, chose, because}) => [choice, chose, because]),
      };

const directoriesSection = ({directories}: Plan): ExplainedSection => ({
  title: 'Directories',
  head: ['what', 'where'],
  rows: [
    ['records', directories.spools.join(', else ')],
    ['state', directories.state],
    ['scratch', directories.scratch],
    ['log', directories.log ?? 'none'],
  ],
});

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

/** The section of an observed job: the limits with which its record compares it. */
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
