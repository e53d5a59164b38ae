/** Mounts of a bundle (config.md, Mounts). Those of every box are told in one line. */

import {posix} from 'node:path';
import type {Problems} from '../job/problems.js';
import {sizeOf} from './amounts.js';
import type {Bundle} from './oci-bundle.js';
import {settingOf} from './options.js';
import {placeMount} from './places.js';
import type {Tree} from './tree.js';

/** File systems of the kernel, of which a box has its own. */
const KERNEL = new Set(['proc', 'sysfs', 'devpts', 'mqueue', 'cgroup', 'cgroup2', 'devtmpfs']);
/** Where engines put files of their own. */
const ENGINES = ['/etc/resolv.conf', '/etc/hosts', '/etc/hostname', '/run/.containerenv', '/run/secrets', '/etc/passwd', '/etc/group'];

/** Reads `mounts`. */
export function readMounts(tree: Tree, bundle: Bundle): void {
  const [own, engines]: [string[], string[]] = [[], []];
  for (const mount of bundle.reader.list(tree, 'mounts')) {
    const read = readMount(mount, bundle);
    if (read === 'own') own.push(destinationOf(mount));
    else if (read === 'engine') engines.push(destinationOf(mount));
  }
  const {draft} = bundle;
  const tell = (targets: readonly string[], because: string): void => {
    if (targets.length > 0) draft.leave({at: tree.at, as: settingOf(`mounts ${targets.join(' ')}`, null, 200)}, because);
  };
  tell(own, 'a box has these of its own');
  tell(engines, 'an engine puts these files of its own into its containers; a box has those of the node or of its image');
}

function destinationOf(mount: Tree): string {
  const tree = mount.kind === 'map' ? mount.entries.get('destination') : undefined;
  return tree?.kind === 'leaf' ? String(tree.value) : '';
}

/** `own` and `engine` are told together. */
function readMount(mount: Tree, {draft, reader, problems, directory}: Bundle): 'own' | 'engine' | null {
  const entries = reader.map(mount, 'a mount')?.entries;
  if (entries === undefined) return null;
  const text = (name: string): string | null => {
    const one = entries.get(name);
    return one === undefined ? null : reader.text(one, name);
  };
  const [written, type, source] = [text('destination') ?? '', text('type'), text('source')];
  const list = entries.get('options');
  const options =
    list === undefined || (list.kind === 'leaf' && list.value === null) ? [] : reader.texts(list, 'options').map((one) => one.text);
  const target = posix.normalize(written);
  if (!written.startsWith('/')) {
    reader.wrong(entries.get('destination') ?? mount, 'the destination of the mount is missing or not absolute', 'an absolute path');
    return null;
  }
  if (KERNEL.has(type ?? '') || target === '/dev/shm' || (type === 'tmpfs' && target === '/dev')) return 'own';
  const origin = {at: mount.at, as: settingOf(`mounts ${[type, source, written].filter((one) => one !== null).join(' ')}`, null, 100)};
  const isBind = options.includes('bind') || options.includes('rbind') || type === 'bind';
  if (isBind && ENGINES.includes(target)) return 'engine';
  if (isBind && source === null) reader.wrong(mount, 'the source of a bind is missing', 'source: a path');
  else if (isBind) {
    const whole = source === null || posix.isAbsolute(source) || directory === null ? source : posix.join(directory, source);
    const readOnly = options.includes('ro') || options.includes('rro');
    placeMount({kind: 'bind', source: whole, target, readOnly, size: null, origin}, draft);
  } else if (type === 'tmpfs') {
    const size = sizeIn(options, mount.at, problems);
    placeMount({kind: 'tmpfs', source: null, target, readOnly: false, size, origin}, draft);
  } else draft.leave(origin, 'a box has no mounts of this type');
  return null;
}

/** tmpfs(5): bytes, with k, m, g, or a share of memory in percent, which is no size here. */
function sizeIn(options: readonly string[], where: string, problems: Problems): number | null {
  const size = options.find((option) => option.startsWith('size='));
  return size === undefined || size.endsWith('%') ? null : problems.attempt(() => sizeOf(size.slice('size='.length), where));
}
