/** Command lines of apptainer and singularity: exec, run and shell. Nothing of them is run, and no image is fetched. */

import {TareError} from '../errors.js';
import {Problems} from '../job/problems.js';
import {show} from '../job/show.js';
import {coresOf, cpusOf, sizeOf, sizeOrNone, wholeOf} from './amounts.js';
import {ACTION_OPTIONS, GLOBAL, GLOBAL_OPTIONS, LEFT_FLAGS, LEFT_VALUES, LISTS} from './apptainer-options.js';
import {readEnvironment} from './apptainer-environment.js';
import {onNode, readBinds, readHome, readVariables, type Bind} from './apptainer-values.js';
import {Draft} from './draft.js';
import {calledIn, readAssignments, VARIABLE} from './environment-file.js';
import {refusePart, type Foreign, type Format} from './format.js';
import {pathIn, placeImage} from './image.js';
import {placeMountSetting} from './mounts.js';
import {readOptions, type Option} from './options.js';
import {placeCapabilities, placeHostname, placeNetwork, placeSecurity} from './places.js';
import {placeResources, UNSET_SWAP, type Given, type Resources} from './resources.js';
import {readCommand, type Word} from './words.js';

/** Comments and assignments, and then the program. Each character can be taken in one way only. */
const RECOGNISED =
  /^(?:[ \t]*(?:#.*)?\r?\n)*[ \t]*(?:[A-Za-z_][A-Za-z0-9_]*=(?:"[^"\n]*"|'[^'\n]*'|\\[^\r\n]|[^\s"'\\])*(?:[ \t]|\\\r?\n)+)*(?:sudo[ \t]+(?:-[EHn][ \t]+)*)?(?:\/[^\s"'\\]*\/)?(?:apptainer|singularity)(?:\s|\\\r?\n|$)/;

/** Command lines of apptainer and singularity. */
export const APPTAINER_FORMAT: Format = {
  name: 'apptainer',
  title: 'a command line of apptainer or singularity: exec, run or shell',
  recognises: (text) => RECOGNISED.test(text.slice(0, 64 * 1024)),
  read: readApptainer,
};

/** What is being read. */
interface Run {
  draft: Draft;
  problems: Problems;
  foreign: Foreign;
  resources: Resources;
  binds: Bind[];
  /** Names of the options that are given. */
  given: ReadonlySet<string>;
}

const ACTIONS = ['exec', 'run', 'shell'] as const;

/** @throws TareError, TareErrors with places for what a shell would expand, unknown options, values that apptainer refuses */
function readApptainer(foreign: Foreign): Draft {
  refusePart(foreign);
  const [problems, draft] = [new Problems(), new Draft()];
  const words = readCommand(foreign.text, foreign.file);
  const start = words.findIndex(({text}) => !/^[A-Za-z_][A-Za-z0-9_]*=/.test(text) && !/^(?:sudo|-[EHn])$/.test(text));
  const program = words[start];
  if (program === undefined || !/^(.*\/)?(apptainer|singularity)$/.test(program.text))
    throw wrongWord('no command of apptainer', program ?? words.at(-1), 'apptainer or singularity, behind variables that are set for it');
  const global = readOptions(words.slice(start + 1), GLOBAL_OPTIONS, problems);
  for (const {origin} of global.options) draft.leave(origin, GLOBAL);
  const [action, ...behind] = global.rest;
  refuseOtherActions(action, words);
  const {options: written, rest} = readOptions(behind, ACTION_OPTIONS, problems);
  const fromEnvironment = readEnvironment(words.slice(0, start), written, draft, problems);
  const options = lastOfEach([...fromEnvironment, ...written], draft);
  const run: Run = {draft, problems, foreign, resources: {}, binds: [], given: new Set(options.map(({name}) => name))};
  // a file of variables comes before single ones, and binds before the directory that may be in one
  const order = (option: Option): number => ['home', 'bind', 'env-file'].indexOf(option.name);
  for (const option of options.sort((a, b) => order(b) - order(a))) problems.attempt(() => readOption(option, run));
  placeResources(run.resources, draft, problems, UNSET_SWAP.runtime);
  problems.attempt(() => placeCommand(action?.text ?? '', rest, run, options, words.at(-1)));
  problems.throwIfAny();
  return draft;
}

function refuseOtherActions(action: Word | undefined, words: readonly Word[]): void {
  if (ACTIONS.some((one) => one === action?.text)) return;
  const remedy =
    action?.text === 'instance'
      ? 'an instance goes on after its command, and a job ends with its payload: write what it runs with exec'
      : undefined;
  throw wrongWord('a command of apptainer that runs no payload', action ?? words.at(-1), 'exec, run, shell', remedy);
}

const wrongWord = (message: string, word: Word | undefined, allowed: string, remedy?: string): TareError =>
  new TareError('DOCUMENT_INVALID', {message, where: word?.at, found: show(word?.text), allowed, remedy});

/** Leaves options that a later one replaces. `--pwd` is `--cwd`. */
function lastOfEach(options: readonly Option[], draft: Draft): Option[] {
  const named = options.map((option) => (option.name === 'pwd' ? {...option, name: 'cwd'} : option));
  const last = new Map(named.map((option) => [option.name, option]));
  return named.filter((option) => {
    const counts = LISTS.includes(option.name) || last.get(option.name) === option;
    if (!counts) draft.leave(option.origin, 'it is given again, and the last one counts');
    return counts;
  });
}

type Reader = (option: Option & {value: string}, run: Run) => void;
const given = <T>(value: T, {origin, at}: Option): Given<T> => ({value, origin, at});

const READERS: Readonly<Record<string, Reader>> = {
  bind: (option, {draft, problems, binds, foreign}) => {
    binds.push(...readBinds(option, foreign, draft, problems));
  },
  mount: ({value, at, origin}, {draft, problems}) => {
    placeMountSetting({text: /(^|,)type=/.test(value) ? value : `type=bind,${value}`, at, origin}, draft, problems);
  },
  home: (option, {draft, problems, binds, foreign}) => {
    binds.push(...readHome(option, foreign, draft, problems));
  },
  cwd: ({value, origin}, {draft, binds}) => {
    if (value === '') draft.leave(origin, 'it is empty');
    else draft.field('workDirectory', onNode(value, binds) ?? value, origin);
  },
  hostname: ({value, origin}, {draft}) => {
    placeHostname(value, origin, draft);
  },
  net: ({origin}, {draft, given: others}) => {
    if (others.has('network')) draft.leave(origin, '--network says which');
    else placeNetwork('bridge', origin, draft);
  },
  network: ({value, origin}, {draft}) => {
    for (const name of value.split(',')) {
      if (name === '') draft.leave(origin, 'it is empty');
      else placeNetwork(/^(bridge|ptp|fakeroot)$/.test(name) ? 'bridge' : name, origin, draft);
    }
  },
  security: ({value, origin}, {draft}) => {
    for (const text of value.split(',')) {
      if (/^[ug]id:/.test(text)) draft.leave(origin, 'a payload runs as the account of its caller, or as the policy says');
      else placeSecurity(text, origin, draft);
    }
  },
  env: (option, {draft, problems}) => {
    readVariables(option, draft, problems);
  },
  'env-file': readEnvironmentFile,
  shell: () => undefined,
  'add-caps': ({value, origin}, {draft}) => {
    placeCapabilities(value.split(','), origin, draft);
  },
  cpus: (option, {resources}) => {
    resources.cores = given(coresOf(option.value, option.at), option);
  },
  'cpuset-cpus': (option, {resources}) => {
    resources.cpuset = given(cpusOf(option.value, option.at), option);
  },
  memory: (option, {resources}) => {
    resources.memory = given(sizeOf(option.value, option.at), option);
  },
  'memory-swap': (option, {resources}) => {
    resources.memorySwap = given(sizeOrNone(option.value, option.at), option);
  },
  'pids-limit': (option, {resources}) => {
    resources.processes = given(wholeOf(option.value, option.at, -1), option);
  },
  nv: placeNvidia,
  nvccli: placeNvidia,
  rocm: ({origin}, {draft}) => {
    draft.propose(['devices'], ['/dev/kfd', '/dev/dri/*'], origin, 'it wants GPUs');
    draft.leave(origin, 'Tare binds no libraries of the node’s driver into an image: it has to have them');
  },
  'writable-tmpfs': ({origin}, {draft}) => {
    draft.field('filesystem', 'shared', origin);
  },
  compat: ({origin}, {draft}) => {
    draft.field('filesystem', 'shared', origin);
    draft.leave(origin, 'a box is as contained, but for the environment, which is the caller’s');
  },
};

function placeNvidia({origin}: Option, {draft}: Run): void {
  draft.propose(['devices'], ['/dev/nvidia*'], origin, 'it wants GPUs');
  draft.leave(origin, 'Tare binds no libraries of the node’s driver into an image: it has to have them');
}

function readOption(option: Option, run: Run): void {
  const {name, value, origin} = option;
  const because = (Object.hasOwn(LEFT_FLAGS, name) ? LEFT_FLAGS[name] : LEFT_VALUES[name]) ?? 'Tare has no such thing';
  const secret = /user|pass/.test(name) ? {at: origin.at, as: `--${name}`} : origin;
  if (value === 'false' && ACTION_OPTIONS.long[name] === 'flag') run.draft.leave(origin, 'it is off');
  else if (Object.hasOwn(READERS, name)) READERS[name]?.({...option, value: value ?? ''}, run);
  else run.draft.leave(secret, because);
}

/** Lines `NAME=VALUE`, of which apptainer lets a shell evaluate the values. */
function readEnvironmentFile({value, origin}: Option & {value: string}, {draft, problems, foreign}: Run): void {
  const text = foreign.read(value);
  if (text === null) {
    draft.leave(origin, 'the file of variables cannot be read here: write them as `environment`');
    return;
  }
  for (const assignment of readAssignments(text, value, null, problems)) {
    const {name, value: content, at} = assignment;
    // a line without a value may be of a file that has no variables
    const as = content === null ? {at, as: 'a variable'} : calledIn(assignment);
    if (content === null || !VARIABLE.test(name)) draft.leave(as, 'it is no variable with a value');
    else if (/[$`\\"']/.test(content)) draft.leave(as, 'a shell evaluates its value: write the result as `environment`');
    else draft.variable(name, content, as);
  }
}

/** The image, and what is run in it. */
function placeCommand(
  action: string,
  rest: readonly Word[],
  {draft, foreign}: Run,
  options: readonly Option[],
  end: Word | undefined,
): void {
  const [image, ...words] = rest;
  if (image === undefined) throw wrongWord('the image is missing', end, `${action} IMAGE`);
  const [first] = words;
  placeReference(image, foreign, draft);
  const command = words.map(({text}) => text);
  const shell = options.find(({name}) => name === 'shell');
  if (shell !== undefined && action !== 'shell') draft.leave(shell.origin, 'it is about the command shell');
  const origin = {at: first?.at ?? image.at, as: `apptainer ${action}`};
  if (action === 'exec') {
    if (first === undefined) throw wrongWord('the command is missing', image, 'exec IMAGE COMMAND');
    draft.field('command', command, origin);
  } else if (action === 'run') {
    draft.field('command', ['/.singularity.d/runscript', ...command], origin);
    draft.leave(
      origin,
      'images that apptainer, or CVMFS’s service for unpacked images, made have their program there; of others write it as `command`',
    );
  } else {
    draft.field('command', [shell?.value ?? '/bin/sh'], shell?.origin ?? origin);
    if (first !== undefined) draft.leave(origin, 'a shell is started without arguments');
  }
}

/** A path of the node, or a reference, which is never fetched. */
function placeReference({text, at}: Word, foreign: Foreign, draft: Draft): void {
  const origin = {at, as: text.length > 60 ? `${text.slice(0, 59)}…` : text};
  const [, transport = '', reference = ''] = /^([a-z][a-z0-9-]*):(.*)$/s.exec(text) ?? [];
  if (transport === 'instance') throw wrongWord('a running instance is no image', {text, at}, 'a path of the node, or a reference');
  if (/^(docker-archive|oci-archive|oci)$/.test(transport)) placeImage(pathIn(foreign, reference.replace(/:[^/:]*$/, '')), origin, draft);
  else if (transport === 'docker')
    draft.leave(
      origin,
      'Tare fetches no images: name the one that is unpacked below /cvmfs/unpacked.cern.ch, or a file that `skopeo copy` made, as `image`',
    );
  else if (transport !== '')
    draft.leave(
      origin,
      'Tare fetches no images: unpack it (apptainer build --sandbox DIRECTORY REFERENCE), and write the directory as `image`',
    );
  else if (/\.(sif|simg|img)$/i.test(text))
    draft.leave(
      origin,
      'Tare mounts no files of apptainer: unpack it (apptainer build --sandbox DIRECTORY FILE), and write the directory as `image`',
    );
  else placeImage(pathIn(foreign, text), origin, draft);
}
