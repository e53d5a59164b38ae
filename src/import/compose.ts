/** Compose files (compose-spec): one service as a job, or several that share an image as the applications of one. */

import {TareError} from '../errors.js';
import {Problems} from '../job/problems.js';
import {show} from '../job/show.js';
import {MOST_APPLICATIONS, placeApplications} from './compose-applications.js';
import {loadProject, type Project} from './compose-load.js';
import {readService, type Service} from './compose-service.js';
import {Draft} from './draft.js';
import type {Foreign, Format} from './format.js';
import {settingOf} from './options.js';
import {originOf, type Branch, type Tree} from './tree.js';

/** A compose file. */
export const COMPOSE_FORMAT: Format = {
  name: 'compose',
  title: 'a compose file: one service of it, or several that share an image',
  recognises: (text, file) =>
    /(?:^|\/)(?:docker-|podman-)?compose(?:[._-][^/]*)?\.(?:ya?ml|json)$/.test(file) ||
    (/^services:[ \t]*(?:#.*)?\r?$/m.test(text) && !/^schema:/m.test(text)),
  read: readCompose,
};

/** What is beside the services, and why it is left. */
const ROOT: Readonly<Record<string, string>> = {
  version: 'compose does not look at it either',
  networks: 'a network of the engine: the policy’s identity.pools has addresses for boxes',
  volumes: 'a volume of the engine is no directory of the node',
  configs: 'a file of the engine: use the work directory, or a file that the node has',
  secrets: 'a file of the engine: a payload has the credentials that the policy’s `credentials` names',
  include: 'the services of another file: import that one too',
  models: 'Tare has no models',
};

async function readCompose(foreign: Foreign): Promise<Draft> {
  const problems = new Problems();
  const project = await loadProject(foreign, problems);
  const chosen = choose(project, foreign, problems);
  problems.throwIfAny();
  const services = chosen.map(([name, service]) => readService(name, service, project, foreign, problems));
  problems.throwIfAny();
  const [only] = services;
  const draft = services.length === 1 && only !== undefined ? single(only) : several(services, foreign, problems);
  readRoot(project, services.length, draft, problems);
  for (const [name, service] of project.services)
    if (foreign.part === null && !services.some((one) => one.name === name))
      draft.leave({at: service.at, as: settingOf(`service ${name}`, null)}, 'compose starts it only with one of its profiles');
  problems.throwIfAny();
  return draft;
}

/** The service that is meant, else all that compose starts without a profile. */
function choose({services}: Project, {part, file}: Foreign, problems: Problems): [string, Branch][] {
  const names = [...services.keys()].slice(0, 100).join(', ');
  if (part !== null) {
    const service = services.get(part);
    if (service !== undefined) return [[part, service]];
    problems.invalid({message: 'there is no such service', where: `${file}#/services`, found: show(part), allowed: names});
    return [];
  }
  const started = [...services].filter(([, {entries}]) => !isProfiled(entries.get('profiles')));
  if (started.length > 0) return started;
  problems.invalid({
    message: 'no service is started without a profile',
    where: `${file}#/services`,
    found: names === '' ? 'no service' : names,
    remedy: names === '' ? undefined : 'name one: --part NAME',
  });
  return [];
}

const isProfiled = (profiles: Tree | undefined): boolean => profiles?.kind === 'list' && profiles.items.length > 0;

function single(service: Service): Draft {
  const {draft, name, at, needs, healthcheck, restart} = service;
  if (!draft.fields.has('name') && name.length <= 255) draft.field('name', name, {at, as: settingOf(`service ${name}`, null)});
  for (const {origin} of needs) draft.leave(origin, 'the other service is no part of this job');
  if (healthcheck !== null) draft.leave(originOf('healthcheck', healthcheck), 'Tare looks at no check of health');
  if (restart !== null) draft.leave(restart.origin, 'a payload that has ended is not started again: the batch system decides');
  return draft;
}

/** Applications share the image of their job, and each needs a command. */
function several(services: readonly Service[], {file}: Foreign, problems: Problems): Draft {
  const draft = new Draft();
  const at = `${file}#/services`;
  const images = new Set(services.map(({image}) => image));
  const without = services.filter((service) => !service.draft.fields.has('command'));
  if (images.size > 1 || without.length > 0 || services.length > MOST_APPLICATIONS) {
    const list = services.map(
      ({name, image, draft: own}) => `${name} (${image ?? 'no image'}${own.fields.has('command') ? '' : ', no command'})`,
    );
    problems.add(
      new TareError('DOCUMENT_INVALID', {
        message: 'these services cannot be the applications of one job',
        where: at,
        found: list.join(', ').slice(0, 1000),
        allowed: `one service, or at most ${MOST_APPLICATIONS} that share an image and have a command each`,
        remedy: `name one: --part ${services[0]?.name ?? 'NAME'}`,
      }),
    );
    problems.throwIfAny();
  }
  placeApplications(services, at, draft, problems);
  return draft;
}

function readRoot({root}: Project, count: number, draft: Draft, problems: Problems): void {
  for (const [key, tree] of root.entries) {
    if (key === 'services') continue;
    const reason = Object.hasOwn(ROOT, key) ? ROOT[key] : undefined;
    if (key === 'name') readName(tree, count, draft);
    else if (reason !== undefined) draft.leave(originOf(key, tree), reason);
    else if (key.startsWith('x-')) draft.leave(originOf(key, tree), 'it is an extension, which compose passes over too');
    else
      problems.invalid({
        message: 'no compose file has this key',
        where: tree.at,
        found: show(key),
        allowed: ['name', 'services', ...Object.keys(ROOT), 'x-…'].join(', '),
      });
  }
}

/** The name of the project is the job's, where that is all of it. */
function readName(tree: Tree, count: number, draft: Draft): void {
  const value = tree.kind === 'leaf' && tree.variables?.unknown == null ? String(tree.value) : '';
  if (count > 1 && value !== '' && value.length <= 255) draft.field('name', value, originOf('name', tree));
  else draft.leave(originOf('name', tree), 'it is the name of all services together');
}
