// Compiles src/schema/*-N.json into src/schema/generated/: one self-contained schema, one TypeScript type file and one
// stand-alone ajv validator per document, so that nothing compiles a schema at run time (a validator made ahead costs 1 ms, ajv 80).
import {mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import Ajv2020 from 'ajv/dist/2020.js';
import standaloneCode from 'ajv/dist/standalone/index.js';
import {buildSync} from 'esbuild';
import {compile} from 'json-schema-to-typescript';

const folder = fileURLToPath(new URL('../src/schema/', import.meta.url));
const target = `${folder}generated/`;
const read = (name) => JSON.parse(readFileSync(folder + name, 'utf8'));
/** Documents; the protocol is no schema, and build-protocol.mjs makes something else of it. */
const names = readdirSync(folder).filter((name) => /-\d+\.json$/.test(name));
const byId = new Map(names.map((name) => [read(name).$id, read(name)]));

/** Copies what a schema borrows from another (`urn:tare:job:v1#/$defs/size`) into its own $defs, so that it stands alone. */
function bundle(schema) {
  const definitions = {...schema.$defs};
  const localise = (node) => {
    if (Array.isArray(node)) return node.map(localise);
    if (node === null || typeof node !== 'object') return node;
    const copy = {};
    for (const [key, value] of Object.entries(node)) {
      const borrowed = key === '$ref' ? /^(urn:[^#]+)#\/\$defs\/(.+)$/.exec(value) : null;
      copy[key] = borrowed ? `#/$defs/${borrow(borrowed[1], borrowed[2])}` : localise(value);
    }
    return copy;
  };
  const borrow = (id, name) => {
    if (!(name in definitions)) {
      definitions[name] = null;
      const original = byId.get(id).$defs[name];
      const inner = JSON.parse(JSON.stringify(original).replaceAll('"#/$defs/', `"${id}#/$defs/`));
      definitions[name] = localise(inner);
    }
    return name;
  };
  const {$defs: _, ...rest} = schema;
  const own = localise(rest);
  for (const name of Object.keys(schema.$defs ?? {})) definitions[name] = localise(schema.$defs[name]);
  return {...own, $defs: definitions};
}

mkdirSync(target, {recursive: true});
for (const name of readdirSync(target).filter((each) => !['filters.ts', 'protocol.ts'].includes(each)))
  rmSync(target + name, {recursive: true});
for (const name of names) {
  const base = name.replace(/\.json$/, '');
  const schema = bundle(read(name));
  const text = `${JSON.stringify(schema, null, 2)}\n`;
  writeFileSync(
    `${target}${base}.schema.ts`,
    `// Made by scripts/build-schemas.mjs from ../${name}; do not edit.\nexport const schema = ${text.trimEnd()} as const;\n`,
  );
  writeFileSync(
    `${target}${base}.ts`,
    await compile(structuredClone(schema), schema.title, {
      bannerComment: `/* Made by scripts/build-schemas.mjs from ../${name}; do not edit. */`,
      additionalProperties: false,
      unreachableDefinitions: false,
      ignoreMinAndMaxItems: true,
      format: false,
      enableConstEnums: false,
    }),
  );
  const ajv = new Ajv2020.default({
    allErrors: true,
    verbose: true,
    strictTuples: false,
    allowUnionTypes: true,
    inlineRefs: false,
    code: {source: true, esm: true, lines: true},
  });
  writeFileSync(`${target}${base}.raw.mjs`, standaloneCode.default(ajv, ajv.compile(schema)));
  // ajv's runtime helpers are bundled in: the validator imports nothing.
  buildSync({
    entryPoints: [`${target}${base}.raw.mjs`],
    bundle: true,
    format: 'esm',
    platform: 'node',
    outfile: `${target}${base}.validator.js`,
    legalComments: 'none',
  });
  rmSync(`${target}${base}.raw.mjs`);
  writeFileSync(
    `${target}${base}.validator.d.ts`,
    `import type {ErrorObject} from 'ajv';\ndeclare const validate: {(data: unknown): boolean; errors?: ErrorObject[] | null};\nexport default validate;\n`,
  );
}
