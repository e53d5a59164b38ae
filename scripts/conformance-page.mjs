// Tables of docs/reference/engines.md from the results of the conformance suite (test/engines/results), which `npm run test:engines -- --write` makes.
import {ENGINES} from '../src/plugins.js';
import {CHECKS} from '../test/engines/checks/index.js';
import {readResults, ROLE_NAMES} from '../test/engines/results.js';
import {root} from './steps.mjs';

const code = (text) => `\`${text}\``;
const ROLES = Object.values(ROLE_NAMES);
const PATTERNS = ['ulimit++', 'quotas++', 'vm-lite'];
const RESULTS = Object.fromEntries(PATTERNS.map((pattern) => [pattern, readResults(root, pattern)]));

const claimed = (engine) => PATTERNS.filter((pattern) => typeof engine.patterns[pattern] !== 'string');
const has = ({patterns}, pattern) => patterns === undefined || patterns.includes(pattern);

/** Why an engine builds no box at all of a pattern in a role there; null: it does. */
function refused({checks}) {
  const [verdict, ...others] = new Set(Object.values(checks));
  return others.length === 0 && verdict?.startsWith('not claimed: ') ? verdict.slice('not claimed: '.length) : null;
}

/** One row for each engine, pattern and role: where it was tried, and how many checks went how. */
function tried() {
  const rows = ENGINES.flatMap((engine) =>
    claimed(engine).flatMap((pattern) =>
      ROLES.map((role) => {
        const found = RESULTS[pattern][engine.name]?.[role];
        const verdicts = Object.values(found?.checks ?? {});
        const count = (verdict) => String(verdicts.filter((each) => each.startsWith(verdict)).length);
        const counts = found === undefined ? ['', '', '', ''] : ['passed', 'failed', 'not claimed', 'not tried'].map(count);
        const reason = found === undefined ? 'not tried' : refused(found);
        return [code(engine.name), code(pattern), role, found?.version ?? '', found?.node ?? '', ...counts, reason ?? ''];
      }),
    ),
  );
  return {rows, head: ['engine', 'pattern', 'role', 'version', 'node', 'passed', 'failed', 'not claimed', 'not tried', 'reason']};
}

/** `yes` where it passed in all patterns and roles in which it builds boxes; else what came instead, and where. */
function cell(engine, check) {
  const places = claimed(engine)
    .filter((pattern) => has(check, pattern))
    .flatMap((pattern) => ROLES.map((role) => ({pattern, role, found: RESULTS[pattern][engine.name]?.[role]})))
    .filter(({found}) => found === undefined || refused(found) === null)
    .map(({found, ...place}) => ({...place, verdict: found?.checks[check.name]}));
  if (places.length === 0) return '';
  const verdicts = new Map();
  for (const {verdict = 'not tried', pattern, role} of places)
    verdicts.set(verdict, [...(verdicts.get(verdict) ?? []), `${code(pattern)} ${role}`]);
  const others = [...verdicts].filter(([verdict]) => verdict !== 'passed');
  const words = others.map(([verdict, of]) => {
    const said = verdict.replace(/^failed$/, 'no').replace(/^not claimed: /, 'no: ');
    return verdicts.size === 1 ? said : `${said} (${of.join(', ')})`;
  });
  return [...(verdicts.has('passed') ? ['yes'] : []), ...words].join(', but ');
}

/** @returns undefined where there is no such table */
export function conformanceTable(what) {
  if (what === 'tried') return tried();
  if (what !== 'conformance') return undefined;
  const rows = Object.entries(CHECKS).flatMap(([group, checks]) =>
    checks.map((check, index) => [
      index === 0 ? group : '',
      check.name,
      check.patterns === undefined ? check.promise : `${check.promise} (${check.patterns.map(code).join(', ')})`,
      ...ENGINES.map((engine) => cell(engine, check)),
    ]),
  );
  return {rows, head: ['of', 'check', 'what is promised', ...ENGINES.map(({name}) => code(name))]};
}
