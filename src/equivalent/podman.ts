/** Plan to a command of podman(1). */

import {plainName} from '../job/image-name.js';
import {byOomGroup, differs, type Tool} from './answers.js';
import {containerAnswers, EMPTY, expressContainer, LOADED, type Engine} from './docker.js';
import type {Outline} from './outline.js';

const {aspects, limits} = containerAnswers('podman');

/** Podman has no daemon, runs a directory as it is, and writes to files of control groups. */
export const PODMAN: Tool = {
  title: 'Podman',
  aspects: {
    ...aspects,
    account: differs('--user, --group-add', 'a user keeps the own id, and no other group.', ({isRoot}) => !isRoot),
    image: differs('--rootfs, or an image of its own', 'an image that is no directory is written to a copy of podman’s own.'),
    killsAll: byOomGroup('--cgroup-conf memory.oom.group'),
  },
  limits: {
    ...limits,
    memoryHigh: differs('--cgroup-conf memory.high', 'only control groups of version 2 have it.', ({groups}) => groups === 1),
  },
  express: (outline) => expressContainer(outline, ENGINE),
};

// podman fills a file system in memory with what the box has there, unless it is told not to
const ENGINE: Engine = {program: 'podman', options, tmpfs: ['notmpcopyup'], rootWords};

function options({isRoot, groups, limits, killsAll}: Outline): string[][] {
  const files = [
    ...(limits.memoryHigh === null ? [] : [`memory.high=${String(limits.memoryHigh)}`]),
    ...(killsAll ? ['memory.oom.group=1'] : []),
  ];
  return [
    // the account of a rootless container is a subordinate id else; the node's /etc/passwd is read-only
    ...(isRoot ? [] : [['--userns', 'keep-id'], ['--passwd=false']]),
    ...(groups === 1 ? [] : files.map((file) => ['--cgroup-conf', file])),
  ];
}

/** `--rootfs DIR:O` has a layer over the directory, which is gone at the end. */
function rootWords({root}: Outline): string[] {
  if (root.kind === 'node') return [EMPTY];
  if (root.tree !== null) return ['--rootfs', root.writable ? `${root.tree}:O` : root.tree];
  if (root.format === 'squashfs') return [LOADED];
  if (root.format === 'reference') return [plainName(root.path)];
  return [`${root.format === 'oci-layout' ? 'oci' : root.format}:${root.path}`];
}
