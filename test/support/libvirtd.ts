/** libvirt's daemon for tests, in mounts of its own, so that nothing of its state stays on the node but its sockets while it runs. */

import {spawn, type ChildProcess} from 'node:child_process';
import {existsSync, mkdtempSync, readdirSync, rmdirSync, rmSync, writeFileSync} from 'node:fs';
import {connect} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {program, send, until} from './tare.js';

const RUN = '/run/libvirt';
const SOCKET = `${RUN}/libvirt-sock`;
/** libvirt makes it in the root that it binds. */
const OLD_ROOT = '/.oldroot';

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
  'mount --make-rprivate /',
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

/** A libvirtd that runs. */
export class Libvirtd {
  private readonly folder: string;
  private child: ChildProcess | null = null;
  private readonly made: readonly string[];

  private constructor() {
    // not below a site's folder, in which no process is to be left after each test
    this.folder = mkdtempSync(join(tmpdir(), 'libvirtd-'));
    this.made = [RUN, `${RUN}/lxc`, OLD_ROOT, ...groups()].filter((path) => !existsSync(path));
  }

  /** Starts one when none runs, also none of another test. */
  static async start(): Promise<Libvirtd> {
    await untilAnswers(false, null, 300);
    const daemon = new Libvirtd();
    await daemon.again();
    return daemon;
  }

  /** Once more, when it has been killed. */
  async again(): Promise<void> {
    const settings = ['auth_unix_rw = "none"', `log_outputs = "2:file:${join(this.folder, 'log')}"`];
    writeFileSync(join(this.folder, 'libvirtd.conf'), settings.map((line) => `${line}\n`).join(''));
    const argv = ['libvirtd', '-f', join(this.folder, 'libvirtd.conf'), '-p', join(this.folder, 'pid')];
    this.child = spawn('/usr/bin/unshare', ['--mount', '/bin/sh', '-c', SCRIPT, 'sh', ...argv], {stdio: 'ignore'});
    await untilAnswers(true, this.child, 60);
  }

  /** Ends it, by a signal. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const {child} = this;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    send(child.pid, signal);
    await until('the end of libvirtd', () => child.exitCode !== null || child.signalCode !== null, 60);
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
