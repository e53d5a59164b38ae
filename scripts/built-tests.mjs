// The tests as JavaScript, where suites run them: a mocha that translates TypeScript as it reads it takes two thirds of a second more to begin, for each
// of some two hundred files.
import path from 'node:path';
import {root} from './steps.mjs';

/** The folder, from the root of the checkout. */
export const BUILT_TESTS = 'node_modules/.cache/tare/tests';

/** Where a test, or a folder of tests, is as JavaScript: `test/unit/a.test.ts` or `test/unit`, from the root of the checkout. */
export const builtOf = (place) => path.join(BUILT_TESTS, path.relative('test', place)).replace(/\.ts$/, '.js');

/** The test of which a file was made; any other file is itself. */
export function sourceOf(file) {
  const inside = path.relative(path.join(root, BUILT_TESTS), path.resolve(root, file));
  return inside.startsWith('..') ? file : path.join('test', inside).replace(/\.js$/, '.ts');
}

/** Runs tests that are built: options of mocha and built files follow. What a failed test left running keeps no suite from its end. */
export const MOCHA = ['node', '--enable-source-maps', 'node_modules/mocha/bin/mocha.js', '--config', 'scripts/mocha-built.cjs', '--exit'];
