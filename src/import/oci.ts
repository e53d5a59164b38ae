/** Bundles of the OCI runtime specification 1.0 to 1.2: config.json, with the root beside it. */

import {posix} from 'node:path';
import {Problems} from '../job/problems.js';
import {show} from '../job/show.js';
import {Draft} from './draft.js';
import {refusePart, type Foreign, type Format} from './format.js';
import {placeImagePath} from './image-reference.js';
import {readLinux} from './oci-linux.js';
import {readMounts} from './oci-mounts.js';
import {readProcess} from './oci-process.js';
import {UNKNOWN, type Bundle} from './oci-bundle.js';
import {placeHostname} from './places.js';
import {placeResources, UNSET_SWAP, type Resources} from './resources.js';
import {originOf, readTree, TreeReader, type Branch, type Tree} from './tree.js';

/** The config.json of a bundle. */
export const OCI_FORMAT: Format = {
  name: 'oci',
  title: 'config.json of a bundle of the OCI runtime specification',
  recognises: (text) => /^\s*\{/.test(text) && /"ociVersion"\s*:/.test(text),
  read: readOci,
};

/** Platforms for which Tare has no boxes. */
const OTHERS = ['windows', 'solaris', 'vm', 'zos', 'freebsd'];

async function readOci(foreign: Foreign): Promise<Draft> {
  refusePart(foreign);
  const {text, file, directory} = foreign;
  const root = await readTree(text, file);
  const problems = new Problems();
  const bundle: Bundle = {
    draft: new Draft(),
    reader: new TreeReader(problems),
    problems,
    directory: directory ?? (posix.isAbsolute(file) ? posix.dirname(file) : null),
    hooks: root.entries.has('hooks'),
  };
  checkVersion(root, bundle);
  const resources: Resources = {};
  for (const [key, tree] of root.entries) readKey(key, tree, bundle, resources);
  placeResources(resources, bundle.draft, problems, UNSET_SWAP.runtime);
  if (!root.entries.has('process'))
    bundle.draft.leave({at: root.at, as: 'process, which is not given'}, 'the bundle names no program: set command');
  problems.throwIfAny();
  return bundle.draft;
}

function checkVersion(root: Branch, {reader, draft, problems}: Bundle): void {
  const tree = root.entries.get('ociVersion');
  const version = tree === undefined ? null : reader.text(tree, 'ociVersion');
  const [, major, minor] = /^(\d{1,4})\.(\d{1,4})\.\d{1,4}(?:[-+].*)?$/.exec(version ?? '') ?? [];
  if (tree === undefined || major !== '1')
    problems.invalid({
      message: 'not a version of the runtime specification that Tare knows',
      where: tree?.at ?? root.at,
      found: show(version ?? undefined),
      allowed: 'ociVersion 1.0 to 1.2',
    });
  else if (Number(minor) > 2) draft.leave(originOf('ociVersion', tree), 'it is newer than 1.2: what it adds is left');
}

function readKey(key: string, tree: Tree, bundle: Bundle, resources: Resources): void {
  const {draft, reader} = bundle;
  const origin = originOf(key, tree);
  if (key === 'ociVersion') return;
  if (OTHERS.includes(key)) reader.wrong(tree, `a bundle for another platform than Linux: ${key}`, 'linux');
  else if (key === 'process') readProcess(tree, bundle, resources);
  else if (key === 'root') readRoot(tree, bundle);
  else if (key === 'mounts') readMounts(tree, bundle);
  else if (key === 'linux') readLinux(tree, bundle, resources);
  else if (key === 'hostname') placeText(tree, key, bundle, (text) => placeHostname(text, origin, draft));
  else if (key === 'domainname') draft.leave(origin, 'Tare sets no name of a NIS domain');
  else if (key === 'annotations') draft.leave(origin, 'it names no job: annotations have no place in a descriptor');
  else if (key === 'hooks') readHooks(tree, bundle);
  else draft.leave(origin, UNKNOWN);
}

function placeText(tree: Tree, what: string, {reader}: Bundle, place: (text: string) => void): void {
  const text = reader.text(tree, what);
  if (text !== null) place(text);
}

/** The root is an image: a directory, relative to the bundle's. */
function readRoot(tree: Tree, {draft, reader, directory}: Bundle): void {
  const entries = reader.map(tree, 'root')?.entries ?? new Map<string, Tree>();
  const [pathTree, readonly] = [entries.get('path'), entries.get('readonly')];
  if (pathTree === undefined) reader.wrong(tree, 'the path of the root is missing', 'root.path');
  const path = pathTree === undefined ? null : reader.text(pathTree, 'root.path');
  if (pathTree !== undefined && path !== null) placeRoot(path, pathTree, directory, draft, reader);
  if (readonly === undefined) return;
  const isReadOnly = reader.truth(readonly, 'root.readonly');
  if (isReadOnly !== null)
    draft.leave(originOf('root.readonly', readonly), 'what a job writes to its image is gone at its end: Tare changes no image');
  for (const [key, one] of entries) if (key !== 'path' && key !== 'readonly') draft.leave(originOf(`root.${key}`, one), UNKNOWN);
}

function placeRoot(path: string, tree: Tree, directory: string | null, draft: Draft, reader: TreeReader): void {
  const origin = originOf('root.path', tree);
  if (path === '') {
    reader.wrong(tree, 'the path of the root is empty', 'a directory');
    return;
  }
  if (!posix.isAbsolute(path) && directory === null) {
    draft.leave(
      origin,
      'it is relative to the bundle, whose directory is not known here: name config.json by its absolute path, or set image',
    );
    return;
  }
  const whole = posix.join(posix.isAbsolute(path) ? '/' : (directory ?? '/'), path).replace(/(.)\/+$/, '$1');
  if (whole === '/') draft.field('image', 'host', origin);
  else placeImagePath(whole, origin, draft);
}

function readHooks(tree: Tree, {draft, reader}: Bundle): void {
  for (const [kind, list] of reader.map(tree, 'hooks')?.entries ?? [])
    for (const hook of reader.list(list, `hooks.${kind.slice(0, 60)}`)) {
      const path = reader.map(hook, 'a hook')?.entries.get('path');
      if (path !== undefined)
        draft.leave(originOf(`hooks.${kind}`, path), 'it is a program of the node that the runtime would start: Tare starts none');
    }
}
