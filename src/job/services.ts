/** What a small machine is asked to run beside its payload: read, and checked for what no schema can say. */

import type {JobDocument, ServiceDocument} from '../schema/generated/job-1.js';
import {checkCommand, readReady} from './applications.js';
import {below, type Locate} from './at.js';
import type {Init, Service, Valued} from './job.js';
import type {Problems} from './problems.js';
import {show} from './show.js';

/** What a descriptor says of a small machine: its init, and the services that start in it. */
export interface SmallMachine {
  init: Valued<Init> | null;
  services: Service[];
}

/** Names that the wrapper gives to what it starts itself. */
export const OWN_NAMES = {init: 'init', boot: 'services', payload: 'payload'} as const;

/** Reads init and services of a job; both are empty where it asks for none. */
export function readServices(document: JobDocument, locate: Locate, problems: Problems): SmallMachine {
  const {init: written, services = []} = document;
  const init: SmallMachine['init'] = written === undefined ? null : {value: written, provenance: {source: 'job', at: locate('/init')}};
  const taken = new Map<string, string>(Object.values(OWN_NAMES).map((name) => [name, 'the wrapper has an application of that name']));
  for (const {name} of document.applications ?? []) taken.set(name, 'an application has that name');
  const list = services.map((one, index): Service => {
    const pointer = below('/services', index);
    const where = locate(pointer);
    const wrong = (message: string, found: string, remedy: string): void => problems.invalid({message, where, found, remedy});
    const service = readService(one, pointer, locate, problems);
    const own = (init?.value ?? 'tare') === 'tare';
    if (own && service.command === null)
      wrong(
        'the wrapper’s own init knows no services by name',
        show(one),
        'give the service a name and a command, or name the image’s init',
      );
    if (!own && service.command !== null)
      wrong(`${init?.value ?? ''} starts services by their names`, show(one), `write the name alone: ${show(service.name)}`);
    const other = own ? taken.get(service.name) : taken.get(`service ${service.name}`);
    if (other !== undefined) wrong('a service needs a name of its own', `${service.name}: ${other}`, 'name it otherwise');
    taken.set(own ? service.name : `service ${service.name}`, 'another service has that name');
    return service;
  });
  return {init, services: list};
}

function readService(written: string | ServiceDocument, pointer: string, locate: Locate, problems: Problems): Service {
  const at = locate(pointer);
  const none = {command: null, user: 'root', ready: {when: 'started'}, restart: null} as const;
  if (typeof written === 'string') return {...none, name: written, at};
  const {name, command, user = 'root', ready = 'started', restart = null} = written;
  checkCommand(command, locate(below(below(pointer, 'command'), 0)), problems);
  return {name, at, command, user, ready: readReady(ready, '/', locate(below(pointer, 'ready')), problems), restart};
}
