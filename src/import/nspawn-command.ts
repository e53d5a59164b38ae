/** The command line of systemd-nspawn(1): options that are settings of a .nspawn file, and some of its own. */

import type {Problems} from '../job/problems.js';
import {show} from '../job/show.js';
import type {Draft, Limit, Origin} from './draft.js';
import type {Foreign} from './format.js';
import {pathIn, placeImage} from './image.js';
import type {Setting} from './nspawn-settings.js';
import {readOptions, type Option, type OptionTable, type Takes} from './options.js';
import {coresOf, countOf, sizeOf, spanOf} from './systemd-values.js';
import {readCommand} from './words.js';

/** Options with a value that are settings of a file: section and name. */
const SETTINGS: Readonly<Record<string, readonly [section: string, name: string]>> = {
  ephemeral: ['Exec', 'Ephemeral'],
  'as-pid2': ['Exec', 'ProcessTwo'],
  boot: ['Exec', 'Boot'],
  user: ['Exec', 'User'],
  chdir: ['Exec', 'WorkingDirectory'],
  'pivot-root': ['Exec', 'PivotRoot'],
  capability: ['Exec', 'Capability'],
  'ambient-capability': ['Exec', 'AmbientCapability'],
  'drop-capability': ['Exec', 'DropCapability'],
  'no-new-privileges': ['Exec', 'NoNewPrivileges'],
  'kill-signal': ['Exec', 'KillSignal'],
  personality: ['Exec', 'Personality'],
  uuid: ['Exec', 'MachineID'],
  'private-users': ['Exec', 'PrivateUsers'],
  'notify-ready': ['Exec', 'NotifyReady'],
  'system-call-filter': ['Exec', 'SystemCallFilter'],
  'oom-score-adjust': ['Exec', 'OOMScoreAdjust'],
  'cpu-affinity': ['Exec', 'CPUAffinity'],
  hostname: ['Exec', 'Hostname'],
  'resolv-conf': ['Exec', 'ResolvConf'],
  timezone: ['Exec', 'Timezone'],
  'link-journal': ['Exec', 'LinkJournal'],
  'suppress-sync': ['Exec', 'SuppressSync'],
  setenv: ['Exec', 'Environment'],
  'read-only': ['Files', 'ReadOnly'],
  volatile: ['Files', 'Volatile'],
  bind: ['Files', 'Bind'],
  'bind-ro': ['Files', 'BindReadOnly'],
  'bind-user': ['Files', 'BindUser'],
  tmpfs: ['Files', 'TemporaryFileSystem'],
  inaccessible: ['Files', 'Inaccessible'],
  overlay: ['Files', 'Overlay'],
  'overlay-ro': ['Files', 'OverlayReadOnly'],
  'private-users-chown': ['Files', 'PrivateUsersChown'],
  'private-users-ownership': ['Files', 'PrivateUsersOwnership'],
  'private-network': ['Network', 'Private'],
  'network-veth': ['Network', 'VirtualEthernet'],
  'network-veth-extra': ['Network', 'VirtualEthernetExtra'],
  'network-interface': ['Network', 'Interface'],
  'network-macvlan': ['Network', 'MACVLAN'],
  'network-ipvlan': ['Network', 'IPVLAN'],
  'network-bridge': ['Network', 'Bridge'],
  'network-zone': ['Network', 'Zone'],
  'network-namespace-path': ['Network', 'NamespacePath'],
  port: ['Network', 'Port'],
};
const FLAGS = ['ephemeral', 'as-pid2', 'boot', 'read-only', 'private-network', 'network-veth', 'private-users-chown'];
const TERMINAL = 'a payload has the standard streams of its caller, and on a terminal one of its own';
const DISK = 'Tare mounts no disk images: copy the files out of it, and write their directory as `image`';
const LABELS = 'Tare leaves labels and profiles of security modules to the node';
const SYSTEMD = 'Tare makes the groups of a job itself, and tells systemd nothing of it';
const CREDENTIALS = 'a box has the credential files that the policy’s `credentials` name';

/** Options that nothing is made of; the first have no value. */
const LEFT_FLAGS: Readonly<Record<string, string>> = {
  quiet: 'it is about what systemd-nspawn itself prints',
  pipe: TERMINAL,
  'keep-unit': SYSTEMD,
  'share-system': 'processes of a box see none outside',
};
const LEFT_VALUES: Readonly<Record<string, string>> = {
  template: 'Tare copies no images; what is written to a view is gone at the end',
  image: DISK,
  'image-policy': DISK,
  'oci-bundle': 'a bundle is imported by its config.json',
  'root-hash': DISK,
  'root-hash-sig': DISK,
  'verity-data': DISK,
  slice: SYSTEMD,
  register: SYSTEMD,
  'selinux-context': LABELS,
  'selinux-apifs-context': LABELS,
  console: TERMINAL,
  background: TERMINAL,
  'load-credential': CREDENTIALS,
  'set-credential': CREDENTIALS,
  settings: 'a settings file is imported by itself',
};
const takes = (names: readonly string[], how: Takes): Record<string, Takes> => Object.fromEntries(names.map((name) => [name, how]));
const TABLE: OptionTable = {
  long: {
    ...takes([...Object.keys(SETTINGS), ...Object.keys(LEFT_VALUES), 'directory', 'machine', 'property', 'rlimit'], 'value'),
    ...takes(['volatile', 'private-users'], 'optional'),
    ...takes([...FLAGS, ...Object.keys(LEFT_FLAGS), 'U', 'j'], 'flag'),
  },
  short: {
    ...{D: 'directory', i: 'image', x: 'ephemeral', u: 'user', M: 'machine', S: 'slice', E: 'setenv', a: 'as-pid2', b: 'boot'},
    ...{Z: 'selinux-context', L: 'selinux-apifs-context', n: 'network-veth', p: 'port', q: 'quiet', P: 'pipe', U: 'U', j: 'j'},
  },
};

/** A name of a machine (machinectl(1)), which is a name of a host. */
export const MACHINE = /^[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$/;

/** Limits of `--property` (systemd.resource-control(5)). */
const PROPERTIES: Readonly<Record<string, readonly [limit: Limit, read: (text: string, where: string) => number | null]>> = {
  MemoryMax: ['memory', sizeOf],
  MemoryLimit: ['memory', sizeOf],
  MemoryHigh: ['memoryHigh', sizeOf],
  MemorySwapMax: ['swap', sizeOf],
  CPUQuota: ['cores', coresOf],
  TasksMax: ['processes', countOf],
  RuntimeMaxSec: ['wallTime', (text, where) => inSeconds(spanOf(text, where))],
};

/** Whether a text is a command of systemd-nspawn, by its first word. */
export const isNspawnCommand = (text: string): boolean =>
  /^(?:[ \t]*(?:#.*)?\r?\n)*[ \t]*(?:sudo[ \t]+(?:-[EHn][ \t]+)*)?(?:\/[\w./-]*\/)?systemd-nspawn(?:[ \t\\]|\r?\n|$)/.test(
    text.slice(0, 64 * 1024),
  );

/**
 * The settings of a command line; what is no setting of a file goes to the draft.
 * @throws TareError DOCUMENT_SYNTAX for what a shell would expand, and for unknown options
 */
export function readNspawnCommand(foreign: Foreign, draft: Draft, problems: Problems): Setting[] {
  const {text, file} = foreign;
  const all = readCommand(text, file);
  const start = Math.max(
    0,
    all.findIndex((word) => !/^(?:sudo|-[EHn])$/.test(word.text)),
  );
  for (const {text: word, at} of all.slice(0, start)) draft.leave({at, as: word}, 'a job runs as its account');
  const [program, ...words] = all.slice(start);
  const {options, rest} = readOptions(words, TABLE, problems);
  const origin: Origin = {at: program?.at ?? file, as: 'systemd-nspawn'};
  const settings = options.flatMap((option) => problems.attempt(() => settingOf(option, draft)) ?? []);
  placeRoot(options, origin, foreign, draft, problems);
  const [first] = rest;
  if (first === undefined) return settings;
  const at = {at: first.at, as: 'the command'};
  const command = rest.map(({text: word}) => word);
  return [...settings, {section: 'Exec', name: 'Parameters', value: '', words: command, at: first.at, origin: at}];
}

/** A setting; null where the option is none. @throws TareError for the value of a property */
function settingOf({name, value, at, origin}: Option, draft: Draft): Setting | null {
  const setting = (section: string, key: string, text: string, words?: readonly string[]): Setting => ({
    ...{section, name: key, value: text, at, origin},
    ...(words === undefined ? {} : {words}),
  });
  const [section, key] = (Object.hasOwn(SETTINGS, name) ? SETTINGS[name] : undefined) ?? [];
  const because = LEFT_FLAGS[name] ?? LEFT_VALUES[name];
  const text = value ?? 'yes';
  if (name === 'U') return setting('Exec', 'PrivateUsers', 'pick');
  if (name === 'j') return setting('Exec', 'LinkJournal', 'try-guest');
  if (name === 'rlimit') return setting('Exec', ...rlimitOf(text));
  if (name === 'property') readProperty(text, at, origin, draft);
  else if (name === 'setenv' && !text.includes('=')) draft.leave(origin, 'a payload has all variables of its caller anyway');
  else if (name === 'setenv') return setting('Exec', 'Environment', text, [text]);
  else if (name.endsWith('capability')) return setting('Exec', key ?? '', text, text.split(','));
  else if (section !== undefined && key !== undefined) return setting(section, key, FLAGS.includes(name) && text === 'true' ? 'yes' : text);
  else if (because !== undefined) draft.leave(origin, because);
  return null;
}

/** `RLIMIT_NOFILE=1024`, or the name alone, as a setting of a file. */
function rlimitOf(text: string): [name: string, value: string] {
  const [name = '', value = ''] = text.split(/=(.*)/s);
  return [`Limit${name.replace(/^RLIMIT_/, '')}`, value];
}

/** `NAME=VALUE`. Shares of the node's memory or processes are left. */
function readProperty(text: string, where: string, origin: Origin, draft: Draft): void {
  const [name = '', value = ''] = text.split(/=(.*)/s);
  const [limit, read] = (Object.hasOwn(PROPERTIES, name) ? PROPERTIES[name] : undefined) ?? [];
  if (limit === undefined || read === undefined)
    draft.leave(origin, 'a job has no such limit; the limits of a job are listed in its reference');
  else if (value.endsWith('%') && limit !== 'cores') draft.leave(origin, 'it is a share of the node: write the limit itself');
  else {
    const amount = value === '' ? null : read(value, where);
    if (amount === null) draft.leave(origin, 'it sets no limit, and a job without one has none of its own');
    else if (amount === 0 && limit !== 'swap') draft.leave(origin, `a job has no limit of 0 on ${limit}`);
    else draft.limit(limit, amount, origin);
  }
}

const inSeconds = (us: number | null): number | null => (us === null ? null : us / 1e6);

/** The root: `--directory`, else the directory of `--machine` below /var/lib/machines. */
function placeRoot(options: readonly Option[], origin: Origin, foreign: Foreign, draft: Draft, problems: Problems): void {
  const directory = options.findLast(({name}) => name === 'directory');
  const machine = options.findLast(({name}) => name === 'machine');
  const name = machine?.value ?? '';
  if (machine !== undefined && !MACHINE.test(name))
    problems.invalid({message: 'no name of a machine', where: machine.at, found: show(name), allowed: 'a name that a host can have'});
  else if (machine !== undefined) draft.field('name', name, machine.origin);
  if (directory !== undefined) placeImage(pathIn(foreign, directory.value ?? ''), directory.origin, draft);
  else if (options.some(({name}) => name === 'image' || name === 'template' || name === 'oci-bundle')) return;
  else if (machine !== undefined) placeImage(`/var/lib/machines/${name}`, machine.origin, draft);
  else draft.leave(origin, 'without --directory its files are those of the current directory: write it as `image`');
}
