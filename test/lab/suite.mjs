// npm run test:lab [-- --all | -- --way NAME …]: the tests of matrix.mjs, each in its ways, several machines at a time.
import {readdirSync} from 'node:fs';
import {availableParallelism} from 'node:os';
import {parseArgs} from 'node:util';
import path from 'node:path';
import {PassThrough} from 'node:stream';
import {missing, LAB} from '../../scripts/setup.mjs';
import {Stop, main, root} from '../../scripts/steps.mjs';
import {takeCheckout} from './checkout.mjs';
import {SHORT, WAYS, tests} from './matrix.mjs';
import {PLACE} from './recipe.mjs';
import {runInLab} from './run.mjs';

/** For one way, from its first test to its last. */
const SECONDS = 2400;
/** The folder for worker nodes is tested: compiled, its start takes a third of the time. */
const BIN = `${PLACE}/dist/tare/bin`;
/** How much slower than a machine without emulation the tests' own deadlines take it to be (test/support/pace.ts). */
const SLOWNESS = 10;
const COUNTS = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/gm;

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
async function runWay(name, files, {checkout, repeats, alone}) {
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
    environment: {TARE_MUST_WORK: '1', TARE_TEST_SLOWNESS: String(SLOWNESS), TARE_BIN: BIN, ...repeats},
    checkout,
    seconds: SECONDS,
    streams: {out: said, err: said},
  }).catch((error) => {
    said.write(`${error.message}\n`);
    return 1;
  });
  const counts = [...text.matchAll(COUNTS)].at(-1) ?? ['', '0', '0'];
  const [passed, failed, skipped] = counts.slice(1).map((each) => Number(each ?? 0));
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  // A machine that ended badly, or on which nothing ran, and that counted no failure has failed all the same.
  const bad = failed === 0 && (status !== 0 || passed === 0) ? 1 : 0;
  console.log(`${alone ? '' : `${title}\n${text.trim()}\n`}## ${name}: ${seconds} s${bad === 1 ? `, ended with ${status}` : ''}`);
  return {passed, failed: failed + bad, skipped: skipped || 0};
}

await main(async () => {
  const {values} = parseArgs({options: {all: {type: 'boolean', default: false}, way: {type: 'string', multiple: true, default: []}}});
  const {all, way: chosen} = values;
  const absent = missing(LAB);
  if (process.getuid() !== 0) absent.push('root, to build the machine’s image');
  if (absent.length > 0) {
    console.log(`the lab needs ${absent.join(', ')}`);
    console.log(process.env.TARE_MUST_WORK === '1' ? '0 passed, 1 failed' : '0 passed, 0 failed, 1 skipped');
    return process.env.TARE_MUST_WORK === '1' ? 1 : 0;
  }
  const files = ['node', 'lab'].flatMap((folder) =>
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
  const sum = {passed: 0, failed: 0, skipped: 0};
  const checkout = await takeCheckout();
  try {
    await Promise.all(
      Array.from({length: availableParallelism()}, async () => {
        for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
          const result = await runWay(job.way, job.files, {checkout, repeats: all ? {} : SHORT, alone});
          for (const key of Object.keys(sum)) sum[key] += result[key];
        }
      }),
    );
  } finally {
    checkout.remove();
  }
  console.log(`\n${sum.passed} passed, ${sum.failed} failed${sum.skipped > 0 ? `, ${sum.skipped} skipped` : ''}`);
  return sum.failed === 0 && sum.passed > 0 ? 0 : 1;
});
