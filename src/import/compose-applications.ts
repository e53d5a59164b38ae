/** Several services of a compose file as applications of one job: they share its image, its limits and its network. */

import type {Problems} from '../job/problems.js';
import {show} from '../job/show.js';
import type {ApplicationDocument, JobDocument} from '../schema/generated/job-1.js';
import type {Need} from './compose-reading.js';
import type {Service} from './compose-service.js';
import type {Draft, Limit} from './draft.js';
import {settingOf} from './options.js';
import {originOf, type Tree} from './tree.js';

/** As many as a job may have. */
export const MOST_APPLICATIONS = 64;
/** How often an application may be started again. */
const MOST_RESTARTS = 1000;
const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;
/** A port of the container's own in a check of health. */
const PORT = /(?:localhost|127\.0\.0\.1|\[::1\])[: ](\d{1,5})(?!\d)/;

/** Puts services into one draft, as applications. What cannot be said of applications is left. */
export function placeApplications(services: readonly Service[], at: string, draft: Draft, problems: Problems): void {
  const names = new Map(services.map(({name}) => [name, applicationName(name)]));
  const origin = {at, as: settingOf(`services ${services.map(({name}) => name).join(', ')}`, null)};
  const applications: ApplicationDocument[] = [];
  for (const service of services) {
    const name = names.get(service.name) ?? service.name;
    if (name !== service.name) draft.leave({at: service.at, as: `service ${service.name}`}, `its application has the name ${name}`);
    if (applications.some((one) => one.name === name))
      problems.invalid({
        message: 'two services would have the same name',
        where: service.at,
        found: show(name),
        allowed: 'letters, digits, _ and -',
      });
    applications.push(applicationOf(service, name, services, names, draft));
    takeRest(service, draft);
  }
  tellCircle(services, problems);
  draft.field('applications', applications, origin);
  // compose lets the other containers run when one fails, and the kernel ends only the container that is over its own limit.
  draft.field('onFailure', 'continue', origin);
  draft.field('onOom', 'kill-application', origin);
  draft.leave(origin, 'the job ends when every application has: name the one that counts in `primary`, if the others only serve it');
  draft.leave(origin, 'services reach each other by their names in compose; applications of a job share one network: use localhost');
  placeNetwork(services, draft);
}

const applicationName = (name: string): string => {
  const plain = name.replaceAll(/[^A-Za-z0-9_-]/g, '-').slice(0, 63);
  return NAME.test(plain) ? plain : `s${plain}`.slice(0, 63);
};

function applicationOf(
  service: Service,
  name: string,
  services: readonly Service[],
  names: ReadonlyMap<string, string>,
  draft: Draft,
): ApplicationDocument {
  const {fields, limits, environment} = service.draft;
  const workDirectory = fields.get('workDirectory')?.value as string | undefined;
  const [cores, memory] = [limits.get('cores')?.value as number | undefined, limits.get('memory')?.value as number | undefined];
  const needs = service.needs.flatMap((need) => {
    const other = names.get(need.service);
    if (other === undefined) draft.leave(need.origin, 'the service is none of this job’s');
    return other ?? [];
  });
  const ready = readyOf(service, services, draft);
  const restart = restartOf(service, draft);
  return {
    name,
    command: fields.get('command')?.value as string[],
    ...(workDirectory === undefined ? {} : {workDirectory}),
    ...(environment.size === 0
      ? {}
      : {environment: Object.fromEntries([...environment].map(([variable, {value}]) => [variable, value as string | null]))}),
    ...(cores === undefined ? {} : {cores}),
    ...(memory === undefined ? {} : {memory}),
    ...(needs.length === 0 ? {} : {needs: [...new Set(needs)]}),
    ...(ready === null ? {} : {ready}),
    ...(restart === null ? {} : {restart}),
  };
}

/** When those that wait for a service may start: the strictest of their conditions. null: nobody waits, or until it has ended. */
function readyOf(service: Service, services: readonly Service[], draft: Draft): NonNullable<ApplicationDocument['ready']> | null {
  const asked: Need[] = services.flatMap(({needs}) => needs.filter((need) => need.service === service.name));
  const conditions = new Set(asked.map(({condition}) => condition));
  const [first] = asked;
  if (first === undefined) return null;
  if (conditions.size > 1) draft.leave(first.origin, `others wait for ${service.name} on another condition; all wait for the strictest`);
  if (conditions.has('service_completed_successfully')) return null;
  if (!conditions.has('service_healthy')) return 'started';
  const text = service.healthcheck === null ? '' : textIn(service.healthcheck);
  const port = Number(PORT.exec(text)?.[1] ?? (/https?:\/\/(?:localhost|127\.0\.0\.1)(?![:\w])/.test(text) ? 80 : 0));
  const origin = service.healthcheck === null ? first.origin : originOf(`service ${service.name}, healthcheck`, service.healthcheck);
  if (port >= 1 && port <= 65_535) {
    draft.leave(origin, `Tare looks at no check of health: it waits until the port ${port} listens, which the check names`);
    return {port};
  }
  draft.leave(origin, 'Tare looks at no check of health: it waits until the application has started; give it a file or a port in `ready`');
  return 'started';
}

const textIn = (tree: Tree): string =>
  tree.kind === 'leaf'
    ? String(tree.value)
    : (tree.kind === 'list' ? tree.items : [tree.entries.get('test')].filter((one) => one !== undefined)).map(textIn).join(' ');

function restartOf({name, restart}: Service, draft: Draft): NonNullable<ApplicationDocument['restart']> | null {
  if (restart === null) return null;
  const {on, limit, origin} = restart;
  if (on === 'always') {
    draft.leave(origin, `only an application beside a primary one may always be started again: set primary, and restart of ${name}`);
    return null;
  }
  if (limit === 0) return null;
  if (limit === null || limit > MOST_RESTARTS) draft.leave(origin, `an application is started again ${MOST_RESTARTS} times at most`);
  return {on: 'failure', limit: Math.min(limit ?? MOST_RESTARTS, MOST_RESTARTS)};
}

/** What is no application's own: the job's, the policy's or nobody's. */
function takeRest({name, draft: own}: Service, draft: Draft): void {
  draft.proposals.push(...own.proposals);
  // They share image and network: once is enough.
  const shared = /^(?:image|network_mode)\b/;
  const told = new Set(draft.left.map(({origin, because}) => `${origin.as} ${because}`));
  for (const left of own.left) if (!shared.test(left.origin.as) || !told.has(`${left.origin.as} ${left.because}`)) draft.left.push(left);
  for (const [limit, {origin}] of own.limits)
    if (limit !== 'cores' && limit !== 'memory')
      draft.leave(origin, `it limits ${name} alone, and an application has only cores and memory of its own: ${wordFor(limit)}`);
  const repositories = own.fields.get('cvmfs');
  if (repositories !== undefined) {
    const before = (draft.fields.get('cvmfs')?.value ?? []) as string[];
    draft.fields.set('cvmfs', {
      value: [...new Set([...before, ...(repositories.value as string[])])].slice(0, 64),
      origin: repositories.origin,
    });
  }
  const image = own.fields.get('image');
  if (image !== undefined) draft.field('image', image.value as NonNullable<JobDocument['image']>, image.origin);
  for (const field of ['name', 'pattern'] as const) {
    const taken = own.fields.get(field);
    if (taken !== undefined) draft.leave(taken.origin, 'an application has the name of its service');
  }
}

const wordFor = (limit: Limit): string => `limits.${limit} is the whole job’s`;

/** One network for all: what they agree on. */
function placeNetwork(services: readonly Service[], draft: Draft): void {
  const given = services.map(({draft: own}) => own.fields.get('network'));
  const [first] = given;
  if (first !== undefined && given.every((one) => one?.value === first.value))
    draft.field('network', first.value as 'host' | 'none', first.origin);
  else
    for (const one of given)
      if (one !== undefined) draft.leave(one.origin, 'the services of one job have one network, and others ask for another');
}

/** Services that wait for each other never start. */
function tellCircle(services: readonly Service[], problems: Problems): void {
  const left = new Map(services.map((service) => [service.name, service]));
  for (let before = -1; before !== left.size;) {
    before = left.size;
    for (const [name, {needs}] of left) if (!needs.some(({service}) => left.has(service))) left.delete(name);
  }
  const [first] = left.values();
  if (first !== undefined)
    problems.invalid({
      message: 'services that depend on each other can never start',
      where: first.needs[0]?.origin.at ?? first.at,
      found: [...left.keys()].join(', ').slice(0, 200),
    });
}
