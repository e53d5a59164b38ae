// npm run test:lab [-- --all | -- --way NAME … | -- --again | -- --beside]: the tests of matrix.mjs, each in its ways, several machines at a time.
// --again: files with failures once more, one machine at a time; what passes then is unsteady, and has failed all the same.
// --beside: one machine at a time, which takes what other tests leave of the CPUs.
import {readdirSync, writeFileSync} from 'node:fs';
import {availableParallelism, setPriority} from 'node:os';
import {parseArgs} from 'node:util';
import path from 'node:path';
import {PassThrough} from 'node:stream';
import {add, countsOf, filesWithFailures, none, sentence} from '../../scripts/counts.mjs';
import {missing, LAB} from '../../scripts/setup.mjs';
import {Stop, main, root} from '../../scripts/steps.mjs';
import {takeCheckout} from './checkout.mjs';
import {WAYS, repeatsOf, tests} from './matrix.mjs';
import {PLACE} from './recipe.mjs';
import {runInLab} from './run.mjs';

/** For one way, from its first test to its last. */
const SECONDS = {all: 3600, usual: 900};
/** The folder for worker nodes is tested: compiled, its start takes a third of the time. */
const BIN = `${PLACE}/dist/tare/bin`;
/** How much slower than a machine without emulation the tests' own deadlines take it to be (test/support/pace.ts). */
const SLOWNESS = 10;

/** Of machines that run beside other tests: these come first, and a machine still has a quarter of a CPU that both want. */
const NICE = 5;

/** Both ways in which Linux shares CPUs out: between processes, and between sessions where there are groups of these (sched(7), autogroup). */
function giveWay() {
  setPriority(NICE);
  try {
    writeFileSync('/proc/self/autogroup', String(NICE));
  } catch {
    // the kernel has no such groups
  }
}

/** Tests that are in no row, rows without a test, and ways that there are not. */
function complaints(files, table) {
  return [
    ...files.filter((name) => table[name] === undefined).map((name) => `test/${name}.test.ts is in no row of test/lab/matrix.mjs`),
    ...Object.keys(table)
      .filter((name) => !files.includes(name))
      .map((name) => `test/lab/matrix.mjs: there is no test/${name}.test.ts`),
    ...Object.entries(table).flatMap(([name, {usual, also}]) =>
      [...usual, ...also].filter((way) => WAYS[way] === undefined).map((way) => `test/lab/matrix.mjs: ${name}: there is no way ${way}`),
    ),
  ];
}

/** One way's files on one machine. What it says comes when it has ended, in one piece; at once where there is no other. */
async function runWay(name, files, {checkout, all, alone}) {
  const began = performance.now();
  const title = `\n## ${name}: ${files.join(' ')}`;
  if (alone) console.log(title);
  let text = '';
  const said = new PassThrough();
  said.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
    if (alone) process.stdout.write(chunk);
  });
  const mocha = ['node', '--enable-source-maps', 'node_modules/mocha/bin/mocha.js', '--no-config', '--forbid-only', '--fail-zero'];
  // what a failed test left running does not keep the machine up
  const options = ['--exit', '--reporter', 'scripts/mocha-reporter.mjs', '--extension', 'js', '--timeout', String(60_000 * SLOWNESS)];
  const status = await runInLab({
    ...WAYS[name],
    command: [...mocha, ...options, ...files.map((file) => `test/${file}.test.js`)],
    environment: {
      TARE_MUST_WORK: '1',
      TARE_TEST_SLOWNESS: String(SLOWNESS),
      TARE_BIN: BIN,
      ...(alone ? {TARE_TEST_PROGRESS: '1'} : {}),
      ...repeatsOf(all),
    },
    checkout,
    seconds: all ? SECONDS.all : SECONDS.usual,
    streams: {out: said, err: said},
  }).catch((error) => {
    said.write(`${error.message}\n`);
    return 1;
  });
  const lines = text.split('\n');
  const counts = lines.map(countsOf).findLast((each) => each !== null) ?? none();
  const seconds = (performance.now() - began) / 1000;
  // A machine that ended badly, or on which nothing ran, and that counted no failure has failed all the same.
  const bad = counts.failed === 0 && (status !== 0 || counts.passed === 0);
  if (bad) counts.failed = 1;
  console.log(`${alone ? '' : `${title}\n${text.trim()}\n`}## ${name}: ${seconds.toFixed(0)} s${bad ? `, ended with ${status}` : ''}`);
  const troubled = filesWithFailures(lines);
  // nothing is known of its files one by one
  if (bad) return {name, counts, seconds, troubled: new Map([[files.join(' '), counts]]), again: files};
  return {
    name,
    counts,
    seconds,
    troubled,
    again: [...troubled.keys()].map((file) => file.replace(/^test\//, '').replace(/\.test\.js$/, '')),
  };
}

/** A way's files with failures on a machine that has the node for itself. */
async function again({name, troubled, again: files}, how) {
  if (files.length === 0) return;
  console.log(`\n## ${name}, once more`);
  const second = await runWay(name, files, {...how, alone: true});
  for (const [file, {failed}] of troubled)
    if (!second.troubled.has(file)) console.log(`unsteady: ${name}, ${file}, ${failed} failed beside others, none alone`);
}

await main(async () => {
  const flag = {type: 'boolean', default: false};
  const {values} = parseArgs({options: {all: flag, again: flag, beside: flag, way: {type: 'string', multiple: true, default: []}}});
  const {all, way: chosen} = values;
  const absent = missing(LAB);
  if (process.getuid() !== 0) absent.push('root, to build the machine’s image');
  if (absent.length > 0) {
    console.log(`the lab needs ${absent.join(', ')}`);
    console.log(process.env.TARE_MUST_WORK === '1' ? '0 passed, 1 failed' : '0 passed, 0 failed, 1 skipped');
    return process.env.TARE_MUST_WORK === '1' ? 1 : 0;
  }
  const files = ['node', 'lab', 'attacks', 'engines'].flatMap((folder) =>
    readdirSync(path.join(root, 'test', folder), {recursive: true})
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => path.join(folder, name.slice(0, -'.test.ts'.length))),
  );
  const table = tests(files);
  const wrong = complaints(files, table);
  const unknown = chosen.find((name) => WAYS[name] === undefined);
  if (unknown !== undefined) wrong.push(`${unknown}: there is no such way; there are ${Object.keys(WAYS).join(', ')}`);
  if (wrong.length > 0) throw new Stop(wrong.join('\n'));

  const jobs = Object.keys(WAYS)
    .filter((way) => chosen.length === 0 || chosen.includes(way))
    .map((way) => {
      const rows = Object.entries(table).filter(([, {usual, also}]) => usual.includes(way) || (all && also.includes(way)));
      return {way, files: rows.map(([name]) => name)};
    })
    .filter(({files}) => files.length > 0);
  const alone = jobs.length === 1;
  const results = [];
  if (values.beside) giveWay();
  const atOnce = values.beside ? 1 : availableParallelism();
  const checkout = await takeCheckout();
  const how = {checkout, all, alone};
  try {
    await Promise.all(
      Array.from({length: atOnce}, async () => {
        for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) results.push(await runWay(job.way, job.files, how));
      }),
    );
    if (values.again) for (const result of results) await again(result, how);
  } finally {
    checkout.remove();
  }
  const sum = none();
  console.log();
  for (const {name, counts, seconds} of results) {
    add(sum, counts);
    const budget = all ? `, budget ${WAYS[name].budget} s${seconds > WAYS[name].budget ? ': too long' : ''}` : '';
    console.log(`${name}: ${sentence(counts)}, ${seconds.toFixed(0)} s${budget}`);
  }
  console.log(`\n${sentence(sum)}`);
  return sum.failed === 0 && sum.passed > 0 ? 0 : 1;
});
