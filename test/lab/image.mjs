// The disk of a lab machine: Debian's packages, a kernel, this program's own Node.js, and the few scripts that make it obey.
import {spawnSync} from 'node:child_process';
import {chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {takeKernel} from './kernel.mjs';
import {KERNEL_PACKAGE, USERS, here, mirror, packagesOf} from './recipe.mjs';
import {output, run} from './tools.mjs';

/** Fills an empty folder with `root.ext4`, `vmlinux` and `initramfs`. */
export function buildImage(machine, folder) {
  const root = path.join(folder, 'root');
  const kernel = path.join(folder, 'kernel');
  mkdirSync(kernel);
  bootstrap(machine, root, kernel);
  const [deb] = readdirSync(kernel).filter((name) => name.endsWith('.deb'));
  run('dpkg-deb', ['-x', path.join(kernel, deb), kernel]);
  takeKernel({unpacked: kernel, root, folder, init: here('guest/initramfs')});
  ownFiles(root);
  takeNode(root);
  const disk = path.join(folder, 'root.ext4');
  run('truncate', ['-s', '4G', disk]);
  run('mkfs.ext4', ['-q', '-F', '-m', '0', '-E', 'lazy_itable_init=0,nodiscard', '-d', root, disk]);
  run('rm', ['-rf', '--one-file-system', root, kernel]);
}

function bootstrap(machine, root, kernel) {
  // The kernel's package is only fetched: installing it would make an initramfs of its own.
  const fetch = [
    `cd '${kernel}'`,
    'export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"',
    `apt-get -qq -o APT::Sandbox::User=root download $(apt-cache depends --no-recommends --no-suggests ${KERNEL_PACKAGE} | sed -n 's/^ *Depends: \\(linux-image-[0-9].*\\)/\\1/p' | head -n 1)`,
  ].join('; ');
  const without = ['man', 'locale', 'doc'].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`);
  run('mmdebstrap', [
    ...['--quiet', '--mode=root', '--variant=minbase', `--include=${packagesOf(machine).join(',')}`],
    ...['--aptopt=Acquire::Languages "none"', ...without, `--customize-hook=${fetch}`, machine.suite, root, mirror()],
  ]);
}

function ownFiles(root) {
  const inRoot = (name) => path.join(root, name);
  mkdirSync(inRoot('lab/empty'), {recursive: true});
  for (const name of ['init', 'agent']) {
    copyFileSync(here(`guest/${name}`), inRoot(`lab/${name}`));
    chmodSync(inRoot(`lab/${name}`), 0o755);
  }
  mkdirSync(inRoot('lab/units'));
  for (const name of ['lab.target', 'lab.service']) copyFileSync(here(`guest/${name}`), inRoot(`lab/units/${name}`));
  // Under emulation each helper process costs 0.1 to 0.5 s: a machine for one command does without these; and /tmp is on the disk, as on a node.
  for (const unit of readFileSync(here('guest/masked-units'), 'utf8').split(/\s+/))
    if (unit !== '') symlinkSync('/dev/null', inRoot(`lab/units/${unit}`));
  for (const [name, id] of Object.entries(USERS)) run('chroot', [root, 'useradd', '-m', '-s', '/bin/bash', '-u', String(id), name]);
  const subordinate = Object.keys(USERS).map((name, index) => `${name}:${100_000 + index * 65_536}:65536\n`);
  for (const name of ['etc/subuid', 'etc/subgid']) writeFileSync(inRoot(name), subordinate.join(''));
  writeFileSync(inRoot('etc/hostname'), 'lab\n');
  writeFileSync(inRoot('etc/hosts'), '127.0.0.1 localhost lab\n');
  writeFileSync(inRoot('etc/fstab'), '');
  // A machine without an id would set itself up as new, at each start.
  writeFileSync(inRoot('etc/machine-id'), `${'0123456789abcdef'.repeat(2)}\n`);
  mkdirSync(inRoot('etc/systemd/journald.conf.d'), {recursive: true});
  writeFileSync(inRoot('etc/systemd/journald.conf.d/lab.conf'), '[Journal]\nStorage=volatile\nForwardToConsole=no\n');
}

/**
 * The Node.js that runs this program, with its own C library: so it starts in every release, and the tests run under the version that was
 * asked for. A distribution's Node.js reads some of its modules from files; these are in its configuration.
 */
function takeNode(root) {
  const node = realpathSync(process.execPath);
  const place = path.join(root, 'opt/node');
  mkdirSync(path.join(place, 'lib'), {recursive: true});
  copyFileSync(node, path.join(place, 'node'));
  chmodSync(path.join(place, 'node'), 0o755);
  const libraries = output('ldd', [node]);
  const loader = /^\s*(\/\S*ld-linux\S*)/m.exec(libraries)?.[1];
  if (loader !== undefined) {
    for (const file of [loader, ...[...libraries.matchAll(/=> (\/\S+)/g)].map(([, each]) => each)])
      copyFileSync(file, path.join(place, 'lib', path.basename(file)));
    chmodSync(path.join(place, 'lib', path.basename(loader)), 0o755);
    const inGuest = '/opt/node/lib';
    run('patchelf', [
      '--set-interpreter',
      `${inGuest}/${path.basename(loader)}`,
      '--force-rpath',
      '--set-rpath',
      inGuest,
      path.join(place, 'node'),
    ]);
  }
  const files = Object.values(process.config.variables).filter(
    (value) => typeof value === 'string' && value.startsWith('/usr/share/') && existsSync(value),
  );
  for (const file of files) {
    mkdirSync(path.join(root, path.dirname(file)), {recursive: true});
    copyFileSync(file, path.join(root, file));
  }
  symlinkSync('/opt/node/node', path.join(root, 'usr/local/bin/node'));
  const tried = spawnSync('chroot', [root, '/usr/local/bin/node', '-p', '1'], {env: {PATH: process.env.PATH}, encoding: 'utf8'});
  if (tried.stdout !== '1\n') throw new Error(`Node.js does not start in the image: ${tried.stderr}`);
}
