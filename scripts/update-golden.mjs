// npm run golden:update: writes fixtures/plans anew (node --import=tsx scripts/update-golden.mjs). Read the diff before you commit it.
import {existsSync, mkdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {goldenFiles, goldens, REFUSED} from '../test/golden/cases.ts';

mkdirSync(new URL('.', REFUSED), {recursive: true});
const wanted = await goldens();
let changed = 0;
for (const file of goldenFiles()) {
  if (wanted.has(file)) continue;
  rmSync(file);
  changed++;
}
for (const [file, text] of wanted) {
  if (existsSync(file) && readFileSync(file, 'utf8') === text) continue;
  writeFileSync(file, text);
  changed++;
}
console.log(`${wanted.size} goldens, ${changed} changed`);
