import {readFileSync} from 'node:fs';
import {expect} from 'chai';
import {isMap, isPair, isScalar, isSeq, parse, parseDocument} from 'yaml';
import {parseDocument as parsePolicy} from '../../../src/job/document.js';
import {BUILTIN} from '../../../src/policy/builtin.js';
import {ENGINES} from '../../../src/plugins.js';
import {policyFromDocuments} from '../../../src/policy/load.js';

const root = new URL('../../../', import.meta.url);
const read = (file: string): string => readFileSync(new URL(file, root), 'utf8');

interface Schema {
  $id?: string;
  $ref?: string;
  $defs?: Record<string, Schema>;
  description?: string;
  properties?: Record<string, Schema>;
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
}
/** A schema, and the document that its references are of. */
interface Found {
  schema: Schema;
  document: Schema;
}
/** One key of the file: where it is, what the schema says of it, and its comment. */
interface Entry {
  path: string[];
  description: string;
  comment: string;
  value: unknown;
}

const documents = ['job', 'policy'].map((kind) => JSON.parse(read(`src/schema/${kind}-1.json`)) as Schema);
const policy = documents[1]!;

/** The definition that a reference names. */
function definition({schema, document}: Found): Found {
  if (schema.$ref === undefined) return {schema, document};
  const [id, name] = schema.$ref.split('#/$defs/');
  const owner = id === '' ? document : documents.find(({$id}) => $id === id)!;
  return definition({schema: owner.$defs![name!]!, document: owner});
}

/** Maps that may stand where a schema is: its own, those of its alternatives, those of a list's elements. */
function maps(found: Found): Found[] {
  const {schema, document} = definition(found);
  if (schema.properties !== undefined) return [{schema, document}];
  return [...(schema.items === undefined ? [] : [schema.items]), ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].flatMap((each) =>
    maps({schema: each, document}),
  );
}

/** All maps of the policy's schema, each once, by where it is first met. */
function allMaps(found: Found, path: string, met = new Map<Schema, string>()): Map<Schema, string> {
  for (const {schema, document} of maps(found)) {
    if (met.has(schema)) continue;
    met.set(schema, path);
    for (const [key, inner] of Object.entries(schema.properties!)) allMaps({schema: inner, document}, `${path}.${key}`, met);
  }
  return met;
}

/** Keys of the file, in their order, and of each map of the schema the keys that the file has. */
function entriesOf(text: string): {entries: Entry[]; keys: Map<Schema, Set<string>>} {
  const entries: Entry[] = [];
  const keys = new Map<Schema, Set<string>>();
  const document = parseDocument(text);
  // the comment of a map's or a list's first key is the map's or the list's own
  const walk = (node: unknown, found: Found, path: string[], before: string): void => {
    if (isSeq(node)) {
      for (const [index, item] of node.items.entries()) {
        const own = (item as {commentBefore?: string}).commentBefore;
        walk(item, found, path, own ?? (index === 0 ? (node.commentBefore ?? '') : ''));
      }
    }
    if (!isMap(node)) return;
    for (const [index, pair] of node.items.entries()) {
      const {key, value} = pair;
      if (!isScalar(key) || !isPair(pair)) continue;
      const name = String(key.value);
      const owner = maps(found).find(({schema}) => name in schema.properties!);
      if (owner === undefined) continue;
      keys.set(owner.schema, (keys.get(owner.schema) ?? new Set()).add(name));
      const inner = {schema: owner.schema.properties![name]!, document: owner.document};
      const comment = key.commentBefore ?? (index === 0 ? (node.commentBefore ?? before) : '');
      const description = inner.schema.description ?? definition(inner).schema.description ?? '';
      entries.push({path: [...path, name], description, comment, value: (value as {toJSON?: () => unknown} | null)?.toJSON?.() ?? null});
      walk(value, inner, [...path, name], '');
    }
  };
  walk(document.contents, {schema: policy, document: policy}, [], document.commentBefore ?? '');
  return {entries, keys};
}

const written = read('configs/policies/full.yaml');
/** With the keys that exclude each other: right by the schema, contradictory as a policy. */
const whole = written.replaceAll(/^( *)#\| /gm, '$1');
const DEFAULT = /Default: (.*)\.$/;
/** The value of a default that is written as values are, in backticks; undefined: it is told in words. */
function literal(description: string): unknown {
  const values = /^`[^`]+`(?:, `[^`]+`)*$/.exec(DEFAULT.exec(description)?.[1] ?? '')?.[0]?.split(', ');
  const parsed = values?.map((value) => parse(value.slice(1, -1)) as unknown);
  return parsed?.length === 1 ? parsed[0] : parsed;
}

describe('configs/policies/full.yaml', () => {
  const {entries, keys} = entriesOf(whole);

  it('has every key of the schema', () => {
    const missing = [...allMaps({schema: policy, document: policy}, 'policy')].flatMap(([schema, path]) =>
      Object.keys(schema.properties!).flatMap((key) => (keys.get(schema)?.has(key) === true ? [] : [`${path}.${key}`])),
    );
    expect(missing).to.deep.equal([]);
  });

  it('is valid by the schema, also with the keys that exclude others', async () => {
    await parsePolicy({text: whole, file: 'full.yaml', kind: 'policy'});
  });

  for (const {path, description, comment, value} of entries) {
    it(`${path.join('.')} has the schema's comment and default`, () => {
      const isInRule = path[0] === 'rules' && path.length > 1;
      const last = comment.split('\n\n').at(-1)!.trim();
      // inner keys of a rule stand on its line: what they do stands above, where the policy has them
      if (!isInRule || path.length === 2) expect(last).to.match(/^[^\n]+\.$/);
      const [wanted, told] = [description, last].map((text) => DEFAULT.exec(text)?.[1]);
      if (isInRule) {
        expect(told).to.equal(undefined);
        return;
      }
      expect(told).to.equal(last.endsWith(' Required.') ? undefined : wanted);
      const builtin = literal(description);
      if (builtin !== undefined) expect([value].flat()).to.deep.equal([builtin].flat());
    });
  }

  it('defaults that it writes as values are those of the built-in policy', async () => {
    const document = parseDocument(written);
    const told = new Set(entries.filter(({description}) => literal(description) !== undefined).map(({path}) => path.join('.')));
    const inWords = entries.filter(({path, description}) => !told.has(path.join('.')) && DEFAULT.test(description)).map(({path}) => path);
    for (const path of inWords) if (document.hasIn(path)) document.deleteIn(path);
    const {files: _, ...loaded} = policyFromDocuments([
      {file: 'full.yaml', document: await parsePolicy({text: document.toString(), file: 'full.yaml', kind: 'policy'})},
    ]);
    const {files: __, ...builtin} = BUILTIN;
    const withoutSource = (value: unknown): unknown =>
      JSON.parse(JSON.stringify(value, (key, inner: unknown) => (key === 'provenance' ? null : inner)));
    // the core has no name of an engine: none written means all, in their own order
    const engines = {...builtin.engines, value: ENGINES.map(({name}) => name)};
    expect(withoutSource(loaded)).to.deep.equal(withoutSource({...builtin, engines}));
  });
});
