// npm run coverage: which lines of src/ the unit, golden and command line tests reach; fails when the pure folders fall below the gate.
import {spawnSync} from 'node:child_process';
import {readFileSync, readdirSync, rmSync} from 'node:fs';
import path from 'node:path';
import {build} from './build.mjs';
import {nodeModules, nodeVersion} from './setup.mjs';
import {Stop, main, root} from './steps.mjs';

/** Per cent of the lines of the pure folders. */
const GATE = 95;

/** Files with nothing but types are never loaded, and would count as never reached. */
function onlyTypes() {
  const withoutComments = (text) => text.replaceAll(/\/\*[^]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '');
  return readdirSync(path.join(root, 'build'), {recursive: true})
    .filter((name) => name.endsWith('.js') && withoutComments(readFileSync(path.join(root, 'build', name), 'utf8')).trim() === 'export {};')
    .map((name) => name.replace(/\.js$/, '.ts'));
}

await main(() => {
  nodeVersion();
  nodeModules();
  build();
  const c8 = (...args) => spawnSync(path.join(root, 'node_modules/.bin/c8'), args, {cwd: root, stdio: 'inherit'}).status;
  const types = onlyTypes();
  rmSync(path.join(root, 'coverage'), {recursive: true, force: true});
  const excluding = (...globs) => globs.flatMap((glob) => ['--exclude', glob]);
  const generated = 'src/schema/generated/**';
  const mocha = 'node_modules/.bin/mocha --recursive --timeout 20000 test/unit test/golden test/cli'.split(' ');
  const tests = c8('--reporter=lcov', '--reporter=text-summary', ...excluding(generated, ...types), ...mocha);
  if (tests !== 0) throw new Stop('A test failed: the figures mean nothing.');
  const pure = JSON.parse(readFileSync(new URL('pure.json', import.meta.url), 'utf8'));
  const gate = c8(
    'report',
    '--reporter=text',
    ...['--check-coverage', `--lines=${GATE}`, '--branches=0', '--functions=0', '--statements=0'],
    ...pure.folders.flatMap((folder) => ['--include', `src/${folder}/**/*.ts`]),
    ...excluding(generated, ...types, ...pure.except.map((start) => `src/${start}*`)),
  );
  if (gate !== 0) throw new Stop(`The pure folders are covered to less than ${GATE} % of their lines.`);
  return 0;
});
