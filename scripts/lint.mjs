// npm run lint: every check that only reads the sources. Each one counts as a test; what a check says is shown when it fails.
import {spawnSync} from 'node:child_process';
import {existsSync} from 'node:fs';
import path from 'node:path';
import {nativeFaults} from './native-modules.mjs';
import {main, root} from './steps.mjs';
import {wordFaults} from './words.mjs';

const tool = (name, ...args) => run(path.join(root, 'node_modules/.bin', name), ...args);

function run(command, ...args) {
  const ended = spawnSync(command, args, {
    cwd: root,
    env: {...process.env, NO_COLOR: '1'},
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (ended.error) throw ended.error;
  return {status: ended.status, text: ended.stdout + ended.stderr};
}

/** '' when all is well, else what is wrong. */
const complaint = ({status, text}) => (status === 0 ? '' : text || `exit status ${status}`);

/** Fewer modules than these and the arrows were not looked at: a TypeScript that dependency-cruiser cannot use gives 0, and no violation. */
const MODULES_AT_LEAST = 20;

function arrows() {
  const {status, text} = tool(
    'depcruise',
    '--output-type',
    'json',
    ...['src', 'plugins', 'bin'].filter((folder) => existsSync(path.join(root, folder))),
  );
  let result;
  try {
    result = JSON.parse(text);
  } catch {
    return `exit status ${status}: ${text}`;
  }
  const seen = result.modules.filter(
    ({source}) => source.startsWith('src/') && source.endsWith('.ts') && !source.includes('/generated/'),
  ).length;
  const violations = result.summary.violations.map(({rule, from, to, cycle}) => {
    const circle = cycle?.map(({name}) => name).join(' -> ');
    return `${rule.name}: ${from} -> ${circle ?? to}`;
  });
  if (seen <= MODULES_AT_LEAST) violations.push(`only ${seen} modules of src/ were looked at`);
  return violations.join('\n');
}

/** Files that have not changed are not looked at again, but for CI: whether a rule holds can also follow from the types of other files. */
const unchanged = (name) =>
  process.env.CI === 'true' ? [] : ['--cache', '--cache-strategy', 'content', '--cache-location', `node_modules/.cache/tare/${name}`];

const CHECKS = {
  types: () =>
    complaint(tool('tsc', '--noEmit', '--incremental', '--tsBuildInfoFile', 'node_modules/.cache/tare/types.json', '--project', 'test')),
  eslint: () => complaint(tool('eslint', ...unchanged('eslint'), '--max-warnings', '0', '.')),
  prettier: () => complaint(tool('prettier', ...unchanged('prettier'), '--check', '--log-level', 'warn', '.')),
  arrows,
  unused: () => complaint(tool('knip', '--no-progress')),
  native: () => nativeFaults(path.join(root, 'native')),
  words: () => wordFaults(root),
  reference: () => complaint(run(process.execPath, '--import=tsx', 'scripts/build-reference.mjs', '--check')),
};

await main(() => {
  const chosen = process.argv.slice(2);
  let passed = 0;
  let failed = 0;
  for (const [name, check] of Object.entries(CHECKS)) {
    if (chosen.length > 0 && !chosen.includes(name)) continue;
    const wrong = check().trimEnd();
    if (wrong === '') passed++;
    else failed++;
    console.log(wrong === '' ? `${name}: ok` : `${wrong}\n${name}: failed`);
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
});
