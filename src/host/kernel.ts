/** The kernel's release, the node's name and the boot. */

import type {Facts} from './facts.js';
import type {Tree} from './tree.js';

/** Major and minor number. */
export type KernelVersion = Facts['kernel']['version'];

/** The kernel's release and version; release '' and version 0.0 where /proc is not mounted. */
export function readKernel(tree: Tree): Facts['kernel'] {
  const path = '/proc/sys/kernel/osrelease';
  const release = (tree.text(path) ?? '').trim();
  return {release, version: parseRelease(release), how: path};
}

/** The node's host name, and the id of this boot (random(4)); null where /proc does not tell. */
export function readNode(tree: Tree): Facts['node'] {
  const bootId = tree.text('/proc/sys/kernel/random/boot_id')?.trim();
  return {
    hostname: (tree.text('/proc/sys/kernel/hostname') ?? '').trim(),
    bootId: bootId === undefined || bootId === '' ? null : bootId,
    how: '/proc/sys/kernel/hostname, /proc/sys/kernel/random/boot_id',
  };
}

/** The first two numbers of a release such as `6.12.0-55.el10`; 0.0 where there are none. */
export function parseRelease(release: string): KernelVersion {
  const [, major = '0', minor = '0'] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  return [Number(major), Number(minor)];
}

/** Whether a version is as new as another, or newer. */
export function atLeast(version: KernelVersion, wanted: KernelVersion): boolean {
  return version[0] > wanted[0] || (version[0] === wanted[0] && version[1] >= wanted[1]);
}
