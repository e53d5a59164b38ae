// npm test, npm run test:NAME: sets up, builds, runs the suites one after the other and sums up. Options are for the one suite that is named.
// A suite is any command whose last line of the form `N passed, N failed[, N skipped]` says what it did.
import {spawn} from 'node:child_process';
import path from 'node:path';
import {build} from './build.mjs';
import {add, countsOf, filesWithFailures, none, sentence} from './counts.mjs';
import {
  BOX,
  CE,
  CLUSTER,
  CONSUMERS,
  C_TESTS,
  LAB,
  NETWORK,
  SYSTEMS,
  PAYLOADS,
  REPOSITORIES,
  VIEWS,
  PACKAGERS,
  POOL,
  TOOLCHAIN,
  nodeModules,
  nodeVersion,
  systemPackages,
  systemPackagesIfPossible,
} from './setup.mjs';
import {Stop, main, root} from './steps.mjs';

/** `once`: how files of the suite are run alone, should they have had failures. */
const mocha = (folder, ...options) => ({
  command: ['node_modules/.bin/mocha', '--recursive', ...options, `test/${folder}`],
  once: ['node_modules/.bin/mocha', '--exit', ...options],
});
const sideBySide = (folder, alone, ...options) => ({
  command: [
    'node',
    'scripts/side-by-side.mjs',
    `test/${folder}`,
    ...alone.map((file) => `--alone=test/${folder}/${file}`),
    '--',
    ...options,
  ],
  once: ['node_modules/.bin/mocha', '--exit', ...options],
});
const ALL = undefined;
const ALL_AND_DIST = ['native', 'payloads', 'schemas', 'tsc', 'manifest', 'bits', 'dist'];

/** Compiled, a start takes a third of the time. */
const DIST = {TARE_BIN: process.env.TARE_BIN ?? path.join(root, 'dist/tare/bin')};

/**
 * `builds`: steps of scripts/build.mjs, ALL of them when absent; `system`: what setup.mjs can install; `wanted`: the same, but the tests are
 * skipped where it cannot; `seconds`: until it is killed; `whole`: more options in a run of all suites.
 */
const SUITES = [
  {name: 'lint', command: ['node', 'scripts/lint.mjs'], builds: ['schemas', 'tsc', 'manifest']},
  {name: 'unit', ...mocha('unit'), builds: ['schemas']},
  {name: 'golden', ...mocha('golden'), builds: ['schemas']},
  {name: 'cli', ...mocha('cli', '--timeout', '20000'), builds: ALL, system: BOX},
  {
    name: 'node',
    // times of cores are compared there
    ...sideBySide('node', ['box/cores.test.ts'], '--timeout', '60000'),
    builds: ALL_AND_DIST,
    environment: DIST,
    system: BOX,
    wanted: [...CONSUMERS, ...PAYLOADS, ...VIEWS, ...NETWORK, ...SYSTEMS, ...REPOSITORIES],
    seconds: 1500,
  },
  {
    name: 'native',
    command: ['make', '--no-print-directory', '-C', 'native', 'test'],
    builds: ['native'],
    system: [...TOOLCHAIN, ...C_TESTS, ...BOX],
  },
  {
    name: 'dist',
    ...mocha('dist', '--timeout', '60000'),
    builds: ['native', 'schemas', 'tsc', 'manifest', 'dist'],
    system: BOX,
    wanted: PACKAGERS,
  },
  {name: 'htcondor', ...sideBySide('e2e/htcondor', [], '--timeout', '120000'), builds: ALL_AND_DIST, system: BOX, wanted: POOL},
  {name: 'arc', ...mocha('e2e/arc', '--timeout', '120000'), builds: ALL, system: BOX, wanted: [...CE, ...POOL, ...CLUSTER]},
  {name: 'slurm', ...mocha('e2e/slurm', '--timeout', '60000'), builds: ALL, system: BOX, wanted: CLUSTER},
  {
    name: 'lab',
    command: ['node', 'test/lab/suite.mjs'],
    whole: ['--again'],
    builds: ALL_AND_DIST,
    system: TOOLCHAIN,
    wanted: LAB,
    seconds: 7200,
  },
  {name: 'payloads', command: ['sh', 'fixtures/payloads/test.sh'], builds: ['payloads'], system: TOOLCHAIN},
];
const SECONDS = 900;
/** All suites together: who waits for them, as CI does, is told how they ended. */
const ALL_SECONDS = 4800;
/** From SIGTERM, on which a suite ends what it runs, to SIGKILL. */
const GRACE = 3000;

/** As scripts/mocha-reporter.mjs and native's tests say it; said once more at the end, where it is looked for. */
const FAILED = /^(?:failed: |FAILED? +)\S/;
/** A test that failed beside others, and passed alone. */
const UNSTEADY = /^unsteady: \S/;

/** Runs a command with its output shown: what it counted, said, and how it ended. */
function run({command, environment = {}, seconds = SECONDS}) {
  return new Promise((resolve) => {
    const began = performance.now();
    let text = '';
    let troubles = '';
    // A group of its own, so that a suite that hangs is killed with all that it started.
    const env = {...process.env, ...environment};
    const child = spawn(command[0], command.slice(1), {cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'], detached: true});
    const signalAll = (signal) => {
      try {
        process.kill(-child.pid, signal);
      } catch {
        // it has ended
      }
    };
    const killAll = () => {
      signalAll('SIGTERM');
      setTimeout(() => signalAll('SIGKILL'), GRACE);
    };
    const interrupted = (signal) => {
      killAll();
      setTimeout(() => process.exit(signal === 'SIGINT' ? 130 : 143), GRACE + 100);
    };
    process.on('SIGINT', interrupted).on('SIGTERM', interrupted);
    const timer = setTimeout(() => {
      troubles = `still running after ${seconds} s, killed`;
      killAll();
    }, seconds * 1000);
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      process.stdout.write(chunk);
      text += chunk;
    });
    child.on('error', (error) => (troubles = error.message));
    // A daemon that a test left behind can hold the pipe open: the suite is over when its program is.
    child.on('exit', (code, signal) => {
      if (code !== 0 && troubles === '') troubles = signal ?? `exit status ${code}`;
      setTimeout(() => child.stdout.destroy(), 1000);
    });
    child.on('close', () => {
      clearTimeout(timer);
      process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
      const lines = text.split('\n');
      const counts = lines.map(countsOf).findLast((each) => each !== null) ?? none();
      if (counts.passed + counts.failed + counts.skipped === 0) troubles ||= 'ran nothing';
      // A suite that ended badly and counted no failure has failed all the same.
      if (troubles !== '' && counts.failed === 0) counts.failed = 1;
      resolve({counts, lines, troubles, seconds: (performance.now() - began) / 1000});
    });
  });
}

/**
 * Files with failures once more, one at a time, when all else has ended: what failed on a busy machine and passes alone is unsteady.
 * What fails twice has failed.
 */
async function again(suite, result, left) {
  if (suite?.once === undefined || !result.troubles.startsWith('exit status')) return;
  for (const [file, before] of filesWithFailures(result.lines)) {
    console.log(`\n# ${suite.name}, once more: ${file}`);
    const {counts, lines} = await run({...suite, command: [...suite.once, file], seconds: left(suite)});
    add(result.counts, before, -1);
    add(result.counts, counts);
    result.lines = [...result.lines.filter((line) => !FAILED.test(line)), ...lines];
    if (counts.failed === 0) result.lines.push(`unsteady: ${file}, ${before.failed} failed at first`);
  }
  if (result.counts.failed === 0) result.troubles = '';
}

function table(results) {
  const rows = [
    ['suite', 'passed', 'failed', 'skipped', 'seconds'],
    ...results.map(({name, counts, seconds}) => [name, counts.passed, counts.failed, counts.skipped, seconds.toFixed(1)]),
  ];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => String(row[column]).length)));
  return rows.map((row, index) => {
    const cells = row.map((cell, column) => (column === 0 ? String(cell).padEnd(widths[0]) : String(cell).padStart(widths[column])));
    const {troubles = ''} = results[index - 1] ?? {};
    return cells.join('  ') + (troubles === '' ? '' : `  ${troubles}`);
  });
}

await main(async () => {
  const argv = process.argv.slice(2);
  const names = argv.filter((each, index) => argv.slice(0, index + 1).every((before) => !before.startsWith('-')));
  const options = argv.slice(names.length);
  if (options.length > 0 && names.length !== 1)
    throw new Stop(`${options.join(' ')}: options are for one suite, which has to be named first`);
  const unknown = names.find((name) => !SUITES.some((suite) => suite.name === name));
  if (unknown !== undefined) throw new Stop(`${unknown}: no such suite; there are ${SUITES.map(({name}) => name).join(', ')}`);
  const chosen = names.length === 0 ? SUITES : SUITES.filter(({name}) => names.includes(name));

  const results = [];
  const start = performance.now();
  /** How many seconds a suite may take. */
  const left = ({seconds = SECONDS}) =>
    names.length > 0 ? seconds : Math.max(1, Math.min(seconds, ALL_SECONDS - (performance.now() - start) / 1000));
  /** Setting up or building for a suite; false, with a row of its own in the table, when that failed. */
  const prepared = (name, body) => {
    const began = performance.now();
    try {
      body();
      return true;
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
      console.log(error.message);
      const counts = {...none(), failed: 1};
      results.push({name, counts, lines: [], seconds: (performance.now() - began) / 1000, troubles: 'not built'});
      return false;
    }
  };
  const ready = prepared('setup', () => {
    nodeVersion();
    nodeModules();
  });
  for (const suite of ready ? chosen : []) {
    console.log(`\n# ${suite.name}`);
    const built = prepared(suite.name, () => {
      systemPackages(suite.system ?? []);
      systemPackagesIfPossible(suite.wanted ?? []);
      build(suite.builds);
    });
    const all = names.length === 0 ? (suite.whole ?? []) : [];
    if (built)
      results.push({name: suite.name, ...(await run({...suite, command: [...suite.command, ...all, ...options], seconds: left(suite)}))});
  }
  // Not where one suite is asked for: who does that looks at its failures.
  if (names.length === 0) {
    for (const result of results)
      await again(
        chosen.find(({name}) => name === result.name),
        result,
        left,
      );
  }
  console.log(`\n${table(results).join('\n')}\n`);
  const sum = none();
  for (const {name, counts, lines} of results) {
    add(sum, counts);
    for (const line of lines.filter((each) => FAILED.test(each) || UNSTEADY.test(each))) console.log(`${name}: ${line}`);
  }
  console.log(sentence(sum));
  return sum.failed === 0 ? 0 : 1;
});
