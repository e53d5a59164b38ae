// The comments of configs/policies/full.yaml: above each key what the schema says of it. The values are the file's own.
import {Stop} from './steps.mjs';

const KEY = /^(?<indent> *)(?<dash>- )?(?<key>[A-Za-z]\w*):/;
/** Begins a line with a key that cannot be used together with another one of the file. */
const EXCLUDED = /^( *)#\| /;

/**
 * @param text the file; its first lines, up to an empty one, stay as they are
 * @param policy `schema`, and `home`, its id
 * @param open a schema and an id to the same with what the schema's $ref says
 */
export function withComments(text, policy, open) {
  const start = text.indexOf('\n\n');
  const lines = text.slice(start).split('\n');
  const around = [{depth: -1, path: [], found: policy}];
  const commented = lines
    .filter((line) => !/^ *# /.test(line))
    .flatMap((line) => {
      const groups = KEY.exec(line.replace(EXCLUDED, '$1'))?.groups;
      if (groups === undefined) return [line];
      const {indent, dash = '', key} = groups;
      const depth = indent.length + dash.length;
      while (around.at(-1).depth >= depth) around.pop();
      const owner = around.at(-1);
      const path = [...owner.path, key];
      const map = mapsIn(owner.found, open).find(({schema}) => key in schema.properties);
      if (map === undefined) throw new Stop(`configs/policies/full.yaml: the schema has no key ${path.join('.')}`);
      const found = open(map.schema.properties[key], map.home);
      around.push({depth, path, found});
      return [`${EXCLUDED.exec(line)?.[1] ?? indent}# ${comment(found.schema.description ?? '', path, map.schema, policy.schema)}`, line];
    });
  return text.slice(0, start) + commented.join('\n');
}

/** The maps that may stand there: the schema itself, its alternatives, and the elements of a list. */
function mapsIn({schema, home}, open) {
  if (schema.properties !== undefined) return [{schema, home}];
  const inner = [schema.items ?? [], schema.anyOf ?? [], schema.oneOf ?? []].flat();
  return inner.flatMap((each) => mapsIn(open(each, home), open));
}

/** What the key does, and its default. A rule's keys have the policy's value as their default. */
function comment(description, path, owner, policy) {
  const [key, isInRule] = [path.at(-1), path[0] === 'rules' && path.length > 1];
  if (isInRule && path.length === 2 && key in policy.properties) return `As ${key} above, for the jobs of this rule.`;
  const [what] = description.split(/(?<=\.) (?=[^a-z])/);
  if ((owner.required ?? []).includes(key)) return `${what} Required.`;
  const byDefault = isInRule ? '' : (/ Default: .*$/.exec(description)?.[0] ?? '');
  return what + byDefault;
}
