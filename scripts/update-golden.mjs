// npm run golden:update: writes fixtures/plans and fixtures/equivalents anew (node --import=tsx scripts/update-golden.mjs). Read the diff before you commit it.
import {existsSync, mkdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {readCases} from '../test/golden/cases.ts';
import {equivalentFiles, equivalents} from '../test/golden/equivalents.ts';
import {goldenFiles, goldens, outcomesOf} from '../test/golden/files.ts';

const cases = await readCases();
const wanted = new Map([...goldens(outcomesOf(cases)), ...equivalents(cases)]);
let changed = 0;
for (const file of [...goldenFiles(), ...equivalentFiles()]) {
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
