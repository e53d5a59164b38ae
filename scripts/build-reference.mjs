// Writes the tables of docs/reference between the markers `<!-- fields: … -->`, `<!-- protocol: … -->`, `<!-- engines: … -->`,
// `<!-- equivalents: … -->` or `<!-- calls -->` and `<!-- end -->`: of fields from src/schema/*.json, of the protocol from src/schema/protocol.json,
// of engines from what each says of itself (plugins/contract/engine.ts), of system calls from src/engine, of other tools from src/equivalent. Also
// the comments
// of configs/policies/full.yaml, and the seeds of harnesses that follow from the protocol, fixtures/fuzz/*/protocol-*.
// With --check it writes nothing, and ends with 1 when a page is not what it would write.
import {readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {NEW_NAMESPACE, TIOCLINUX, TIOCSTI, builtinProfile} from '../src/engine/seccomp.js';
import {ABIS, systemCallNumber} from '../src/engine/system-calls.js';
import {ENGINES} from '../src/plugins.js';
import {conformanceTable} from './conformance-page.mjs';
import {commonTable, equivalentTable} from './equivalents-page.mjs';
import {withComments} from './policy-comments.mjs';
import {protocolTable} from './protocol/page.mjs';
import {protocolSeeds} from './protocol/seeds.mjs';
import {readTable} from './protocol/table.mjs';
import {Stop, main, root} from './steps.mjs';

const KINDS = ['job', 'policy', 'plan', 'record', 'health'];
const MARKED = /^(<!-- (?:(fields|protocol|engines|equivalents): (\S+)|calls) -->)\n[^]*?^<!-- end -->$/gm;

/** Of each kind the schema's version: there is one file of each. */
const VERSION = Object.fromEntries(
  readdirSync(path.join(root, 'src/schema')).flatMap((name) => {
    const [, kind, version] = /^([a-z]+)-(\d+)\.json$/.exec(name) ?? [];
    return kind === undefined ? [] : [[kind, version]];
  }),
);
const idOf = (kind) => `urn:tare:${kind}:v${VERSION[kind]}`;
const fileOf = (kind) => `src/schema/${kind}-${VERSION[kind]}.json`;
const schemas = new Map(KINDS.map((kind) => [idOf(kind), JSON.parse(readFileSync(path.join(root, fileOf(kind)), 'utf8'))]));

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

function table(rows, head = ['field', 'type', 'required', 'meaning']) {
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
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
  const id = idOf(kind);
  const schema = schemas.get(id);
  if (schema === undefined) throw new Stop(`${what}: no such document; there are ${KINDS.join(', ')}`);
  if (definition === undefined) return table(rowsOf({schema, home: id, prefix: ''}, APART[kind]));
  if (kind === 'plan' && definition === 'steps') return schema.properties.steps.items.oneOf.map((each) => step(each, id)).join('\n\n');
  const found = schema.$defs[definition];
  if (found?.properties === undefined) throw new Stop(`${what}: no such map in ${fileOf(kind)}`);
  return table(rowsOf({schema: found, home: id, prefix: ''}, APART[kind]));
}

function step(written, owner) {
  const {schema, home} = open(written, owner);
  const {op, because: _, ...properties} = schema.properties;
  const body = table(rowsOf({schema: {...schema, properties}, home, prefix: ''}, []));
  return [`### \`${op.const}\``, ...(schema.description === undefined ? [] : [schema.description]), '', body].join('\n');
}

const hex = (value) => `0x${value.toString(16)}`;
/** What arguments are called in their headers, by system call. */
const namespaces = Object.entries(NEW_NAMESPACE).map(([name, flag]) => [flag, `a new ${name} namespace`]);
const NAMES = {
  clone: new Map(namespaces),
  unshare: new Map(namespaces),
  ioctl: new Map([
    [TIOCSTI, 'TIOCSTI'],
    [TIOCLINUX, 'TIOCLINUX'],
  ]),
};
const WORD = 0xffff_ffff;

/** When a condition of a rule holds: about which argument, and what of it. */
function condition(call, {index, op, value, valueTwo}) {
  const named = (number) =>
    NAMES[call]?.has(number) ? `${hex(number)} (${NAMES[call].get(number)})` : number > 255 ? hex(number) : String(number);
  const about = `argument ${index + 1}`;
  if (op === 'SCMP_CMP_NE') return [`${about} is not`, named(value)];
  if (op === 'SCMP_CMP_EQ' || (op === 'SCMP_CMP_MASKED_EQ' && value === WORD)) return [`${about} is`, named(valueTwo ?? value)];
  if (op !== 'SCMP_CMP_MASKED_EQ') throw new Stop(`${call}: ${op} has no words here`);
  if (value === valueTwo) return [`${about} has`, named(value)];
  const block = WORD - value;
  if ((block & (block + 1)) !== 0) throw new Stop(`${call}: a mask of ${hex(value)} has no words here`);
  return [`${about} is`, `${valueTwo} to ${valueTwo + block}`];
}

/** Of all rules of one call, of which any has to hold. */
function when(call, rules) {
  if (rules.some(({args = []}) => args.length === 0)) return 'always';
  const single = new Map();
  for (const [about, value] of rules.filter(({args}) => args.length === 1).map(({args: [one]}) => condition(call, one)))
    single.set(about, [...(single.get(about) ?? []), value]);
  const several = rules
    .filter(({args}) => args.length > 1)
    .map(({args}) => args.map((one) => condition(call, one).join(' ')).join(' and '));
  return [...[...single].map(([about, values]) => `${about} ${values.join(', ')}`), ...several].join('; or ');
}

/** One row for each system call that a profile denies, for whatever it denies of it. */
function calls() {
  const [small, all, pilot] = [
    ['default', true],
    ['default', false],
    ['pilot', false],
  ].map((of) => builtinProfile(...of).syscalls);
  const rulesOf = (rules, call) => rules.filter(({names}) => names.includes(call));
  const answer = (rules, call) => {
    const errors = [...new Set(rulesOf(rules, call).map(({errnoRet}) => errnoRet))];
    if (errors.length > 1) throw new Stop(`${call}: it ends with ${errors.join(' and ')}`);
    return {1: 'EPERM', 38: 'ENOSYS'}[errors[0]] ?? 'through';
  };
  const names = [...new Set(small.flatMap((rule) => rule.names))].sort();
  const rows = names.map((call) => {
    const have = ABIS.filter((abi) => systemCallNumber(abi, call) !== null);
    if (have.length === 0) throw new Stop(`${call}: no ABI has it`);
    const machine = answer(small, call);
    if (![0, rulesOf(all, call).length].includes(rulesOf(pilot, call).length))
      throw new Stop(`${call}: pilot denies a part of what default does`);
    const seen = [all, pilot].map((rules) =>
      answer(rules, call) === 'through' && rulesOf(all, call).length === 0 ? `through; in a small machine ${machine}` : answer(rules, call),
    );
    return [code(call), have.length === ABIS.length ? 'all' : have.join(', '), when(call, rulesOf(small, call)), ...seen, 'through'];
  });
  return table(rows, ['call', 'of', 'denied where', '`default`', '`pilot`', '`unconfined`']);
}

const protocol = readTable();

function protocolRows(what) {
  const found = protocolTable(what, protocol);
  if (found === undefined) throw new Stop(`${what}: no such table of the protocol`);
  return table(found.rows, found.head);
}

/** What each engine says of itself: `all`, in one row; `patterns` and `steps`, with a column for each engine; and what its boxes were found to keep. */
function engines(what) {
  if (what === 'all') {
    const rows = ENGINES.map(({name, program, words}) => [
      code(name),
      words.about,
      words.versions,
      program.places.map(code).join(', '),
      words.filter,
      words.manual,
    ]);
    return table(rows, ['engine', 'what it does', 'versions', 'is looked for at', 'filter on system calls', 'documented in']);
  }
  const conformance = conformanceTable(what);
  if (conformance !== undefined) return table(conformance.rows, conformance.head);
  const [first] = ENGINES;
  if (!['patterns', 'steps'].includes(what)) throw new Stop(`${what}: no such table of engines`);
  const cell = (engine, key) => {
    if (typeof engine[what][key] === 'string') return `no: ${engine[what][key]}`;
    return what === 'patterns' && engine.onlyListed.includes(key) ? 'where the policy lists engines' : 'yes';
  };
  const rows = Object.keys(first[what])
    .sort()
    .map((key) => [code(key), ...ENGINES.map((engine) => cell(engine, key))]);
  return table(rows, [what.slice(0, -1), ...ENGINES.map(({name}) => code(name))]);
}

function equivalentRows(what) {
  const found = what === 'common' ? commonTable() : equivalentTable(what);
  if (found === undefined) throw new Stop(`${what}: no such tool`);
  return table(found.rows, found.head);
}

/** @returns names of seeds that are not as the protocol has them; without `check` they are as it has them afterwards */
function renewSeeds(check) {
  const folder = path.join(root, 'fixtures/fuzz');
  const wanted = protocolSeeds(protocol);
  const there = readdirSync(folder).flatMap((target) =>
    readdirSync(path.join(folder, target))
      .filter((name) => name.startsWith('protocol-'))
      .map((name) => `${target}/${name}`),
  );
  const old = there.filter((name) => !wanted.has(name));
  const fresh = [...wanted].filter(([name, bytes]) => !there.includes(name) || !readFileSync(path.join(folder, name)).equals(bytes));
  if (!check) {
    for (const name of old) rmSync(path.join(folder, name));
    for (const [name, bytes] of fresh) writeFileSync(path.join(folder, name), bytes);
  }
  return [...old, ...fresh.map(([name]) => name)].map((name) => `fixtures/fuzz/${name}`);
}

await main(() => {
  const check = process.argv.includes('--check');
  const stale = renewSeeds(check);
  const renew = (file, made) => {
    const before = readFileSync(path.join(root, file), 'utf8');
    const after = made(before);
    if (after === before) return;
    stale.push(file);
    if (!check) writeFileSync(path.join(root, file), after);
  };
  const policy = {schema: schemas.get(idOf('policy')), home: idOf('policy')};
  renew('configs/policies/full.yaml', (text) => withComments(text, policy, open));
  for (const kind of [...KINDS, 'system-calls', 'protocol', 'engines', 'equivalents']) {
    const page = `docs/reference/${kind}.md`;
    renew(page, (before) => {
      let tables = 0;
      const after = before.replaceAll(MARKED, (_, marker, of, what) => {
        tables++;
        const text = {fields, protocol: protocolRows, engines, equivalents: equivalentRows, undefined: calls}[of](what);
        return `${marker}\n${text}\n<!-- end -->`;
      });
      if (tables === 0) throw new Stop(`${page}: no marker such as <!-- fields: ${kind} -->`);
      return after;
    });
  }
  if (check && stale.length > 0) throw new Stop(`${stale.join(', ')}: not as src/ has it; run npm run reference:update`);
  return 0;
});
