// Makes from src/schema/protocol.json what reads and writes frames: src/schema/generated/protocol.ts, native/generated/protocol.h and .c.
// It needs Node.js alone, so that `make -C native` can call it. A file that would not change keeps its time.
import {existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {dirname} from 'node:path';
import {fileURLToPath} from 'node:url';
import {header, source} from './protocol/c.mjs';
import {readTable} from './protocol/table.mjs';
import {typescript} from './protocol/typescript.mjs';

const table = readTable();
const made = {
  'src/schema/generated/protocol.ts': typescript(table),
  'native/generated/protocol.h': header(table),
  'native/generated/protocol.c': source(table),
};
for (const [name, text] of Object.entries(made)) {
  const file = fileURLToPath(new URL(`../${name}`, import.meta.url));
  if (existsSync(file) && readFileSync(file, 'utf8') === text) continue;
  mkdirSync(dirname(file), {recursive: true});
  writeFileSync(file, text);
}
