// npm run lint: every check that only reads the sources, as many at once as there are cores. Each one counts as a test; what a check says is shown when
// it fails.
import {spawn} from 'node:child_process';
import {existsSync} from 'node:fs';
import {availableParallelism} from 'node:os';
import path from 'node:path';
import {nativeFaults} from './native-modules.mjs';
import {Stop, main, root} from './steps.mjs';
import {wordFaults} from './words.mjs';

const tool = (name, ...args) => run(path.join(root, 'node_modules/.bin', name), ...args);

function run(command, ...args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {cwd: root, env: {...process.env, NO_COLOR: '1'}, stdio: ['ignore', 'pipe', 'pipe']});
    const texts = [child.stdout, child.stderr].map((stream) => {
      const pieces = [];
      stream.setEncoding('utf8').on('data', (piece) => pieces.push(piece));
      return pieces;
    });
    child.on('error', reject).on('close', (status) => resolve({status, text: texts.flat().join('')}));
  });
}

/** '' when all is well, else what is wrong. */
async function complaint(ending) {
  const {status, text} = await ending;
  return status === 0 ? '' : text || `exit status ${status}`;
}

/** Fewer modules than these and the arrows were not looked at: a TypeScript that dependency-cruiser cannot use gives 0, and no violation. */
const MODULES_AT_LEAST = 20;

async function arrows() {
  const {status, text} = await tool(
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

await main(async () => {
  const chosen = process.argv.slice(2);
  const unknown = chosen.filter((name) => !Object.hasOwn(CHECKS, name));
  if (unknown.length > 0) throw new Stop(`${unknown.join(', ')}: no such check; there are ${Object.keys(CHECKS).join(', ')}`);
  const checks = Object.entries(CHECKS).filter(([name]) => chosen.length === 0 || chosen.includes(name));
  const wrongs = new Map();
  const waiting = [...checks];
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) wrongs.set(next[0], (await next[1]()).trimEnd());
  };
  await Promise.all(Array.from({length: availableParallelism()}, work));
  const failed = checks.filter(([name]) => wrongs.get(name) !== '').length;
  for (const [name] of checks) console.log(wrongs.get(name) === '' ? `${name}: ok` : `${wrongs.get(name)}\n${name}: failed`);
  console.log(`${checks.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
});
