/** A daemon of Docker for tests, with everything of its own but the socket, which is where its client looks for it. */

import {spawn, spawnSync} from 'node:child_process';
import {existsSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {SharedDaemon} from './shared-daemon.js';
import {program, until} from './tare.js';

const SOCKET = '/run/docker.sock';
const GROUP = 'tare-test-docker';

export const isDockerThere = (): boolean => existsSync(SOCKET);

async function start(folder: string): Promise<void> {
  const configuration = {
    ...{'data-root': join(folder, 'data'), 'exec-root': join(folder, 'exec'), pidfile: join(folder, 'pid'), hosts: [`unix://${SOCKET}`]},
    ...{iptables: false, ip6tables: false, bridge: 'none', 'ip-forward': false, 'ip-masq': false, group: 'root'},
    ...{'storage-driver': 'overlay2', 'exec-opts': ['native.cgroupdriver=cgroupfs'], 'cgroup-parent': `/${GROUP}`},
  };
  writeFileSync(join(folder, 'daemon.json'), JSON.stringify(configuration));
  const child = spawn(program('dockerd') ?? '', ['--config-file', join(folder, 'daemon.json')], {stdio: 'ignore', detached: true});
  child.unref();
  await until('dockerd', () => child.exitCode !== null || spawnSync('docker', ['version']).status === 0, 30);
}

const isHere = (pid: string): boolean => existsSync(`/proc/${pid}`);

async function stop(folder: string): Promise<void> {
  const file = join(folder, 'pid');
  const pid = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
  if (pid !== '' && isHere(pid)) {
    process.kill(Number(pid), 'SIGTERM');
    await until('the end of dockerd', () => !isHere(pid), 30);
  }
  rmSync(SOCKET, {force: true});
  for (const place of readdirSync('/sys/fs/cgroup')) {
    const group = join('/sys/fs/cgroup', place, GROUP);
    if (existsSync(group)) rmdirSync(group);
  }
  // its network namespace, and what a killed one has not unmounted
  for (const line of readFileSync('/proc/self/mounts', 'utf8').split('\n').reverse()) {
    const place = line.split(' ')[1] ?? '';
    if (place.startsWith(`${folder}/`)) spawnSync('umount', ['--lazy', place]);
  }
}

/** Where dockerd is not installed, none is started. */
export const docker = new SharedDaemon('docker', {isThere: () => program('dockerd') === null || isDockerThere(), start, stop});
