/** Doctor’s findings for people. */

import {printable} from '../errors.js';
import type {Check, State} from './check.js';
import {PATTERNS} from './doctor-patterns.js';
import type {Diagnosis} from './doctor.js';
import {renderTable, wrapWords, type TableOptions} from './table.js';

const MARKS: Readonly<Record<State, string>> = {ok: 'ok', limited: 'limited', missing: 'missing'};
const COLOURS: Readonly<Record<State, number>> = {ok: 32, limited: 33, missing: 31};

/** The diagnosis as text: the checks, remedies for those that are not ok, and the patterns that can run. */
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
