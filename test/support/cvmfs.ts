/**
 * Stand-ins for the CVMFS client: `fixtures/cvmfs` served by squashfuse (a real FUSE file system), by a slow server, by a file system with the
 * client's extended attributes, or by the kernel's automounter.
 */

import {execFileSync, spawn, spawnSync, type ChildProcess} from 'node:child_process';
import {chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {program, send, until} from './tare.js';

const TREE = fileURLToPath(new URL('../../fixtures/cvmfs', import.meta.url));
const SLOW = fileURLToPath(new URL('slow-fuse.py', import.meta.url));
const PYTHON = '/usr/bin/python3';

export const hasPythonFuse = (): boolean => spawnSync(PYTHON, ['-c', 'import fuse']).status === 0;
export const hasSquashfuse = (): boolean => program('squashfuse') !== null && program('mksquashfs') !== null;
export const hasAutomounter = (): boolean => program('automount') !== null;
export const kernelHasAutofs = (): boolean => /\bautofs\b/.test(readFileSync('/proc/filesystems', 'utf8'));
export const hasLoop = (): boolean =>
  existsSync('/dev/loop-control') &&
  program('mkfs.ext4') !== null &&
  program('debugfs') !== null &&
  program('losetup') !== null &&
  existsSync(PYTHON);

/** Whether an unmount reaches copies of the mount in user namespaces: older kernels keep them. */
export function carriesUnmounts(): boolean {
  const script = `mount -t tmpfs tare-try /mnt && mount --make-shared /mnt && mkdir /mnt/below && mount -t tmpfs tare-below /mnt/below
    setpriv --reuid 65534 --regid 65534 --clear-groups unshare --user --mount --propagation slave sh -c 'echo ready; read -r _; ! grep -q tare-below /proc/self/mountinfo' <>"$1" >"$2" &
    read -r _ <"$2"; umount /mnt/below; echo go >"$1"; wait $!`;
  const place = mkdtempSync('/srv/tare-carries-');
  try {
    chmodSync(place, 0o755);
    const pipes = ['to', 'from'].map((name) => join(place, name));
    execFileSync('mkfifo', ['-m', '666', ...pipes]);
    return (
      spawnSync('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', ...pipes], {timeout: 10_000}).status === 0
    );
  } finally {
    rmSync(place, {recursive: true, force: true});
  }
}

/** A directory of repositories, outside of what is private in a box. */
export class Repositories {
  readonly root: string;
  private readonly place: string;
  private readonly servers = new Map<string, ChildProcess>();
  private automounter: ChildProcess | null = null;

  /** @param parent where what serves boxes sees later mounts; absent: where all is the node's */
  constructor(parent = '/srv') {
    this.place = mkdtempSync(join(parent, 'tare-cvmfs-'));
    chmodSync(this.place, 0o755);
    this.root = join(this.place, 'cvmfs');
    mkdirSync(this.root);
  }

  path(name: string): string {
    return join(this.root, name);
  }

  /** The stand-in's server is FUSE. */
  async squashfuse(name: string): Promise<void> {
    const image = this.image();
    await this.serve(name, 'squashfuse', ['-f', '-o', 'allow_other', image]);
  }

  /** Takes so many seconds for each open. */
  async slow(name: string, seconds: number): Promise<void> {
    await this.serve(name, PYTHON, [SLOW, TREE, String(seconds)]);
  }

  /** The same tree with the client's extended attributes, on a loop device. */
  attributed(name: string, attributes: Record<string, string>): void {
    mkdirSync(this.path(name), {recursive: true});
    execFileSync('mount', ['-o', 'loop', this.disk(name, attributes), this.path(name)]);
  }

  /** As the client does when it has a new revision. */
  attribute(name: string, key: string, value: string): void {
    setAttribute(this.path(name), key, value);
  }

  /** The kernel's automounter, with an executable map that knows the repositories of `disks`. */
  async automount(disks: Record<string, Record<string, string>>, timeout: number): Promise<void> {
    const map = join(this.place, 'map.sh');
    const cases = Object.entries(disks).map(
      ([name, attributes]) => `${name}) echo '-fstype=ext4,loop,ro,nosuid,nodev :${this.disk(name, attributes)}';;`,
    );
    writeFileSync(map, `#!/bin/sh\ncase "$1" in\n${cases.join('\n')}\nesac\n`, {mode: 0o755});
    const master = join(this.place, 'master');
    writeFileSync(master, `${this.root} program:${map} --timeout=${String(timeout)}\n`);
    // the kernel does not wake it for a process of its own process group
    this.automounter = spawn('automount', ['-f', '-t', String(timeout), '-p', join(this.place, 'pid'), master], {
      stdio: 'ignore',
      detached: true,
    });
    await until('the automounter', () => mountType(this.root) === 'autofs');
    // as systemd has all mounts
    execFileSync('mount', ['--make-shared', this.root]);
  }

  stop(name: string): void {
    send(this.server(name), 'SIGSTOP');
  }

  goOn(name: string): void {
    send(this.server(name), 'SIGCONT');
  }

  async kill(name: string): Promise<void> {
    const server = this.servers.get(name);
    send(this.server(name), 'SIGKILL');
    await until('the end of the server', () => server?.exitCode !== null || server.signalCode !== null);
  }

  /** Wakes the automounter. */
  touch(name: string): void {
    execFileSync('ls', [this.path(name)], {timeout: 10_000});
  }

  isMounted(name: string): boolean {
    return mountType(this.path(name)) !== null;
  }

  /** Without force: what is used stays. */
  unmount(name: string): {status: number | null; stderr: string} {
    const {status, stderr} = spawnSync('umount', [this.path(name)], {encoding: 'utf8'});
    return {status, stderr};
  }

  async remove(): Promise<void> {
    for (const {pid} of this.servers.values()) if (pid !== undefined) send(pid, 'SIGKILL');
    this.automounter?.kill('SIGTERM');
    if (this.automounter !== null) await until('the end of the automounter', () => this.automounter?.exitCode !== null, 20);
    for (const point of mountsIn(this.root).reverse()) spawnSync('umount', ['-l', point]);
    rmSync(this.place, {recursive: true, force: true});
  }

  private server(name: string): number {
    const pid = this.servers.get(name)?.pid;
    if (pid === undefined) throw new Error(`nobody serves ${name}`);
    return pid;
  }

  private async serve(name: string, command: string, argv: string[]): Promise<void> {
    mkdirSync(this.path(name), {recursive: true});
    this.servers.set(name, spawn(command, [...argv, this.path(name)], {stdio: 'ignore'}));
    await until(`the server of ${name}`, () => this.isMounted(name));
  }

  private image(): string {
    const image = join(this.place, 'image.sqfs');
    if (!existsSync(image)) execFileSync('mksquashfs', [TREE, image, '-quiet', '-noappend', '-all-root'], {stdio: 'ignore'});
    return image;
  }

  private disk(name: string, attributes: Record<string, string>): string {
    const disk = join(this.place, `${name}.ext4`);
    execFileSync('truncate', ['-s', '4M', disk]);
    execFileSync('mkfs.ext4', ['-q', '-d', TREE, disk], {stdio: 'ignore'});
    // not mounted for that: a process that copies the mounts of this moment, as every box does, would keep its loop device busy
    for (const [key, value] of Object.entries(attributes))
      execFileSync('debugfs', ['-w', '-R', `ea_set / user.${key} ${value}`, disk], {stdio: 'ignore'});
    return disk;
  }
}

function setAttribute(path: string, key: string, value: string): void {
  execFileSync(PYTHON, ['-c', 'import os, sys; os.setxattr(sys.argv[1], "user." + sys.argv[2], sys.argv[3].encode())', path, key, value]);
}

/** Mount points in a directory and the directory's own, the outermost first. */
function mountsIn(directory: string): string[] {
  return mountTable()
    .map(({point}) => point)
    .filter((point) => point === directory || point.startsWith(`${directory}/`));
}

const mountType = (path: string): string | null => mountTable().findLast(({point}) => point === path)?.type ?? null;

function mountTable(): {point: string; type: string}[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .flatMap((line) => {
      const fields = line.split(' ');
      const dash = fields.indexOf('-');
      return dash < 0 ? [] : [{point: fields[4] ?? '', type: fields[dash + 1] ?? ''}];
    });
}
