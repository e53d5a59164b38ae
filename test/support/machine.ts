/** Images of small machines for tests: of busybox, made in a moment; and Debian's own, from its packages. */

import {createHash} from 'node:crypto';
import {execFileSync} from 'node:child_process';
import {chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {payload, program} from './tare.js';

/** busybox-static of Debian: one program without libraries. */
export const BUSYBOX = '/usr/bin/busybox';
const COMMANDS = [
  'sh',
  'ls',
  'cat',
  'sleep',
  'echo',
  'id',
  'env',
  'hostname',
  'ip',
  'httpd',
  'wget',
  'mount',
  'umount',
  'unshare',
  'grep',
  'kill',
  'ps',
  'true',
  'touch',
  'false',
  'init',
  'tr',
  'rm',
  'mkdir',
];

/** What runs in the image's init before its services; and what it starts when it is told to. */
export interface BusyboxParts {
  /** Commands of the script that its init runs first. */
  boot?: string;
  /** Scripts of services, by their names. */
  services?: Record<string, string>;
  /** Without: an image that has none. */
  init?: boolean;
}

/** A directory tree with busybox in it; its init brings up `/run/booted`, and says at its end when it was told to. */
export function busyboxImage(directory: string, {boot = '', services = {}, init = true}: BusyboxParts = {}): string {
  for (const name of ['bin', 'sbin', 'etc/init.d', 'proc', 'sys', 'dev', 'tmp', 'run', 'var/tmp', 'root'])
    mkdirSync(join(directory, name), {recursive: true});
  copyFileSync(BUSYBOX, join(directory, 'bin/busybox'));
  for (const name of COMMANDS) symlinkSync('/bin/busybox', join(directory, 'bin', name));
  for (const name of ['touch-memory', 'burn']) copyFileSync(payload(name), join(directory, 'bin', name));
  if (init) symlinkSync('/bin/busybox', join(directory, 'sbin/init'));
  writeFileSync(join(directory, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/:/bin/false\n');
  writeFileSync(join(directory, 'etc/group'), 'root:x:0:\nweb:x:33:\n');
  writeFileSync(join(directory, 'etc/hello'), 'hello\n');
  writeFileSync(join(directory, 'etc/inittab'), '::sysinit:/etc/init.d/rcS\n::shutdown:/etc/init.d/down\n');
  const script = (name: string, text: string): void => {
    const path = join(directory, 'etc/init.d', name);
    writeFileSync(path, `#!/bin/sh\n${text}\n`);
    chmodSync(path, 0o755);
  };
  script('rcS', `${boot}\necho booted > /run/booted`);
  script('down', 'echo down > /var/tmp/down; [ -z "$DOWN" ] || echo down > "$DOWN"');
  for (const [name, text] of Object.entries(services)) script(name, text);
  return directory;
}

/** A web server as a service of System V: it detaches itself, and its script knows whether it runs. */
export const webService = (port: number): string =>
  `case $1 in start) httpd -p ${String(port)} -h /etc;; status) grep -qs httpd /proc/[0-9]*/comm || exit 3;; esac`;

const PACKAGES = ['sysvinit-core', 'nginx-light', 'openssh-server', 'iproute2', 'procps'];

/** Why Debian's image cannot be made here; null: it can. */
export const debianObstacle = (): string | null =>
  process.getuid?.() !== 0
    ? 'only root can make an image of Debian’s packages'
    : program('mmdebstrap') === null
      ? 'mmdebstrap is not installed'
      : null;

/** Debian with System V's init, nginx and sshd; made once, and kept until its recipe changes. */
export function debianImage(mirror: string): string {
  const key = createHash('sha256')
    .update(JSON.stringify([PACKAGES, readFileSync('/etc/debian_version', 'utf8')]))
    .digest('hex')
    .slice(0, 12);
  // where payloads' users can look too
  const place = '/var/cache/tare-test';
  const image = join(place, `debian-${key}`);
  if (existsSync(image)) return image;
  mkdirSync(place, {recursive: true});
  const fresh = `${image}.${String(process.pid)}`;
  try {
    execFileSync(
      'mmdebstrap',
      [
        ...['--quiet', '--mode=root', '--variant=minbase', `--include=${PACKAGES.join(',')}`, '--aptopt=Acquire::Languages "none"'],
        ...['man', 'locale', 'doc'].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`),
        ...['trixie', fresh, mirror],
      ],
      {stdio: ['ignore', 'ignore', 'pipe']},
    );
    renameSync(fresh, image);
  } finally {
    rmSync(fresh, {recursive: true, force: true});
  }
  return image;
}
