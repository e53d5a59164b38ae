/** Containers of LXC: lxc.container.conf(5) of LXC 6, and the keys of LXC 1 and 2. What the manual does not say is as liblxc's confile.c has it. */

import {hostnameFault} from '../job/hostname.js';
import {Draft, type Origin} from './draft.js';
import {refusePart, type Foreign, type Format} from './format.js';
import {readLimits} from './lxc-limits.js';
import {Lines, quotedWords, type Setting} from './lxc-lines.js';
import {readMounts} from './lxc-mounts.js';
import {reasonLeft} from './lxc-left.js';
import {readNetworks} from './lxc-networks.js';
import {bootsSystem, BOOTS, MOST_ID, MOST_IDS, ONE_RANGE, plainPath, SAME_RANGE, wholeNumber} from './values.js';

/** Configuration of a container of LXC. */
export const LXC_FORMAT: Format = {
  name: 'lxc',
  title: 'configuration of a container of LXC (lxc.container.conf(5), also of LXC 1 and 2)',
  recognises: (text) => FIRST_LINE.test(text),
  read: readContainer,
};

/** Empty lines and comments, and then a key of LXC. */
const FIRST_LINE = /^\uFEFF?(?:[ \t]*(?:#[^\r\n]*)?\r?\n)*[ \t]*lxc\.[a-z][\w.]*[ \t]*=/;

/** @throws TareError DOCUMENT_SYNTAX, DOCUMENT_INVALID, QUANTITY_INVALID with the place */
function readContainer(foreign: Foreign): Draft {
  refusePart(foreign);
  const draft = new Draft();
  const lines = new Lines(foreign, draft);
  readName(lines, draft);
  readCommand(lines, draft, foreign.file);
  readRootfs(lines, draft);
  readAccount(lines, draft);
  readLimits(lines, draft);
  readMounts(lines, draft, foreign);
  readNetworks(lines, draft, foreign.file);
  readPrivileges(lines, draft);
  for (const {value, origin} of lines.all('lxc.environment')) readVariable(value, origin, draft);
  for (const {value, origin} of lines.all('lxc.environment.runtime')) readVariable(value, origin, draft);
  for (const {key, origin} of lines.settings) {
    const because = reasonLeft(key);
    if (because !== null) draft.leave(origin, because);
  }
  return draft;
}

function readName(lines: Lines, draft: Draft): void {
  const name = lines.last('lxc.uts.name');
  if (name === undefined) return;
  draft.field('name', name.value, name.origin);
  if (hostnameFault(name.value) !== null) draft.leave(name.origin, 'it is no host name that a box can have');
  else
    draft.propose(['identity', 'hostname'], name.value, name.origin, 'its host name is this, in every box whose job asks for an identity');
}

/** lxc-execute runs `lxc.execute.cmd`, lxc-start `lxc.init.cmd`, which is /sbin/init where nothing is said. */
function readCommand(lines: Lines, draft: Draft, file: string): void {
  const [execute, init] = [lines.last('lxc.execute.cmd'), lines.last('lxc.init.cmd')];
  if (execute !== undefined && init !== undefined)
    draft.leave(init.origin, 'lxc.execute.cmd is the program of a container that is no system');
  const chosen = execute ?? init;
  const words = chosen === undefined ? ['/sbin/init'] : quotedWords(chosen.value);
  const origin = chosen?.origin ?? {at: file, as: 'no lxc.init.cmd'};
  draft.field('command', words, origin);
  if (bootsSystem(words[0] ?? '')) draft.leave(origin, BOOTS);
  // lxc-execute has an init of its own, which is process 1
  else if (execute === undefined) draft.field('firstProcess', true, origin);
  const directory = lines.last('lxc.init.cwd');
  if (directory !== undefined) draft.field('workDirectory', directory.value, directory.origin);
}

/** Storage backends of LXC, by what is before the first colon. */
const BACKENDS = /^(dir|overlay|overlayfs|aufs|btrfs|zfs|lvm|loop|nbd|rbd):/;

function readRootfs(lines: Lines, draft: Draft): void {
  const rootfs = lines.last('lxc.rootfs.path');
  const options = lines.last('lxc.rootfs.options');
  const isReadOnly = options?.value.split(',').includes('ro') === true;
  if (options !== undefined)
    draft.leave(
      options.origin,
      isReadOnly
        ? 'a job’s root is the node’s, read-only, or an image, to which nothing is ever written'
        : 'Tare mounts an image with its own options',
    );
  if (rootfs === undefined) return;
  const {value, origin} = rootfs;
  const backend = BACKENDS.exec(value)?.[1] ?? 'dir';
  const [, lower = ''] = value.split(':');
  const path = backend === 'dir' ? value.replace(/^dir:/, '') : backend.startsWith('overlay') ? lower : null;
  if (path === null || path.startsWith('/dev/')) {
    draft.leave(
      origin,
      'Tare takes a directory, an OCI layout or archive, or a squashfs file as image: mount this on the node, and name the directory',
    );
  } else if (plainPath(path) === '/') draft.leave(origin, 'a box has the node’s files');
  else {
    draft.field('image', path.startsWith('/') ? plainPath(path) : path, origin);
    draft.propose(
      ['images'],
      [path.startsWith('/') ? plainPath(path) : path],
      origin,
      'its root is this directory, which a job may have as image where the policy allows it',
    );
    if (backend !== 'dir') draft.leave(origin, 'what is in the upper directory is not taken: a view of an image begins empty');
    else if (!isReadOnly) draft.leave(origin, 'what a job writes to its image is gone at its end: Tare changes no image');
  }
}

/** `lxc.init.uid`, and ranges of ids. */
function readAccount(lines: Lines, draft: Draft): void {
  const uid = lines.last('lxc.init.uid');
  if (uid !== undefined) {
    if (wholeNumber(uid.value, 'user id', uid.origin.at, MOST_ID) === 0)
      draft.propose(['identity', 'allowRoot'], true, uid.origin, 'its program runs as root of the node, or of its lxc.idmap');
    else draft.leave(uid.origin, 'an account has to be named: the number is one of the container’s own accounts');
  }
  const maps = lines.all('lxc.idmap').map((setting) => ({...setting, ...mapOf(setting)}));
  const first = maps.find(({of}) => of !== 'g');
  for (const map of maps) {
    const {origin, inside, outside, count} = map;
    const isUsable = inside === 0 && outside >= 1000 && count >= 1000;
    if (map === first && isUsable) {
      const value = {start: outside, count: Math.min(count, MOST_IDS)};
      draft.propose(['identity', 'machineIds'], value, origin, 'its accounts are these ids of the node (small machines of root)');
      if (count > MOST_IDS) draft.leave(origin, `a small machine has ${MOST_IDS} ids at the most`);
    } else {
      const isSame = isUsable && outside === first?.outside && count === first.count && map.of !== first.of;
      draft.leave(origin, isSame ? SAME_RANGE : ONE_RANGE);
    }
  }
}

/** `u 0 100000 65536`: kind, first id inside, first id on the node, number. */
function mapOf({value, origin: {at}}: Setting): {of: string; inside: number; outside: number; count: number} {
  const [of = '', ...numbers] = value.split(/\s+/);
  const [inside, outside, count] = [0, 1, 2].map((index) => wholeNumber(numbers[index] ?? '', 'number of an id', at, MOST_ID)) as [
    number,
    number,
    number,
  ];
  return {of: /^[ugb]$/.test(of) ? of : 'u', inside, outside, count};
}

/** `NAME=VALUE`; a name alone is a variable of the caller, and a payload has these anyway. */
function readVariable(value: string, origin: Origin, draft: Draft): void {
  const equals = value.indexOf('=');
  if (equals < 0) draft.leave(origin, 'a payload has the caller’s variables');
  else draft.variable(value.slice(0, equals), value.slice(equals + 1), origin);
}

/** What lets a container make containers of its own. */
function readPrivileges(lines: Lines, draft: Draft): void {
  const nesting = lines.last('lxc.apparmor.allow_nesting');
  const because = 'it may make containers of its own, which a payload may by this profile';
  if (nesting?.value === '1') draft.propose(['seccomp'], 'pilot', nesting.origin, because);
  else if (nesting !== undefined) draft.leave(nesting.origin, 'a payload makes no containers of its own anyway');
  for (const {key, value, origin} of lines.settings) {
    if (!/^lxc\.cgroup2?\.devices\.(?:allow|deny)$/.test(key)) continue;
    const number = /^c (\d+:(?:\d+|\*)) /.exec(`${value} `)?.[1] ?? '';
    const device = Object.hasOwn(DEVICES, number) ? DEVICES[number] : undefined;
    if (key.endsWith('deny')) draft.leave(origin, 'a box has no device but those that the policy lets in');
    else if (device === null) draft.leave(origin, 'every box has this device');
    else if (device === undefined) draft.leave(origin, 'a device has to be named by its path, in devices of the policy');
    else draft.propose(['devices'], [device], origin, 'it may use this device');
  }
}

/** Numbers of character devices (devices.txt of the kernel); null: every box has it. */
const DEVICES: Readonly<Record<string, string | null>> = {
  '1:3': null,
  '1:5': null,
  '1:7': null,
  '1:8': null,
  '1:9': null,
  '5:0': null,
  '5:1': null,
  '5:2': null,
  '136:*': null,
  '10:200': '/dev/net/tun',
  '10:229': '/dev/fuse',
  '10:232': '/dev/kvm',
};
