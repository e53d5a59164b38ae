/** What libvirt's LXC driver is told for each step, and what it leaves to init. */

import type {EngineSteps} from '@tare/contract';
import {xmlText} from './xml.js';

/** Where init finds what it connects to, in a /dev that is libvirt's own for each box: no such directory has to be on the node. */
export const PLACE = '/dev/.tare';

/**
 * What a step becomes: lines of `<devices>`, of `<features>`, or what init does with a path (native/README.md, Tools, `tare-connect`) when all is
 * mounted and before it gives up root's rights.
 */
export type Part = {device: readonly string[]} | {feature: string} | {init: readonly [word: string, path: string]};

/** A directory or a file of the node in the box, without what is mounted below it. */
export const bound = (source: string, target: string, readOnly: boolean): Part => ({
  device: [
    '<filesystem type="mount">',
    `  <source dir="${xmlText(source)}"/>`,
    `  <target dir="${xmlText(target)}"/>`,
    ...(readOnly ? ['  <readonly/>'] : []),
    '</filesystem>',
  ],
});

const KIB = 1024;
/** libvirt mounts none without a size: this is as good as none. */
const UNSIZED_BYTES = 2 ** 40;

const inMemory = (target: string, bytes: number | null): Part => ({
  device: [
    '<filesystem type="ram">',
    `  <source usage="${String(Math.ceil((bytes ?? UNSIZED_BYTES) / KIB))}" units="KiB"/>`,
    `  <target dir="${xmlText(target)}"/>`,
    '</filesystem>',
  ],
});

/** Its group of devices lets the box open it; what is bound over the file that libvirt makes has the node's owner and mode. */
const device = (path: string): Part => ({
  device: [`<hostdev mode="capabilities" type="misc"><source><char>${xmlText(path)}</char></source></hostdev>`],
});

const MOUNTED_BEFORE = 'does not see what is mounted for a box before it starts';
const NO_MACHINES = 'builds no small machines';

/** libvirt mounts in the order of its elements. /proc, /sys and /dev are its own in any box. */
export const STEPS: EngineSteps<readonly Part[]> = {
  'namespace.unshare': ({namespaces}) => (namespaces.includes('network') ? [{feature: '<privnet/>'}] : []),
  'hostname.set': ({hostname}) => [{init: ['hostname', hostname]}],
  'mount.bind': ({source, destination, options, optional}, {exists}) => {
    if (optional && !exists(source)) return [];
    const isDevice = options.includes('dev');
    return [...(isDevice ? [device(destination)] : []), bound(source, destination, !isDevice && !options.includes('rw'))];
  },
  'cvmfs.bind': ({source, destination}) => [bound(source, destination, true)],
  // libvirt's own figures lie over the kernel's, and are its group's, in which the box is not
  // and where a payload is to have a /proc of its own, the kernel gives it none below one of which a part is covered (user_namespaces(7))
  'mount.proc': ({destination}, {nestsProc}) =>
    ['meminfo', ...(nestsProc ? ['sys'] : [])].map((name) => ({init: ['uncover', `${destination}/${name}`]})),
  'mount.sys': () => [],
  'image.root': 'has no store of images',
  'mount.dev': ({queues}) => (queues === undefined ? [] : [{init: ['queues', queues]}]),
  'mount.tmpfs': ({destination, mode, sizeBytes}) => [inMemory(destination, sizeBytes), {init: [mode, destination]}],
  'mount.readonly': ({destination}) => [{init: ['readOnly', destination]}],
  // init does it
  'privileges.drop': () => [],
  'mount.move': MOUNTED_BEFORE,
  'mount.closed': MOUNTED_BEFORE,
  'paths.protect': NO_MACHINES,
  'accounts.provide': NO_MACHINES,
};
