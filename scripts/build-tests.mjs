// Makes JavaScript of all tests: bundled, so that what several use is one file. Packages stay where they are.
import {mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {pathToFileURL} from 'node:url';
import {build} from 'esbuild';
import {BUILT_TESTS} from './built-tests.mjs';
import {replaceFolder, root} from './steps.mjs';

/** A file that is somewhere else in the end finds what lies beside it by its own old place. */
const OWN_PLACE = {
  'import.meta.url': (file) => pathToFileURL(file).href,
  'import.meta.dirname': path.dirname,
  'import.meta.filename': (file) => file,
};

const keepsPlace = {
  name: 'keeps its place',
  setup({onLoad}) {
    onLoad({filter: /\.m?[jt]s$/}, ({path: file}) => {
      const text = readFileSync(file, 'utf8');
      const contents = Object.entries(OWN_PLACE).reduce((all, [name, of]) => all.replaceAll(name, JSON.stringify(of(file))), text);
      return {contents, loader: file.endsWith('.ts') ? 'ts' : 'js'};
    });
  },
};

const folder = path.join(root, 'test');
const entryPoints = readdirSync(folder, {recursive: true})
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => path.join(folder, name));
const outdir = path.join(root, BUILT_TESTS);
const {outputFiles} = await build({
  ...{entryPoints, outdir, outbase: folder, plugins: [keepsPlace], write: false},
  ...{bundle: true, splitting: true, format: 'esm', platform: 'node', target: 'node20', packages: 'external'},
  ...{sourcemap: 'inline', logLevel: 'error'},
});
replaceFolder(outdir, (fresh) => {
  for (const {path: place, contents} of outputFiles) {
    const file = path.join(fresh, path.relative(outdir, place));
    mkdirSync(path.dirname(file), {recursive: true});
    writeFileSync(file, contents);
  }
});
