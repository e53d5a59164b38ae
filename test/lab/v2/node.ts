/** A node whose only hierarchy is cgroup v2, and groups on it as batch systems and systemd make them: owners and modes as theirs. */

import {spawn, type ChildProcess} from 'node:child_process';
import {chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {isRoot} from '../../support/tare.js';

const ROOT = '/sys/fs/cgroup';
export const NOBODY = 65534;

/** Fails where the node is not what these tests are about: none of them may be skipped in a guest that was made for them. */
export function requirePureV2(): void {
  if (!isRoot) throw new Error('these tests build groups as a batch system does: run them as root in the guest');
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const old = mounts.filter((line) => line.includes(' - cgroup '));
  if (old.length > 0) throw new Error(`not a pure v2 node: ${String(old.length)} hierarchies of v1 are mounted`);
  const offered = words(join(ROOT, 'cgroup.controllers'));
  for (const name of ['memory', 'cpu', 'pids', 'io', 'cpuset'])
    if (!offered.includes(name))
      throw new Error(`not a pure v2 node: ${name} is not among ${ROOT}/cgroup.controllers (${offered.join(' ')})`);
}

export function words(file: string): string[] {
  return readFileSync(file, 'utf8')
    .split(/\s+/)
    .filter((word) => word !== '');
}

/** A group below the root, and what the tests make below it. */
export class Ground {
  readonly directory: string;
  constructor(name: string) {
    this.directory = join(ROOT, `lab-${name}-${String(process.pid)}`);
    this.make('');
  }

  /** A group; those above hand the controllers on. */
  make(path: string, controllers: readonly string[] = ['memory', 'cpu', 'pids', 'io', 'cpuset']): string {
    const directory = join(this.directory, path);
    for (const above of parents(directory)) {
      if (!existsSync(above)) mkdirSync(above);
      handOn(above, controllers);
    }
    if (!existsSync(directory)) mkdirSync(directory);
    return directory;
  }

  remove(): void {
    for (const group of below(this.directory)) rmdirSync(group);
  }
}

/** The groups above, from the root downwards. */
function parents(directory: string): string[] {
  const found: string[] = [];
  for (let at = dirname(directory); at.startsWith(ROOT); at = dirname(at)) found.unshift(at);
  return found;
}

export function handOn(directory: string, controllers: readonly string[]): void {
  writeFileSync(join(directory, 'cgroup.subtree_control'), controllers.map((name) => `+${name}`).join(' '));
}

/** As HTCondor, or a site's script, delegates: the directory, cgroup.procs and cgroup.subtree_control, and nothing else. */
export function delegate(directory: string, uid = NOBODY): void {
  for (const path of ['', 'cgroup.procs', 'cgroup.subtree_control']) chownSync(join(directory, path), uid, uid);
}

/** Groups at and below a directory, the deepest first. */
export function below(directory: string): string[] {
  const children = readdirSync(directory, {withFileTypes: true}).filter((entry) => entry.isDirectory());
  return [...children.flatMap(({name}) => below(join(directory, name))), directory];
}

/** Starts a command in a group as a user, as a starter does: the process joins as root, then becomes the user. */
export function start(group: string, argv: readonly string[], {uid = NOBODY, cwd}: {uid?: number; cwd: string}): ChildProcess {
  const become = uid === 0 ? [] : ['setpriv', `--reuid=${String(uid)}`, `--regid=${String(uid)}`, '--clear-groups'];
  return spawn('/bin/sh', ['-c', 'echo $$ >"$0/cgroup.procs" && exec "$@"', group, ...become, ...argv], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
