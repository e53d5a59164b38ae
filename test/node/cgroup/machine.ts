/** Where this machine lets us make groups, and plan steps for a box there. */
import {spawn, type ChildProcess} from 'node:child_process';
import {accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync} from 'node:fs';
import type {Part} from '../../../src/cgroup/manager.js';
import type {Plan} from '../../../src/schema/generated/plan-1.js';

type Steps = Plan['steps'];

export interface Hierarchy {
  version: 1 | 2;
  controllers: string[];
  parent: string;
}

const WANTED = ['memory', 'cpu', 'cpuacct', 'pids', 'freezer', 'blkio', 'cpuset', 'io'];

/** Hierarchies with controllers, each with the nearest directory at or above our own that can hold groups. */
export function hierarchies(): Hierarchy[] {
  const own = new Map<string, string>();
  for (const line of readFileSync('/proc/self/cgroup', 'utf8').trim().split('\n')) {
    const [, names, path] = /^\d+:([^:]*):(.*)$/.exec(line)!;
    for (const name of names!.split(',')) own.set(name, path!);
  }
  const found: Hierarchy[] = [];
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n')) {
    const [left, right] = line.split(' - ');
    const mount = left!.split(' ')[4]!;
    const [type, , options] = right!.split(' ');
    if (type === 'cgroup2') {
      const parent = parentV2(mount, `${mount}${own.get('')!}`.replace(/\/$/, ''));
      const controllers = parent === null ? [] : words(`${parent}/cgroup.controllers`).filter((name) => WANTED.includes(name));
      if (parent !== null && controllers.includes('memory')) found.push({version: 2, controllers, parent});
    } else if (type === 'cgroup') {
      const controllers = options!.split(',').filter((name) => WANTED.includes(name));
      const parent = `${mount}${own.get(controllers[0] ?? '') ?? ''}`.replace(/\/$/, '');
      if (controllers.length > 0 && writable(parent)) found.push({version: 1, controllers, parent});
    }
  }
  return found;
}

function parentV2(mount: string, own: string): string | null {
  leave(own);
  for (let at = own; at.startsWith(mount); at = at.slice(0, at.lastIndexOf('/'))) {
    // Only the root may hold processes and switch controllers on.
    const free = at === mount ? !existsSync(`${at}/cgroup.events`) : words(`${at}/cgroup.procs`).length === 0;
    if (free && writable(at) && writable(`${at}/cgroup.procs`) && writable(`${at}/cgroup.subtree_control`)) return at;
  }
  return null;
}

/** A delegated group that holds the tests themselves (systemd's Delegate=yes) is emptied first, as its owner must. */
function leave(own: string): void {
  if (!existsSync(`${own}/cgroup.events`) || process.geteuid!() === 0 || !writable(own) || !writable(`${own}/cgroup.procs`)) return;
  mkdirSync(`${own}/caller`, {recursive: true});
  for (const id of words(`${own}/cgroup.procs`)) writeFileSync(`${own}/caller/cgroup.procs`, id);
}

function words(file: string): string[] {
  return readFileSync(file, 'utf8')
    .split(/\s+/)
    .filter((word) => word !== '');
}

function writable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** A group around the box, as a batch system makes one: in each hierarchy. */
export class Slot {
  readonly directories: {version: 1 | 2; controllers: string[]; directory: string}[] = [];
  constructor(name: string, all: readonly Hierarchy[]) {
    for (const {version, controllers, parent} of all) {
      const directory = `${parent}/${name}`;
      if (version === 2) {
        writeFileSync(`${parent}/cgroup.subtree_control`, controllers.map((controller) => `+${controller}`).join(' '));
      }
      mkdirSync(directory);
      this.directories.push({version, controllers, directory});
      if (controllers.includes('cpuset') && version === 1) {
        for (const file of ['cpuset.cpus', 'cpuset.mems']) writeFileSync(`${directory}/${file}`, readFileSync(`${parent}/${file}`));
      }
    }
  }
  holder(controller: string): {version: 1 | 2; directory: string} {
    return this.directories.find(({controllers}) => controllers.includes(controller))!;
  }
  remove(): void {
    for (const {directory} of this.directories) rmdirSync(directory);
  }
}

/** What the plan would hold: the groups, then what is written to the payload's leaf. */
export function steps(slot: Slot, writes: [controller: string, file: string, value: string][] = [], only?: string[]): Steps {
  const because = 'test';
  const made: Steps = [];
  for (const {version, controllers, directory} of slot.directories) {
    if (only !== undefined && !controllers.some((controller) => only.includes(controller))) continue;
    const box = `${directory}/tare-{id}`;
    if (version === 2) made.push({op: 'cgroup.enable', directory, controllers, because});
    made.push({op: 'cgroup.create', group: 'box', version, controllers, directory: box, because});
    if (version === 2) made.push({op: 'cgroup.enable', directory: box, controllers, because});
    for (const group of ['engine', 'payload'] as const) {
      made.push({op: 'cgroup.create', group, version, controllers, directory: `${box}/${group}`, because});
    }
  }
  for (const [controller, file, value] of writes) {
    const directory = `${slot.holder(controller).directory}/tare-{id}/payload`;
    made.push({op: 'cgroup.write', group: 'payload', controller, directory, file, value, because});
  }
  return made;
}

/** A process that joins before it executes, as the payload's does. */
export function start(groups: {entries: (part: Part) => readonly string[]}, part: Part, argv: readonly string[]): ChildProcess {
  const script = `${groups
    .entries(part)
    .map((file) => `echo 0 > ${file}`)
    .join(' && ')} && exec "$@"`;
  return spawn('/bin/sh', ['-c', script, 'sh', ...argv], {stdio: ['pipe', 'pipe', 'ignore']});
}

export function ended(child: ChildProcess): Promise<{code: number | null; signal: string | null; stdout: string}> {
  let stdout = '';
  child.stdout?.on('data', (data: Buffer) => (stdout += data.toString()));
  return new Promise((resolve) => child.once('close', (code, signal) => resolve({code, signal, stdout})));
}
