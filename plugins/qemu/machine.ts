/**
 * A task to the command line of `tare-machine` (native/machine_options.h): what of the node's files the machine has, what it mounts itself, and the argv
 * of virtiofsd and of qemu. Pure.
 */

import type {EngineTask} from '@tare/contract';
import type {Part} from './mounts.js';
import {cpusOf, memoryMib, processesOf} from './sizes.js';

/** The folder in which the bridge puts together what the machine has of the node's files. */
export const FOLDER = 'machine';

/** qemu takes another device than /dev/kvm: an ability of versions. */
export const KVM_DEVICE = 'kvmDevice';

/** Descriptors that the bridge hands on, by number (native/machine_parts.h). */
const [FILES, PORT, KERNEL, INITRAMFS, CONSOLE, KVM] = [100, 101, 102, 103, 104, 106];

/** Without these, emulated, the kernel measures its clock against one that does not run evenly, and may wait for ever. The bridge knows the frequency. */
const EMULATED = ['tsc_early_khz={khz}', 'lpj=4000000', 'no_timer_check'];

/** The whole command line. @throws Error where a part of the engine is not there */
export function argvOf(task: EngineTask, parts: readonly Part[]): string[] {
  const [program] = task.init.argv;
  return [
    program ?? '',
    'tare-machine',
    ...nodeOptions(task),
    ...limitOptions(task),
    ...mountOptions(parts),
    '--',
    ...filesArgv(task),
    '--',
    ...qemuArgv(task),
  ];
}

function partOf({engine}: EngineTask, name: string): string {
  const path = engine.parts?.[name];
  if (path === undefined) throw new Error(`qemu needs ${name}`);
  return path;
}

/** The device that the bridge opens for qemu, whose account may not; null: qemu opens it itself, or there is none. */
const handedKvm = ({engine: {abilities, parts}}: EngineTask): string | null =>
  abilities.includes(KVM_DEVICE) ? (parts?.kvm ?? null) : null;

function accelerator(task: EngineTask): string[] {
  if (task.engine.parts?.kvm === undefined) return ['-accel', 'tcg,tb-size=64', '-cpu', 'max'];
  if (handedKvm(task) === null) return ['-accel', 'kvm', '-cpu', 'host'];
  return ['-add-fd', `fd=${String(KVM)},set=2`, '-accel', 'kvm,device=/dev/fdset/2', '-cpu', 'host'];
}

/** Where the bridge mounts, the kernel; of root's machine who qemu is, and whose ids virtiofsd has. */
function nodeOptions(task: EngineTask): string[] {
  const device = handedKvm(task);
  const options = ['folder', `${task.box}/${FOLDER}`, 'kernel', partOf(task, 'kernel'), ...(device === null ? [] : ['kvm', device])];
  const unshare = task.steps.find((step) => step.op === 'namespace.unshare');
  const accounts = task.steps.find((step) => step.op === 'accounts.provide');
  if (unshare?.namespaces.includes('user') !== true) return options;
  const map = (lines: EngineTask['ids']['uids']): string =>
    lines.map(({inside, outside, count}) => `${[inside, outside, count].join(' ')}\n`).join('');
  if (accounts !== undefined) options.push('account', String(accounts.account.uid), String(accounts.account.gid));
  return [...options, 'ids', map(task.ids.uids), map(task.ids.gids)];
}

/** The groups of the node count qemu's threads, and not what runs in the machine: its kernel has one of its own. */
const limitOptions = ({limits: {processes}}: EngineTask): string[] =>
  processes === null ? [] : ['processes', String(processesOf(processes))];

/** What is bound below something that the machine mounts is shared beside its root, and the machine puts it there. */
function mountOptions(parts: readonly Part[]): string[] {
  const options: string[] = [];
  const covered: string[] = [];
  let shared = 0;
  for (const part of parts) {
    if ('inside' in part) {
      options.push(...part.inside);
      if (part.covers !== null) covered.push(part.covers);
    } else if (part.destination === '/') {
      options.push('root', part.source);
    } else if (covered.some((place) => part.destination === place || part.destination.startsWith(`${place}/`))) {
      options.push('share', part.source, part.access, 'place', String(shared++), part.destination, part.access);
    } else {
      options.push('bind', part.source, part.destination, part.access);
    }
  }
  return options;
}

/** virtiofsd's README: what it shares is its root, and it keeps no more rights than it needs for files of several owners. */
const filesArgv = (task: EngineTask): string[] => [
  ...[partOf(task, 'virtiofsd'), `--fd=${String(FILES)}`, '--shared-dir', `${task.box}/${FOLDER}`, '--sandbox=chroot'],
  ...['--inode-file-handles=never', '--rlimit-nofile=0', '--log-level=error'],
];

/** qemu-system-x86_64(1); `microvm` is the machine with the least devices (docs/system/i386/microvm.rst of QEMU). */
function qemuArgv(task: EngineTask): string[] {
  const {memoryBytes, cores} = task.limits;
  const memory = `${String(memoryMib(memoryBytes, task.node.memoryBytes))}M`;
  const isEmulated = task.engine.parts?.kvm === undefined;
  const kernel = ['console=ttyS0', 'panic=-1', 'quiet', 'rdinit=/tare', ...(isEmulated ? EMULATED : []), '--', 'tare-system'];
  return [
    ...[task.engine.path, '-name', `tare-${task.id}`, '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny'],
    ...['-M', 'microvm,pcie=on,rtc=on,acpi=on,memory-backend=memory'],
    ...accelerator(task),
    ...['-m', memory, '-smp', String(cpusOf(cores)), '-object', `memory-backend-memfd,id=memory,size=${memory},share=on`],
    ...['-kernel', `/proc/self/fd/${String(KERNEL)}`, '-initrd', `/proc/self/fd/${String(INITRAMFS)}`, '-append', kernel.join(' ')],
    ...['-add-fd', `fd=${String(CONSOLE)},set=1`, '-chardev', 'file,id=console,path=/dev/fdset/1,append=on', '-serial', 'chardev:console'],
    ...['-chardev', `socket,id=files,fd=${String(FILES)}`, '-device', 'vhost-user-fs-pci,chardev=files,tag=tare'],
    ...[
      '-chardev',
      `socket,id=port,fd=${String(PORT)}`,
      '-device',
      'virtio-serial-pci',
      '-device',
      'virtserialport,chardev=port,name=tare',
    ],
  ];
}
