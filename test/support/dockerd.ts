/** A daemon of Docker for tests, with everything of its own but the socket, which is where its client looks for it. Test files that run at once share it. */

import {spawn, spawnSync} from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {program, until} from './tare.js';

const SOCKET = '/run/docker.sock';
/** Its users, by their pids, and a link to its folder. */
const SHARED = '/run/tare-test-docker';
const LOCK = `${SHARED}.lock`;
const FOLDER = `${SHARED}/folder`;
const mine = `${SHARED}/${String(process.pid)}`;

export const isDockerThere = (): boolean => existsSync(SOCKET);

/** One process at a time starts or stops it. */
async function alone(act: () => Promise<void>): Promise<void> {
  await until(
    'the lock of dockerd',
    () => {
      try {
        mkdirSync(LOCK);
        return true;
      } catch {
        return false;
      }
    },
    60,
  );
  try {
    await act();
  } finally {
    rmdirSync(LOCK);
  }
}

/** Starts one where there is none, neither of another test nor of the machine's, and dockerd is installed. */
const startDocker = (): Promise<void> =>
  alone(async () => {
    const path = program('dockerd');
    if (existsSync(SHARED)) writeFileSync(mine, '');
    if (path === null || isDockerThere()) return;
    const folder = mkdtempSync(join(tmpdir(), 'tare-dockerd-'));
    const configuration = {
      ...{'data-root': join(folder, 'data'), 'exec-root': join(folder, 'exec'), pidfile: join(folder, 'pid'), hosts: [`unix://${SOCKET}`]},
      ...{iptables: false, ip6tables: false, bridge: 'none', 'ip-forward': false, 'ip-masq': false, group: 'root'},
      ...{'storage-driver': 'overlay2', 'exec-opts': ['native.cgroupdriver=cgroupfs'], 'cgroup-parent': '/tare-test-docker'},
    };
    writeFileSync(join(folder, 'daemon.json'), JSON.stringify(configuration));
    const child = spawn(path, ['--config-file', join(folder, 'daemon.json')], {stdio: 'ignore', detached: true});
    child.unref();
    mkdirSync(SHARED, {recursive: true});
    symlinkSync(folder, FOLDER);
    writeFileSync(mine, '');
    await until('dockerd', () => child.exitCode !== null || spawnSync('docker', ['version']).status === 0, 30);
  });

const isHere = (pid: string): boolean => existsSync(`/proc/${pid}`);

/** Stops it where no other test needs it. Everything of it is gone after that. */
const stopDocker = (): Promise<void> =>
  alone(async () => {
    rmSync(mine, {force: true});
    if (!existsSync(FOLDER) || readdirSync(SHARED).some((name) => name !== 'folder' && isHere(name))) return;
    const folder = realpathSync(FOLDER);
    const file = join(folder, 'pid');
    const pid = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
    if (pid !== '' && isHere(pid)) {
      process.kill(Number(pid), 'SIGTERM');
      await until('the end of dockerd', () => !isHere(pid), 30);
    }
    rmSync(SOCKET, {force: true});
    for (const place of readdirSync('/sys/fs/cgroup')) {
      const group = join('/sys/fs/cgroup', place, 'tare-test-docker');
      if (existsSync(group)) rmdirSync(group);
    }
    // its network namespace, and what a killed one has not unmounted
    for (const line of readFileSync('/proc/self/mounts', 'utf8').split('\n').reverse()) {
      const place = line.split(' ')[1] ?? '';
      if (place.startsWith(`${folder}/`)) spawnSync('umount', ['--lazy', place]);
    }
    rmSync(folder, {recursive: true, force: true});
    rmSync(SHARED, {recursive: true, force: true});
  });

/** Has the daemon there that an engine needs, for the tests of a suite. */
export function withDaemon(engine: string): void {
  if (engine !== 'docker') return;
  before(async function () {
    this.timeout(60_000);
    if (process.getuid?.() === 0) await startDocker();
  });
  after(async function () {
    this.timeout(60_000);
    if (process.getuid?.() === 0) await stopDocker();
  });
}
