/** Command lines `docker run`, `docker create`, `podman run` and `podman create`. Nothing of them is run. */

import {TareError} from '../errors.js';
import {Problems} from '../job/problems.js';
import {formatDuration} from '../job/quantity.js';
import {show} from '../job/show.js';
import {coresOf, cpusOf, sizeOf, sizeOrNone, wholeOf} from './amounts.js';
import {ENGINE_OPTIONS, meaningOf, RUN_OPTIONS, type Use} from './docker-options.js';
import {Draft, type Origin} from './draft.js';
import {calledIn, readAssignments, VARIABLE} from './environment-file.js';
import {refusePart, type Foreign, type Format} from './format.js';
import {leaveOwnCommand, placeCommand, placeImage, placeImagePath} from './image-reference.js';
import {placeDeviceSetting, placeMountSetting, placeTemporary, placeVolume} from './mounts.js';
import {readOptions, settingOf, type Option} from './options.js';
import {leaveNetworkUnset, placeCapabilities, placeGpus, placeHostname, placeNetwork, placeSecurity, placeUser} from './places.js';
import {placeResources, placeUlimit, ULIMIT_NAMES, UNSET_SWAP, type Given, type Resources} from './resources.js';
import {readCommand, type Word} from './words.js';

/** A command line of docker or podman. */
export const DOCKER_RUN_FORMAT: Format = {
  name: 'docker-run',
  title: 'a command line of docker run, docker create, podman run or podman create',
  recognises: (text) =>
    /^(?:\s*#[^\n]*\n)*\s*(?:[A-Za-z_]\w*=\S*\s+|sudo\s+(?:-[EHn]\s+)*|exec\s+)*(?:\/\S*\/)?(?:docker|podman)(?:-remote)?\s/.test(
      text.slice(0, 4096),
    ),
  read: readDockerRun,
};

/** What is being read. */
interface Run {
  draft: Draft;
  problems: Problems;
  foreign: Foreign;
  engine: string;
  /** Variables that the line sets for the engine itself. */
  before: ReadonlyMap<string, string>;
  resources: Resources;
  entrypoint: Option | null;
  rootfs: boolean;
}

function readDockerRun(foreign: Foreign): Draft {
  refusePart(foreign);
  const words = readCommand(foreign.text, foreign.file);
  const [problems, draft] = [new Problems(), new Draft()];
  const {engine, before, rest: behind} = engineOf(words, draft, problems);
  const {options, rest} = readOptions(behind, RUN_OPTIONS, problems);
  const run: Run = {draft, problems, foreign, engine, before, resources: {}, entrypoint: null, rootfs: false};
  // A file of variables comes before single ones, wherever it stands.
  for (const option of options) if (option.name === 'env-file') readEnvironmentFile(option, run);
  for (const option of options) if (option.name !== 'env-file') readOption(option, run);
  if (!draft.fields.has('network') && !options.some(({name}) => name === 'network' || name === 'net'))
    leaveNetworkUnset({at: words[0]?.at ?? foreign.file, as: '--network, which is not given'}, draft);
  placeResources(run.resources, draft, problems, UNSET_SWAP.docker);
  readImageAndCommand(rest, behind.at(-1) ?? words.at(-1), run);
  problems.throwIfAny();
  return draft;
}

/** What stands before the options of run: variables, sudo, the engine and its own options. */
function engineOf(words: readonly Word[], draft: Draft, problems: Problems) {
  const before = new Map<string, string>();
  let index = 0;
  for (; index < words.length; index++) {
    const {text = '', at = ''} = words[index] ?? {};
    const [, name, value = ''] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(text) ?? [];
    if (name !== undefined) {
      before.set(name, value);
      draft.leave({at, as: settingOf(name, null)}, 'it is a variable of the engine’s own command');
    } else if (!/^(sudo|exec|-E|-H|-n)$/.test(text)) break;
  }
  const word = words[index];
  const engine = /^(?:.*\/)?(docker|podman)(?:-remote)?$/s.exec(word?.text ?? '')?.[1];
  const wrong = (found: Word | undefined): TareError =>
    new TareError('DOCUMENT_INVALID', {
      message: 'not a command that starts a container',
      where: found?.at ?? words.at(-1)?.at,
      found: show(found?.text),
      allowed: 'docker run, docker create, podman run, podman create',
      remedy: word?.text === '$' || word?.text === '%' ? 'leave out the prompt of the shell' : undefined,
    });
  if (engine === undefined) throw wrong(word);
  const {options, rest} = readOptions(words.slice(index + 1), ENGINE_OPTIONS, problems);
  for (const {origin} of options) draft.leave(origin, 'it is an option of the engine itself');
  const behind = rest[0]?.text === 'container' ? rest.slice(1) : rest;
  if (behind[0]?.text !== 'run' && behind[0]?.text !== 'create') throw wrong(behind[0]);
  return {engine, before, rest: behind.slice(1)};
}

/** 31 years. */
const MOST_SECONDS = 1e9;

type Reader = (text: string, option: Option, run: Run) => void;

/** Keeps a value; a later one replaces it, as the engines have it. */
const resource =
  (name: keyof Resources, read: (text: string, where: string) => number): Reader =>
  (text, {at, origin}, {resources, problems, draft}) => {
    const value = problems.attempt((): Given<number> => ({value: read(text, at), origin, at}));
    const before = resources[name];
    if (value === null) return;
    if (before !== undefined) draft.replaced(before.origin, origin);
    resources[name] = value;
  };

const setting = (text: string, {at, origin}: Option) => ({text, at, origin});

const READERS: Readonly<Record<Exclude<Use, 'environmentFile'>, Reader>> = {
  memory: resource('memory', sizeOf),
  memorySwap: resource('memorySwap', sizeOrNone),
  cores: resource('cores', coresOf),
  quota: resource('quota', (text, where) => wholeOf(text, where, -1)),
  period: resource('period', (text, where) => wholeOf(text, where)),
  cpuset: resource('cpuset', cpusOf),
  processes: resource('processes', (text, where) => wholeOf(text, where, -1)),
  ulimit: readUlimit,
  wallTime: (text, {at, origin}, {draft, problems}) => {
    const seconds = problems.attempt(() => wholeOf(text, at, 0, MOST_SECONDS)) ?? 0;
    if (seconds > 0) draft.limit('wallTime', seconds, origin);
  },
  storage: (text, {at, origin}, {draft, problems}) => {
    const size = text.startsWith('size=') ? problems.attempt(() => sizeOf(text.slice(5), at)) : null;
    if (size !== null && size > 0) draft.limit('scratch', size, origin);
    else draft.leave(origin, 'it is about the engine’s own storage');
  },
  volume: (text, option, {draft, problems}) => placeVolume(setting(text, option), draft, problems),
  mount: (text, option, {draft, problems}) => placeMountSetting(setting(text, option), draft, problems),
  tmpfs: (text, option, {draft, problems}) => placeTemporary(setting(text, option), draft, problems),
  device: (text, option, {draft, problems}) => placeDeviceSetting(setting(text, option), draft, problems),
  gpus: (_, {origin}, {draft}) => placeGpus(origin, draft),
  user: (text, {origin}, {draft}) => placeUser(text, origin, draft),
  hostname: (text, {origin}, {draft}) => placeHostname(text, origin, draft),
  network: readNetwork,
  privileged: (text, {origin}, {draft}) => {
    if (text === 'true') draft.propose(['seccomp'], 'unconfined', origin, 'it wants no filter on system calls');
    draft.leave(origin, 'a payload has no privileges over the node');
  },
  addCapabilities: (text, {origin}, {draft}) => placeCapabilities(text.split(','), origin, draft),
  security: (text, {origin}, {draft}) => placeSecurity(text, origin, draft),
  stopTimeout: (text, {at, origin}, {draft, problems}) => {
    const seconds = problems.attempt(() => wholeOf(text, at, -1, MOST_SECONDS)) ?? -1;
    if (seconds < 0) draft.leave(origin, 'Tare always ends a payload that does not end by itself');
    else draft.propose(['grace'], formatDuration(seconds * 1e6), origin, 'it wants this time from SIGTERM to SIGKILL');
  },
  environment: readVariable,
  unset: (text, {at, origin}, {draft, problems}) => {
    if (VARIABLE.test(text)) draft.variable(text, null, origin);
    else problems.invalid({message: 'not the name of a variable', where: at, found: show(text), allowed: 'letters, digits, _ and .'});
  },
  workDirectory: (text, {at, origin}, {draft, problems}) => {
    if (text.startsWith('/')) draft.field('workDirectory', text, origin);
    else problems.invalid({message: 'the working directory is not absolute', where: at, found: show(text), allowed: 'an absolute path'});
  },
  entrypoint: (_, option, run) => {
    if (run.entrypoint !== null) run.draft.replaced(run.entrypoint.origin, option.origin);
    run.entrypoint = option;
  },
  name: (text, {at, origin}, {draft, problems}) => {
    if (/^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$/.test(text)) draft.field('name', text, origin);
    else problems.invalid({message: 'not a name of a container', where: at, found: show(text), allowed: 'letters, digits, _, . and -'});
  },
  rootfs: (text, {origin}, run) => {
    run.rootfs = text === 'true';
    if (!run.rootfs) run.draft.leave(origin, 'it is false');
  },
  systemd: (_, {origin}, {draft}) =>
    draft.leave(origin, 'a small machine of Tare starts the image’s init: set pattern: vm-lite and init: systemd'),
  namespace: (text, {origin}, {draft}) =>
    draft.leave(origin, text === 'host' ? 'a box never has the node’s own' : 'a box has namespaces of its own, and never those of another'),
};

function readOption(option: Option, run: Run): void {
  const meaning = meaningOf(option.name);
  if ('left' in meaning) run.draft.leave(option.origin, meaning.left);
  else if (meaning.use !== 'environmentFile') READERS[meaning.use](option.value ?? '', option, run);
}

function readUlimit(text: string, {at, origin}: Option, {resources, draft, problems}: Run): void {
  const [, name = '', soft = '', hard = soft] = /^([a-z]+)=(-?\d{1,15}|unlimited)(?::(-?\d{1,15}|unlimited))?$/.exec(text) ?? [];
  if (text === 'host') draft.leave(origin, 'a payload has the caller’s limits anyway');
  else if (!ULIMIT_NAMES.includes(name))
    problems.invalid({
      message: 'not a resource limit',
      where: at,
      found: show(text),
      allowed: `NAME=SOFT or NAME=SOFT:HARD, with one of ${ULIMIT_NAMES.join(', ')}`,
    });
  else {
    const [softValue = 0, hardValue = 0] = [soft, hard].map((value) => (value === 'unlimited' ? -1 : Number(value)));
    if (hardValue >= 0 && (softValue < 0 || softValue > hardValue))
      problems.invalid({message: 'the soft limit is above the hard one', where: at, found: show(text), allowed: 'NAME=SOFT:HARD'});
    placeUlimit({name, soft: softValue, hard: hardValue, origin, at}, resources, draft);
  }
}

/** `MODE`, `NAME`, `name=NAME,OPTION=VALUE`, and podman's `MODE:OPTIONS`. */
function readNetwork(text: string, {origin}: Option, {draft}: Run): void {
  if (!text.includes('name=')) {
    placeNetwork(text, origin, draft);
    return;
  }
  const [names, others] = [
    text.split(',').filter((one) => one.startsWith('name=')),
    text.split(',').filter((one) => !one.startsWith('name=')),
  ];
  for (const name of names) placeNetwork(name.slice('name='.length), origin, draft);
  if (others.length > 0) draft.leave(origin, 'Tare knows no options of a network');
}

function readVariable(text: string, {at, origin}: Option, {draft, problems, before}: Run): void {
  const [name = '', given] = text.split(/=(.*)/s);
  const value = given ?? before.get(name);
  const shown: Origin = {at: origin.at, as: settingOf(`--env ${name}`, null)};
  if (name === '') problems.invalid({message: 'a variable without a name', where: at, found: show(text), allowed: 'NAME=VALUE, NAME'});
  else if (value === undefined) draft.leave(shown, 'a payload has the variables of its caller');
  else if (!VARIABLE.test(name)) draft.leave(shown, 'a variable of a job has letters, digits, _ and . in its name');
  else draft.variable(name, value, shown);
}

function readEnvironmentFile(option: Option, {draft, problems, foreign}: Run): void {
  const path = option.value ?? '';
  const text = foreign.read(path);
  if (text === null) {
    problems.add(
      new TareError('DOCUMENT_UNREADABLE', {
        message: 'the file of variables cannot be read',
        where: option.at,
        found: show(path),
        allowed: 'a file, relative to the one with the command line',
      }),
    );
    return;
  }
  for (const assignment of problems.attempt(() => readAssignments(text, path, null, problems)) ?? []) {
    const {name, value} = assignment;
    const origin = calledIn(assignment);
    if (value === null) draft.leave(origin, 'a payload has the variables of its caller');
    else if (!VARIABLE.test(name)) draft.leave(origin, 'a variable of a job has letters, digits, _ and . in its name');
    else draft.variable(name, value, origin);
  }
}

function readImageAndCommand(rest: readonly Word[], last: Word | undefined, run: Run): void {
  const {draft, problems, engine} = run;
  const [image, ...words] = rest;
  if (image === undefined || image.text === '') {
    const found = image === undefined ? 'the end of the command' : show('');
    problems.invalid({message: 'the image is missing', where: (image ?? last)?.at, found, allowed: 'IMAGE [COMMAND…]'});
    return;
  }
  const origin: Origin = {at: image.at, as: settingOf('IMAGE', image.text)};
  if (run.rootfs) readRoot(image, origin, run);
  else placeImage(image.text, engine, origin, draft);
  const own = run.entrypoint === null ? [] : entrypointOf(run.entrypoint, engine);
  const command = [...own, ...words.map(({text}) => text)];
  const first = run.entrypoint?.origin ?? {at: words[0]?.at ?? image.at, as: settingOf('COMMAND', words[0]?.text ?? null)};
  if (command.length > 0 && command[0] !== '') placeCommand(command, first, draft);
  if (command[0] === '')
    problems.invalid({message: 'the name of a program is empty', where: first.at, found: show(''), allowed: 'a program'});
  if (own.length === 0 && !run.rootfs && (run.entrypoint === null || command.length === 0))
    leaveOwnCommand(command.length > 0, engine, image.text, origin, draft);
}

/** podman: `PATH[:O|:idmap…]`, a directory instead of an image. */
function readRoot({text, at}: Word, origin: Origin, {draft, problems}: Run): void {
  const [path = ''] = text.split(':');
  const plain = path.length > 1 ? path.replace(/\/+$/, '') : path;
  if (plain === '/') draft.field('image', 'host', origin);
  else if (plain.startsWith('/') && !/(^|\/)\.\.?(\/|$)/.test(plain)) placeImagePath(plain, origin, draft);
  else
    problems.invalid({
      message: 'the directory of the root is not an absolute path',
      where: at,
      found: show(text),
      allowed: 'a path without ..',
    });
}

/** docker takes one program; podman a list in JSON too. An empty one takes the image's away. */
function entrypointOf({value}: Option, engine: string): string[] {
  const text = value ?? '';
  if (text === '') return [];
  if (engine === 'podman' && text.startsWith('[')) {
    try {
      const list: unknown = JSON.parse(text);
      if (Array.isArray(list) && list.every((one) => typeof one === 'string' && !one.includes('\0'))) return list as string[];
    } catch {
      // podman takes what is no list as the name of a program
    }
  }
  return [text];
}
