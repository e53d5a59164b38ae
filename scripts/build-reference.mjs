// Writes the field tables of docs/reference from src/schema/*.json, between the markers `<!-- fields: … -->` and `<!-- end -->`.
// With --check it writes nothing, and ends with 1 when a page is not what it would write.
import {readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {Stop, main, root} from './steps.mjs';

const KINDS = ['job', 'policy', 'plan', 'record', 'health'];
const MARKED = /^<!-- fields: (\S+) -->\n[^]*?^<!-- end -->$/gm;

const schemas = new Map(
  KINDS.map((kind) => [`urn:tare:${kind}:v1`, JSON.parse(readFileSync(path.join(root, `src/schema/${kind}-1.json`), 'utf8'))]),
);

/** `#/$defs/limits` or `urn:tare:job:v1#/$defs/limits`: the schema that it names, and the document that it is in. */
function resolve(reference, owner) {
  const [id, pointer] = reference.split('#');
  const home = id === '' ? owner : id;
  const target = pointer.split('/').slice(1);
  const schema = target.reduce((node, key) => node?.[key], schemas.get(home));
  if (schema === undefined) throw new Stop(`${reference}: no such definition in ${home}`);
  return {schema, home, name: target.at(-1)};
}

/** A schema with what its $ref says; what stands beside the $ref goes before. */
function open(schema, owner) {
  if (schema.$ref === undefined) return {schema, home: owner, name: null};
  const target = resolve(schema.$ref, owner);
  const inner = open(target.schema, target.home);
  const {$ref: _, ...beside} = schema;
  return {schema: {...inner.schema, ...beside}, home: inner.home, name: target.name};
}

/** The page that has the table of a document's definitions; its own is this one. */
const pageOf = (home, owner) => (home === owner ? '' : `${home.split(':')[2]}.md`);

const alternatives = (schema) => schema.oneOf ?? schema.anyOf ?? null;
const code = (value) => `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;

/** What may be written there, in a few words. */
function typeOf(written, owner) {
  const {schema, home, name} = open(written, owner);
  if (schema.const !== undefined) return code(schema.const);
  if (schema.enum !== undefined) return schema.enum.map(code).join(', ');
  if (name === 'size' || name === 'duration') return name;
  const choices = alternatives(schema);
  if (choices !== null) return [...new Set(choices.map((choice) => typeOf(choice, home)))].join(', or ');
  const names = [schema.type].flat().map((type) => (type === 'object' ? 'map' : type));
  if (!names.includes('array')) return names.join(', ');
  return `list of ${typeOf(schema.items, home)}`;
}

/** What it is for, and for a list also what each element must be. */
function meaningOf({description = '', items}, home) {
  const each = items === undefined ? undefined : open(items, home).schema.description;
  return each === undefined || items.oneOf !== undefined ? description : `${description} Each: ${each}`.trim();
}

/** The maps inside a value: its own, those of its alternatives, and those of a list's elements. */
function mapsIn(written, owner, prefix) {
  const {schema, home, name} = open(written, owner);
  if (schema.properties !== undefined) return [{schema, home, name, prefix}];
  if (schema.items !== undefined) return mapsIn(schema.items, home, `${prefix}[]`);
  return (alternatives(schema) ?? []).flatMap((choice) => mapsIn(choice, home, prefix));
}

/** One row per field, those of inner maps after it. A map that is used in several places has a table of its own. */
function rowsOf({schema, home, prefix}, apart, document = home) {
  const required = schema.required ?? [];
  return Object.entries(schema.properties).flatMap(([key, written]) => {
    const place = prefix === '' ? key : `${prefix}.${key}`;
    const {schema: opened, home: from, name} = open(written, home);
    const separate = apart.includes(name);
    const see = separate ? `See [${name}](${pageOf(from, document)}#${name}).` : '';
    const row = [
      code(place),
      typeOf(written, home),
      required.includes(key) ? 'yes' : 'no',
      [meaningOf(opened, home), see].join(' ').trim(),
    ];
    if (separate || isTagged(opened)) return [row];
    return [row, ...mapsIn(written, home, place).flatMap((map) => (apart.includes(map.name) ? [] : rowsOf(map, apart, document)))];
  });
}

/** A list of steps, each of which says by its `op` what it is: a table per step, not one for all. */
const isTagged = ({items}) => (items?.oneOf ?? []).some(({$ref}) => $ref !== undefined);

function table(rows) {
  const head = ['field', 'type', 'required', 'meaning'];
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
  return [line(head), '|---|---|---|---|', ...rows.map(line)].join('\n');
}

/** Definitions with a table of their own: `limits` of a job is everywhere the same. */
const APART = {
  job: ['limits'],
  policy: ['limits', 'rule', 'enforcement'],
  plan: ['limits', 'limit', 'provenance'],
  record: ['usage', 'limit', 'provenance'],
  health: ['box'],
};

/** `job` is the whole document, `job/limits` one of its definitions, `plan/steps` all steps of a plan. */
function fields(what) {
  const [kind, definition] = what.split('/');
  const id = `urn:tare:${kind}:v1`;
  const schema = schemas.get(id);
  if (schema === undefined) throw new Stop(`${what}: no such document; there are ${KINDS.join(', ')}`);
  if (definition === undefined) return table(rowsOf({schema, home: id, prefix: ''}, APART[kind]));
  if (kind === 'plan' && definition === 'steps') return schema.properties.steps.items.oneOf.map((each) => step(each, id)).join('\n\n');
  const found = schema.$defs[definition];
  if (found?.properties === undefined) throw new Stop(`${what}: no such map in src/schema/${kind}-1.json`);
  return table(rowsOf({schema: found, home: id, prefix: ''}, APART[kind]));
}

function step(written, owner) {
  const {schema, home} = open(written, owner);
  const {op, because: _, ...properties} = schema.properties;
  const body = table(rowsOf({schema: {...schema, properties}, home, prefix: ''}, []));
  return [`### \`${op.const}\``, ...(schema.description === undefined ? [] : [schema.description]), '', body].join('\n');
}

await main(() => {
  const check = process.argv.includes('--check');
  const stale = [];
  for (const kind of KINDS) {
    const page = `docs/reference/${kind}.md`;
    const before = readFileSync(path.join(root, page), 'utf8');
    let tables = 0;
    const after = before.replaceAll(MARKED, (_, what) => {
      tables++;
      return `<!-- fields: ${what} -->\n${fields(what)}\n<!-- end -->`;
    });
    if (tables === 0) throw new Stop(`${page}: no marker <!-- fields: ${kind} -->`);
    if (after === before) continue;
    stale.push(page);
    if (!check) writeFileSync(path.join(root, page), after);
  }
  if (check && stale.length > 0) throw new Stop(`${stale.join(', ')}: not as src/schema has it; run node scripts/build-reference.mjs`);
  return 0;
});
