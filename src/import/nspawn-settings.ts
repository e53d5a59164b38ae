/** What each setting of systemd-nspawn becomes (systemd.nspawn(5), systemd-nspawn(1)). */

import {TareError} from '../errors.js';
import type {Problems} from '../job/problems.js';
import {show} from '../job/show.js';
import {cpusOf, sizeOf} from './amounts.js';
import type {Draft, Origin} from './draft.js';
import {placeCapabilities, placeHostname, placeMount, placeNetwork, placeUser} from './places.js';
import {placeUlimit, type Resources} from './resources.js';
import {partsOf, truthOf, wordsOf, type Setting as FileSetting} from './systemd-syntax.js';
import {rlimitOf, type RlimitKind} from './systemd-values.js';

/** A setting of a file, or of a command line, which has its words already. */
export interface Setting extends FileSetting {
  words?: readonly string[];
}

/** What was found of a container. */
export interface Container {
  draft: Draft;
  problems: Problems;
  resources: Resources;
  /** Whether it boots, and what says so; null: not said. */
  boots: {isTrue: boolean; origin: Origin} | null;
  /** Command, or arguments of init. */
  parameters: {words: string[]; origin: Origin} | null;
  /** CPUs that it is bound to: numbers and ranges. */
  cpus: string[];
  /** `Network` settings that give it a network of its own besides `Private`. */
  hasNetwork: boolean;
}

/** Reads one setting. */
export type Reader = (setting: Setting, container: Container) => void;

/** By section and name. */
export const READERS: Readonly<Record<string, Reader>> = {
  'Exec.Boot': (setting, container) => {
    container.boots = {isTrue: truthOf(setting), origin: setting.origin};
    if (!container.boots.isTrue) container.draft.leave(setting.origin, 'it boots nothing, as no job does without `init`');
  },
  'Exec.Ephemeral': (setting, {draft}) => {
    if (truthOf(setting)) placeView(setting.origin, draft);
    else draft.leave(setting.origin, 'an image is never changed: what a job writes to its view of it is gone at its end');
  },
  'Exec.Parameters': (setting, container) => {
    const words = wordsIn(setting);
    const {parameters: before, draft} = container;
    if (words.length === 0) draft.leave(setting.origin, 'it takes back what is above it');
    if (before !== null) draft.leave(before.origin, `${setting.origin.at} ${words.length === 0 ? 'takes it back' : 'adds to it'}`);
    container.parameters = words.length === 0 ? null : {words: [...(before?.words ?? []), ...words], origin: setting.origin};
  },
  'Exec.Environment': readEnvironment,
  'Exec.User': ({value, origin}, {draft}) => {
    placeUser(value, origin, draft);
  },
  'Exec.WorkingDirectory': ({value, at, origin}, {draft}) => {
    draft.field('workDirectory', absolute(value, at), origin);
  },
  'Exec.Capability': readCapabilities,
  'Exec.AmbientCapability': readCapabilities,
  'Exec.KillSignal': ({value, at, origin}, {draft}) => {
    if (!/^((SIG)?[A-Z][A-Z0-9]*([+-]\d+)?|\d{1,2})$/.test(value))
      throw invalid('no signal', at, value, 'a name such as SIGRTMIN+3, or a number');
    draft.leave(origin, 'each init of a small machine is ended by the signal that it takes for it');
  },
  'Exec.MachineID': ({value, at, origin}, {draft}) => {
    if (!/^[0-9a-f]{32}$/i.test(value.replaceAll('-', ''))) throw invalid('no id of a machine', at, value, '32 hexadecimal digits');
    draft.leave(origin, 'a small machine has an id of its own');
  },
  'Exec.PrivateUsers': readPrivateUsers,
  'Exec.OOMScoreAdjust': ({value, at, origin}, {draft}) => {
    if (!/^-?\d{1,4}$/.test(value) || Math.abs(Number(value)) > 1000) throw invalid('no score', at, value, '-1000 to 1000');
    draft.leave(origin, 'a job is killed for memory at its own limit; it has no say in whom the kernel kills for the node’s');
  },
  'Exec.CPUAffinity': (setting, container) => {
    const {at, origin} = setting;
    const {resources, draft} = container;
    cpusOf(wordsIn(setting).join(',').replaceAll(/,+/g, ','), at);
    container.cpus.push(...wordsIn(setting));
    if (resources.cpuset !== undefined) draft.leave(resources.cpuset.origin, `${origin.at} adds to it`);
    resources.cpuset = {value: cpusOf(container.cpus.join(',').replaceAll(/,+/g, ','), at), origin, at};
  },
  'Exec.Hostname': ({value, origin}, {draft}) => {
    placeHostname(value, origin, draft);
  },
  'Files.Volatile': readVolatile,
  'Files.Bind': (setting, container) => {
    readBind(setting, false, container);
  },
  'Files.BindReadOnly': (setting, container) => {
    readBind(setting, true, container);
  },
  'Files.TemporaryFileSystem': ({value, at, origin}, {draft}) => {
    const [target = '', options = ''] = partsOf(value, 2);
    const [, size] = /(?:^|,)size=([^,%]+)(?:,|$)/.exec(options) ?? [];
    const bytes = size === undefined ? null : sizeOf(size, at);
    placeMount({kind: 'tmpfs', source: null, target: absolute(target, at), readOnly: false, size: bytes, origin}, draft);
  },
  'Network.VirtualEthernet': (setting, container) => {
    const {draft} = container;
    if (!truthOf(setting)) draft.leave(setting.origin, 'it makes nothing');
    else if (container.hasNetwork) draft.leave(setting.origin, 'Tare makes the devices of a box itself');
    else placeNetwork('private', setting.origin, draft);
    container.hasNetwork ||= truthOf(setting);
  },
  'Network.Bridge': ({value, origin}, {draft}) => {
    draft.leave(origin, `it names no address: a pool of the policy (kind bridge, ${value}) has those that boxes get`);
  },
  'Network.MACVLAN': ({value, origin}, {draft}) => {
    draft.leave(origin, `it names no address: a pool of the policy (kind macvlan, ${value}) has those that boxes get`);
  },
  'Network.Private': (setting, {draft, hasNetwork}) => {
    const isPrivate = truthOf(setting);
    if (hasNetwork) draft.leave(setting.origin, 'other settings say what network it has');
    else draft.field('network', isPrivate ? 'none' : 'host', setting.origin);
  },
};

/** Resource limits of `Limit…` and `--rlimit`, and what their values are. */
export const RLIMITS: Readonly<Record<string, RlimitKind>> = {
  ...Object.fromEntries(['FSIZE', 'DATA', 'STACK', 'CORE', 'RSS', 'AS', 'MEMLOCK', 'MSGQUEUE'].map((name) => [name, 'size'] as const)),
  ...Object.fromEntries(['NOFILE', 'NPROC', 'LOCKS', 'SIGPENDING', 'RTPRIO'].map((name) => [name, 'count'] as const)),
  ...{CPU: 'span', RTTIME: 'span', NICE: 'nice'},
};

/** Reads a resource limit by its name, without `Limit`. */
export function readRlimit(name: string, kind: RlimitKind, {value, at, origin}: Setting, {draft, resources}: Container): void {
  const {soft, hard} = rlimitOf(value, kind, at);
  placeUlimit({name: name.toLowerCase(), soft: soft ?? -1, hard: hard ?? -1, origin, at}, resources, draft);
}

const wordsIn = ({words, value, at}: Setting): readonly string[] => words ?? wordsOf(value, at);

function invalid(message: string, where: string, found: string, allowed: string): TareError {
  return new TareError('DOCUMENT_INVALID', {message, where, found: show(found), allowed});
}

function absolute(path: string, where: string): string {
  if (path.startsWith('/')) return path;
  throw invalid('the path is not absolute', where, path, 'a path that begins with /');
}

/** `NAME=VALUE` words. An empty value takes back what is above it. */
function readEnvironment(setting: Setting, {draft, problems}: Container): void {
  const {at, origin} = setting;
  const words = wordsIn(setting);
  if (words.length === 0) {
    for (const before of draft.environment.values()) draft.leave(before.origin, `${origin.at} takes it back`);
    draft.environment.clear();
    draft.leave(origin, 'it takes back what is above it');
  }
  for (const word of words) {
    const [, name = '', value = ''] = /^([^=]*)=(.*)$/s.exec(word) ?? [];
    if (name === '') problems.add(invalid('no variable with a value', at, word, 'NAME=VALUE'));
    else if (/^[A-Za-z_][A-Za-z0-9_.]*$/.test(name)) draft.variable(name, value, origin);
    else problems.add(invalid('no name of a variable', at, name, 'letters, digits, _ and . after a letter or _'));
  }
}

/** What is written is gone at the end. */
function placeView(origin: Origin, draft: Draft): void {
  if (draft.fields.has('filesystem')) draft.leave(origin, 'another setting says so already');
  else draft.field('filesystem', 'shared', origin);
}

function readCapabilities(setting: Setting, {draft}: Container): void {
  placeCapabilities(wordsIn(setting), setting.origin, draft);
}

/** Off, on, chosen by nspawn, or `FIRST[:COUNT]`, ids of the node. */
function readPrivateUsers(setting: Setting, {draft}: Container): void {
  const {value, origin} = setting;
  const [, first, count = '65536'] = /^(\d{2,10})(?::(\d{1,10}))?$/.exec(value) ?? [];
  if (first !== undefined) {
    if (Number(first) >= 1000 && Number(first) <= 4_294_900_000 && Number(count) >= 1000 && Number(count) <= 65_536)
      draft.propose(
        ['identity', 'machineIds'],
        {start: Number(first), count: Number(count)},
        origin,
        'its accounts have these ids on the node',
      );
    else draft.leave(origin, 'a small machine has 1000 to 65536 ids, the first of which is 1000 or more (identity.machineIds)');
    return;
  }
  const isOff = !/^(pick|identity|managed)$/.test(value) && !truthOf(setting, ['pick', 'identity', 'managed, or FIRST:COUNT']);
  draft.leave(
    origin,
    isOff
      ? 'root of a small machine never is root of the node'
      : 'the site says which ids of the node a small machine has (identity.machineIds)',
  );
}

function readVolatile(setting: Setting, {draft}: Container): void {
  const {value, origin} = setting;
  const isOff = !/^(state|overlay)$/.test(value) && !truthOf(setting, ['state', 'overlay']);
  if (isOff) draft.leave(origin, 'an image is never changed: what a job writes to its view of it is gone at its end');
  else placeView(origin, draft);
  if (!isOff && value !== 'overlay') draft.leave(origin, 'a view shows all of the image, also what is not below /usr');
}

/** `SOURCE[:DESTINATION[:OPTIONS]]`. Without a source it is a directory that is gone at the end; `+` is in the image. */
function readBind({value, at, origin}: Setting, readOnly: boolean, {draft}: Container): void {
  const [source = '', destination, options = ''] = partsOf(value, 3);
  const target = absolute(destination ?? source.replace(/^\+/, ''), at);
  if (source === '') {
    placeMount({kind: 'volume', source: null, target, readOnly, size: null, origin}, draft);
    return;
  }
  if (source.startsWith('+')) {
    draft.leave(origin, 'it is a directory of the image, which a box has at its own path only');
    return;
  }
  placeMount({kind: 'bind', source: absolute(source, at), target, readOnly, size: null, origin}, draft);
  if (options !== '') draft.leave(origin, 'Tare chooses the options of its mounts itself');
}
