/** One service of a compose file: what it asks for, in a draft of its own. */

import type {Problems} from '../job/problems.js';
import {show} from '../job/show.js';
import {suggest} from '../job/suggest.js';
import {meaningOf, SERVICE_KEYS} from './compose-keys.js';
import type {Project} from './compose-load.js';
import {READERS} from './compose-readers.js';
import type {Need, Reading, Restart} from './compose-reading.js';
import {Draft} from './draft.js';
import type {Foreign} from './format.js';
import {leaveOwnCommand, placeCommand, placeImage} from './image-reference.js';
import {settingOf} from './options.js';
import {leaveNetworkUnset} from './places.js';
import {placeResources, UNSET_SWAP} from './resources.js';
import {originOf, TreeReader, type Branch, type Tree} from './tree.js';

/** A service that was read. */
export interface Service {
  name: string;
  at: string;
  draft: Draft;
  /** The name of its image; null: it has none. */
  image: string | null;
  needs: readonly Need[];
  healthcheck: Tree | null;
  restart: Restart | null;
}

/** Reads a service. What is wrong goes to `problems`. */
export function readService(name: string, service: Branch, project: Project, foreign: Foreign, problems: Problems): Service {
  const draft = new Draft();
  const reading: Reading = {
    name,
    at: service.at,
    draft,
    reader: new TreeReader(problems),
    problems,
    foreign,
    project,
    resources: {},
    image: null,
    command: null,
    entrypoint: null,
    commandFrom: null,
    needs: [],
    healthcheck: null,
    restart: null,
  };
  const used = new Set<string>();
  const halves: string[] = [];
  const keys = [...service.entries].sort(([a], [b]) => turnOf(a) - turnOf(b));
  for (const [key, tree] of keys) {
    const known = withoutUnknown(key, tree, reading, used);
    if (known !== null) readKey(key, known, reading);
    else if (key === 'command' || key === 'entrypoint') halves.push(key);
  }
  tellVariables(used, reading);
  if (!service.entries.has('network_mode') && !service.entries.has('networks'))
    leaveNetworkUnset({at: service.at, as: 'network_mode, which is not given'}, draft);
  placeResources(reading.resources, draft, problems, UNSET_SWAP.docker);
  placeProgram(reading, halves);
  for (const {service: other, required, origin} of reading.needs)
    if (required && !project.services.has(other))
      problems.invalid({
        message: 'the service that is waited for is not there',
        where: origin.at,
        found: show(other),
        allowed: [...project.services.keys()].slice(0, 20).join(', '),
      });
  const {image, needs, healthcheck, restart} = reading;
  return {name, at: service.at, draft, image: image?.text ?? null, needs, healthcheck, restart};
}

/** Variables of the service itself replace those of files, and what `deploy` says of starting again counts before `restart`. */
const turnOf = (key: string): number => (key === 'env_file' ? 0 : key === 'deploy' ? 2 : 1);

function readKey(key: string, tree: Tree, reading: Reading): void {
  const {draft, problems} = reading;
  const meaning = meaningOf(key);
  if (meaning === null) {
    const near = suggest(key, SERVICE_KEYS);
    problems.invalid({
      message: 'no service of compose has this key',
      where: tree.at,
      found: show(key),
      allowed: 'the keys of compose-spec, and those that begin with x-',
      remedy: near === null ? undefined : `did you mean ${near}?`,
    });
  } else if ('left' in meaning) draft.leave(originOf(key, tree), meaning.left);
  else if (tree.kind === 'leaf' && tree.value === null) draft.leave(originOf(key, tree), 'it has no value');
  else READERS[meaning.use](tree, reading, key);
}

/** A value without what has unknown variables in it; null: nothing is left of it. */
function withoutUnknown(key: string, tree: Tree, reading: Reading, used: Set<string>): Tree | null {
  if (tree.kind === 'leaf') {
    const {variables} = tree;
    if (variables === undefined) return tree;
    const origin = originOf(key, {...tree, value: variables.written});
    for (const name of variables.known) used.add(name);
    if (variables.unknown !== null) {
      reading.draft.leave(origin, `the variable ${variables.unknown} has no value here and no default`);
      return null;
    }
    if (variables.defaulted !== null)
      reading.draft.leave(origin, `the default of ${variables.defaulted} is taken; compose takes the value of its caller first`);
    return tree;
  }
  if (tree.kind === 'list') {
    const items = tree.items.map((one) => withoutUnknown(key, one, reading, used)).filter((one) => one !== null);
    // Words of a command mean nothing without the others.
    const isWhole = items.length === tree.items.length || (key !== 'command' && key !== 'entrypoint' && key !== 'test');
    return isWhole ? {...tree, items} : null;
  }
  const entries = [...tree.entries].flatMap(([name, one]) => {
    const known = withoutUnknown(name, one, reading, used);
    return known === null ? [] : [[name, known] as const];
  });
  return {...tree, entries: new Map(entries)};
}

function tellVariables(used: ReadonlySet<string>, {draft, project}: Reading): void {
  for (const name of used)
    draft.leave(
      {at: project.variables.get(name)?.at ?? '.env', as: settingOf(name, null)},
      'its value is put in where the service names it; compose takes that of its caller first',
    );
}

/** Entrypoint and command are one. Without the first the image's own may come before, without both the command is the image's. */
function placeProgram(reading: Reading, halves: readonly string[]): void {
  const {draft, image, command, entrypoint, commandFrom, name, at} = reading;
  if (halves.length > 0) {
    // Half a command would start another program, or the right one without its arguments.
    if (commandFrom !== null) draft.leave(commandFrom, `\`${halves.join(', ')}\` is left, and half a command is none`);
    if (image !== null) placeImage(image.text, 'docker', originOf('image', image.tree), draft);
    return;
  }
  const words = [...(entrypoint ?? []), ...(command ?? [])];
  const origin = commandFrom ?? {at, as: `service ${name}`};
  if (words.length > 0 && words[0] !== '') placeCommand(words, origin, draft);
  else if (words.length > 0)
    reading.problems.invalid({message: 'the name of a program is empty', where: origin.at, found: show(''), allowed: 'a program'});
  if (image !== null) placeImage(image.text, 'docker', originOf('image', image.tree), draft);
  if (entrypoint === null || words.length === 0)
    leaveOwnCommand(
      words.length > 0,
      'docker',
      image?.text ?? '',
      image === null ? {at, as: `service ${name}`} : originOf('image', image.tree),
      draft,
    );
}
