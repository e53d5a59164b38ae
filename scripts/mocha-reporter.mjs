// mocha's output, made for scripts/test.mjs and for people: failures in full, why anything was skipped, and exact counts in the last line.
import Mocha from 'mocha';

const {Base} = Mocha.reporters;
const {EVENT_RUN_END, EVENT_TEST_FAIL, EVENT_TEST_PASS, EVENT_TEST_PENDING} = Mocha.Runner.constants;

/** test/support/need.ts leaves the reason on the test, or on the suite whose `before` was skipped. */
function reason(node) {
  if (node === undefined) return 'no reason given';
  return node.skipReason ?? reason(node.parent);
}

export default class Reporter extends Base {
  constructor(runner, options) {
    super(runner, options);
    const skipped = new Map();
    let passed = 0;
    runner.on(EVENT_TEST_PASS, () => passed++);
    runner.on(EVENT_TEST_FAIL, (test) => console.log(`failed: ${test.fullTitle()}`));
    runner.on(EVENT_TEST_PENDING, (test) => skipped.set(reason(test), [...(skipped.get(reason(test)) ?? []), test.fullTitle()]));
    runner.once(EVENT_RUN_END, () => {
      // What a test wrote may not have ended its line.
      console.log();
      // A failed hook is in `failures` as well: the tests that it kept from running are not counted as anything.
      if (this.failures.length > 0) Base.list(this.failures);
      let count = 0;
      for (const [why, titles] of skipped) {
        count += titles.length;
        console.log(`skipped (${why}): ${titles.length > 3 ? `${titles.length} tests, the first is ${titles[0]}` : titles.join('; ')}`);
      }
      console.log(`${passed} passed, ${this.failures.length} failed${count > 0 ? `, ${count} skipped` : ''}`);
    });
  }
}
