/** Mounts and networks of a service of a compose file. */

import {show} from '../job/show.js';
import {sizeOf} from './amounts.js';
import type {Reading} from './compose-reading.js';
import {placeVolume} from './mounts.js';
import {settingOf} from './options.js';
import {placeMount, placeNetwork, type Mount} from './places.js';
import {originOf, type Branch, type Tree, type TreeReader} from './tree.js';

/** A single text, or a list of texts. */
export const textsOf = (tree: Tree, key: string, reader: TreeReader): {text: string; tree: Tree}[] => {
  if (tree.kind === 'list') return reader.texts(tree, key);
  const text = reader.text(tree, key);
  return text === null ? [] : [{text, tree}];
};

/** Entries `SOURCE:TARGET:OPTIONS`, or maps. */
export function readVolumes(tree: Tree, reading: Reading, key: string): void {
  const {reader, draft, problems} = reading;
  for (const one of reader.list(tree, key)) {
    if (one.kind === 'map') readVolume(one, reading, key);
    else {
      const text = reader.text(one, `an entry of ${key}`);
      if (text !== null) placeVolume({text, at: one.at, origin: originOf(key, one)}, draft, problems);
    }
  }
}

const KINDS: Readonly<Record<string, Mount['kind'] | null>> = {
  bind: 'bind',
  volume: 'volume',
  tmpfs: 'tmpfs',
  image: null,
  npipe: null,
  cluster: null,
};

function readVolume(volume: Branch, {reader, draft, problems}: Reading, key: string): void {
  const text = (name: string): string | null => {
    const tree = volume.entries.get(name);
    return tree === undefined ? null : reader.text(tree, name);
  };
  const [type, source, target] = [text('type') ?? '', text('source'), text('target') ?? ''];
  const readOnlyTree = volume.entries.get('read_only');
  const readOnly = readOnlyTree !== undefined && reader.truth(readOnlyTree, 'read_only') === true;
  const origin = {at: volume.at, as: settingOf(`${key}: ${[type, source, target].filter((one) => one !== null).join(' ')}`, null)};
  const kind = Object.hasOwn(KINDS, type) ? KINDS[type] : undefined;
  if (kind === undefined)
    problems.invalid({message: 'not a type of mount', where: volume.at, found: show(type), allowed: Object.keys(KINDS).join(', ')});
  else if (!target.startsWith('/'))
    problems.invalid({
      message: 'the target of the mount is missing or not absolute',
      where: volume.at,
      found: show(target),
      allowed: 'target: PATH',
    });
  else if (kind === null) draft.leave(origin, `Tare has no mounts of type ${type}`);
  else {
    const sizeTree = volume.entries.get('tmpfs');
    const written = sizeTree?.kind === 'map' ? sizeTree.entries.get('size') : undefined;
    const size = written === undefined ? null : reader.text(written, 'size');
    const bytes = size === null ? null : problems.attempt(() => sizeOf(size, written?.at ?? volume.at));
    placeMount({kind, source, target, readOnly, size: bytes, origin}, draft);
  }
  for (const [name, one] of volume.entries)
    if (!['type', 'source', 'target', 'read_only', 'tmpfs'].includes(name))
      draft.leave(originOf(`${key}.${name}`, one), 'Tare has no such options of a mount');
}

/** A list of names, or a map with addresses. */
export function readNetworks(tree: Tree, {reader, draft}: Reading, key: string): void {
  if (tree.kind === 'list') {
    for (const {text, tree: one} of reader.texts(tree, key)) placeNetwork(text, originOf(key, one), draft);
    return;
  }
  for (const [name, one] of reader.map(tree, key)?.entries ?? []) {
    placeNetwork(
      name === 'none' || name === 'host' ? `network ${name}` : name,
      {at: one.at, as: settingOf(`${key}: ${name}`, null)},
      draft,
    );
    if (one.kind === 'map')
      for (const [option, value] of one.entries)
        draft.leave(originOf(`${key}.${name}.${option}`, value), 'addresses of boxes are the policy’s: identity.address, identity.pools');
  }
}
