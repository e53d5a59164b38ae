// Debian's kernel as the lab starts it: unpacked, so that emulation has not to unpack it, and with an initramfs that only finds the root disk.
import {chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {output, run} from './tools.mjs';

/** Modules that are read before or while the machine starts. */
const IN_INITRAMFS = ['virtio_pci', 'virtio_blk'];

/** By the first bytes of what they packed. */
const PACKERS = [
  ['28b52ffd', 'zstd'],
  ['fd377a585a00', 'xz'],
];

/**
 * Puts `vmlinux` and `initramfs` into `folder` and the modules into `root`, from an unpacked kernel package.
 * `init` is the script that is the initramfs' first process.
 */
export function takeKernel({unpacked, root, folder, init}) {
  const boot = path.join(unpacked, 'boot');
  const image = readdirSync(boot).find((name) => name.startsWith('vmlinuz-'));
  const version = image.slice('vmlinuz-'.length);
  const modules = [path.join(unpacked, 'usr/lib/modules'), path.join(unpacked, 'lib/modules')].find((each) => safeList(each).length > 0);
  mkdirSync(path.join(root, 'lib/modules'), {recursive: true});
  run('cp', ['-a', `${modules}/.`, path.join(root, 'lib/modules/')]);
  run('depmod', ['-b', root, version]);
  writeFileSync(path.join(folder, 'vmlinux'), decompressed(readFileSync(path.join(boot, image))));
  initramfs({root, version, folder, init});
}

/**
 * The ELF file in a bzImage, or the bzImage itself where it is packed in a way that is not known here: it starts 1.3 s later.
 * Its header is in the kernel's Documentation/arch/x86/boot.rst: setup_sects at 0x1f1, payload_offset at 0x248, payload_length at 0x24c.
 */
function decompressed(bzImage) {
  const start = (bzImage.readUInt8(0x1f1) + 1) * 512 + bzImage.readUInt32LE(0x248);
  const payload = bzImage.subarray(start, start + bzImage.readUInt32LE(0x24c) - 4); // its last word is the unpacked size
  const [, command] = PACKERS.find(([magic]) => payload.toString('hex').startsWith(magic)) ?? [];
  return command === undefined ? bzImage : output(command, ['-dc'], {input: payload, encoding: 'buffer'});
}

function initramfs({root, version, folder, init}) {
  const tree = path.join(folder, 'initramfs.d');
  for (const name of ['bin', 'modules']) mkdirSync(path.join(tree, name), {recursive: true});
  copyFileSync(init, path.join(tree, 'init'));
  chmodSync(path.join(tree, 'init'), 0o755);
  run('cp', ['-aL', path.join(root, 'bin/busybox'), path.join(tree, 'bin/busybox')]);
  const wanted = output('modprobe', ['-d', root, '-S', version, '--show-depends', '-a', ...IN_INITRAMFS]);
  const order = [...new Set([...wanted.matchAll(/^insmod (\S+)/gm)].map(([, file]) => file))];
  for (const [index, file] of order.entries()) {
    const name = `${String(index).padStart(2, '0')}-${path.basename(file).replace(/\.xz$/, '')}`; // the kernel's order is the alphabet's
    const content = file.endsWith('.xz') ? output('xz', ['-dc', file], {encoding: 'buffer'}) : readFileSync(file);
    writeFileSync(path.join(tree, 'modules', name), content);
  }
  run('sh', ['-c', 'cd "$1" && find . | cpio -o -H newc --quiet | gzip -1 >"$2"', 'sh', tree, path.join(folder, 'initramfs')]);
  run('rm', ['-rf', tree]);
}

function safeList(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
