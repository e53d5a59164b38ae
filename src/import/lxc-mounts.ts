/** Mounts of an LXC container: lines as in fstab(5), the target relative to its root. */

import type {Draft, Origin} from './draft.js';
import type {Foreign} from './format.js';
import type {Lines} from './lxc-lines.js';
import {kernelSize, plainPath} from './values.js';
import {TareError} from '../errors.js';

/** File systems that each box has for itself. */
const OWN = [
  'proc',
  'sysfs',
  'devpts',
  'devtmpfs',
  'mqueue',
  'cgroup',
  'cgroup2',
  'securityfs',
  'debugfs',
  'tracefs',
  'pstore',
  'efivarfs',
  'binfmt_misc',
  'configfs',
  'fusectl',
  'bpf',
  'hugetlbfs',
];
/** Lines of a table of mounts. */
const MOST_MOUNTS = 1000;

/** Takes `lxc.mount.entry` and what is in `lxc.mount.fstab`. @throws TareError DOCUMENT_SYNTAX, QUANTITY_INVALID with the place */
export function readMounts(lines: Lines, draft: Draft, foreign: Foreign): void {
  const hasImage = draft.fields.has('image');
  const root = lines.all('lxc.rootfs.path').at(-1)?.value.replace(/^dir:/, '') ?? null;
  for (const {value, origin} of lines.all('lxc.mount.entry')) readMount(value, origin, {root, hasImage}, draft);
  const table = lines.last('lxc.mount.fstab');
  const text = table === undefined ? null : foreign.read(table.value);
  if (table === undefined) return;
  if (text === null) {
    draft.leave(table.origin, 'there is no such file here, or it cannot be read: what it says is not taken');
    return;
  }
  const mounts = [...text.split('\n').entries()].filter(([, line]) => !/^\s*(?:#|$)/.test(line));
  if (mounts.length > MOST_MOUNTS)
    throw new TareError('DOCUMENT_INVALID', {
      message: 'too many mounts',
      where: table.value,
      found: String(mounts.length),
      allowed: String(MOST_MOUNTS),
    });
  for (const [index, line] of mounts) {
    const origin = {at: `${table.value}:${index + 1}:${line.search(/\S/) + 1}`, as: line.trim().replaceAll(/\s+/g, ' ')};
    readMount(line.trim(), origin, {root, hasImage}, draft);
  }
}

/** fstab(5): `\040` is a blank. */
const unescaped = (text: string): string =>
  text.replaceAll(/\\(040|011|012|134)/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

interface Place {
  root: string | null;
  hasImage: boolean;
}

function readMount(line: string, origin: Origin, {root, hasImage}: Place, draft: Draft): void {
  const [source, target, type, options = ''] = line.split(/\s+/).map(unescaped);
  if (source === undefined || target === undefined || type === undefined || !/^[\w.,-]+$/.test(type))
    throw new TareError('DOCUMENT_SYNTAX', {
      message: 'not a mount',
      where: origin.at,
      // what another file says is not shown: who names it may not be allowed to read it
      found: `${line.split(/\s+/).length} words`,
      allowed: 'SOURCE TARGET TYPE OPTIONS, as in fstab(5)',
    });
  const words = options.split(',');
  const path = plainPath(root !== null && target.startsWith(`${root}/`) ? target.slice(root.length) : target);
  if (words.includes('bind') || words.includes('rbind'))
    bound({source, path, isReadOnly: words.includes('ro'), words}, origin, hasImage, draft);
  else if (type === 'tmpfs' || type === 'ramfs') inMemory(path, words, origin, draft);
  else if (OWN.includes(type)) draft.leave(origin, 'a box has file systems of the kernel of its own');
  else draft.leave(origin, 'Tare mounts no file systems of a description: mount it on the node');
}

interface Bound {
  source: string;
  path: string;
  isReadOnly: boolean;
  words: readonly string[];
}

function bound({source, path, isReadOnly, words}: Bound, origin: Origin, hasImage: boolean, draft: Draft): void {
  const from = plainPath(source);
  if (!source.startsWith('/')) draft.leave(origin, 'its source is no absolute path');
  else if (from.startsWith('/dev/') && from === path && !/^\/dev\/(?:pts|shm|mqueue)(?:\/|$)/.test(from)) {
    draft.propose(['devices'], [from], origin, 'it has this device');
  } else if (/^\/(?:proc|sys|dev)(?:\/|$)/.test(from)) draft.leave(origin, 'a box has file systems of the kernel of its own');
  else if (from !== path) draft.leave(origin, 'a box shows a directory of the node under its own name only');
  else if (isReadOnly)
    draft.leave(
      origin,
      hasImage
        ? 'a box with an image has no directory of the node that the job does not write to'
        : 'a box has the node’s files, read-only',
    );
  else if (words.includes('create=file')) draft.leave(origin, 'a box has directories to write to, and no single files');
  else if (from === '/') draft.leave(origin, 'a box has the node’s files, but read-only');
  else draft.propose(['writable'], [from], origin, 'it writes to this directory; a job may name it in writable then');
}

function inMemory(path: string, words: readonly string[], origin: Origin, draft: Draft): void {
  const size = words.find((word) => word.startsWith('size='))?.slice('size='.length);
  if (path === '/dev/shm') draft.leave(origin, 'a box has a /dev/shm of its own, whose pages are the payload’s memory');
  else if (path !== '/tmp' && path !== '/var/tmp') draft.leave(origin, 'a box has private directories at /tmp and /var/tmp only');
  else if (size === undefined || size.endsWith('%'))
    draft.leave(origin, 'a box has a private directory there; its size is scratch, of which no number is given');
  else {
    const bytes = kernelSize(size, origin.at);
    if (bytes === null) draft.leave(origin, 'it stands for no limit');
    else {
      if (draft.limits.has('scratch')) draft.leave(origin, 'a job has one limit on scratch, and this one replaces it');
      draft.limit('scratch', bytes, origin);
      draft.propose(
        ['scratch', 'inMemory'],
        true,
        origin,
        'it is in memory; a box has it there only where the policy says so, and a loop device cannot be used',
      );
    }
  }
}
