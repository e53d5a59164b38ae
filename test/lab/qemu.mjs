// The virtual machine itself: no network, three disks, four ports.
import {output} from './tools.mjs';

export const QEMU = 'qemu-system-x86_64';
/** What is written to the guest's ports, in their order. */
export const PORTS = ['out', 'err', 'status', 'files'];
/** Sizes of the disks that change from run to run; a restored machine knows only these. */
export const GO_BYTES = 32 * 2 ** 20;
export const CHECKOUT_BYTES = 8 * 2 ** 30;

export const version = () => output(QEMU, ['--version']).split('\n')[0];

/** `disks`: option strings by name (root, go, checkout); `ports`: chardev strings by name, without the id. */
export function qemuArguments(machine, folder, {disks, ports, console}) {
  const {init, append, memoryMiB, cpus} = machine;
  const kernel = [
    'console=ttyS0',
    'loglevel=4',
    'panic=-1',
    'mitigations=off',
    'psi=1',
    'lsm=landlock,yama,apparmor',
    `lab.init=${init}`,
    append,
  ];
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-M', 'q35', '-cpu', 'max'],
    ...['-accel', process.env.TARE_LAB_ACCEL ?? 'tcg,thread=multi', '-smp', String(cpus), '-m', String(memoryMiB)],
    ...['-kernel', `${folder}/vmlinux`, '-initrd', `${folder}/initramfs`, '-append', kernel.join(' ').trim(), '-serial', `file:${console}`],
    ...['root', 'go', 'checkout'].flatMap((name) => [
      ...['-drive', `if=none,id=${name},format=raw,cache=unsafe,${disks[name]}`],
      ...['-device', `virtio-blk-pci,drive=${name},serial=${name}`],
    ]),
    ...['-device', 'virtio-serial-pci,max_ports=8'],
    ...PORTS.flatMap((name, index) => [
      '-chardev',
      `${ports[name]},id=${name}`,
      '-device',
      `virtserialport,chardev=${name},nr=${index + 1}`,
    ]),
  ];
}
