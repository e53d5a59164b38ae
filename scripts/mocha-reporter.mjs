// mocha's output, made for scripts/test.mjs and for people: failures in full, why anything was skipped, and exact counts in the last line.
import path from 'node:path';
import process from 'node:process';
import Mocha from 'mocha';
import {sourceOf} from './built-tests.mjs';
import {hasFailures, none, sentence} from './counts.mjs';

const {Base} = Mocha.reporters;
const {EVENT_RUN_END, EVENT_SUITE_BEGIN, EVENT_SUITE_END, EVENT_TEST_FAIL, EVENT_TEST_PASS, EVENT_TEST_PENDING} = Mocha.Runner.constants;

/** test/support/need.ts leaves the reason on the test, or on the suite whose `before` was skipped. */
function reason(node) {
  if (node === undefined) return 'no reason given';
  return node.skipReason ?? reason(node.parent);
}

/** Of a test or a hook: the file that it stands in, from the current directory. */
function fileOf(node) {
  if (node === undefined) return 'unknown';
  return node.file === undefined || node.file === null ? fileOf(node.parent) : sourceOf(path.relative(process.cwd(), node.file));
}

export default class Reporter extends Base {
  constructor(runner, options) {
    super(runner, options);
    const skipped = new Map();
    const files = new Map();
    const count = (node, what) => {
      const counts = files.get(fileOf(node)) ?? none();
      counts[what]++;
      files.set(fileOf(node), counts);
    };
    runner.on(EVENT_TEST_PASS, (test) => count(test, 'passed'));
    runner.on(EVENT_TEST_FAIL, (test) => {
      count(test, 'failed');
      console.log(`failed: ${test.fullTitle()}`);
    });
    runner.on(EVENT_TEST_PENDING, (test) => {
      count(test, 'skipped');
      skipped.set(reason(test), [...(skipped.get(reason(test)) ?? []), test.fullTitle()]);
    });
    const seconds = new Map();
    let began;
    runner.on(EVENT_SUITE_BEGIN, ({parent}) => {
      if (parent?.root) began = performance.now();
    });
    runner.on(EVENT_SUITE_END, (suite) => {
      if (!suite.parent?.root) return;
      const taken = (performance.now() - began) / 1000;
      seconds.set(fileOf(suite), (seconds.get(fileOf(suite)) ?? 0) + taken);
      // on request: a suite can take minutes
      if (process.env.TARE_TEST_PROGRESS === '1') console.log(`${fileOf(suite)}, ${suite.title}: ${taken.toFixed(0)} s`);
    });
    runner.once(EVENT_RUN_END, () => {
      // What a test wrote may not have ended its line.
      console.log();
      // A failed hook is in `failures` as well: the tests that it kept from running are not counted as anything.
      if (this.failures.length > 0) Base.list(this.failures);
      for (const [why, titles] of skipped)
        console.log(`skipped (${why}): ${titles.length > 3 ? `${titles.length} tests, the first is ${titles[0]}` : titles.join('; ')}`);
      const longest = [...seconds].filter(([, taken]) => taken >= 1).toSorted(([, a], [, b]) => b - a);
      if (seconds.size > 1 && longest.length > 0)
        console.log(`longest: ${longest.map(([file, taken]) => `${file} ${taken.toFixed(0)} s`).join(', ')}`);
      const sum = none();
      for (const [file, counts] of files) {
        if (counts.failed > 0) console.log(hasFailures(file, counts));
        for (const key of Object.keys(sum)) sum[key] += counts[key];
      }
      console.log(sentence(sum));
    });
  }
}
