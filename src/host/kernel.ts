/** The kernel's release, the node's name and the boot. */

import type {Facts} from './facts.js';
import type {Tree} from './tree.js';

export type KernelVersion = Facts['kernel']['version'];

export function readKernel(tree: Tree): Facts['kernel'] {
  const path = '/proc/sys/kernel/osrelease';
  const release = (tree.text(path) ?? '').trim();
  return {release, version: parseRelease(release), how: path};
}

export function readNode(tree: Tree): Facts['node'] {
  const bootId = tree.text('/proc/sys/kernel/random/boot_id')?.trim();
  return {
    hostname: (tree.text('/proc/sys/kernel/hostname') ?? '').trim(),
    bootId: bootId === undefined || bootId === '' ? null : bootId,
    how: '/proc/sys/kernel/hostname, /proc/sys/kernel/random/boot_id',
  };
}

export function parseRelease(release: string): KernelVersion {
  const [, major = '0', minor = '0'] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  return [Number(major), Number(minor)];
}

export function atLeast(version: KernelVersion, wanted: KernelVersion): boolean {
  return version[0] > wanted[0] || (version[0] === wanted[0] && version[1] >= wanted[1]);
}
