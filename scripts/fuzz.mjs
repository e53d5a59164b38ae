// npm run fuzz -- TARGET SECONDS: feeds one harness for so long; `--inputs N` in place of SECONDS: with so many inputs. `--list`: the targets.
// Without a target it is the suite `fuzz`: all of them with fixed seeds, and as many inputs as a change can wait for; where TARE_LONG=1 a
// million. Bounded by inputs and not by time, so it does the same on every machine. What is found is written to native/build/fuzz; its file
// in fixtures/fuzz/TARGET makes it a test (test/unit/fuzz.test.ts, native/test/run.py).
import {spawn} from 'node:child_process';
import {randomInt} from 'node:crypto';
import {mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {build} from 'esbuild';
import {sentence} from './counts.mjs';
import {clangWithFuzzer} from './setup.mjs';
import {Stop, main, root, step} from './steps.mjs';

/** Harnesses in C, and the longest input that is tried: longer ones cost more than they find. */
const NATIVE = {
  frames: 512,
  launch: 512,
  shim: 512,
  keeper: 256,
  init: 256,
  applications: 256,
  kernel: 512,
  arguments: 256,
  lines: 512,
};
/** Inputs of each: those in C are fed some 20,000 a second, those in TypeScript 800 (records) to 50,000. */
const OF_A_CHANGE = {native: 10_000, typescript: 1000};
const OF_A_LONG_RUN = {native: 1_000_000, typescript: 1_000_000};
/** By hand each run is another one; the suite is always the same. */
const seedOf = (seconds) => (seconds > 0 ? randomInt(1, 2 ** 31 - 1) : 1);
/** CPU time without a sign of life, in ticks of 10 ms: whatever else the machine does, a harness that takes as long hangs. */
const MOST_TICKS = 6000;
const LOOK_MS = 2000;
const HEAP_MIB = 512;
/** libFuzzer looks at a clock. */
const NATIVE_HANGS_S = 300;

const FOUND = path.join(root, 'native/build/fuzz');
const BUNDLE = path.join(root, 'build/fuzz/run.mjs');

const typescript = () =>
  readdirSync(path.join(root, 'fixtures/fuzz'))
    .filter((name) => !(name in NATIVE))
    .sort();

/** user and system of proc_pid_stat(5). */
function ticksOf(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\)/s, '').trim().split(' ');
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return 0;
  }
}

/** @returns how it ended and what it said; a harness in TypeScript gives a sign of life on standard error from time to time */
function watch(command, args, {hangs, env = {}}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {cwd: root, env: {...process.env, ...env}, stdio: ['ignore', 'pipe', 'pipe']});
    let since = 0;
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      process.stdout.write(text);
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      since = ticksOf(child.pid);
      errors = (errors + text).slice(-8000);
    });
    const timer = setInterval(() => {
      if (!hangs || ticksOf(child.pid) - since <= MOST_TICKS) return;
      console.log(`FAILED ${path.basename(command)}: ${MOST_TICKS / 100} s of CPU for a few inputs`);
      child.kill('SIGKILL');
    }, LOOK_MS);
    child.on('close', (code) => {
      clearInterval(timer);
      resolve({good: code === 0, output, errors});
    });
  });
}

/** @returns 1 when it has passed, else 0 */
async function native(name, {inputs, seconds}) {
  const kept = path.join(FOUND, `corpus-${name}`);
  // libFuzzer writes what it has learned to the first folder. By hand it goes on from there; the suite begins with the seeds alone, and so
  // does the same each time
  const corpus = seconds > 0 ? kept : mkdtempSync(path.join(tmpdir(), 'tare-fuzz-'));
  mkdirSync(corpus, {recursive: true});
  const bound = seconds > 0 ? `-max_total_time=${seconds}` : `-runs=${inputs}`;
  const options = [
    bound,
    `-seed=${seedOf(seconds)}`,
    `-max_len=${NATIVE[name]}`,
    `-timeout=${NATIVE_HANGS_S}`,
    '-rss_limit_mb=1024',
    '-verbosity=0',
  ];
  const {good, errors} = await watch(
    path.join(FOUND, name),
    [...options, '-print_final_stats=1', `-artifact_prefix=${FOUND}/${name}-`, corpus, `fixtures/fuzz/${name}`],
    {hangs: false, env: {ASAN_OPTIONS: 'quarantine_size_mb=16'}},
  );
  if (seconds === 0) rmSync(corpus, {recursive: true});
  const [, fed = '?'] = /number_of_executed_units:\s*(\d+)/.exec(errors) ?? [];
  console.log(good ? `${name}: ${fed} inputs` : `FAILED ${name}\n${errors}\nmended, its input belongs in fixtures/fuzz/${name}`);
  return good ? 1 : 0;
}

/** @returns how many have passed */
async function javascript(names, {inputs, seconds}) {
  const {good, output, errors} = await watch(
    process.execPath,
    [
      `--max-old-space-size=${HEAP_MIB}`,
      '--enable-source-maps',
      BUNDLE,
      String(inputs),
      String(seedOf(seconds)),
      String(seconds),
      ...names,
    ],
    {hangs: true},
  );
  const passed = output.match(/^\S+: \d+ inputs/gm)?.length ?? 0;
  if (!good && !output.includes('FAILED')) console.log(`FAILED ${names[passed]}\n${errors.replaceAll(/^\.+$/gm, '')}`);
  return passed;
}

/** In one file and by Node.js alone: each `import()` of the code would ask tsx again, which takes longer than what is read. */
async function buildTypescript() {
  const entryPoints = [path.join(root, 'test/fuzz/run.ts')];
  await build({
    entryPoints,
    outfile: BUNDLE,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    sourcemap: true,
    logLevel: 'warning',
  });
}

function buildNative() {
  const clang = clangWithFuzzer();
  if (clang === null) return false;
  step('harnesses of the native program', 'make', ['--no-print-directory', '-s', '-j2', '-C', 'native', 'fuzz', `CLANG=${clang}`]);
  return true;
}

async function suite(long) {
  const counts = {passed: 0, failed: 0, skipped: 0};
  const inputs = long ? OF_A_LONG_RUN : OF_A_CHANGE;
  const there = buildNative();
  if (!there) {
    console.log(`skipped ${Object.keys(NATIVE).join(', ')}: no clang with libFuzzer`);
    counts[process.env.TARE_MUST_WORK === '1' ? 'failed' : 'skipped'] += Object.keys(NATIVE).length;
  }
  await buildTypescript();
  const count = (names, passed) => {
    counts.passed += passed;
    counts.failed += names.length - passed;
  };
  // Those in TypeScript one process for a change, which starts once; in a long run one for each, so that the memory of one is not the next one's
  const names = typescript();
  const tasks = [
    ...(long ? names.map((name) => [name]) : [names]).map((some) => [
      some,
      () => javascript(some, {inputs: inputs.typescript, seconds: 0}),
    ]),
    ...(there ? Object.keys(NATIVE) : []).map((name) => [[name], () => native(name, {inputs: inputs.native, seconds: 0})]),
  ];
  const work = async () => {
    for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) count(task[0], await task[1]());
  };
  // two at a time
  await Promise.all([work(), work()]);
  console.log(sentence(counts));
  return counts.failed === 0 ? 0 : 1;
}

async function one(argv) {
  const [name, amount, number] = argv;
  const inputs = amount === '--inputs' ? Number(number) : 0;
  const seconds = amount === '--inputs' ? 0 : Number(amount ?? 60);
  const all = [...Object.keys(NATIVE), ...typescript()];
  if (!all.includes(name)) throw new Stop(`${name}: no such target; there are ${all.join(', ')}`);
  if (!Number.isSafeInteger(inputs + seconds) || inputs + seconds <= 0)
    throw new Stop(`${argv.slice(1).join(' ')}: not an amount; allowed: SECONDS, or --inputs N`);
  if (!(name in NATIVE)) {
    await buildTypescript();
    return (await javascript([name], {inputs, seconds})) === 1 ? 0 : 1;
  }
  if (!buildNative()) throw new Stop('no clang with libFuzzer; in Debian: apt-get install clang libclang-rt-dev');
  return (await native(name, {inputs, seconds})) === 1 ? 0 : 1;
}

await main(() => {
  const argv = process.argv.slice(2);
  if (argv[0] === '--list') {
    console.log([...Object.keys(NATIVE), ...typescript()].join('\n'));
    return 0;
  }
  return argv.length === 0 ? suite(process.env.TARE_LONG === '1') : one(argv);
});
