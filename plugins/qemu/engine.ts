/** A virtual machine as the engine of a small machine: qemu with virtiofsd, KVM where the node has it. */

import type {Engine, Reason} from '@tare/contract';
import {argvOf, FOLDER, KVM_DEVICE} from './machine.js';
import {isForeignDevice, STEPS, type Part} from './mounts.js';
import {cpusOf, inMib, LEAST_BYTES, leastProcesses, MOST_CPUS, OVERHEAD_BYTES} from './sizes.js';

/** `microvm` with PCI Express and an event device for ACPI (QEMU's ChangeLog/5.2). */
const LEAST = '6.0';
/** `-accel kvm,device=` (QEMU's ChangeLog/9.0). */
const KVM_DEVICE_SINCE = '9.0';
/** mount_setattr(2), with which the bridge makes mounts read-only. */
const KERNEL = [5, 12] as const;

const NO_SERVICES = 'runs no services beside the payload: groups of the node cannot hold them apart';
const NO_NETWORK = 'gives a machine no network: the job has to say network none, or identity.address none';
const SEALED = 'a virtual machine has a kernel of its own, which no process of the node enters';
/** Of the record's figures. */
const WHOLE = 'is weighed on the node, with the kernel in it and its emulation';

const KILLED_WHOLE = 'is killed as a whole, and the record has no signal of the payload then';

const ONE_PAYLOAD = 'is used for one payload: a machine has a whole kernel for it';

/** Limits that leave no room for the machine itself, or that it cannot have. */
function unfit({memory, processes, cores}: Parameters<NonNullable<Engine['refuses']>>[0]['limits']): Reason | null {
  const least = OVERHEAD_BYTES + LEAST_BYTES;
  if (memory.value !== null && memory.value < least)
    return `needs a limit on memory of ${inMib(least)} at least, ${inMib(OVERHEAD_BYTES)} of it for itself`;
  if (cpusOf(cores.value) > MOST_CPUS) return `gives a machine ${String(MOST_CPUS)} CPUs at most`;
  const threads = leastProcesses(cores.value);
  return processes.value !== null && processes.value < threads
    ? `needs a limit on processes of ${String(threads)} at least, for threads of its own`
    : null;
}

/** What a machine cannot do of a plan. */
function refuses({steps, limits}: Parameters<NonNullable<Engine['refuses']>>[0]): Reason | null {
  const applications = steps.filter((step) => step.op === 'application.execute');
  if (applications.length > 1) return NO_SERVICES;
  if (applications.some(({system}) => system?.first === true)) return 'boots no init of the image';
  const namespaces = steps.find((step) => step.op === 'namespace.unshare')?.namespaces ?? [];
  if (!namespaces.includes('network') || steps.some(({op}) => op.startsWith('network.'))) return NO_NETWORK;
  if (steps.some(isForeignDevice)) return 'gives a machine no devices of the node';
  return unfit(limits);
}

/** QEMU, as a child of the shim: the bridge (native/machine.c) is the child, and qemu and virtiofsd are its children. */
export const engine: Engine<readonly Part[]> = {
  name: 'qemu',
  kind: 'child',
  // of root's wrapper, for virtiofsd
  userNamespace: true,
  program: {
    places: ['/usr/bin/qemu-system-x86_64', '/usr/local/bin/qemu-system-x86_64'],
    version: {argument: '--version', pattern: /^QEMU emulator version (\d+(?:\.\d+)+)/},
    setuid: null,
    abilities: {[KVM_DEVICE]: {since: KVM_DEVICE_SINCE}},
    parts: [
      {
        name: 'virtiofsd',
        places: ['/usr/libexec/virtiofsd', '/usr/lib/virtiofsd', '/usr/local/libexec/virtiofsd'],
        needed: true,
        written: false,
        words: {found: null, missing: null},
      },
      {
        name: 'kernel',
        places: ['/usr/local/lib/tare/vmlinuz', '/boot/vmlinuz-*'],
        needed: true,
        written: false,
        words: {found: 'its kernel is %', missing: null},
      },
      {
        name: 'kvm',
        places: ['/dev/kvm'],
        needed: false,
        written: true,
        // without these a /dev/kvm is not the hardware's
        processor: /^flags\s*:.*\b(?:vmx|svm)\b/m,
        words: {
          found: 'by KVM',
          missing: 'emulated (TCG), many times slower: /dev/kvm is not there or cannot be opened, or the processor has no virtualization',
        },
        lacking: 'emulated',
      },
    ],
    apparmor: {profiles: [], remedy: 'install an AppArmor profile for tare with the rule "userns,"'},
  },
  patterns: {'ulimit++': ONE_PAYLOAD, 'quotas++': ONE_PAYLOAD, 'vm-lite': {version: LEAST, kernel: KERNEL}},
  onlyListed: ['vm-lite'],
  folders: [{name: FOLDER, written: false, because: 'what the virtual machine has of the node’s files'}],
  prepared: false,
  covers: 'none',
  listens: false,
  tellsFiles: false,
  groups: 'none',
  skipsMissing: false,
  steps: STEPS,
  sealed: SEALED,
  refuses,
  translate: (task, parts) => ({files: [], argv: argvOf(task, parts.flat())}),
  words: {
    about: 'runs a small machine as a virtual machine, with a kernel of its own',
    manual: 'qemu-system-x86_64(1), virtiofsd’s README',
    versions: `${LEAST}, with virtiofsd 1.0, Linux ${KERNEL.join('.')} and a kernel that has virtiofs, virtio-pci and virtio-console built in`,
    install: 'install qemu-system-x86, virtiofsd and a kernel for virtual machines (linux-image-cloud-amd64)',
    filter: 'init loads it (seccomp(2)) in the machine; qemu and virtiofsd have filters of their own',
    unclaimed: {
      'services in the record': NO_SERVICES,
      'network of the node': NO_NETWORK,
      'tare exec': SEALED,
      'tare exec, its end': SEALED,
      'an output that is a file': 'gives the payload a pipe: what it writes comes to the file',
      'CPU time': WHOLE,
      'wall time of a payload that does not heed SIGTERM': KILLED_WHOLE,
      'CPU time in the record': WHOLE,
      'CPU time of a family': WHOLE,
      'memory in the record': WHOLE,
      'engine killed at each step': 'has a bridge that carries the payload’s bytes: without it the box ends',
    },
    lacks: ({less = []}) => {
      const [one] = less;
      return one === undefined ? null : {lacking: 'KVM', costs: one.because, remedy: 'give the account access to /dev/kvm'};
    },
  },
};
