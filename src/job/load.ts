/** Jobs, from a descriptor or a command line. Every value remembers where it came from. */

import type {JobDocument} from '../schema/generated/job-1.js';
import {checkCommand, readApplications} from './applications.js';
import {checkHostname} from './hostname.js';
import {isImageName, NAMES, wholeName} from './image-name.js';
import {at, below, type Locate} from './at.js';
import type {Job, JobIdentity, Provenance, Valued} from './job.js';
import {readLimits} from './limits.js';
import {absolute} from './path.js';
import {Problems} from './problems.js';
import {readServices} from './services.js';
import {show} from './show.js';

const BUILTIN: Provenance = {source: 'builtin', at: 'builtin'};

/** The source of a descriptor. */
export interface DescriptorSource {
  file: string;
  callerDirectory: string;
  /** What the batch system would run, for a descriptor that came with its job. */
  command?: readonly string[];
}

/** Makes a job of a descriptor; relative paths are below the caller's directory. @throws TareError or TareErrors with what is wrong */
export function jobFromDocument(document: JobDocument, {file, callerDirectory, command}: DescriptorSource): Job {
  const problems = new Problems();
  const valued = <T>(value: T, pointer: string): Valued<T> => ({value, provenance: {source: 'job', at: at(file, pointer)}});
  const each = (values: readonly string[], pointer: string): Valued<string>[] =>
    values.map((value, index) => valued(value, below(pointer, index)));
  const own = document.command ?? command ?? [];
  if (document.applications === undefined)
    checkCommand(own, at(file, document.command === undefined ? '/command' : '/command/0'), problems);
  const base = plainJob(document.applications === undefined ? own : [], callerDirectory);
  const workDirectory =
    document.workDirectory === undefined ? base.workDirectory : valued(absolute(document.workDirectory, callerDirectory), '/workDirectory');
  const job: Job = {
    ...base,
    applications: readApplications(document, workDirectory.value, (pointer) => at(file, pointer), problems),
    ...readFirst(document, valued, problems),
    name: document.name ?? null,
    pattern: document.pattern === undefined ? base.pattern : valued(document.pattern, '/pattern'),
    workDirectory,
    environment: Object.fromEntries(
      Object.entries(document.environment ?? {}).map(([name, value]) => [
        name,
        valued(value === null ? null : String(value), below('/environment', name)),
      ]),
    ),
    limits: readLimits(document.limits ?? {}, 'job', (name) => at(file, below('/limits', name)), problems),
    network: document.network === undefined ? null : valued(document.network, '/network'),
    identity: readIdentity(document, (pointer) => at(file, pointer), problems),
    devices: each(document.devices ?? [], '/devices'),
    writable: each(document.writable ?? [], '/writable'),
    ...readView(document, valued, problems),
    ...readServices(document, (pointer) => at(file, pointer), problems),
    cvmfs: each(document.cvmfs ?? [], '/cvmfs'),
    user: document.user === undefined ? null : valued(document.user, '/user'),
    vo: document.vo ?? null,
    queue: document.queue ?? null,
  };
  problems.throwIfAny();
  return job;
}

/** The value of `image` that stands for the node's files. */
export const HOST = 'host';

function readIdentity({identity, network}: JobDocument, locate: Locate, problems: Problems): JobIdentity | null {
  if (identity === undefined) return null;
  const {hostname, address, pool} = identity;
  const valued = <T>(value: T, name: string): Valued<T> => ({value, provenance: {source: 'job', at: locate(`/identity/${name}`)}});
  const invalid = (message: string, name: string, found: string, allowed: string): void =>
    problems.invalid({message, where: locate(`/identity/${name}`), found, allowed});
  if (hostname !== undefined) problems.attempt(() => checkHostname(hostname, locate('/identity/hostname')));
  if (network !== undefined && address !== undefined)
    invalid('network and address both say how the box is connected', 'address', `${network} and ${address}`, 'one of them');
  const kind = address ?? network;
  if (pool !== undefined && kind !== undefined && kind !== 'bridge' && kind !== 'macvlan')
    invalid('only addresses of kind bridge and macvlan are of a pool', 'pool', show(pool), 'address: bridge or macvlan');
  return {
    hostname: hostname === undefined ? null : valued(hostname, 'hostname'),
    address:
      address !== undefined
        ? valued(address, 'address')
        : network === undefined
          ? null
          : {value: network, provenance: {source: 'job', at: locate('/network')}},
    pool: pool === undefined ? null : valued(pool, 'pool'),
    at: locate('/identity'),
  };
}

/** Of several applications none is the first process; a small machine has an init for that. */
function readFirst(
  {firstProcess, applications, init, services, identity}: JobDocument,
  valued: <T>(value: T, pointer: string) => Valued<T>,
  problems: Problems,
): Pick<Job, 'firstProcess'> {
  if (firstProcess !== true) return {};
  const first = valued(true as const, '/firstProcess');
  const other =
    applications !== undefined ? 'applications' : Object.entries({init, services, identity}).find(([, value]) => value !== undefined)?.[0];
  if (other !== undefined)
    problems.invalid({
      message: 'only the one payload of a box that is no small machine can be the first process',
      where: first.provenance.at,
      found: `firstProcess and ${other}`,
      allowed: 'one of them',
    });
  return {firstProcess: first};
}

/** An image is seen through a view only: without a word on which, the box's. */
function readView(
  {filesystem, image}: JobDocument,
  valued: <T>(value: T, pointer: string) => Valued<T>,
  problems: Problems,
): Pick<Job, 'filesystem' | 'image'> {
  if (image !== undefined && image !== HOST && filesystem === 'node') {
    problems.invalid({
      message: 'an image cannot be used together with the node’s file system',
      where: valued(filesystem, '/filesystem').provenance.at,
      found: filesystem,
      allowed: 'shared, private',
    });
  }
  const read = image === undefined || image === HOST ? null : readImage(valued(image, '/image'), '/', problems);
  const asked = filesystem === undefined ? null : valued(filesystem, '/filesystem');
  return {filesystem: asked, image: read};
}

/** The path or the whole name of an image. @param base of a relative path */
export function readImage(image: Valued<string>, base: string, problems: Problems): Valued<string> {
  const {value, provenance} = image;
  if (!isImageName(value)) return {...image, value: absolute(value, base)};
  const whole = wholeName(value);
  if (whole === null) problems.invalid({message: 'not the name of an image', where: provenance.at, found: show(value), allowed: NAMES});
  return {...image, value: whole ?? value};
}

/** `tare run -- command`, and what a batch system hands to tare-wrap. */
export function jobFromCommand(command: readonly string[], callerDirectory: string): Job {
  const problems = new Problems();
  checkCommand(command, 'the command line', problems);
  if (command.some((argument) => argument.includes('\0'))) {
    problems.invalid({
      message: 'a NUL character',
      where: 'the command line',
      found: show(command),
      allowed: 'text that a program can be given',
    });
  }
  problems.throwIfAny();
  return plainJob(command, callerDirectory);
}

function plainJob(command: readonly string[], callerDirectory: string): Job {
  return {
    name: null,
    pattern: {value: 'auto', provenance: BUILTIN},
    command: [...command],
    applications: null,
    workDirectory: {value: absolute(callerDirectory, '/'), provenance: {source: 'caller', at: 'working directory'}},
    environment: {},
    limits: {},
    network: null,
    identity: null,
    devices: [],
    writable: [],
    filesystem: null,
    image: null,
    init: null,
    services: [],
    cvmfs: [],
    user: null,
    vo: null,
    queue: null,
  };
}
