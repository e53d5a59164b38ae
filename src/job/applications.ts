/** Several applications of one job: read, and checked for what no schema can say. */

import {TareError} from '../errors.js';
import type {ApplicationDocument, JobDocument} from '../schema/generated/job-1.js';
import {below, type Locate} from './at.js';
import type {Application, Applications, Ready, Valued} from './job.js';
import {readLimits} from './limits.js';
import {absolute} from './path.js';
import type {Problems} from './problems.js';
import {parseDuration} from './quantity.js';
import {show} from './show.js';

/** How long an application may take to be ready by a file or a port. */
const READY_WITHIN_US = 300e6;

/** null when the job has a command instead. */
export function readApplications(document: JobDocument, workDirectory: string, locate: Locate, problems: Problems): Applications | null {
  const {applications: written, primary, onFailure = 'stop-all', onOom = 'stop-all', output = 'prefixed'} = document;
  const valued = <T>(value: T, pointer: string): Valued<T> => ({value, provenance: {source: 'job', at: locate(pointer)}});
  if (written === undefined) {
    for (const name of ['primary', 'onFailure', 'onOom', 'output'] as const) {
      if (document[name] === undefined) continue;
      problems.invalid({
        message: `${name} is about several applications`,
        where: locate(`/${name}`),
        found: show(document[name]),
        allowed: 'a document with applications',
      });
    }
    return null;
  }
  if (document.command !== undefined) {
    problems.invalid({
      message: 'a job has a command or applications, not both',
      where: locate('/command'),
      found: show(document.command),
      remedy: 'make the command one of the applications',
    });
  }
  const list = written.map((one, index) => readApplication(one, below('/applications', index), workDirectory, locate, problems));
  const applications: Applications = {
    list,
    primary: primary === undefined ? null : valued(primary, '/primary'),
    onFailure,
    onOom,
    output,
  };
  for (const error of contradictions(applications, locate)) problems.add(error);
  return applications;
}

function readApplication(
  document: ApplicationDocument,
  pointer: string,
  jobDirectory: string,
  locate: Locate,
  problems: Problems,
): Application {
  const where = (name: string | number): string => locate(below(pointer, name));
  const valued = <T>(value: T, at: string): Valued<T> => ({value, provenance: {source: 'job', at}});
  const {name, command, environment = {}, cores, memory, needs = [], ready = 'completed', restart} = document;
  const workDirectory = absolute(document.workDirectory ?? '.', jobDirectory);
  const {cores: ownCores = null, memory: ownMemory = null} = readLimits(
    {...(cores === undefined ? {} : {cores}), ...(memory === undefined ? {} : {memory})},
    'job',
    where,
    problems,
  );
  checkCommand(command, locate(below(below(pointer, 'command'), 0)), problems);
  return {
    name,
    at: locate(pointer),
    command,
    workDirectory,
    environment: Object.fromEntries(
      Object.entries(environment).map(([variable, value]) => [
        variable,
        valued(value === null ? null : String(value), locate(below(below(pointer, 'environment'), variable))),
      ]),
    ),
    cores: ownCores,
    memory: ownMemory,
    needs: needs.map((need, index) => valued(need, locate(below(below(pointer, 'needs'), index)))),
    ready: readReady(ready, workDirectory, where('ready'), problems),
    restart: restart ?? null,
  };
}

/** A command has to name a program; the schema lets that be empty. */
export function checkCommand(command: readonly string[], where: string, problems: Problems): void {
  if ((command[0] ?? '') !== '') return;
  problems.invalid({
    message: command.length === 0 ? 'command is missing' : 'no executable',
    where,
    found: show(command[0]),
    allowed: 'the name or path of a program',
  });
}

/** Reads when an application counts as ready; `within` becomes µs, and a relative file is below the directory. */
export function readReady(written: NonNullable<ApplicationDocument['ready']>, directory: string, where: string, problems: Problems): Ready {
  if (typeof written === 'string') return {when: written};
  const {within} = written;
  const withinUs = within === undefined ? READY_WITHIN_US : (problems.attempt(() => parseDuration(within, where)) ?? READY_WITHIN_US);
  return 'file' in written
    ? {when: 'file', path: absolute(written.file, directory), withinUs}
    : {when: 'port', port: written.port, withinUs};
}

/** What could never run to its end as it is written. */
function contradictions({list, primary}: Applications, locate: Locate): TareError[] {
  const errors: TareError[] = [];
  const wrong = (message: string, where: string, found: string, more: {allowed?: string; remedy?: string} = {}): number =>
    errors.push(new TareError('DOCUMENT_INVALID', {message, where, found, ...more}));
  const names = list.map(({name}) => name);
  const byName = new Map(list.map((one) => [one.name, one]));
  for (const [index, {name, at}] of list.entries()) {
    if (names.indexOf(name) !== index) wrong('two applications have the same name', at, show(name));
  }
  if (primary !== null && !byName.has(primary.value)) {
    wrong('there is no such application', locate('/primary'), show(primary.value), {allowed: names.join(', ')});
  }
  for (const {name, at, needs, restart} of list) {
    for (const {value, provenance} of needs) {
      const needed = byName.get(value);
      if (needed === undefined) wrong('there is no such application', provenance.at, show(value), {allowed: names.join(', ')});
      else if (needed.ready.when === 'completed' && value === primary?.value)
        wrong('the job ends when its primary application does, so nothing can wait for that', provenance.at, show(value));
      else if (needed.ready.when === 'completed' && needed.restart?.on === 'always')
        wrong('it is always started again, so nothing can wait for its end', provenance.at, show(value), {
          remedy: `give ${value} another condition in ready`,
        });
    }
    if (restart?.on === 'always' && (primary === null || primary.value === name)) {
      wrong('the job would never end', at, `${name}, which is always started again`, {remedy: 'name another application in primary'});
    }
  }
  const circle = findCircle(byName);
  if (circle !== null) wrong('applications that need each other can never start', locate('/applications'), circle.join(' needs '));
  return errors;
}

/** Names along a circle of needs, the first one again at its end; null when there is none. */
function findCircle(byName: ReadonlyMap<string, Application>): string[] | null {
  const done = new Set<string>();
  const walk = (name: string, path: readonly string[]): string[] | null => {
    const before = path.indexOf(name);
    if (before >= 0) return [...path.slice(before), name];
    if (done.has(name)) return null;
    for (const {value} of byName.get(name)?.needs ?? []) {
      const circle = walk(value, [...path, name]);
      if (circle !== null) return circle;
    }
    done.add(name);
    return null;
  };
  for (const name of byName.keys()) {
    const circle = walk(name, []);
    if (circle !== null) return circle;
  }
  return null;
}
