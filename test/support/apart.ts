/**
 * Mounts of a test's own, in which daemons and wrappers are started: a /run that nobody else sees, and programs that wait at one of their words, so
 * that a process can be killed exactly there.
 */

import {spawn, spawnSync, type ChildProcess, type SpawnOptions} from 'node:child_process';
import {once} from 'node:events';
import {chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {basename, join} from 'node:path';
import {bin, processes, until, type ProcessEntry, type Site} from './tare.js';

/** Each program stays reachable in `real`; over it lies a script. */
const MAKE = `
set -e
folder=$1; shift
mount --make-rprivate /
# none is hidden below: libvirt mounts what it finds there once more
sed 's/ - .*//' /proc/self/mountinfo | cut -d ' ' -f 5 | grep '^/run/' | sort -r | while read -r place; do umount --lazy "$place" || :; done
mount -t tmpfs -o mode=755 tmpfs /run
for path; do
  name=\${path##*/}
  : >"$folder/real/$name"
  mount --bind "$path" "$folder/real/$name"
  mount --bind "$folder/waits/$name" "$path"
done
: >"$folder/ready"
exec sleep 1000000
`;

/** Waits while there is a file with the name of one of its words. */
const waiting = (folder: string, name: string): string => `#!/bin/sh
for word; do
  case $word in ''|*/*|.|..) continue;; esac
  while [ -e "${folder}/hold/$word" ]; do sleep 0.02; done
done
exec "${folder}/real/${name}" "$@"
`;

export class Apart {
  readonly folder: string;
  private readonly holder: ChildProcess;
  private readonly programs: readonly string[];

  private constructor(programs: readonly string[]) {
    this.programs = programs;
    this.folder = mkdtempSync(join(tmpdir(), 'tare-apart-'));
    chmodSync(this.folder, 0o755);
    for (const name of ['real', 'waits', 'hold']) mkdirSync(join(this.folder, name), {mode: 0o755});
    for (const path of programs) {
      const script = join(this.folder, 'waits', basename(path));
      writeFileSync(script, waiting(this.folder, basename(path)));
      chmodSync(script, 0o755);
    }
    this.holder = spawn('unshare', ['--mount', 'sh', '-c', MAKE, 'sh', this.folder, ...programs], {stdio: ['ignore', 'ignore', 'inherit']});
  }

  /** @param programs absolute paths of those that can be held */
  static async make(programs: readonly string[]): Promise<Apart> {
    const apart = new Apart(programs);
    await until('mounts of a test’s own', () => readdirSync(apart.folder).includes('ready'));
    return apart;
  }

  /** Where its /run and all else is seen from outside. */
  get root(): string {
    return `/proc/${String(this.holder.pid)}/root`;
  }

  /** What of its mounts is at or from places with one of these words. */
  mounts(words: readonly string[]): string[] {
    const lines = readFileSync(`/proc/${String(this.holder.pid)}/mountinfo`, 'utf8').split('\n');
    return lines.filter((line) => words.some((word) => line.includes(word)));
  }

  /** What has been made in its /run. */
  made(): string[] {
    return readdirSync(join(this.root, 'run'), {recursive: true, withFileTypes: true})
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name));
  }

  /** Words before a command that is run in there, and stays one process. */
  entering(directory: string): string[] {
    const script = 'cd "$1" && shift && exec "$@"';
    return ['nsenter', `--mount=/proc/${String(this.holder.pid)}/ns/mnt`, '--', 'sh', '-c', script, 'sh', directory];
  }

  /** As root. */
  spawn(argv: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const [command = '', ...words] = [...this.entering('/'), ...argv];
    return spawn(command, words, options);
  }

  /** As root, to its end. @returns its output; null: it failed */
  sh(script: string): string | null {
    const [command, ...words] = [...this.entering('/'), 'sh', '-c', script];
    const {status, stdout} = spawnSync(command, words, {encoding: 'utf8', timeout: 30_000});
    return status === 0 ? stdout : null;
  }

  /** `tare ARGV` of the site's account. */
  tare(site: Site, argv: readonly string[]): ChildProcess {
    const {uid, gid} = site.credentials;
    const become = uid === undefined ? [] : ['setpriv', `--reuid=${String(uid)}`, `--regid=${String(gid)}`, '--clear-groups'];
    const [command = '', ...words] = [...this.entering(site.work), ...become, bin('tare'), ...argv];
    return spawn(command, words, {stdio: ['pipe', 'pipe', 'pipe']});
  }

  /** Whoever has this word waits from now on. */
  hold(word: string): void {
    writeFileSync(join(this.folder, 'hold', word), '');
  }

  /** A program that waits. */
  held(): ProcessEntry | undefined {
    const words = readdirSync(join(this.folder, 'hold'));
    return processes().find(
      ({argv, state}) => state !== 'Z' && this.programs.includes(argv[1] ?? '') && argv.some((word) => words.includes(word)),
    );
  }

  /** Nobody waits any more. */
  release(): void {
    for (const word of readdirSync(join(this.folder, 'hold'))) rmSync(join(this.folder, 'hold', word));
  }

  async remove(): Promise<void> {
    this.release();
    const gone = once(this.holder, 'exit');
    this.holder.kill('SIGKILL');
    await gone;
    rmSync(this.folder, {recursive: true, force: true});
  }
}
