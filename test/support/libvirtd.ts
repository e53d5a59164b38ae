/** libvirt's daemon for tests, in mounts of its own, so that nothing of its state stays on the node but its sockets while it runs. */

import {execFileSync, spawn, type ChildProcess} from 'node:child_process';
import {existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync} from 'node:fs';
import {connect} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {SharedDaemon} from './shared-daemon.js';
import {program, send, until} from './tare.js';

const RUN = '/run/libvirt';
const SOCKET = `${RUN}/libvirt-sock`;
/** libvirt makes it in the root that it binds. */
const OLD_ROOT = '/.oldroot';
/** What a test mounts below it reaches the libvirtd that tests share, as all that is mounted on a node does where systemd has made its mounts shared. */
export const SHARED_MOUNTS = '/srv/tare-test-libvirt';

/** Why it cannot be started here; null: it can. */
export const noLibvirt = (): string | null =>
  program('virsh') === null || program('libvirtd') === null || !existsSync('/usr/lib/libvirt/libvirt_lxc')
    ? 'libvirt with its LXC driver is not installed'
    : null;

/**
 * Where there are hierarchies of both versions, libvirt finds the second one and cannot make it in a box. The folders of its state are empty
 * ones in memory, but that of its sockets.
 */
const SCRIPT = [
  'mount | while read -r _ _ at _ type _; do case $type:$at in cgroup2:/sys/fs/cgroup/?*) umount -l "$at";; esac; done',
  'for d in /var/lib/libvirt /var/log/libvirt /var/cache/libvirt /etc/libvirt; do [ ! -d "$d" ] || mount -t tmpfs tmpfs "$d"; done',
  'exec "$@"',
].join('\n');

/** Whether something listens there. */
const answers = (socket: string): Promise<boolean> =>
  new Promise((resolve) => {
    const connection = connect(socket);
    connection.once('connect', () => {
      connection.destroy();
      resolve(true);
    });
    connection.once('error', () => {
      resolve(false);
    });
  });

async function untilAnswers(wanted: boolean, child: ChildProcess | null, seconds: number): Promise<void> {
  for (const deadline = Date.now() + seconds * 1000; Date.now() < deadline;) {
    if ((await answers(SOCKET)) === wanted) return;
    if (child !== null && child.exitCode !== null) throw new Error(`libvirtd ended with ${String(child.exitCode)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`waited ${String(seconds)} s for a libvirtd that ${wanted ? 'answers' : 'ends'}`);
}

/** The groups in which libvirt makes those of its boxes. */
const groups = (): string[] => ['', ...readdirSync('/sys/fs/cgroup')].map((name) => join('/sys/fs/cgroup', name, 'machine'));

/** With the groups of boxes below it, which stay where libvirt's own process of a box was killed. */
function removeEmpty(path: string): void {
  if (!existsSync(path)) return;
  for (const entry of readdirSync(path, {withFileTypes: true})) if (entry.isDirectory()) removeEmpty(join(path, entry.name));
  rmdirSync(path);
}

/** The process whose pid libvirtd has written there, if it runs; null: it does not. */
function runningOf(file: string): number | null {
  const pid = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
  return existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(file) ? Number(pid) : null;
}

/** A libvirtd that runs. */
export class Libvirtd {
  private readonly folder: string;
  private readonly pidFile: string;
  private readonly made: readonly string[];

  private constructor(folder: string) {
    this.folder = folder;
    this.pidFile = join(folder, 'pid');
    // who stops it may be another process than who has started it
    const file = join(folder, 'made.json');
    if (!existsSync(file)) {
      const places = [RUN, `${RUN}/lxc`, OLD_ROOT, ...groups()];
      writeFileSync(file, JSON.stringify(places.filter((path) => !existsSync(path))));
    }
    this.made = JSON.parse(readFileSync(file, 'utf8')) as string[];
  }

  /** Starts one when none runs, also none of another test. */
  static async start(): Promise<Libvirtd> {
    await untilAnswers(false, null, 300);
    // not below a site's folder, in which no process is to be left after each test
    const daemon = Libvirtd.of(mkdtempSync(join(tmpdir(), 'libvirtd-')));
    await daemon.again();
    return daemon;
  }

  /** With its files in this folder; it is not started. */
  static of(folder: string): Libvirtd {
    return new Libvirtd(folder);
  }

  /** Starts it, also once more, when it has been killed. */
  async again(): Promise<void> {
    const settings = ['auth_unix_rw = "none"', `log_outputs = "2:file:${join(this.folder, 'log')}"`];
    writeFileSync(join(this.folder, 'libvirtd.conf'), settings.map((line) => `${line}\n`).join(''));
    const argv = ['libvirtd', '-f', join(this.folder, 'libvirtd.conf'), '-p', this.pidFile];
    const child = spawn('/usr/bin/unshare', ['--mount', '--propagation', 'slave', '/bin/sh', '-c', SCRIPT, 'sh', ...argv], {
      stdio: 'ignore',
      detached: true,
    });
    child.unref();
    await untilAnswers(true, child, 60);
  }

  /** Ends it, by a signal. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const pid = runningOf(this.pidFile);
    if (pid === null) return;
    send(pid, signal);
    await until('the end of libvirtd', () => runningOf(this.pidFile) === null, 60);
  }

  /** Ends it, and removes what it has made. */
  async stop(): Promise<void> {
    await this.end('SIGTERM');
    for (const path of this.made) {
      if (path.startsWith(RUN)) rmSync(path, {recursive: true, force: true});
      else removeEmpty(path);
    }
    rmSync(this.folder, {recursive: true, force: true});
  }
}

/** Where libvirt is not installed, none is started. */
export const libvirt = new SharedDaemon('libvirt', {
  isThere: async () => noLibvirt() !== null || (await answers(SOCKET)),
  start: (folder) => {
    mkdirSync(SHARED_MOUNTS, {recursive: true});
    for (const options of [['--bind', SHARED_MOUNTS], ['--make-shared']]) execFileSync('mount', [...options, SHARED_MOUNTS]);
    return Libvirtd.of(folder).again();
  },
  stop: async (folder) => {
    await Libvirtd.of(folder).stop();
    execFileSync('umount', [SHARED_MOUNTS]);
    rmdirSync(SHARED_MOUNTS);
  },
});
