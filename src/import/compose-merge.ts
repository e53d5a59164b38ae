/** How a service takes over the settings of one that it extends (compose-spec, services: extends). */

import type {Branch, Tree} from './tree.js';

/** Lists that are put together, without what is in both. */
const LISTS = new Set('cap_add cap_drop configs device_cgroup_rules expose external_links ports secrets security_opt group_add'.split(' '));
/** Lists, or a single entry, that are put together as they are. */
const ENTRIES = new Set(['dns', 'dns_search', 'dns_opt', 'env_file', 'tmpfs']);
/** Maps, or lists of `NAME=VALUE`. */
const PAIRS = new Set('annotations environment labels sysctls extra_hosts'.split(' '));
/** Maps, and what is below them. */
const MAPS = new Set('depends_on deploy healthcheck logging networks storage_opt ulimits blkio_config'.split(' '));
/** Lists whose entries are known by where they are in the container. */
const BY_TARGET = new Set(['devices', 'volumes']);

/** The settings of both, those of the service itself before the others'. */
export function mergeServices(base: Branch, own: Branch): Branch {
  const entries = new Map(base.entries);
  entries.delete('extends');
  for (const [key, tree] of own.entries) {
    if (key === 'extends') continue;
    const before = entries.get(key);
    entries.set(key, before === undefined ? tree : mergeKey(key, before, tree));
  }
  return {...own, entries};
}

function mergeKey(key: string, base: Tree, own: Tree): Tree {
  if (LISTS.has(key) && base.kind === 'list' && own.kind === 'list') {
    const texts = new Set(own.items.map(textOf).filter((text) => text !== null));
    return {...own, items: [...base.items.filter((one) => !texts.has(textOf(one) ?? '\0')), ...own.items]};
  }
  if (ENTRIES.has(key)) return {kind: 'list', at: own.at, items: [...itemsOf(base), ...itemsOf(own)]};
  if (PAIRS.has(key)) return mergeMaps(pairsOf(base), pairsOf(own));
  if (MAPS.has(key)) return mergeMaps(base, own);
  if (BY_TARGET.has(key) && base.kind === 'list' && own.kind === 'list') {
    const targets = new Set(own.items.map(targetOf).filter((target) => target !== null));
    return {...own, items: [...base.items.filter((one) => !targets.has(targetOf(one) ?? '\0')), ...own.items]};
  }
  return own;
}

function mergeMaps(base: Tree, own: Tree): Tree {
  if (base.kind !== 'map' || own.kind !== 'map') return own;
  const entries = new Map(base.entries);
  for (const [key, tree] of own.entries) {
    const before = entries.get(key);
    entries.set(key, before === undefined ? tree : mergeMaps(before, tree));
  }
  return {...own, entries};
}

const itemsOf = (tree: Tree): readonly Tree[] => (tree.kind === 'list' ? tree.items : [tree]);

const textOf = (tree: Tree): string | null => (tree.kind === 'leaf' && tree.value !== null ? String(tree.value) : null);

/** A list of `NAME=VALUE` as a map. Another list stays what it is, and is complained of where it is read. */
function pairsOf(tree: Tree): Tree {
  if (tree.kind !== 'list') return tree;
  const entries = new Map<string, Tree>();
  for (const one of tree.items) {
    const text = textOf(one);
    if (text === null || one.kind !== 'leaf') return tree;
    const [name = '', value] = text.split(/=(.*)/s);
    entries.set(name, {...one, value: value ?? null});
  }
  return {kind: 'map', entries, at: tree.at};
}

function targetOf(tree: Tree): string | null {
  if (tree.kind === 'map') return textOf(tree.entries.get('target') ?? tree);
  const [first, second] = (textOf(tree) ?? '').split(':');
  return second ?? first ?? null;
}
