// What a lab machine is made of, and the name under which it is kept: another recipe, another name.
import {createHash} from 'node:crypto';
import {existsSync, readdirSync, readFileSync} from 'node:fs';
import {homedir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {Stop} from '../../scripts/steps.mjs';

export const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** Debian releases: trixie has kernel 6.12 and systemd 257, bookworm 6.1 and 252, bullseye 5.10 and 247. */
export const SUITES = ['trixie', 'bookworm', 'bullseye'];
export const INITS = ['plain', 'systemd'];
/** What every machine has besides Debian's required packages; a machine's own `packages` come to it. */
const PACKAGES = [
  ...[
    'systemd',
    'systemd-sysv',
    'dbus',
    'dbus-user-session',
    'libpam-systemd',
    'kmod',
    'busybox-static',
    'util-linux',
    'iproute2',
    'procps',
    'e2fsprogs',
  ],
  ...['bubblewrap', 'uidmap', 'fuse3', 'squashfuse', 'squashfs-tools', 'zstd', 'python3'],
];
/** Only its kernel and modules are taken. */
export const KERNEL_PACKAGE = 'linux-image-cloud-amd64';
/** Accounts without rights, with their numbers. */
export const USERS = {grid: 1000, pilot: 1001};
/** Where a run's checkout is on the machine. */
export const PLACE = '/srv/tare';

/** systemd's switch back to the hierarchies of version 1, beside an empty one of version 2; gone since systemd 256. */
export const HYBRID = 'systemd.unified_cgroup_hierarchy=0';

/** The machine that is meant where nothing is said. `append`: more of the kernel's command line; `packages`: more of Debian's. */
export const USUAL = {suite: 'trixie', init: 'systemd', packages: [], append: '', memoryMiB: 2048, cpus: 2};

export const cache = path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'tare-lab');

export const packagesOf = ({packages}) => [...PACKAGES, ...packages];

const digest = (...parts) => createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 12);

/** Named by what is built into it: these files, the packages, the accounts, and this program's own Node.js. */
export function imageFolder(machine) {
  const files = ['image.mjs', 'kernel.mjs', ...readdirSync(here('guest')).map((name) => `guest/${name}`)].sort();
  const texts = files.map((name) => [name, readFileSync(here(name), 'utf8')]);
  const name = digest(texts, packagesOf(machine), KERNEL_PACKAGE, USERS, process.version, process.execPath);
  return path.join(cache, `${machine.suite}-${name}`);
}

/** A booted machine, stopped while it waits for orders; only the QEMU that wrote it can read it. */
export function snapshotFolder(machine, qemu) {
  const {init, append, memoryMiB, cpus} = machine;
  const name = digest(
    init,
    append,
    memoryMiB,
    cpus,
    qemu,
    ['qemu.mjs', 'snapshot.mjs'].map((each) => readFileSync(here(each), 'utf8')),
  );
  return path.join(imageFolder(machine), `${init}-${name}`);
}

/** The archive that this machine's own packages come from. */
export function mirror() {
  if (process.env.TARE_LAB_MIRROR) return process.env.TARE_LAB_MIRROR;
  if (!existsSync('/etc/debian_version'))
    throw new Stop('lab: the machine is made of Debian packages, and this system is not Debian; TARE_LAB_MIRROR may name an archive.');
  const folder = '/etc/apt/sources.list.d';
  const files = [
    '/etc/apt/sources.list',
    ...(existsSync(folder)
      ? readdirSync(folder)
          .sort()
          .map((name) => path.join(folder, name))
      : []),
  ];
  for (const file of files.filter((each) => existsSync(each))) {
    const found = /^(?:URIs:\s*|deb\s+(?:\[[^\]]*\]\s*)?)(https?:\S+)/m.exec(readFileSync(file, 'utf8'));
    if (found !== null) return found[1];
  }
  throw new Stop('lab: no archive of packages in /etc/apt/sources.list or /etc/apt/sources.list.d; TARE_LAB_MIRROR may name one.');
}
