/** The golden files of fixtures/plans, as they should be: for the tests, and for scripts/update-golden.mjs, which writes them. */

import {readdirSync} from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import type {Plan} from '../../src/schema/generated/plan-1.js';
import {bubblewrapArgv} from '../support/engines.js';
import {planCase, readCases, type Case, type Outcome} from './cases.js';
import {reasonsOf, renderPlan, word} from './render.js';

const PLANS = fileURLToPath(new URL('../../fixtures/plans/', import.meta.url));

/** These plans are kept whole, as JSON. All others are rendered (render.ts). */
export const WHOLE: readonly string[] = [
  'debian12-hybrid.network.macvlan',
  'debian12-v2-docker.full.rules',
  'debian12-v2-user-session.surroundings.nested',
  'debian13-none.pilot.builtin',
  'el9-v2-condor24.machine.systemd',
  'el9-v2-condor24.repositories.mounted',
  'el9-v2-condor24.repositories.observed',
  'el9-v2-condor24.surroundings.closed',
  'el9-v2-undelegated.surroundings.degraded',
];
/** bubblewrap's command line is kept for these plans and for two versions of bubblewrap. */
export const WITH_ARGV: readonly string[] = [
  'el9-v2-condor24.mcsim.builtin',
  'el9-v2-condor24.full.rules',
  'el9-v2-condor24.no-network.builtin',
  'debian13-v1root.pilot.builtin',
  'el9-v2-undelegated.mcsim.builtin',
  'debian13-v1root.view.builtin',
  'el9-v2-undelegated.view.builtin',
];
const VERSIONS = {
  '0.4.1': [],
  '0.11.0': ['tmpfsSize', 'perms', 'overlay', 'disableUserns'],
} satisfies Record<string, readonly string[]>;

export interface Named {
  name: string;
  plan: Plan;
}

/** Plans all cases. */
export const readOutcomes = async (): Promise<Outcome[]> => outcomesOf(await readCases());
export const outcomesOf = (cases: readonly Case[]): Outcome[] => cases.map((each) => ({name: each.name, planned: planCase(each)}));

/** All golden files by their place. */
export function goldens(outcomes: readonly Outcome[]): Map<string, string> {
  const plans = outcomes.flatMap(({name, planned}) => ('codes' in planned ? [] : [{name, plan: planned}]));
  const files: [string, string][] = [
    ...planTexts(plans),
    ['other/refused.txt', linesText(refusedLines(outcomes))],
    ['other/reasons.txt', linesText(reasonLines(plans.map(({plan}) => plan)))],
    ['other/argv.txt', linesText(argvLines(plans))],
  ];
  return new Map(files.map(([name, text]) => [path.join(PLANS, name), text]));
}

/** Golden files that there are. */
export function goldenFiles(): string[] {
  return readdirSync(PLANS, {withFileTypes: true, recursive: true})
    .filter((entry) => entry.isFile())
    .map(({parentPath, name}) => path.join(parentPath, name));
}

export const hostOf = ({name}: Pick<Named, 'name'>): string => name.slice(0, name.indexOf('.'));

/** Texts by file name. A section that an earlier plan of the same host has is named, not repeated. */
export function planTexts(plans: readonly Named[]): [string, string][] {
  const said = new Map<string, string>();
  return plans.map(({name, plan}) => {
    const lines = Object.entries(renderPlan(plan)).flatMap(([section, rendered]: [string, string[]]) => {
      const key = [hostOf({name}), section, ...rendered].join('\n');
      const first = said.get(key);
      if (rendered.length === 0) return [];
      if (first !== undefined) return [`${section} as in ${first}`];
      said.set(key, name);
      return rendered;
    });
    return WHOLE.includes(name) ? [`${name}.json`, wholeText(plan)] : [`${name}.txt`, linesText(lines)];
  });
}

const linesText = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');

/** Without the digests of the inputs: they change with every word of a fact. */
function wholeText(plan: Plan): string {
  const digest = '(a digest)';
  return `${JSON.stringify({...plan, inputs: {job: digest, policy: digest, facts: digest}}, null, 1)}\n`;
}

/** Name of the case, exit status, code, message. */
const refusedLines = (outcomes: readonly Outcome[]): string[] =>
  outcomes.flatMap(({name, planned}) =>
    'codes' in planned ? planned.messages.map((message, index) => `${name} ${planned.exit} ${planned.codes[index] ?? ''} ${message}`) : [],
  );

/** Each reason once, with the places that give it and how many plans' steps or limits do. */
function reasonLines(plans: readonly Plan[]): string[] {
  const counts = new Map<string, Map<string, number>>();
  for (const {because, place} of plans.flatMap(reasonsOf)) {
    const places = counts.get(because) ?? new Map<string, number>();
    counts.set(because, places.set(place, (places.get(place) ?? 0) + 1));
  }
  return [...counts].map(([because, places]) => `${because} (${[...places].map((each) => each.join(' ')).join(', ')})`).sort();
}

export type Argv = Record<keyof typeof VERSIONS, readonly string[]>;

/** bubblewrap's, for a box in /BOX. */
export function argvOf(plan: Plan): Argv {
  const of = (version: keyof typeof VERSIONS): readonly string[] => bubblewrapArgv(plan, '/BOX', VERSIONS[version]);
  return {'0.4.1': of('0.4.1'), '0.11.0': of('0.11.0')};
}

/** One option a line. An option that differs between the versions has a line for each. */
function argvLines(plans: readonly Named[]): string[] {
  return plans.flatMap(({name, plan}) => {
    if (!WITH_ARGV.includes(name)) return [];
    const [older = [], newer = []] = Object.values(argvOf(plan)).map(optionLines);
    const [was, is] = Object.keys(VERSIONS);
    const lines = Array.from({length: Math.max(older.length, newer.length)}, (_, index) => {
      const [before, now] = [older[index] ?? '', newer[index] ?? ''];
      return before === now ? [now] : [`${was ?? ''}: ${before}`, `${is ?? ''}: ${now}`];
    });
    return [name, ...lines.flat(), ''];
  });
}

/** `--perms` and `--size` belong to the option after them, and stand on its line. */
function optionLines(argv: readonly string[]): string[] {
  const lines: string[] = [];
  for (const argument of argv) {
    const last = lines.at(-1);
    const isMore = last === undefined ? false : last.startsWith('-- ') || /^(--(perms|size) \S+ ?)+$/.test(last);
    if (last === undefined || (argument.startsWith('--') && !isMore)) lines.push(word(argument));
    else lines[lines.length - 1] = `${last} ${word(argument)}`;
  }
  return lines;
}
