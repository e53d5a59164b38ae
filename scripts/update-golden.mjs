// npm run golden:update: writes fixtures/plans anew (node --import=tsx scripts/update-golden.mjs). Read the diff before you commit it.
import {existsSync, mkdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {goldenFiles, goldens, readOutcomes} from '../test/golden/files.ts';

const wanted = goldens(await readOutcomes());
let changed = 0;
for (const file of goldenFiles()) {
  if (wanted.has(file)) continue;
  rmSync(file);
  changed++;
}
for (const [file, text] of wanted) {
  if (existsSync(file) && readFileSync(file, 'utf8') === text) continue;
  mkdirSync(path.dirname(file), {recursive: true});
  writeFileSync(file, text);
  changed++;
}
console.log(`${wanted.size} goldens, ${changed} changed`);
