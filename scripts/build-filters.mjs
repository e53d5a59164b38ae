// Compiles the filters on system calls that Tare has itself into src/schema/generated/filters.ts: at each launch that would take 2 ms.
import {writeFileSync} from 'node:fs';
import path from 'node:path';
import {compile, filterText} from '../src/engine/bpf.ts';
import {DEFAULT, PILOT, builtinProfile} from '../src/engine/seccomp.ts';
import {root} from './steps.mjs';

const text = (name, system, processor) => filterText(compile(builtinProfile(name, system), processor));
const of = (processor) =>
  Object.fromEntries([DEFAULT, PILOT].map((name) => [name, {box: text(name, false, processor), machine: text(name, true, processor)}]));
const filters = {x64: of('x64'), arm64: of('arm64')};

writeFileSync(
  path.join(root, 'src/schema/generated/filters.ts'),
  `/* Made by scripts/build-filters.mjs from src/engine/seccomp.ts. */

/** By processor (Node.js's name for it) and profile: of a box, and of a small machine, which is denied the kernel's keys. As \`filterText()\` writes them. */
export const FILTERS: Readonly<
  Record<${Object.keys(filters)
    .map((name) => `'${name}'`)
    .join(' | ')}, Readonly<Record<'${DEFAULT}' | '${PILOT}', Readonly<Record<'box' | 'machine', string>>>>>
> = ${JSON.stringify(filters)};
`,
);
