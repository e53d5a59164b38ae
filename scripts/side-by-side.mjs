// node scripts/side-by-side.mjs FOLDER [--alone FILE …] [--waits FILE …] [-- MOCHA OPTIONS]: the test files of a folder, one mocha for each, two at a
// time, since they wait more than they work. Those that do hardly anything but wait run beside these, two at a time as well.
import {spawn} from 'node:child_process';
import {readdirSync, statSync} from 'node:fs';
import path from 'node:path';
import {parseArgs} from 'node:util';
import {add, countsOf, hasFailures, none, sentence} from './counts.mjs';
import {Stop, main, root} from './steps.mjs';

const AT_ONCE = 2;
/** Until a file that hangs is killed, with all that it started. */
const SECONDS = process.env.TARE_LONG === '1' ? 3600 : 420;

/** The mochas that run, each the leader of a group. */
const running = new Set();
const killGroup = (child) => {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // it has ended
  }
};
process.on('SIGTERM', () => {
  running.forEach(killGroup);
  process.exit(143);
});

/** One file's tests; what they say comes in one piece when they have ended. */
function run(file, options) {
  return new Promise((resolve) => {
    const began = performance.now();
    let text = '';
    let late = false;
    const child = spawn('node_modules/.bin/mocha', ['--exit', ...options, file], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    running.add(child);
    const timer = setTimeout(() => {
      late = true;
      killGroup(child);
    }, SECONDS * 1000);
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk) => (text += chunk));
    // A daemon that a test left behind can hold the pipe open.
    child.on('exit', () => setTimeout(() => [child.stdout, child.stderr].forEach((stream) => stream.destroy()), 1000));
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      running.delete(child);
      const counts = countsOf(text.trimEnd().split('\n').at(-1) ?? '') ?? none();
      const seconds = (performance.now() - began) / 1000;
      const nothing = counts.passed + counts.failed + counts.skipped === 0;
      // `fail-zero`, where -g chose other files.
      const empty = code === 1 && nothing && options.some((each) => /^(-g|-f|--grep|--fgrep)/.test(each));
      // What ended badly and counted no failure has failed all the same.
      if (code !== 0 && counts.failed === 0 && !empty) {
        counts.failed = 1;
        text += `\n${hasFailures(file, counts)}`;
      }
      const how = late ? `, still running after ${SECONDS} s, killed` : signal === null ? '' : `, ended by ${signal}`;
      if (!empty) process.stdout.write(`${text.trimEnd()}\n## ${file}: ${seconds.toFixed(0)} s${how}\n\n`);
      resolve({file, counts, seconds});
    });
  });
}

await main(async () => {
  const names = {type: 'string', multiple: true, default: []};
  const {values, positionals} = parseArgs({options: {alone: names, waits: names}, allowPositionals: true});
  const [folder, ...options] = positionals;
  const files = readdirSync(path.join(root, folder), {recursive: true})
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => path.join(folder, name))
    // the longest first, by what is known before
    .sort((a, b) => statSync(path.join(root, b)).size - statSync(path.join(root, a)).size);
  const apart = [...values.alone, ...values.waits];
  const unknown = apart.find((file) => !files.includes(file));
  if (unknown !== undefined) throw new Stop(`${unknown}: there is no such file in ${folder}`);
  const results = [];
  const together = files.filter((file) => !apart.includes(file));
  const work = async (queue) => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) results.push(await run(file, options));
  };
  const waiting = [...values.waits];
  await Promise.all(Array.from({length: AT_ONCE}, () => [work(waiting), work(together)]).flat());
  await work([...values.alone]);
  const longest = results.toSorted((a, b) => b.seconds - a.seconds).slice(0, 8);
  console.log(`longest: ${longest.map(({file, seconds}) => `${path.relative(folder, file)} ${seconds.toFixed(0)} s`).join(', ')}`);
  const sum = none();
  for (const {counts} of results) add(sum, counts);
  console.log(sentence(sum));
  return sum.failed === 0 && sum.passed > 0 ? 0 : 1;
});
