// npm test, npm run test:NAME: sets up, builds, runs the suites one after the other and sums up. Options are for the one suite that is named.
// A suite is any command whose last line of the form `N passed, N failed[, N skipped]` says what it did.
import {spawn} from 'node:child_process';
import {build} from './build.mjs';
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

const mocha = (folder, ...options) => ['node_modules/.bin/mocha', '--recursive', ...options, `test/${folder}`];
const ALL = undefined;
const ALL_AND_DIST = ['native', 'payloads', 'schemas', 'tsc', 'manifest', 'bits', 'dist'];

/**
 * `builds`: steps of scripts/build.mjs, ALL of them when absent; `system`: what setup.mjs can install; `wanted`: the same, but the tests are
 * skipped where it cannot; `seconds`: until it is killed.
 */
const SUITES = [
  {name: 'lint', command: ['node', 'scripts/lint.mjs'], builds: ['schemas', 'tsc', 'manifest']},
  {name: 'unit', command: mocha('unit'), builds: ['schemas']},
  {name: 'golden', command: mocha('golden'), builds: ['schemas']},
  {name: 'cli', command: mocha('cli', '--timeout', '20000'), builds: ALL, system: BOX},
  {
    name: 'node',
    command: mocha('node', '--timeout', '60000'),
    builds: ALL,
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
    command: mocha('dist', '--timeout', '60000'),
    builds: ['native', 'schemas', 'tsc', 'manifest', 'dist'],
    system: BOX,
    wanted: PACKAGERS,
  },
  {name: 'htcondor', command: mocha('e2e/htcondor', '--timeout', '120000'), builds: ALL_AND_DIST, system: BOX, wanted: POOL},
  {name: 'arc', command: mocha('e2e/arc', '--timeout', '120000'), builds: ALL, system: BOX, wanted: [...CE, ...POOL]},
  {name: 'slurm', command: mocha('e2e/slurm', '--timeout', '60000'), builds: ALL, system: BOX, wanted: CLUSTER},
  {name: 'lab', command: ['node', 'test/lab/suite.mjs'], builds: ALL_AND_DIST, system: TOOLCHAIN, wanted: LAB, seconds: 7200},
  {name: 'payloads', command: ['sh', 'fixtures/payloads/test.sh'], builds: ['payloads'], system: TOOLCHAIN},
];
const SECONDS = 900;

/** As scripts/mocha-reporter.mjs and native's tests say it; said once more at the end, where it is looked for. */
const FAILED = /^(?:failed: |FAILED? +)\S/;
const COUNTS = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/;

/** Runs one suite with its output shown, and reads its counts. */
function run({name, command, seconds = SECONDS}) {
  return new Promise((resolve) => {
    const began = performance.now();
    let line = '';
    let counts = null;
    let troubles = '';
    const failures = [];
    // A group of its own, so that a suite that hangs is killed with all that it started.
    const child = spawn(command[0], command.slice(1), {cwd: root, stdio: ['ignore', 'pipe', 'inherit'], detached: true});
    const killAll = () => {
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // it has ended
      }
    };
    const interrupted = (signal) => {
      killAll();
      process.exit(signal === 'SIGINT' ? 130 : 143);
    };
    process.on('SIGINT', interrupted).on('SIGTERM', interrupted);
    const timer = setTimeout(() => {
      troubles = `still running after ${seconds} s, killed`;
      killAll();
    }, seconds * 1000);
    child.stdout.setEncoding('utf8').on('data', (text) => {
      process.stdout.write(text);
      const lines = (line + text).split('\n');
      line = lines.pop();
      for (const each of lines) {
        counts = COUNTS.exec(each) ?? counts;
        if (FAILED.test(each)) failures.push(each);
      }
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
      const [passed, failed, skipped] = (counts ?? COUNTS.exec(line) ?? [0, 0, 0, 0]).slice(1).map((each) => Number(each ?? 0));
      if (passed + failed + skipped === 0) troubles ||= 'ran nothing';
      // A suite that ended badly and counted no failure has failed all the same.
      resolve({
        name,
        passed,
        failed: troubles !== '' && failed === 0 ? 1 : failed,
        skipped,
        seconds: (performance.now() - began) / 1000,
        troubles,
        failures,
      });
    });
  });
}

function table(results) {
  const rows = [
    ['suite', 'passed', 'failed', 'skipped', 'seconds'],
    ...results.map((r) => [r.name, r.passed, r.failed, r.skipped, r.seconds.toFixed(1)]),
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
  /** Setting up or building for a suite; false, with a row of its own in the table, when that failed. */
  const prepared = (name, body) => {
    const began = performance.now();
    try {
      body();
      return true;
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
      console.log(error.message);
      results.push({name, passed: 0, failed: 1, skipped: 0, seconds: (performance.now() - began) / 1000, troubles: 'not built'});
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
    if (built) results.push(await run({...suite, command: [...suite.command, ...options]}));
  }
  const sum = (key) => results.reduce((total, result) => total + result[key], 0);
  console.log(`\n${table(results).join('\n')}\n`);
  for (const {name, failures = []} of results) for (const each of failures) console.log(`${name}: ${each}`);
  console.log(`${sum('passed')} passed, ${sum('failed')} failed${sum('skipped') > 0 ? `, ${sum('skipped')} skipped` : ''}`);
  return sum('failed') === 0 ? 0 : 1;
});
