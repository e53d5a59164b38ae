/** The parts of a virtual machine beside qemu, from Debian's packages, unpacked and not installed: virtiofsd, and a kernel that has all built in. */

import {createHash} from 'node:crypto';
import {execFileSync} from 'node:child_process';
import {copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {patience} from './pace.js';
import {program, type Credentials, type Site} from './tare.js';

const KERNEL = 'linux-image-cloud-amd64';

/** Why they cannot be had here; null: they can. */
export const virtualObstacle = (): string | null =>
  process.arch !== 'x64'
    ? 'qemu is for x86-64'
    : process.getuid?.() !== 0
      ? 'only root can show the parts of a virtual machine where they are looked for'
      : ['qemu-system-x86_64', 'apt-get', 'dpkg', 'unshare'].find((name) => program(name) === null) === undefined
        ? null
        : 'qemu-system-x86 is not installed, or this is not Debian';

/** A folder with `libexec/virtiofsd` and `lib/tare/vmlinuz`; made once, and kept until Debian's release changes. */
export function virtualParts(): string {
  const key = createHash('sha256')
    .update(JSON.stringify([KERNEL, readFileSync('/etc/debian_version', 'utf8')]))
    .digest('hex')
    .slice(0, 12);
  const place = '/var/cache/tare-test';
  const parts = join(place, `virtual-${key}`);
  if (existsSync(parts)) return parts;
  const fresh = `${parts}.${String(process.pid)}`;
  mkdirSync(fresh, {recursive: true});
  const inFresh = (command: string, args: readonly string[]): string => execFileSync(command, args, {cwd: fresh, encoding: 'utf8'});
  try {
    const depends = inFresh('apt-cache', ['depends', '--no-recommends', '--no-suggests', KERNEL]);
    const kernel = /Depends: (linux-image-[0-9]\S*)/.exec(depends)?.[1] ?? KERNEL;
    inFresh('apt-get', ['-qq', '-o', 'APT::Sandbox::User=root', 'download', 'virtiofsd', kernel]);
    for (const name of readdirSync(fresh).filter((one) => one.endsWith('.deb'))) {
      inFresh('dpkg', ['-x', name, 'unpacked']);
      rmSync(join(fresh, name));
    }
    mkdirSync(join(fresh, 'libexec'));
    mkdirSync(join(fresh, 'lib/tare'), {recursive: true});
    const boot = join(fresh, 'unpacked/boot');
    const image = readdirSync(boot).find((name) => name.startsWith('vmlinuz-')) ?? 'vmlinuz';
    copyFileSync(join(fresh, 'unpacked/usr/libexec/virtiofsd'), join(fresh, 'libexec/virtiofsd'));
    copyFileSync(join(boot, image), join(fresh, 'lib/tare/vmlinuz'));
    rmSync(join(fresh, 'unpacked'), {recursive: true});
    // another test file may have been faster
    if (!existsSync(parts)) renameSync(fresh, parts);
  } finally {
    rmSync(fresh, {recursive: true, force: true});
  }
  return parts;
}

/** The same /dev without the one device. */
const WITHOUT_KVM = [
  'mount -t tmpfs tmpfs /mnt',
  'mkdir /mnt/upper /mnt/work /mnt/pts',
  'mount --bind /dev/pts /mnt/pts',
  'mount -t overlay -o lowerdir=/dev,upperdir=/mnt/upper,workdir=/mnt/work overlay /dev',
  'rm -f /dev/kvm',
  'mount --bind /mnt/pts /dev/pts',
];

interface Place extends Credentials {
  /** false: there is no /dev/kvm. */
  kvm?: boolean;
}

const become = ({uid, gid}: Credentials): string[] =>
  uid === undefined ? [] : ['/usr/bin/setpriv', `--reuid=${String(uid)}`, `--regid=${String(gid ?? uid)}`, '--clear-groups'];

/** A command line with which the parts are where they are looked for, in a mount namespace of its own. */
export const withVirtualParts = (parts: string, argv: readonly string[], {kvm = true, ...credentials}: Place = {}): string[] => [
  ...['/usr/bin/unshare', '--mount', '/bin/sh', '-c'],
  [
    'mount --make-rprivate /',
    'mkdir -p /usr/libexec /usr/local/lib',
    'mount -t overlay -o lowerdir="$0"/libexec:/usr/libexec overlay /usr/libexec',
    'mount -t overlay -o lowerdir="$0"/lib:/usr/local/lib overlay /usr/local/lib',
    ...(kvm ? [] : WITHOUT_KVM),
    'exec "$@"',
  ].join(' && '),
  parts,
  ...become(credentials),
  ...argv,
];

/** The parts where they are looked for, for all of a site that is started from then on. Called in a suite. */
export const withVirtual = (site: Site): void => {
  before(function () {
    // the first time the parts are fetched
    this.timeout(patience(600_000));
    if (virtualObstacle() !== null) return;
    const parts = virtualParts();
    site.around = (argv, credentials) => withVirtualParts(parts, argv, credentials);
  });
};
