// npm test, npm run test:NAME: sets up, builds, runs the suites and sums up. Options are for the one suite that is named.
// npm run test:long (--long before any name): also what takes too long for every change, in a time that one waits for before a release, some three
// hours; TARE_LONG=1 tells the tests.
// A suite is any command whose last line of the form `N passed, N failed[, N skipped]` says what it did.
import {chmodSync, existsSync, mkdtempSync, rmSync} from 'node:fs';
import {availableParallelism} from 'node:os';
import path from 'node:path';
import {build} from './build.mjs';
import {MOCHA, builtOf} from './built-tests.mjs';
import {add, filesWithFailures, none, sentence} from './counts.mjs';
import {run} from './run.mjs';
import {
  ACCOUNTS,
  BOX,
  CACHE,
  CE,
  CLUSTER,
  CONSUMERS,
  ENGINES,
  FLEET,
  C_TESTS,
  FUZZ,
  LAB,
  NETWORK,
  SYSTEMS,
  LARGE_PAYLOADS,
  PAYLOADS,
  REPOSITORIES,
  VIEWS,
  PACKAGERS,
  POOL,
  READERS,
  TOOLCHAIN,
  TOOLS,
  nodeModules,
  nodeVersion,
  systemPackages,
  systemPackagesIfPossible,
} from './setup.mjs';
import {sideBySide} from './side-by-side.mjs';
import {Stop, main} from './steps.mjs';

const BUILT = ['native', 'payloads', 'schemas', 'tsc', 'manifest', 'bits', 'dist'];
const AND_PACKAGES = [...BUILT, 'packages'];

/**
 * What each suite runs is the folder for worker nodes (test/support/tare.ts). `command`, or `mocha`: the tests of this folder, with their `timeout`
 * in ms, and with `files` one file by one, or in pieces (side-by-side.mjs). `builds`: steps of scripts/build.mjs, BUILT when absent; `system`: what
 * setup.mjs can install, BOX when absent; `wanted`: the same, but the tests are skipped where it cannot; `longWanted`: more of that in a long run;
 * `budget`: the seconds that it may take of `npm test` on 2 CPUs, building left out: all together less than 20 minutes; `seconds`: until it is killed;
 * `whole`: more options in a run of all suites; `besides`: the same where it runs beside others; `long`: more options of a long run, `longBudget`: its
 * seconds where they are others; `waits`: it waits for a batch system, or for one step after the other, more than it works, so that a run of all suites
 * has it beside the others, in this order, and the long one, which loads the machine there, has not; `after`: of these one that is not in their order,
 * but beside them too, from the end of that suite; `reads`: it reads sources alone, so that it begins as soon as what it needs is built; `settings`:
 * options that are told to its tests by a variable, which is 1 then.
 */
const SUITES = [
  {name: 'lint', reads: true, command: ['node', 'scripts/lint.mjs'], builds: ['schemas', 'tsc', 'manifest'], system: [], budget: 125},
  {name: 'unit', mocha: 'unit', files: {pieces: 2}, builds: ['schemas'], system: [], budget: 45},
  {name: 'golden', mocha: 'golden', builds: ['schemas'], system: [], budget: 12},
  {name: 'cli', mocha: 'cli', files: {}, budget: 50},
  {name: 'parity', mocha: 'parity', timeout: 60_000, wanted: [...SYSTEMS, 'python'], budget: 55},
  {
    name: 'native',
    command: ['make', '--no-print-directory', `--jobs=${availableParallelism()}`, '-C', 'native', 'test'],
    builds: ['native'],
    system: [...TOOLCHAIN, ...C_TESTS, ...BOX],
    wanted: CACHE,
    budget: 120,
  },
  {
    name: 'fuzz',
    command: ['node', 'scripts/fuzz.mjs'],
    builds: ['schemas'],
    system: TOOLCHAIN,
    wanted: [...FUZZ, ...CACHE],
    budget: 45,
    longBudget: 2200,
  },
  {name: 'payloads', command: ['sh', 'fixtures/payloads/test.sh'], builds: ['payloads'], system: TOOLCHAIN, budget: 20},
  {
    name: 'node',
    mocha: 'node',
    timeout: 60_000,
    files: {
      // times of cores are compared there
      alone: ['box/cores.test.ts'],
      // a minute is waited for here, several times
      waits: ['box/hung.test.ts', 'system/services.test.ts', 'box/stuck.test.ts', 'box/accounts.test.ts', 'box/crash.test.ts'],
      third: true,
    },
    wanted: [...CONSUMERS, ...PAYLOADS, ...VIEWS, ...NETWORK, ...ENGINES, ...SYSTEMS, ...REPOSITORIES, ...ACCOUNTS, ...TOOLS],
    longWanted: LARGE_PAYLOADS,
    budget: 550,
    longBudget: 600,
    seconds: 1500,
  },
  {
    name: 'engines',
    // a sample of the checks; in a long run all of them
    mocha: 'engines',
    timeout: 60_000,
    files: {},
    wanted: [...ENGINES, ...SYSTEMS, ...REPOSITORIES],
    budget: 55,
    longBudget: 1500,
    settings: {'--write': 'TARE_WRITE_RESULTS'},
  },
  {
    name: 'attacks',
    // each ends by itself or at a limit
    mocha: 'attacks',
    timeout: 60_000,
    // they wait a third of the time
    files: {waits: ['outside.test.ts']},
    builds: [...BUILT, 'attacks'],
    system: [...TOOLCHAIN, ...BOX],
    wanted: [...SYSTEMS, ...NETWORK, 'python', 'strace'],
    budget: 120,
    longBudget: 900,
  },
  {
    name: 'faults',
    // 200 of them; in a long run 10,000
    command: ['node', '--import=tsx', 'test/faults/faults.ts'],
    long: ['10000'],
    wanted: ['strace', 'python', 'pythonFuse'],
    budget: 75,
    longBudget: 2700,
    seconds: 5400,
  },
  {
    name: 'htcondor',
    waits: true,
    mocha: 'e2e/htcondor',
    timeout: 120_000,
    files: {
      // its last test, of a long run, loads the machine
      alone: ['breakages.test.ts'],
      // it breaks a node, and waits for HTCondor to notice
      waits: ['node.test.ts'],
    },
    builds: AND_PACKAGES,
    wanted: [...PACKAGERS, ...POOL, ...ACCOUNTS, 'dirq', 'iproute'],
    budget: 200,
    longBudget: 1700,
  },
  {
    name: 'arc',
    waits: true,
    mocha: 'e2e/arc',
    timeout: 120_000,
    wanted: [...CE, ...POOL, ...CLUSTER],
    budget: 180,
    longBudget: 220,
  },
  {name: 'slurm', waits: true, mocha: 'e2e/slurm', timeout: 60_000, wanted: CLUSTER, budget: 110},
  // after the batch systems: the node's tests, which run by then, are disturbed less by these
  {
    name: 'dist',
    waits: true,
    mocha: 'dist',
    timeout: 60_000,
    builds: AND_PACKAGES,
    wanted: [...PACKAGERS, ...FLEET, 'iproute'],
    budget: 140,
  },
  {
    name: 'docs',
    waits: true,
    mocha: 'docs',
    timeout: 60_000,
    builds: AND_PACKAGES,
    wanted: [...PACKAGERS, ...READERS, ...SYSTEMS],
    budget: 70,
  },
  // the one of them that computes: it takes what all others leave of the CPUs
  {
    name: 'lab',
    waits: true,
    after: 'arc',
    command: ['node', 'test/lab/suite.mjs'],
    whole: ['--again'],
    besides: ['--beside'],
    long: ['--all'],
    builds: AND_PACKAGES,
    system: TOOLCHAIN,
    wanted: LAB,
    budget: 750,
    longBudget: 5100,
    seconds: 7200,
  },
];
const SECONDS = 900;
/** All suites together, with what is built, on 2 CPUs. */
const WANTED_SECONDS = 1200;
/** Until they are cut off: who waits for them, as CI does, is told how they ended. */
const ALL_SECONDS = 4800;
/** The same of a long run. */
const LONG_SECONDS = {each: 5400, all: 11_000};
/** As scripts/mocha-reporter.mjs and native's tests say it; said once more at the end, where it is looked for. */
const FAILED = /^(?:failed: |FAILED? +)\S/;
/** A test that failed beside others and passed alone: it counts as failed. */
const UNSTEADY = /^unsteady: \S/;

const mochaOf = ({timeout}) => [...MOCHA, ...(timeout === undefined ? [] : ['--timeout', String(timeout)])];

/** Runs a suite and shows what it says: as it comes or, if `apart`, in one piece when it has ended. */
async function runSuite({name, command, mocha, files, timeout}, {options, seconds, apart}) {
  const pieces = [];
  const say = (text) => (apart ? pieces.push(text) : process.stdout.write(text));
  say(`\n# ${name}\n`);
  let result;
  if (files === undefined) {
    const whole = command ?? [...mochaOf({timeout}), '--recursive', builtOf(`test/${mocha}`)];
    result = await run([...whole, ...options], {seconds, quiet: apart});
    if (apart) say(result.text);
  } else {
    result = await sideBySide([...mochaOf({timeout}), ...options], {folder: `test/${mocha}`, ...files}, {seconds, say});
  }
  process.stdout.write(pieces.join(''));
  return result;
}

/**
 * Files with failures once more, one at a time, when all else has ended: what failed on a busy machine and passes alone is unsteady.
 * It has failed all the same: the second time only says where to look.
 */
async function again({suite, troubles, lines}, left) {
  if (suite?.mocha === undefined || !troubles.startsWith('exit status')) return;
  for (const [file, before] of filesWithFailures(lines)) {
    console.log(`\n# ${suite.name}, once more: ${file}`);
    const {counts} = await run([...mochaOf(suite), builtOf(file)], {seconds: left(suite)});
    if (counts.failed === 0) lines.push(`unsteady: ${file}, ${before.failed} failed beside others, none alone`);
  }
}

function table(results) {
  const rows = [
    ['suite', 'passed', 'failed', 'skipped', 'seconds', 'budget'],
    ...results.map(({name, counts, seconds, budget}) => [
      name,
      counts.passed,
      counts.failed,
      counts.skipped,
      seconds.toFixed(1),
      budget ?? '',
    ]),
  ];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => String(row[column]).length)));
  return rows.map((row, index) => {
    const cells = row.map((cell, column) => (column === 0 ? String(cell).padEnd(widths[0]) : String(cell).padStart(widths[column])));
    const {troubles = ''} = results[index - 1] ?? {};
    return cells.join('  ') + (troubles === '' ? '' : `  ${troubles}`);
  });
}

/** Where the files of all suites find one copy of what they run, should accounts not reach the checkout (test/support/tare.ts). */
function makePlaceForCopy() {
  for (const base of ['/srv', '/opt', '/var/lib']) {
    try {
      const place = mkdtempSync(path.join(base, 'tare-installed-'));
      process.on('exit', () => rmSync(place, {recursive: true, force: true}));
      process.env.TARE_INSTALLED = place;
      return;
    } catch {
      // not ours to write to
    }
  }
}

/** As udev has it on every worker node (50-udev-default.rules): tests as an account mount images by it, beside those of all other suites. */
function openFuseToAll() {
  if (process.getuid() === 0 && existsSync('/dev/fuse')) chmodSync('/dev/fuse', 0o666);
}

await main(async () => {
  const argv = process.argv.slice(2);
  const long = argv[0] === '--long';
  if (long) argv.shift();
  const names = argv.filter((each, index) => argv.slice(0, index + 1).every((before) => !before.startsWith('-')));
  const given = argv.slice(names.length);
  const {settings = {}} = SUITES.find(({name}) => names.length === 1 && name === names[0]) ?? {};
  for (const option of given) if (settings[option] !== undefined) process.env[settings[option]] = '1';
  const options = given.filter((option) => settings[option] === undefined);
  if (options.length > 0 && names.length !== 1)
    throw new Stop(`${options.join(' ')}: options are for one suite, which has to be named first`);
  const unknown = names.find((name) => !SUITES.some((suite) => suite.name === name));
  if (unknown !== undefined) throw new Stop(`${unknown}: no such suite; there are ${SUITES.map(({name}) => name).join(', ')}`);
  const chosen = names.length === 0 ? SUITES : SUITES.filter(({name}) => names.includes(name));
  if (long) process.env.TARE_LONG = '1';
  makePlaceForCopy();

  const results = [];
  const start = performance.now();
  /** How many seconds a suite may take. */
  const left = ({seconds = SECONDS}) => {
    const most = long ? LONG_SECONDS.each : seconds;
    const all = long ? LONG_SECONDS.all : ALL_SECONDS;
    return names.length > 0 ? most : Math.max(1, Math.min(most, all - (performance.now() - start) / 1000));
  };
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
  const whole = names.length === 0;
  const inTurn = async (suites, apart) => {
    for (const suite of suites) {
      const more = [
        ...(whole ? (suite.whole ?? []) : []),
        ...(apart ? (suite.besides ?? []) : []),
        ...(long ? (suite.long ?? []) : []),
        ...options,
      ];
      const result = await runSuite(suite, {options: more, seconds: left(suite), apart});
      results.push({name: suite.name, suite, budget: (long ? suite.longBudget : undefined) ?? suite.budget, ...result});
    }
  };
  const readers = [];
  // All is built before anything runs but what only reads: suites run beside each other, and from one copy.
  const built = (ready ? chosen : []).filter((suite) => {
    const {name, system = BOX, wanted = [], longWanted = [], builds = BUILT, reads = false} = suite;
    const isBuilt = prepared(name, () => {
      systemPackages(system);
      systemPackagesIfPossible(long ? [...wanted, ...longWanted] : wanted);
      build(suite.mocha === undefined ? builds : [...builds, 'tests']);
    });
    if (isBuilt && whole && reads) readers.push(inTurn([suite], true));
    return isBuilt && !(whole && reads);
  });
  openFuseToAll();
  const beside = whole && !long ? built.filter(({waits}) => waits === true) : [];
  const others = built.filter((suite) => !beside.includes(suite));
  const own = beside.filter(({after}) => after !== undefined);
  const ordered = beside.filter((suite) => !own.includes(suite));
  const split = ordered.findIndex(({name}) => own.some(({after}) => after === name)) + 1;
  const apart = inTurn(ordered.slice(0, split), true).then(() =>
    Promise.all([ordered.slice(split), own].map((each) => inTurn(each, true))),
  );
  await Promise.all([apart, Promise.all(readers).then(() => inTurn(others, false))]);
  // Not where one suite is asked for, whose failures are looked at.
  if (whole) for (const result of results) await again(result, left);
  const place = ({name}) => SUITES.findIndex((suite) => suite.name === name);
  results.sort((a, b) => place(a) - place(b));
  console.log(`\n${table(results).join('\n')}\n`);
  const sum = none();
  for (const {name, counts, lines} of results) {
    add(sum, counts);
    for (const line of lines.filter((each) => FAILED.test(each) || UNSTEADY.test(each))) console.log(`${name}: ${line}`);
  }
  // A budget depends on the machine, so it is said and fails nothing.
  for (const {name, seconds, budget = Infinity} of results)
    if (seconds > budget) console.log(`${name}: took ${seconds.toFixed(0)} s of the ${budget} s that it may take`);
  if (whole) console.log(`all: ${((performance.now() - start) / 1000).toFixed(0)} s of ${long ? LONG_SECONDS.all : WANTED_SECONDS} s`);
  console.log(sentence(sum));
  return sum.failed === 0 ? 0 : 1;
});
