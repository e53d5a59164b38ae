/** What a plan executes: one payload, or several applications. */

import {formatDuration} from '../job/quantity.js';
import {stepOf, stepsOf, type StepOf} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';

/** A variable of the environment; null: it is taken away. */
export interface Variable {
  name: string;
  value: string | null;
}

/** A command of the job. */
export interface Program {
  /** null: the job has one command. */
  name: string | null;
  /** Its place among the job's applications. */
  index: number;
  /** Places of those that it waits for. */
  needs: readonly number[];
  argv: readonly string[];
  workDirectory: string;
  /** Over the job's. */
  changes: readonly Variable[];
  /** Of its own, null: the job's. In cores, and bytes. */
  cores: number | null;
  memory: number | null;
  /** Reads the caller's standard input. */
  readsInput: boolean;
  /** When it starts and what becomes of its output, in words; empty: at once, and to the job's. */
  remarks: readonly string[];
}

/** Services of a small machine, and the program that waits for them. */
export function outlineServices(plan: Plan): Program[] {
  const all = stepsOf(plan, 'application.execute');
  return all.filter((step) => !isPayload(step)).map((step) => programOf(step, all));
}

const isPayload = ({system}: Execute): boolean => system === null || system.role === 'payload';

/** The programs of a plan: the one that the job ends with is the first. */
export function outlinePrograms(plan: Plan): [Program, ...Program[]] {
  const all = stepsOf(plan, 'application.execute');
  const applications = all.filter(isPayload);
  const primary = plan.applications?.primary ?? applications.at(-1)?.index ?? 0;
  const first = applications.find(({index}) => index === primary) ?? applications[0];
  if (first !== undefined)
    return [programOf(first, all), ...applications.filter((step) => step !== first).map((step) => programOf(step, all))];
  const {argv, workDirectory} = stepOf(plan, 'payload.execute') ?? {argv: ['true'], workDirectory: '/'};
  return [{name: null, index: 0, needs: [], argv, workDirectory, changes: [], cores: null, memory: null, readsInput: true, remarks: []}];
}

/** The programs in an order in which they may be started: each stands after those that it waits for, and else as the job has them. */
export function inStartOrder(programs: readonly Program[]): Program[] {
  const left = [...programs].sort((a, b) => a.index - b.index);
  const ordered: Program[] = [];
  while (left.length > 0) {
    const isReady = ({needs}: Program): boolean => !left.some(({index}) => needs.includes(index));
    // none is ready where they wait for each other, which no job that is read has
    ordered.push(...left.splice(Math.max(0, left.findIndex(isReady)), 1));
  }
  return ordered;
}

type Execute = StepOf<'application.execute'>;

function programOf(
  {name, index, argv, workDirectory, environment, limits, stdin, needs, output, restart, system}: Execute,
  all: readonly Execute[],
): Program {
  const conditions = needs.map((need) => `${all[need]?.name ?? '-'} ${readyWords(all[need]?.ready)}`);
  const remarks = [
    ...(system === null ? [] : [systemWords(system)]),
    ...(conditions.length === 0 ? [] : [`it starts when ${conditions.join(' and ')}`]),
    ...(restart === null
      ? []
      : [`it is started again ${restart.on === 'always' ? 'whenever it ends' : 'when it fails'}, ${String(restart.limit)} times at most`]),
    ...(typeof output === 'string' ? [] : [`its output goes to ${output.out}${output.out === output.err ? '' : ` and ${output.err}`}`]),
  ];
  return {
    name,
    index,
    needs,
    argv,
    workDirectory,
    changes: environment,
    cores: limits.cores?.value ?? null,
    memory: limits.memory?.value ?? null,
    readsInput: stdin === 'caller',
    remarks,
  };
}

function readyWords(ready: Execute['ready'] | undefined): string {
  switch (ready?.when) {
    case 'started':
      return 'has started';
    case 'file':
      return `has made ${ready.path} (within ${formatDuration(ready.withinUs)})`;
    case 'port':
      return `listens on port ${String(ready.port)} (within ${formatDuration(ready.withinUs)})`;
    default:
      return 'has completed';
  }
}

function systemWords({role, as, first}: NonNullable<Execute['system']>): string {
  if (first) return 'the init of the image, as process 1 and as root of the box';
  if (role === 'payload') return 'the payload, as the job’s account';
  return `a ${role === 'service' ? 'service' : 'program that waits for services'}, as ${as === 'root' ? 'root of the box' : 'the job’s account'}`;
}

/** The environment of a program as a whole, for tools that pass on nothing of the caller's. */
export function wholeEnvironment(kept: readonly Variable[], ...changes: readonly (readonly Variable[])[]): {name: string; value: string}[] {
  const all = new Map([...kept, ...changes.flat()].map(({name, value}) => [name, value]));
  return [...all].flatMap(([name, value]) => (value === null ? [] : [{name, value}]));
}
