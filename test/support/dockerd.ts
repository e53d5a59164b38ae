/** A daemon of Docker for tests, with everything of its own but the socket, which is where its client looks for it. */

import {spawn, spawnSync, type ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {existsSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {program, until} from './tare.js';

const SOCKET = '/run/docker.sock';

export class Dockerd {
  readonly child: ChildProcess;
  private readonly folder: string;

  private constructor(child: ChildProcess, folder: string) {
    this.child = child;
    this.folder = folder;
  }

  /** One, of a test or of the machine's. */
  static isThere(): boolean {
    return existsSync(SOCKET);
  }

  /** @returns null where there is one already, which is taken then, or none can be started */
  static async start(): Promise<Dockerd | null> {
    const path = program('dockerd');
    if (path === null || existsSync(SOCKET)) return null;
    const folder = mkdtempSync(join(tmpdir(), 'tare-dockerd-'));
    const configuration = {
      ...{'data-root': join(folder, 'data'), 'exec-root': join(folder, 'exec'), pidfile: join(folder, 'pid'), hosts: [`unix://${SOCKET}`]},
      ...{iptables: false, ip6tables: false, bridge: 'none', 'ip-forward': false, 'ip-masq': false, group: 'root'},
      ...{'storage-driver': 'overlay2', 'exec-opts': ['native.cgroupdriver=cgroupfs'], 'cgroup-parent': '/tare-test-docker'},
    };
    writeFileSync(join(folder, 'daemon.json'), JSON.stringify(configuration));
    const child = spawn(path, ['--config-file', join(folder, 'daemon.json')], {stdio: 'ignore'});
    const daemon = new Dockerd(child, folder);
    await until('dockerd', () => child.exitCode !== null || spawnSync('docker', ['version']).status === 0, 30);
    return child.exitCode === null ? daemon : null;
  }

  /** Everything of it is gone after that. */
  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill('SIGTERM');
      await once(this.child, 'exit');
    }
    rmSync(SOCKET, {force: true});
    for (const place of readdirSync('/sys/fs/cgroup')) {
      const group = join('/sys/fs/cgroup', place, 'tare-test-docker');
      if (existsSync(group)) rmdirSync(group);
    }
    // its network namespace, and what a killed one has not unmounted
    for (const line of readFileSync('/proc/self/mounts', 'utf8').split('\n').reverse()) {
      const place = line.split(' ')[1] ?? '';
      if (place.startsWith(`${this.folder}/`)) spawnSync('umount', ['--lazy', place]);
    }
    rmSync(this.folder, {recursive: true, force: true});
  }
}
