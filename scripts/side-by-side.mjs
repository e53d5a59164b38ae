// The test files of a folder, one mocha for each, two or three at a time, since they wait more than they work.
// mocha's own --parallel runs several files in one process, lets one that hangs hold up all, and loses why a test was skipped.
import {readdirSync, statSync} from 'node:fs';
import path from 'node:path';
import {builtOf} from './built-tests.mjs';
import {add, hasFailures, none, sentence} from './counts.mjs';
import {run} from './run.mjs';
import {root} from './steps.mjs';

const AT_ONCE = 2;
/** Until a file that hangs is killed. */
const secondsOfFile = () => (process.env.TARE_LONG === '1' ? 3600 : 420);

/** The test files of a folder, the longest first, by what is known before. */
function filesOf(folder) {
  const size = (file) => statSync(path.join(root, file)).size;
  return readdirSync(path.join(root, folder), {recursive: true})
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => path.join(folder, name))
    .sort((a, b) => size(b) - size(a));
}

/** Files dealt out to so many lists, each by its size. */
function dealt(files, pieces) {
  const lists = Array.from({length: pieces}, (_, piece) => files.filter((__, index) => index % pieces === piece));
  return lists.filter((list) => list.length > 0);
}

/** Some files, often one: the lines that tell of them, and their counts; null where the tests that `mocha` chooses are in others. */
async function runFiles(mocha, files, seconds) {
  const result = await run([...mocha, ...files.map(builtOf)], {seconds, quiet: true});
  const file = files.length === 1 ? files[0] : `${path.dirname(files[0])}, with ${files.length - 1} more files`;
  const {counts, text, troubles, uncounted} = result;
  const exited = troubles.startsWith('exit status');
  const chooses = mocha.some((option) => /^(-g|-f|--grep|--fgrep)/.test(option));
  if (chooses && uncounted && exited && counts.passed + counts.skipped === 0) return null;
  const end = `## ${file}: ${result.seconds.toFixed(0)} s${troubles === '' || exited ? '' : `, ${troubles}`}`;
  return {...result, file, lines: [text.trimEnd(), ...(uncounted ? [hasFailures(file, counts)] : []), end, '\n'].join('\n').split('\n')};
}

/**
 * Runs them all, as `run` runs one command; `say` gets what a file said, in one piece. Those of `waits`, which do hardly anything but wait, run
 * beside the others, two at a time as well; `third`: as soon as there is no more of these for one of the two, three of the others run at a time.
 * Those of `alone` run when all others have ended. `pieces`: so many mochas for all files of a folder, in which a file takes less time than a mocha to
 * start.
 */
export async function sideBySide(mocha, {folder, alone = [], waits = [], third = false, pieces}, {seconds, say}) {
  const began = performance.now();
  const elapsed = () => (performance.now() - began) / 1000;
  const [last, waiting] = [alone, waits].map((names) => names.map((name) => [path.join(folder, name)]));
  const apart = [...last, ...waiting].flat();
  const others = filesOf(folder).filter((file) => !apart.includes(file));
  const together = dealt(others, pieces ?? others.length);
  const results = [];
  const work = async (queue) => {
    for (let files = queue.shift(); files !== undefined && elapsed() < seconds; files = queue.shift()) {
      const result = await runFiles(mocha, files, Math.min(secondsOfFile(), seconds - elapsed()));
      if (result === null) continue;
      say(result.lines.join('\n'));
      results.push(result);
    }
  };
  const ofWaits = Array.from({length: AT_ONCE}, () => work(waiting));
  if (third) ofWaits.push(Promise.race(ofWaits).then(() => work(together)));
  await Promise.all([...ofWaits, ...Array.from({length: AT_ONCE}, () => work(together))]);
  await work(last);
  const counts = none();
  for (const each of results) add(counts, each.counts);
  if (counts.passed + counts.failed === 0) counts.failed = 1;
  const longest = results.toSorted((a, b) => b.seconds - a.seconds).slice(0, 8);
  say(
    `longest: ${longest.map((each) => `${path.relative(folder, each.file)} ${each.seconds.toFixed(0)} s`).join(', ')}\n${sentence(counts)}\n`,
  );
  const late = elapsed() >= seconds && `still running after ${seconds.toFixed(0)} s, killed`;
  return {
    counts,
    lines: results.flatMap(({lines}) => lines),
    troubles: late || (counts.failed > 0 ? 'exit status 1' : ''),
    seconds: elapsed(),
  };
}
